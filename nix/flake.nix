{
  description = "Overlays and modules whose every value comes from the host's profile";

  inputs.nixpkgs.url = "nixpkgs";

  outputs =
    { self, nixpkgs }:
    let
      library = import ./lib;
      # With settings beside this file the overlays apply them; without, they change nothing.
      here = import ./. { };
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
      each =
        make:
        builtins.listToAttrs (
          map (system: {
            name = system;
            value = make nixpkgs.legacyPackages.${system};
          }) systems
        );
      hasSource = builtins.pathExists ../Cargo.lock;
    in
    {
      lib = library // {
        # A configured library: `lib.configure { settings = ./settings.json; }`.
        configure = import ./.;
      };
      inherit (here) overlays homeModules nixosModules;
      packages =
        if hasSource then
          each (pkgs: rec {
            ironwright = pkgs.callPackage ./package.nix { };
            default = ironwright;
          })
        else
          { };
    };
}
