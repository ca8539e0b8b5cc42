# The options of both modules.
#
# Their defaults are the host's settings, which `loaded` holds. Does not know what the options do.
{
  lib,
  loaded,
  level,
}:
let
  inherit (lib) mkOption types;
  inherit (loaded) settings;
  libraries = import ../lib/libraries.nix;
  overlayNames = [
    "system-libs"
    "cpp-cuda"
    "rust"
    "go"
    "python"
    "nodejs"
    "packages"
  ];

  # An option whose default is a knob's value.
  ofKnob =
    id: type: description:
    mkOption {
      type = types.nullOr type;
      default = settings.${id};
      defaultText = "the setting `${id}`";
      inherit description;
    };
  switch =
    default: description:
    mkOption {
      type = types.bool;
      inherit default description;
    };

  both = {
    enable = switch false "Whether to apply the settings of this host's profile.";

    settings = mkOption {
      type = types.nullOr (types.either types.path types.attrs);
      default = null;
      description = "What `ironwright emit nix` wrote: a file, a directory of `<host>.json`, or an attribute set. Without it, the `settings.json` beside the library, else the universal profile.";
    };

    host = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "The host's name, where `settings` is a directory. A host without a file gets the universal profile.";
    };

    package = mkOption {
      type = types.nullOr types.package;
      default = null;
      description = "Ironwright itself, to be installed.";
    };

    overlays = {
      enable = switch true "Whether nixpkgs gets the overlays that the host opted in to.";
      only = mkOption {
        type = types.nullOr (types.listOf (types.enum overlayNames));
        default = null;
        description = "Overlays to apply instead of those in the setting `nix-overlays`.";
      };
      libraries = mkOption {
        type = types.nullOr (types.listOf (types.enum libraries.names));
        default = null;
        description =
          "Libraries that the overlay `system-libs` may change; without it, all that are allowed."
          + (
            if level == "home" then
              " Those that everything is bootstrapped from (${builtins.concatStringsSep ", " (libraries.refusedAt "home")}) are refused here."
            else
              ""
          );
      };
    };

    nix = {
      enable = switch true "Whether to set Nix's own options.";
      maxJobs =
        ofKnob "nix-max-jobs" types.ints.unsigned
          "Derivations that Nix builds at a time (`max-jobs`).";
      cores =
        ofKnob "nix-cores" types.ints.unsigned
          "Threads that one derivation is told to use (`cores`).";
      timeout =
        ofKnob "nix-timeout" types.ints.unsigned
          "Longest time of one derivation, in seconds (`timeout`).";
      maxSilentTime =
        ofKnob "nix-max-silent-time" types.ints.unsigned
          "Longest silence of one derivation, in seconds (`max-silent-time`).";
      httpConnections =
        ofKnob "nix-http-connections" types.ints.unsigned
          "Connections to binary caches (`http-connections`).";
      sandboxPaths = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Paths that builds may see in their sandbox (`extra-sandbox-paths`), such as the governor's directory. Takes effect for trusted users only.";
      };
    };

    session = {
      enable = switch true "Whether shells get the variables of the applied settings, `CARGO_BUILD_JOBS` and the like.";
      variables = mkOption {
        type = types.attrsOf types.str;
        default = loaded.environment;
        defaultText = "the variables of the applied settings";
        description = "Variables for shells.";
      };
    };
  };

  home = {
    governor = {
      enable = switch false "Whether the governor runs as a service of the user. Builds start it by themselves; a service keeps it for those that nothing starts it for.";
      idle = mkOption {
        type = types.ints.positive;
        default = 31536000;
        description = "Seconds without anything to govern after which it ends.";
      };
    };
  };

  system = {
    zram = {
      enable = switch false "Whether to set up zram as swap.";
      percent = ofKnob "zram-percent" types.ints.positive "What zram may hold, in percent of memory.";
      algorithm = ofKnob "zram-algorithm" types.str "How zram compresses.";
    };

    sysctl = {
      enable = switch false "Whether to set how the kernel swaps.";
      swappiness =
        ofKnob "swappiness" types.ints.unsigned
          "How readily the kernel swaps (`vm.swappiness`).";
      pageCluster =
        ofKnob "page-cluster" types.ints.unsigned
          "Pages read ahead from swap, as a power of two (`vm.page-cluster`).";
    };

    daemon = {
      enable = switch true "Whether the Nix daemon's builds are limited in memory.";
      memoryHigh =
        ofKnob "nix-daemon-memory-high" types.ints.positive
          "Bytes from which on the kernel reclaims from them (`MemoryHigh`).";
      memoryMax =
        ofKnob "nix-daemon-memory-max" types.ints.positive
          "Bytes beyond which one of them is killed (`MemoryMax`).";
    };
  };
in
both // (if level == "home" then home else system)
