# System libraries for the host's processor: flags after what each package sets itself.
#
# At the level "home" the stages that the compiler is bootstrapped in stay as they are, so nothing of
# stdenv is rebuilt; at "system" every stage is changed. Does not know which flags pay.
given:
let
  library = import ../lib;
  loaded = library.ensure given;
  inherit (library) libraries;
in
final: prev:
let
  isBootstrapping = builtins.match "bootstrap-.*" (prev.stdenv.name or "") != null;
  # The compiler of the bootstrap files is old, and its output is thrown away.
  cc = prev.stdenv.cc or { };
  isFromFiles = cc.isFromBootstrapFiles or (cc.cc or { }).isFromBootstrapFiles or false;
  isLeftAlone = isFromFiles || (isBootstrapping && loaded.level == "home");

  present = builtins.filter (name: prev ? ${name}) libraries.names;
  isWanted = name: (loaded.libraries or null) == null || builtins.elem name loaded.libraries;
  allowed = builtins.filter (
    name: isWanted name && libraries.refusal loaded.level name == null
  ) present;

  changesOf =
    name:
    let
      package = loaded.of name;
      about = libraries.table.${name};
      link =
        if about.kind == "free" then
          library.linkFlags {
            inherit package;
            pkgs = prev;
          }
        else
          null;
    in
    {
      pkgs = prev;
      append = {
        NIX_CFLAGS_COMPILE = library.compileFlags {
          inherit loaded package;
          inherit (prev) stdenv;
          inherit (about) lto;
        };
        NIX_CFLAGS_LINK = if link == null then [ ] else link.flags;
      };
      inputs = if link == null then [ ] else link.inputs;
    };

  changed =
    name: package:
    if isLeftAlone then package else library.tune (changesOf name // { inherit package; });

  pick =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );

  # The last stage takes some libraries from an earlier one, after all overlays. Where that one was left
  # alone they are changed on the way.
  overridden = self: super: (prev.stdenv.overrides or (_: _: { })) self super;
  stdenv = prev.stdenv // {
    overrides =
      self: super:
      let
        inherited = overridden self super;
      in
      inherited
      // pick (builtins.filter (name: inherited ? ${name}) allowed) (
        name: changed name inherited.${name}
      );
  };
in
pick allowed (name: changed name prev.${name})
// (
  if loaded.level == "home" && prev ? stdenv then
    { stdenv = if isLeftAlone then prev.stdenv else stdenv; }
  else
    { }
)
// {
  # What was done, and what was refused and why.
  ironwrightReport = (prev.ironwrightReport or { }) // {
    system-libs = pick present (
      name:
      let
        reason =
          if isWanted name then libraries.refusal loaded.level name else "the host did not ask for it";
      in
      if reason == null then
        {
          applied = prev.${name} ? overrideAttrs;
          inherit (changesOf name) append;
        }
      else
        {
          applied = false;
          inherit reason;
        }
    );
  };
}
