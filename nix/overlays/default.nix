# The overlays, each a function of the settings; `default` composes those that the host opted in to.
#
# Order: libraries before what is linked with them, compilers before interpreters, and single packages
# last, so that what the profile says of one package is not done twice. Does not know nixpkgs.
given:
let
  loaded = (import ../lib).ensure given;
  order = [
    "system-libs"
    "cpp-cuda"
    "rust"
    "go"
    "python"
    "nodejs"
    "packages"
  ];
  each = {
    system-libs = import ./system-libs.nix loaded;
    cpp-cuda = import ./cpp-cuda.nix loaded;
    rust = import ./rust.nix loaded;
    go = import ./go.nix loaded;
    python = import ./python.nix loaded;
    nodejs = import ./nodejs.nix loaded;
    packages = import ./packages.nix loaded;
  };
  chosen = builtins.filter (name: builtins.elem name loaded.overlays) order;
  # The later overlay sees what the earlier one made.
  compose =
    first: second: final: prev:
    let
      changed = first final prev;
    in
    changed // second final (prev // changed);
in
each
// {
  default = builtins.foldl' (all: name: compose all each.${name}) (_: _: { }) chosen;
}
