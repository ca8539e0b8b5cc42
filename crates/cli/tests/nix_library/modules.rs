//! The modules, in our own small module system and in that of a real tree.
//!
//! Does not activate anything.

use std::path::Path;

use serde_json::{Value, json};

use crate::nix::{Host, SHOSHIN, package_sets, tree};

/// Evaluates a module with a user's configuration.
fn configured(
    host: &Host,
    packages: &Path,
    module: &str,
    user: &str,
    ask: &str,
) -> Result<Value, String> {
    let settings = host.home.path().join("settings.json").display().to_string();
    let module = tree("nix/modules").join(module).display().to_string();
    let expression = format!(
        "let
           lib = base.lib;
           user = {{ ironwright = {{ enable = true; settings = {settings}; }} // ({user}); }};
           pkgs = base // {{ nix = {{ name = \"nix\"; type = \"derivation\"; }}; }};
           small = lib.evalModule {{ module = {module}; inherit user; arguments = {{ inherit lib pkgs; }}; }};
           large = lib.evalModules {{
             specialArgs = {{ inherit pkgs; }};
             # A free form merges functions by their results, and an overlay's is everything.
             modules = [ {module} user {{
               config._module.freeformType = lib.types.lazyAttrsOf lib.types.anything;
               options.nixpkgs.overlays = lib.mkOption {{ type = lib.types.listOf lib.types.raw; default = [ ]; }};
               options.assertions = lib.mkOption {{ type = lib.types.listOf lib.types.raw; default = [ ]; }};
             }} ];
           }};
           config = (if lib ? evalModules then large else small).config;
         in {ask}"
    );
    host.evaluate(packages, &expression)
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_home_gets_nixs_options_variables_and_overlays() {
    let host = Host::of(SHOSHIN);
    let user = "{ nix.maxJobs = 3; nix.sandboxPaths = [ \"/run/x\" ]; governor.enable = true; package = base.zstd; }";
    for packages in package_sets() {
        let found = configured(
            &host,
            &packages,
            "home-manager.nix",
            user,
            "{
               nix = config.nix.settings;
               jobs = config.home.sessionVariables.CARGO_BUILD_JOBS;
               start = config.systemd.user.services.ironwright-governor.Service.ExecStart
                 == \"${base.zstd}/bin/ironwright govern --idle 31536000\";
               overlay = (set { inherit (config.nixpkgs) overlays; }).zstd.drvPath != base.zstd.drvPath;
               said = [ config.assertions config.warnings ];
             }",
        )
        .unwrap();
        assert_eq!(
            found["nix"],
            json!({
                "max-jobs": 3, "cores": 6, "timeout": 86_400, "max-silent-time": 7_200,
                "http-connections": 128, "extra-sandbox-paths": ["/run/x"],
            }),
            "{}",
            packages.display()
        );
        assert_eq!(found["jobs"], "3");
        assert_eq!(found["start"], true);
        assert_eq!(found["overlay"], true);
        assert_eq!(found["said"][1], json!([]));
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn nixos_gets_zram_sysctl_and_the_daemons_limits() {
    let host = Host::of(SHOSHIN);
    let user = "{ zram.enable = true; sysctl.enable = true; sysctl.swappiness = 150; }";
    for packages in package_sets() {
        let found = configured(
            &host,
            &packages,
            "nixos.nix",
            user,
            "{
               zram = config.zramSwap;
               sysctl = config.boot.kernel.sysctl;
               daemon = config.systemd.services.nix-daemon.serviceConfig;
               glibc = (set { inherit (config.nixpkgs) overlays; }).glibc.drvPath != base.glibc.drvPath;
             }",
        )
        .unwrap();
        assert_eq!(
            found["zram"],
            json!({"enable": true, "memoryPercent": 75, "algorithm": "zstd"})
        );
        assert_eq!(found["sysctl"], json!({"vm.swappiness": 150, "vm.page-cluster": 0}));
        // 16 GiB less the 3 GiB in reserve, and half of those.
        assert_eq!(found["daemon"], json!({"MemoryHigh": 13_u64 << 30, "MemoryMax": 29_u64 << 29}));
        assert_eq!(found["glibc"], true);
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_bootstrap_library_is_refused_at_home_with_the_reason() {
    let profile = format!("{SHOSHIN}[packages.glibc]\nc-march = \"x86-64-v3\"\n");
    let host = Host::of(&profile);
    let asked = "{ overlays.libraries = [ \"glibc\" \"zstd\" ]; }";
    for packages in package_sets() {
        let at = |module: &str| {
            let ask = "{ failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
                         inherit (config) warnings;
                         changed = let p = set { inherit (config.nixpkgs) overlays; }; in
                           map (n: p.${n}.drvPath != base.${n}.drvPath) [ \"glibc\" \"zstd\" \"libsodium\" ]; }";
            configured(&host, &packages, module, asked, ask).unwrap()
        };
        let home = at("home-manager.nix");
        assert!(home["failed"][0].as_str().unwrap().contains("glibc is part of what everything"));
        assert!(home["warnings"][0].as_str().unwrap().contains("packages.glibc is left alone"));
        assert_eq!(home["changed"], json!([false, true, false]));
        let system = at("nixos.nix");
        assert_eq!(system["failed"], json!([]));
        assert_eq!(system["warnings"], json!([]));
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_value_of_a_wrong_type_is_told_and_nothing_is_set_when_disabled() {
    let host = Host::of(SHOSHIN);
    for packages in package_sets() {
        let wrong = configured(
            &host,
            &packages,
            "nixos.nix",
            "{ zram.percent = \"much\"; }",
            "config.ironwright.zram.percent",
        );
        let error = wrong.unwrap_err();
        assert!(error.contains("ironwright.zram.percent"), "{error}");
        let set_keys = "let is = n: config ? ${n} && (builtins.tryEval (builtins.deepSeq config.${n} true)).success;
                   in builtins.filter is [ \"nix\" \"zramSwap\" \"boot\" \"systemd\" \"environment\" ]";
        let off = configured(&host, &packages, "nixos.nix", "{ enable = false; }", set_keys);
        assert_eq!(off.unwrap(), json!([]), "{}", packages.display());
    }
}
