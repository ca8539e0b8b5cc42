//! Runtimes and the helpers for packages.
//!
//! Does not build.

use serde_json::json;

use crate::nix::{Host, SHOSHIN, evaluated, tree};

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn python_is_trained_as_far_as_the_level_says() {
    let profile = format!(
        "{SHOSHIN}python-pgo-level = \"LIGHT\"\n[packages.python313]\npython-pgo-level = \"NONE\"\nc-lto = \"off\"\n"
    );
    let found = Host::of(&profile).value(
        "let of = name: {
           flags = home.${name}.configureFlags or [ ];
           task = contains \"test_json\" (home.${name}.PROFILE_TASK or \"\");
         };
         in { light = of \"python312\"; alias = of \"python3\"; none = of \"python313\"; old = of \"python311\";
              one = home.python3.drvPath == home.python312.drvPath; }",
    );
    let light = json!({"flags": ["--enable-optimizations", "--with-lto"], "task": true});
    assert_eq!(
        found,
        json!({
            "light": light, "alias": light, "one": true,
            "none": {"flags": [], "task": false},
            "old": {"flags": ["--with-ensurepip=no", "--enable-optimizations"], "task": true},
        })
    );
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn every_version_that_there_is_and_none_where_there_is_none() {
    let found = Host::of(SHOSHIN).value(
        "let
           bare = set {
             overlays = [ (library { }).overlays.default ];
             without = [ \"nodejs_22\" \"nodejs_24\" \"nodejs\" \"go_1_22\" \"go_1_24\" \"go\" \"python311\" \"python312\" \"python313\" \"python3\" \"rustc\" \"rustc-unwrapped\" \"cargo\" ];
           };
           march = name: contains \"-march=skylake\" (text home.${name});
         in {
           all = map march [ \"nodejs_22\" \"nodejs_24\" \"nodejs\" \"python311\" \"python313\" \"go_1_22\" \"go\" ];
           go = [ home.go_1_22.GOAMD64 home.go.GOAMD64 ];
           alias = home.nodejs.drvPath == home.nodejs_22.drvPath;
           without = [ (bare ? nodejs) (bare ? python3) (bare ? go) (bare ? rustc) ];
           works = contains \"-march=skylake\" (text bare.zstd);
         }",
    );
    assert_eq!(
        found,
        json!({
            "all": vec![true; 7], "go": ["v3", "v3"], "alias": true,
            "without": [false, false, false, false], "works": true,
        })
    );
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn runtimes_take_what_was_chosen() {
    let profile = format!(
        "{SHOSHIN}linker = \"mold\"\n[packages.rustc]\nallocator = \"jemalloc\"\nrust-lto = \"thin\"\n\
         [packages.nodejs_24]\nallocator = \"jemalloc\"\nc-lto = \"thin\"\nnode-pgo-level = \"NONE\"\n"
    );
    let found = Host::of(&profile).value(
        "{
           rustc = home.rustc.unwrapped.configureFlags;
           node = home.nodejs_24.configureFlags;
           heap = home.nodejs_24.NIX_LDFLAGS; linked = map (p: p.pname) home.nodejs_24.drvAttrs.buildInputs or [ ];
           trained = [ (home.nodejs_22.drvAttrs ? preBuild) (home.nodejs_24.drvAttrs ? preBuild) ];
           mold = home.nodejs_22.NIX_CFLAGS_LINK;
         }",
    );
    assert_eq!(
        found["rustc"],
        json!(["--release-channel=stable", "--set=rust.jemalloc", "--set=rust.lto=thin"])
    );
    assert_eq!(found["node"], json!(["--without-docs", "--enable-lto"]));
    assert_eq!(found["heap"], "-ljemalloc");
    assert_eq!(found["trained"], json!([true, false]));
    assert_eq!(found["mold"], "-fuse-ld=mold");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn the_helpers_give_a_package_its_settings() {
    let profile = format!(
        "{SHOSHIN}[packages.codex]\ncargo-build-jobs = 3\nrust-lto = \"thin\"\nrust-codegen-units = 8\n\
         rust-linker = \"mold\"\n[packages.onnxruntime]\ncmake-build-parallel-level = 5\n"
    );
    let found = Host::of(&profile).value(
        "let
           iw = with' [ (library { }).overlays.rust (library { }).overlays.go (library { }).overlays.cpp-cuda ];
           codex = iw.codex.overrideAttrs (iw.mkRustOverrides \"codex\");
           shell = iw.mcp-shell.overrideAttrs (iw.mkGoOverrides \"mcp-shell\");
           onnx = iw.onnxruntime.overrideAttrs (iw.mkCppOverrides \"onnxruntime\");
         in {
           rust = { inherit (codex) RUSTFLAGS CARGO_BUILD_JOBS CARGO_PROFILE_RELEASE_LTO CARGO_PROFILE_RELEASE_CODEGEN_UNITS; };
           go = { inherit (shell) GOAMD64 GOMAXPROCS; };
           cpp = { inherit (onnx) NIX_CFLAGS_COMPILE CMAKE_BUILD_PARALLEL_LEVEL CUDAARCHS TORCH_CUDA_ARCH_LIST cmakeFlags; };
           before = contains \"NIX_BUILD_CORES=5\" onnx.preBuild;
         }",
    );
    assert_eq!(
        found["rust"],
        json!({
            "RUSTFLAGS": "--cfg own -Ctarget-cpu=skylake -Clink-arg=-fuse-ld=mold",
            "CARGO_BUILD_JOBS": "3", "CARGO_PROFILE_RELEASE_LTO": "thin",
            "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "8",
        })
    );
    assert_eq!(found["go"], json!({"GOAMD64": "v3", "GOMAXPROCS": "6"}));
    assert_eq!(found["cpp"]["NIX_CFLAGS_COMPILE"], "-march=skylake");
    assert_eq!(found["cpp"]["CMAKE_BUILD_PARALLEL_LEVEL"], "5");
    assert_eq!(found["cpp"]["CUDAARCHS"], "52");
    assert_eq!(found["cpp"]["TORCH_CUDA_ARCH_LIST"], "5.2");
    assert_eq!(
        found["cpp"]["cmakeFlags"],
        json!(["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CUDA_ARCHITECTURES=52"])
    );
    assert_eq!(found["before"], true);
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn without_a_gpu_nothing_is_said_about_cuda() {
    let profile = SHOSHIN.replace("compute-capability = [\"5.2\"]", "compute-capability = []");
    let found = Host::of(&profile).value(
        "let iw = with' [ (library { }).overlays.cpp-cuda ];
             onnx = iw.onnxruntime.overrideAttrs (iw.mkCppOverrides \"onnxruntime\");
         in [ (onnx ? CUDAARCHS) (onnx ? NVCC_APPEND_FLAGS) onnx.cmakeFlags ]",
    );
    assert_eq!(found, json!([false, false, ["-DCMAKE_BUILD_TYPE=Release"]]));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_package_of_the_profile_gets_what_the_profile_says_and_no_more() {
    let profile = format!(
        "{SHOSHIN}[packages.codex]\ncargo-build-jobs = 3\n[packages.curl]\nc-march = \"x86-64-v3\"\n\
         [packages.glibc]\nc-march = \"x86-64-v3\"\n[packages.absent]\nc-march = \"x86-64-v3\"\n\
         [packages.jemalloc]\nnix-timeout = \"2h\"\n\
         allocator = \"mimalloc\"\nbolt = true\n"
    )
    .replace("\"system-libs\", ", "");
    let found = Host::of(&profile).value(
        "{
           codex = { inherit (home.codex) CARGO_BUILD_JOBS RUSTFLAGS; };
           curl = home.curl.NIX_CFLAGS_COMPILE;
           same = map (n: home.${n}.drvPath == base.${n}.drvPath) [ \"glibc\" \"jemalloc\" ];
           system = system.glibc.NIX_CFLAGS_COMPILE;
           unused = home.ironwrightReport.packages.jemalloc.unused;
           reasons = builtins.mapAttrs (_: entry: entry.reason or \"\") home.ironwrightReport.packages;
         }",
    );
    assert_eq!(found["codex"], json!({"CARGO_BUILD_JOBS": "3", "RUSTFLAGS": "--cfg own"}));
    assert_eq!(found["curl"], "-march=x86-64-v3");
    assert_eq!(found["same"], json!([true, true]));
    assert_eq!(found["system"], "-DOWN -march=x86-64-v3");
    assert_eq!(found["unused"], json!(["allocator", "bolt"]));
    assert_eq!(found["reasons"]["absent"], "this nixpkgs has no absent");
    assert!(found["reasons"]["glibc"].as_str().unwrap().contains("bootstrapped from"));
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_a_package_cannot_take_is_told_when_it_is_looked_at() {
    let settings = r#"{
        packages.python3.settings = { bolt = true; c-opt-level = "3"; };
        packages.go.settings.c-lto = "thin";
        packages.zlib.settings.bolt = true;
        packages.codex.settings = { bolt = true; rust-lto = "fat"; allocator = "system"; };
        packages.curl.settings.linker = "gold";
        settings.rust-pgo-level = "FULL";
        settings.nix-overlays = [ "system-libs" "python" "go" "rust" "packages" ];
    }"#;
    let told = |package: &str| {
        let look = format!("system.{package}.drvPath");
        let output = evaluated(settings, &tree("fixtures/nixpkgs"), &look);
        assert!(output.status.success(), "{}", crate::nix::last_error(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for (package, unused) in [
        ("python3", "bolt"),
        ("go", "c-lto"),
        ("zlib", "bolt"),
        ("codex", "bolt"),
        ("curl", "linker"),
        ("rustc", "rust-pgo-level"),
    ] {
        let said = told(package);
        let sentence = format!("ironwright: packages.{package}: nothing here applies {unused}");
        assert!(said.lines().any(|line| line.ends_with(&sentence)), "{said}");
    }
    assert!(!told("xz").contains("nothing here applies"));
}
