# What the profile says of single packages: `packages.<name>`.
#
# Only knobs that were set for the package count, and a package that an earlier overlay changed already
# has them. Does not know what a package is written in: each knob says that.
given:
let
  library = import ../lib;
  loaded = library.ensure given;
  inherit (library) libraries;
in
final: prev:
let
  inherit
    (library.languages {
      inherit loaded;
      pkgs = prev;
    })
    ownOverrides
    ;
  wanted = builtins.filter (name: prev ? ${name}) (builtins.attrNames loaded.packages);
  allowed = builtins.filter (name: libraries.refusal loaded.level name == null) wanted;

  stages = library.stages { inherit loaded prev; };
  inherit (stages) pick;

  tuned =
    name: package:
    let
      own = ownOverrides name;
    in
    # An earlier overlay that knows the package has told what it cannot apply.
    if package ? ironwright then
      package
    else
      library.telling name own.unused (
        if own.isIdle then
          package
        else
          library.tune {
            pkgs = prev;
            inherit package;
            inherit (own)
              append
              set
              inputs
              extra
              ;
          }
      );
in
stages.changed allowed tuned
// {
  ironwrightReport = (prev.ironwrightReport or { }) // {
    packages = pick (builtins.attrNames loaded.packages) (
      name:
      let
        reason = libraries.refusal loaded.level name;
      in
      if !(prev ? ${name}) then
        {
          applied = false;
          reason = "this nixpkgs has no ${name}";
        }
      else if reason != null then
        {
          applied = false;
          inherit reason;
        }
      else
        {
          applied = !(ownOverrides name).isIdle;
          inherit (ownOverrides name) unused;
        }
    );
  };
}
