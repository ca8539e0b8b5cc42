# For NixOS: Nix's options, the daemon's memory, zram, sysctl, session variables, overlays.
#
# Does not know users; what is one user's stands in the home-manager module.
{
  config,
  lib,
  ...
}:
let
  common = import ./common.nix {
    inherit config lib;
    level = "system";
  };
  inherit (common) cfg;
  inherit (lib) mkIf mkMerge;
in
{
  options.ironwright = common.options;

  config = mkIf cfg.enable (mkMerge [
    {
      inherit (common) assertions warnings;
    }
    (mkIf cfg.overlays.enable { nixpkgs.overlays = [ common.overlay.default ]; })
    (mkIf cfg.nix.enable { nix.settings = common.defaults common.nixSettings; })
    (mkIf cfg.session.enable { environment.variables = common.defaults cfg.session.variables; })
    (mkIf (cfg.package != null) { environment.systemPackages = [ cfg.package ]; })
    (mkIf cfg.zram.enable {
      zramSwap = common.defaults (
        {
          enable = true;
        }
        // common.present {
          memoryPercent = cfg.zram.percent;
          inherit (cfg.zram) algorithm;
        }
      );
    })
    (mkIf cfg.sysctl.enable {
      boot.kernel.sysctl = common.defaults (
        common.present {
          "vm.swappiness" = cfg.sysctl.swappiness;
          "vm.page-cluster" = cfg.sysctl.pageCluster;
        }
      );
    })
    (mkIf cfg.daemon.enable {
      systemd.services.nix-daemon.serviceConfig = common.present {
        MemoryHigh = cfg.daemon.memoryHigh;
        MemoryMax = cfg.daemon.memoryMax;
      };
    })
  ]);
}
