# Ironwright itself.
#
# Does not know releases: it builds the source tree that it stands in.
{
  lib,
  rustPlatform,
  src ? ../.,
}:
let
  manifest =
    if builtins.pathExists (src + "/Cargo.toml") then
      builtins.fromTOML (builtins.readFile (src + "/Cargo.toml"))
    else
      throw "ironwright: package.nix needs the source tree: pass it as `src`";
in
rustPlatform.buildRustPackage {
  pname = "ironwright";
  inherit (manifest.workspace.package) version;
  inherit src;
  cargoLock.lockFile = src + "/Cargo.lock";
  cargoBuildFlags = [
    "--package"
    "ironwright"
  ];
  # The tests look at the machine that they run on.
  doCheck = false;
  meta = {
    description = "Measures a machine, derives every build setting from it and runs builds that fit";
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "ironwright";
    platforms = lib.platforms.linux;
  };
}
