# Where in the bootstrap of a package set packages are changed.
#
# At the level "home" the stages that the compiler is bootstrapped in stay as they are, so nothing of stdenv
# is rebuilt; at "system" every stage is changed. Does not know how a package is changed.
{ loaded, prev }:
let
  isBootstrapping = builtins.match "bootstrap-.*" (prev.stdenv.name or "") != null;
  # The compiler of the bootstrap files is old, and its output is thrown away.
  cc = prev.stdenv.cc or { };
  isFromFiles = cc.isFromBootstrapFiles or (cc.cc or { }).isFromBootstrapFiles or false;
  isLeftAlone = isFromFiles || (isBootstrapping && loaded.level == "home");

  pick =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );
in
{
  inherit pick;

  # These packages, changed by `change name package`, as an overlay gives them.
  changed =
    names: change:
    let
      # The last stage takes some libraries from an earlier one, after all overlays. Where that one was left
      # alone they are changed on the way.
      overridden = self: super: (prev.stdenv.overrides or (_: _: { })) self super;
      stdenv = prev.stdenv // {
        overrides =
          self: super:
          let
            inherited = overridden self super;
            taken = builtins.filter (name: inherited ? ${name}) names;
          in
          inherited // pick taken (name: change name inherited.${name});
      };
    in
    pick names (name: if isLeftAlone then prev.${name} else change name prev.${name})
    // (
      if loaded.level == "home" && prev ? stdenv then
        { stdenv = if isLeftAlone then prev.stdenv else stdenv; }
      else
        { }
    );
}
