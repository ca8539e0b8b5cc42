# What both modules compute from their options.
#
# Does not know where it goes; the modules do.
{
  lib,
  config,
  level,
}:
let
  library = import ../lib;
  cfg = config.ironwright;

  beside = ../settings.json;
  given =
    if cfg.settings != null then
      cfg.settings
    else if builtins.pathExists beside then
      beside
    else
      { };
  loaded = library.load {
    settings = given;
    inherit (cfg) host;
    inherit level;
  };

  present =
    set:
    builtins.removeAttrs set (builtins.filter (name: set.${name} == null) (builtins.attrNames set));

  # Libraries that the profile names for themselves and that this level may not change.
  refused = builtins.filter (name: library.libraries.refusal level name != null) (
    builtins.attrNames loaded.packages
  );
  asked = if cfg.overlays.libraries == null then [ ] else cfg.overlays.libraries;
  forbidden = builtins.filter (name: library.libraries.refusal level name != null) asked;
in
{
  inherit cfg loaded;

  options = import ./options.nix { inherit lib loaded level; };

  overlay = import ../overlays (
    loaded
    // {
      overlays = if cfg.overlays.only == null then loaded.overlays else cfg.overlays.only;
      libraries = cfg.overlays.libraries;
    }
  );

  nixSettings =
    present {
      max-jobs = cfg.nix.maxJobs;
      inherit (cfg.nix) cores timeout;
      max-silent-time = cfg.nix.maxSilentTime;
      http-connections = cfg.nix.httpConnections;
    }
    // (if cfg.nix.sandboxPaths == [ ] then { } else { extra-sandbox-paths = cfg.nix.sandboxPaths; });

  inherit present;

  # What a user sets beside it wins.
  defaults = builtins.mapAttrs (_: lib.mkDefault);

  assertions = map (name: {
    assertion = false;
    message = "ironwright: ${library.libraries.refusal level name}";
  }) forbidden;

  warnings = map (
    name: "ironwright: packages.${name} is left alone: ${library.libraries.refusal level name}"
  ) refused;
}
