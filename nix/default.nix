# The library without flakes: `import ./nix { settings = ./nix/settings.json; }`.
#
# Does not know nixpkgs: the overlays and modules that it returns are given one.
{
  # What `ironwright emit nix` wrote: a file, a directory of <host>.json, or an attribute set.
  settings ? if builtins.pathExists ./settings.json then ./settings.json else { },
  # The host, where `settings` is a directory.
  host ? null,
  # Who applies the overlays: "home" (home-manager, one user's packages) or "system" (NixOS).
  level ? "home",
}:
let
  library = import ./lib;
  loaded = library.load { inherit settings host level; };
in
{
  settings = loaded;
  lib = library;
  overlays = import ./overlays loaded;
  homeModules = rec {
    ironwright = ./modules/home-manager.nix;
    default = ironwright;
  };
  nixosModules = rec {
    ironwright = ./modules/nixos.nix;
    default = ironwright;
  };
}
