# For home-manager: Nix's options, session variables, overlays, and the governor as a user service.
#
# Does not know other hosts; one configuration serves several by `ironwright.host`.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  common = import ./common.nix {
    inherit config lib;
    level = "home";
  };
  inherit (common) cfg;
  inherit (lib) mkDefault mkIf mkMerge;
in
{
  options.ironwright = common.options;

  config = mkIf cfg.enable (mkMerge [
    {
      inherit (common) assertions warnings;
    }
    (mkIf cfg.overlays.enable { nixpkgs.overlays = [ common.overlay.default ]; })
    (mkIf cfg.nix.enable {
      nix.package = mkDefault pkgs.nix;
      nix.settings = common.defaults common.nixSettings;
    })
    (mkIf cfg.session.enable { home.sessionVariables = common.defaults cfg.session.variables; })
    (mkIf (cfg.package != null) { home.packages = [ cfg.package ]; })
    (mkIf cfg.governor.enable {
      assertions = [
        {
          assertion = cfg.package != null;
          message = "ironwright: ironwright.governor.enable needs ironwright.package";
        }
      ];
      systemd.user.services.ironwright-governor = {
        Unit.Description = "Lets compilers start when there is memory for them";
        Service = {
          ExecStart = "${toString cfg.package}/bin/ironwright govern --idle ${toString cfg.governor.idle}";
          Restart = "on-failure";
        };
        Install.WantedBy = [ "default.target" ];
      };
    })
  ]);
}
