//! Overlays: flags reach derivations, and nothing else changes.
//!
//! Does not build.

use serde_json::json;

use crate::nix::{Host, SHOSHIN, command, last_error, package_sets, tree};

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn with_every_overlay_the_derivations_contain_the_flags() {
    let host = Host::of(SHOSHIN);
    for packages in package_sets() {
        let flags = host
            .evaluate(
                &packages,
                "let has = set: name: contains \"-march=skylake\" (text (set.${name}.unwrapped or set.${name}));
                 in {
                   home = builtins.map (has home) [ \"zstd\" \"openssl\" \"libsodium\" \"python3\" \"bzip2\" \"xz\" \"rustc\" ];
                   system = builtins.map (has system) [ \"glibc\" \"zlib\" \"zstd\" \"xz\" \"openssl\" ];
                   target = contains \"-Ctarget-cpu=skylake\" (text home.rustc.unwrapped);
                   none = builtins.map (has base) [ \"zstd\" \"openssl\" \"glibc\" ];
                 }",
            )
            .unwrap();
        let wanted = json!({
            "home": vec![true; 7], "system": vec![true; 5], "target": true, "none": vec![false; 3],
        });
        assert_eq!(flags, wanted, "{}", packages.display());
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn without_overlays_every_derivation_is_untouched() {
    let opted_out = SHOSHIN.split("[settings]").next().unwrap().to_owned();
    for profile in ["schema = 1\n".to_owned(), opted_out] {
        let host = Host::of(&profile);
        for packages in package_sets() {
            let changed = host
                .evaluate(
                    &packages,
                    "let
                       paths = set: builtins.mapAttrs (_: p: p.drvPath) (builtins.intersectAttrs base set);
                       names = [ \"zstd\" \"openssl\" \"libsodium\" \"python3\" \"rustc\" \"bzip2\" \"xz\" \"glibc\" \"zlib\" \"curl\" \"cargo\" ];
                       differs = set: builtins.filter (n: set.${n}.drvPath != base.${n}.drvPath) names;
                       same = set: builtins.attrNames set == builtins.attrNames base;
                     in [ (differs home) (differs system) (same home) (same system) ]",
                )
                .unwrap();
            assert_eq!(changed, json!([[], [], true, true]), "{}", packages.display());
        }
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn at_home_nothing_of_the_bootstrap_changes() {
    let host = Host::of(SHOSHIN);
    for packages in package_sets() {
        let found = host
            .evaluate(
                &packages,
                "let reason = home.ironwrightReport.system-libs;
                 in {
                   same = home.stdenv.cc.drvPath == base.stdenv.cc.drvPath
                     && home.glibc.drvPath == base.glibc.drvPath && home.zlib.drvPath == base.zlib.drvPath;
                   applied = [ reason.glibc.applied reason.zlib.applied reason.xz.applied ];
                   told = contains \"bootstrapped from\" reason.zlib.reason;
                   system = system.glibc.drvPath != base.glibc.drvPath
                     && system.ironwrightReport.system-libs.glibc.applied;
                 }",
            )
            .unwrap();
        let wanted =
            json!({"same": true, "applied": [false, false, true], "told": true, "system": true});
        assert_eq!(found, wanted, "{}", packages.display());
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn packages_of_the_profile_leave_the_bootstrap_alone_at_home() {
    let host = Host::of(&format!(
        "{SHOSHIN}linker = \"lld\"\n[packages.xz]\nc-lto = \"thin\"\n[packages.zstd]\nlinker = \"mold\"\nrust-linker = \"mold\"\n"
    ));
    for packages in package_sets() {
        let found = host
            .evaluate(
                &packages,
                "{
                   same = home.stdenv.cc.drvPath == base.stdenv.cc.drvPath;
                   xz = home.xz.drvPath != base.xz.drvPath;
                   evaluates = map builtins.isString [ home.zstd.drvPath home.libsodium.drvPath ];
                 }",
            )
            .unwrap();
        let wanted = json!({"same": true, "xz": true, "evaluates": [true, true]});
        assert_eq!(found, wanted, "{}", packages.display());
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_packages_own_flags_stay_first_wherever_they_stand() {
    let host = Host::of(SHOSHIN);
    let found = host.value(
        "let flags = set: name: set.${name}.NIX_CFLAGS_COMPILE;
             old = set { overlays = [ (library { }).overlays.default ]; release = \"21.11\"; };
         in {
           env = flags home \"zstd\"; list = flags home \"openssl\"; none = flags home \"libsodium\";
           structured = flags home \"lz4\";
           before-env = map (flags old) [ \"zstd\" \"openssl\" \"lz4\" ];
           alias = flags home \"libjpeg\";
           plain = home.snappy.drvPath == base.snappy.drvPath;
         }",
    );
    let own = "-DOWN -march=skylake";
    let list = "-DOWN -fno-strict-aliasing -march=skylake";
    assert_eq!(
        found,
        json!({
            "env": own, "list": list, "none": "-march=skylake", "structured": "-march=skylake",
            "before-env": [own, list, "-march=skylake"], "alias": "-march=skylake", "plain": true,
        })
    );
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn mold_comes_where_it_is_chosen_and_safe() {
    let profile = format!("{SHOSHIN}linker = \"mold\"\n");
    let chosen = Host::of(&profile);
    let expression = "let
        link = set: name: set.${name}.NIX_CFLAGS_LINK or \"\";
        inputs = set: name: map (p: p.pname or p.name) (set.${name}.nativeBuildInputs or [ ]);
        bare = set { overlays = [ (library { }).overlays.default ]; without = [ \"mold-wrapped\" ]; };
      in {
        free = link home \"libsodium\"; brought = home.libsodium.drvAttrs ? nativeBuildInputs;
        fetch = map (link home) [ \"openssl\" \"curl\" \"zstd\" \"xz\" ];
        bootstrap = map (link system) [ \"glibc\" \"zlib\" ];
        absent = link bare \"libsodium\";
      }";
    assert_eq!(
        chosen.value(expression),
        json!({
            "free": "-fuse-ld=mold", "brought": true, "fetch": ["", "", "", ""],
            "bootstrap": ["", ""], "absent": "",
        })
    );
    // A linker that is merely installed on the host is nobody's choice.
    let link = Host::of(SHOSHIN).value("home.libsodium.NIX_CFLAGS_LINK or \"\"");
    assert_eq!(link, json!(""));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn each_overlay_is_taken_by_the_host_that_names_it() {
    for (name, package) in [
        ("system-libs", "zstd"),
        ("rust", "rustc"),
        ("go", "go_1_24"),
        ("python", "python312"),
        ("nodejs", "nodejs_24"),
    ] {
        let all = "[\"system-libs\", \"cpp-cuda\", \"rust\", \"go\", \"python\", \"nodejs\", \"packages\"]";
        let host = Host::of(&SHOSHIN.replace(all, &format!("[\"{name}\"]")));
        let changed = host.value(
            "builtins.filter (n: home.${n}.drvPath != base.${n}.drvPath)
               [ \"zstd\" \"rustc\" \"go_1_24\" \"python312\" \"nodejs_24\" ]",
        );
        let mut wanted = vec![package];
        if name == "system-libs" {
            // It is linked with openssl and xz.
            wanted.push("python312");
        }
        assert_eq!(changed, json!(wanted), "{name}");
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn the_flake_gives_overlays_modules_and_the_package() {
    let nix = tree("nix").canonicalize().unwrap();
    let root = nix.parent().unwrap().display().to_string();
    let packages = tree("fixtures/nixpkgs").canonicalize().unwrap().display().to_string();
    let ask = |attribute: &str, apply: &str| {
        let output = command("nix")
            .args(["eval", "--json", "--no-write-lock-file", "--override-input", "nixpkgs"])
            .args([&format!("path:{packages}"), &format!("git+file:{root}?dir=nix#{attribute}")])
            .args(["--apply", apply])
            .output()
            .unwrap();
        assert!(output.status.success(), "{attribute}: {}", last_error(&output));
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    assert_eq!(
        ask("overlays", "builtins.attrNames"),
        json!(["cpp-cuda", "default", "go", "nodejs", "packages", "python", "rust", "system-libs"])
    );
    let configured =
        "lib: ((lib.configure { settings.settings.nix-overlays = [ \"go\" ]; }).settings).overlays";
    assert_eq!(ask("lib", configured), json!(["go"]));
    assert_eq!(ask("homeModules", "m: builtins.pathExists m.default"), json!(true));
    assert_eq!(ask("nixosModules", "m: builtins.pathExists m.default"), json!(true));
    let name = ask("packages.x86_64-linux.ironwright", "p: p.name");
    assert_eq!(name, json!(format!("ironwright-{}", env!("CARGO_PKG_VERSION"))));
}
