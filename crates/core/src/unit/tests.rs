//! Real command lines.
//!
//! Does not know more than the module under test.

use std::path::Path;

use super::*;
use crate::govern::Basis;
use crate::units::Bytes;

const RUSTC: &str = "/root/.rustup/toolchains/stable-x86_64-unknown-linux-gnu/bin/rustc";
/// What cargo says of a library; the profile's settings and the package's root come behind.
const CARGO: &str = "--crate-name dep --edition=2021 dep/src/lib.rs --error-format=json \
    --json=diagnostic-rendered-ansi,artifacts,future-incompat --crate-type lib \
    --emit=dep-info,metadata,link --check-cfg cfg(docsrs,test)";
const GO: &str = "/usr/lib/go-1.19/pkg/tool/linux_amd64";

fn told(line: &str, cwd: &str, environment: &[(&str, &str)]) -> Kind {
    let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    let environment: Vec<_> = environment.iter().map(owned).collect();
    let invocation = Invocation {
        argv: &argv,
        cwd: Path::new(cwd),
        environment: &environment,
        stdin_is_source: false,
    };
    recognise(&invocation)
}

fn kind(line: &str) -> Kind {
    told(line, "/home/me/project", &[])
}

#[track_caller]
fn unit(line: &str) -> UnitFacts {
    match kind(line) {
        Kind::Unit(facts) => facts,
        other => panic!("{other:?}: {line}"),
    }
}

#[track_caller]
fn cargo(line: &str) -> UnitFacts {
    let environment = [("CARGO_PKG_NAME", "dep"), ("CARGO_PKG_VERSION", "1.2.0")];
    match told(&format!("{RUSTC} {line}"), "/w/tiny", &environment) {
        Kind::Unit(facts) => facts,
        other => panic!("{other:?}: {line}"),
    }
}

#[test]
fn questions_are_probes() {
    for line in [
        "rustc -vV",
        "rustc +stable",
        "rustc --version --verbose",
        "rustc - --crate-name ___ --print=file-names --crate-type bin --print=cfg -Wwarnings",
        "rustc --print sysroot",
        "clippy-driver /usr/bin/rustc -vV",
        "gcc -dumpversion",
        "gcc -v",
        "x86_64-linux-gnu-gcc-12 -print-multiarch",
        "cc --version",
        "clang -### -O2 c10k.c -o x",
        "ld --version",
        "ld.lld -v",
        "mold --version",
        "nvcc --version",
        "node --version",
        "javac -version",
        "zig version",
        "/usr/lib/go-1.19/pkg/tool/linux_amd64/compile -V=full",
        "/usr/lib/go-1.19/pkg/tool/linux_amd64/link -V=full",
        "/usr/lib/go-1.19/pkg/tool/linux_amd64/asm -V=full",
    ] {
        assert_eq!(kind(line), Kind::Probe, "{line}");
    }
}

#[test]
fn small_and_unknown_commands_are_light() {
    for line in [
        "ar crs libx.a a.o b.o",
        "gcc-ar-12 rcs libx.a a.o",
        "ranlib libx.a",
        "strip x",
        "as --gdwarf-5 --64 -o /tmp/a.o /tmp/a.s",
        "pkg-config --cflags zlib",
        "ccache gcc -c a.c",
        "python3 setup.py build",
        "npm run build",
        "node /usr/lib/node_modules/npm/bin/npm-cli.js install",
        "node /usr/lib/node_modules/node-gyp/bin/node-gyp.js rebuild",
        "node -e 1",
        "zig build",
        "gcc -E -dM a.c",
        "gcc -MM a.c",
        "gcc -c entry.S -o entry.o",
        "gcc -O2 -c conftest.c",
        "cc -o conftest conftest.o",
        "g++ -o CMakeFiles/cmTC_1.dir/a.o -c /b/CMakeFiles/CMakeScratch/TryCompile-x/a.cxx",
        "gcc -Werror -c -x c /dev/null -o /dev/null",
        "rustc --crate-name autocfg_1 --crate-type lib --emit=llvm-ir -",
        "/usr/lib/go-1.19/pkg/tool/linux_amd64/buildid -w /tmp/b001/_pkg_.a",
        "/usr/lib/go-1.19/pkg/tool/linux_amd64/asm -p runtime -o /tmp/a.o ./asm.s",
        "compile -o x",
        "",
    ] {
        assert_eq!(kind(line), Kind::Light, "{line}");
    }
}

#[test]
fn units_have_labels() {
    for (line, tool, label) in [
        ("gcc -O2 -c src/a.c -o build/a.o", "gcc", "src/a.c"),
        ("/usr/bin/x86_64-linux-gnu-g++-12 -c ../x/parser.cpp", "g++", "parser.cpp"),
        ("clang-14 -xc -c -o a.o -", "clang", "stdin"),
        ("cc a.c b.c -o both", "cc", "a.c and 1 more"),
        ("c++ -o bin/app a.o b.o libx.a -lz", "c++", "app"),
        (
            "/usr/lib/gcc/x86_64-linux-gnu/12/cc1 -quiet -imultiarch x c10k.c -o /tmp/c.s",
            "cc1",
            "c10k.c",
        ),
        (
            "clang -cc1 -triple x86_64 -emit-obj -main-file-name a.c -target-cpu x86-64 -o a.o -x c a.c",
            "clang",
            "a.c",
        ),
        (
            "/usr/lib/gcc/x86_64-linux-gnu/12/collect2 -plugin x.so -o x /lib/crt1.o a.o",
            "collect2",
            "x",
        ),
        ("ld.lld-14 -o /w/target/debug/deps/rg-306ec5c9867129ca a.o", "ld.lld", "rg"),
        ("nvcc -gencode arch=compute_80,code=sm_80 -c k/flash.cu -o flash.o", "nvcc", "flash.cu"),
        ("ptxas -arch=sm_90 k.ptx -o k.cubin", "ptxas", "k.cubin"),
        (
            "node --max-old-space-size=4096 node_modules/webpack/bin/webpack.js --mode production",
            "node",
            "webpack",
        ),
        ("node /p/node_modules/.bin/tsc -b", "node", "tsc"),
        ("node node_modules/rollup/dist/bin/index.js", "node", "rollup"),
        ("javac -d out A.java B.java", "javac", "A.java and 1 more"),
        ("ghc-9.4.7 --make -O1 Main.hs", "ghc", "Main.hs"),
        ("zig c++ -c a.cc", "clang++", "a.cc"),
        ("zig build-exe main.zig", "zig", "main.zig"),
        ("nim c -d:release main.nim", "nim", "main.nim"),
        ("rustdoc --crate-type lib --crate-name dep src/lib.rs", "rustdoc", "dep (doc)"),
    ] {
        let facts = unit(line);
        assert_eq!((facts.tool.as_str(), facts.label.as_str()), (tool, label), "{line}");
    }
}

#[test]
fn cargo_tells_package_and_version() {
    let facts = cargo(&format!("{CARGO} -C opt-level=3 -C metadata=8422a6a79dbbab2b"));
    assert!(facts.key.starts_with("rustc lib dep-1.2.0 "), "{}", facts.key);
    assert!(facts.family.starts_with("rustc lib dep "), "{}", facts.family);
    assert_eq!(facts.package.as_deref(), Some("dep"));
    assert_eq!(facts.inputs, [Path::new("/w/tiny/dep/src")]);
    let script = cargo("--crate-name build_script_build build.rs --crate-type bin --emit=link");
    assert!(script.key.starts_with("rustc build-script dep-1.2.0/build_script_build "));
    assert_eq!(script.label, "dep (build script)");
    assert_eq!(script.inputs, [Path::new("/w/tiny/build.rs")]);
}

#[test]
fn the_same_crate_has_the_same_key_elsewhere() {
    let first = format!(
        "{CARGO} -C opt-level=3 -C metadata=8422a6a79dbbab2b -C extra-filename=-96dec0c472099d6b \
         --out-dir /w/target/release/deps -L dependency=/w/target/release/deps \
         --extern a=/w/target/release/deps/liba-96dec0c472099d6b.rmeta"
    );
    let second = format!(
        "{CARGO} -C metadata=574033167e1dadcd -C extra-filename=-93eefab7d7cfcdfe -Copt-level=3 \
         --out-dir /other/deps -C incremental=/other/i -L dependency=/other/deps \
         --extern a=/other/deps/liba-93eefab7d7cfcdfe.rmeta"
    );
    assert_eq!(cargo(&first).key, cargo(&second).key);
}

#[test]
fn settings_that_matter_change_the_key() {
    let keys: Vec<String> = [
        "",
        "-C opt-level=2",
        "-C opt-level=3",
        "-C opt-level=3 -C codegen-units=1",
        "-C opt-level=3 -C linker-plugin-lto",
        "-C opt-level=3 -C lto",
        "-C opt-level=3 -C lto=thin",
        "-C opt-level=3 -C debuginfo=2",
        "-C opt-level=3 -C target-cpu=native",
        "-C opt-level=3 --cfg feature=\"std\"",
        "--test",
        "--target aarch64-unknown-linux-gnu",
    ]
    .iter()
    .map(|settings| cargo(&format!("{CARGO} {settings}")).key)
    .collect();
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(keys.iter().position(|other| other == key), Some(at), "{key}");
    }
}

#[test]
fn the_family_ignores_small_differences() {
    let of = |settings: &str| cargo(&format!("{CARGO} {settings}")).family;
    assert_eq!(of("-O -C target-cpu=native"), of("-C opt-level=2 -C codegen-units=4"));
    assert_ne!(of("-O"), of(""));
    assert_ne!(of("-O -C lto"), of("-O"));
}

#[test]
fn checks_programs_and_lto_are_told_apart() {
    let check = cargo("--crate-name dep src/lib.rs --crate-type lib --emit=dep-info,metadata");
    assert!(check.key.starts_with("rustc lib check "), "{}", check.key);
    let program = "--crate-name rg src/main.rs --crate-type bin --emit=dep-info,link \
                   --extern dep=/t/libdep-96dec0c472099d6b.rlib";
    let plain = cargo(program);
    assert_eq!(
        plain.inputs,
        [Path::new("/w/tiny/src"), Path::new("/t/libdep-96dec0c472099d6b.rlib")]
    );
    let fat = cargo(&format!("{program} -C lto=fat"));
    let libraries = 8 << 20;
    assert!(fat.forecast(libraries).peak > plain.forecast(libraries).peak.scaled(2.0));
    assert!(check.forecast(1 << 20).peak < cargo(CARGO).forecast(1 << 20).peak);
    assert_eq!(
        cargo(&format!("{CARGO} -Z threads=8")).forecast(0).threads.to_bits(),
        8_f64.to_bits()
    );
}

#[test]
fn clippy_as_a_wrapper_is_read_like_rustc() {
    let wrapped = unit(&format!("clippy-driver {RUSTC} {CARGO}"));
    assert_eq!((wrapped.tool.as_str(), wrapped.label.as_str()), ("clippy-driver", "dep"));
}

#[test]
fn c_keys_name_the_source_and_its_version() {
    let at = |cwd: &str| match told("gcc -O2 -c crypto/aes/aes_core.c -o x.o", cwd, &[]) {
        Kind::Unit(facts) => facts,
        other => panic!("{other:?}"),
    };
    let (old, new) = (at("/build/openssl-3.0.11"), at("/tmp/y/openssl-3.0.12"));
    assert!(old.key.starts_with("gcc c compile openssl-3.0.11/crypto/aes/aes_core.c "));
    assert_ne!(old.key, new.key);
    assert_eq!(at("/elsewhere/openssl-3.0.11").key, old.key);
    // The version stood in the key alone, and the source is the same.
    assert_eq!(old.family, new.family);
}

#[test]
fn c_settings_that_matter_change_the_key() {
    let plain = unit("g++ -O2 -c a.cpp -o a.o").key;
    for other in
        ["-O3", "-g", "-flto", "-march=native", "-std=c++20", "-fsanitize=address", "-fopenmp"]
    {
        assert_ne!(unit(&format!("g++ -O2 {other} -c a.cpp -o a.o")).key, plain, "{other}");
    }
    for same in
        ["-fPIC", "-DX=1", "-I/usr/include/x", "-Wall", "-MD -MF /b/a.d", "-o /elsewhere/a.o"]
    {
        assert_eq!(unit(&format!("g++ -O2 {same} -c a.cpp -o a.o")).key, plain, "{same}");
    }
    assert_eq!(
        unit("gcc -O2 -fprofile-use=/x/p -c a.c").key,
        unit("gcc -O2 -fprofile-use=/y/p -c a.c").key
    );
}

#[test]
fn a_later_option_wins() {
    let lto = unit("gcc -flto=auto -flto-partition=one -c a.c").family;
    assert_eq!(lto, unit("gcc -flto -c a.c").family);
    assert_eq!(unit("gcc -flto -fno-lto -O2 -O0 -g -g0 -c a.c").family, unit("gcc -c a.c").family);
}

#[test]
fn inputs_are_absolute() {
    let paths = |line: &str| unit(line).inputs;
    assert_eq!(paths("gcc -c ../a.c"), [Path::new("/home/me/a.c")]);
    assert_eq!(
        paths("gcc main.c util.o -o x"),
        [Path::new("/home/me/project/main.c"), Path::new("/home/me/project/util.o")]
    );
    assert_eq!(paths("ld -o x /l/a.o"), [Path::new("/l/a.o")]);
}

#[test]
fn links_differ_by_linker_and_lto() {
    let link = |options: &str| unit(&format!("gcc {options} -o app a.o b.o"));
    assert_ne!(link("").key, link("-flto").key);
    assert_ne!(link("").key, link("-fuse-ld=mold").key);
    assert!(link("-flto").forecast(9 << 20).peak > link("").forecast(9 << 20).peak);
    assert_eq!(link("-flto=8").forecast(0).threads.to_bits(), 8_f64.to_bits());
    let library = unit("cc -shared -o libz.so.1.3 a.o").family;
    assert!(library.starts_with("cc link me/project/libz.so "), "{library}");
}

#[test]
fn architectures_of_a_graphics_card_count() {
    let of = |options: &str| unit(&format!("nvcc {options} -c a.cu -o a.o"));
    let one = of("-gencode arch=compute_80,code=sm_80");
    let two = of("-gencode arch=compute_80,code=sm_80 --generate-code=arch=compute_90,code=sm_90");
    assert_ne!(one.family, two.family);
    let both = of("-gencode arch=compute_80,code=[sm_80,sm_86] --threads 4");
    assert_eq!(both.forecast(0).threads.to_bits(), 2_f64.to_bits());
    assert_eq!(both.forecast(0).peak, one.forecast(0).peak.scaled(2.0));
}

#[test]
fn go_packages_are_named_by_their_import_path() {
    let line = format!(
        "{GO}/compile -o /tmp/b001/_pkg_.a -trimpath /tmp/b001=> -p net/http -std -complete \
         -buildid 78kUPX6AGIq0wEgcYZeI/78kUPX6AGIq0wEgcYZeI -goversion go1.19.8 -c=2 \
         -importcfg /tmp/b001/importcfg -pack ./client.go ./server.go"
    );
    let facts = unit(&line);
    assert!(facts.key.starts_with("go compile net/http "), "{}", facts.key);
    assert_eq!(facts.label, "net/http");
    assert_eq!(facts.inputs.len(), 2);
    let elsewhere = line.replace("/tmp/b001", "/tmp/b007").replace("78kUP", "99kUP");
    assert_eq!(unit(&elsewhere).key, facts.key);
    let tests = [("TOOLEXEC_IMPORTPATH", "net/http [net/http.test]")];
    let Kind::Unit(tested) = told(&line, "/", &tests) else { panic!() };
    assert_eq!(tested.label, "net/http");
    assert_ne!(tested.family, facts.family);
}

#[test]
fn go_modules_have_versions() {
    let of = |version: &str| {
        let file = format!("/root/go/pkg/mod/gopkg.in/yaml.v3@{version}/decode.go");
        unit(&format!("{GO}/compile -o /tmp/x -p gopkg.in/yaml.v3 -pack {file}"))
    };
    assert_ne!(of("v3.0.1").key, of("v3.0.2").key);
    assert_eq!(of("v3.0.1").family, of("v3.0.2").family);
}

#[test]
fn go_programs_are_named_by_their_package() {
    let line = format!(
        "{GO}/link -o /tmp/b001/exe/a.out -importcfg /tmp/b001/importcfg.link -buildmode=exe \
         -buildid=kotq4fM3A-N2BsittHJS/78k -extld=gcc /tmp/b001/_pkg_.a"
    );
    let Kind::Unit(facts) = told(&line, "/w", &[("TOOLEXEC_IMPORTPATH", "x.y/z")]) else {
        panic!()
    };
    assert_eq!((facts.tool.as_str(), facts.label.as_str()), ("go link", "x.y/z"));
    assert_eq!(facts.package.as_deref(), Some("x.y/z"));
    assert_eq!(facts.inputs, [Path::new("/tmp/b001/_pkg_.a")]);
}

/// Sizes and peaks as they were measured (see the constants of the families).
#[test]
fn first_guesses_are_near_what_was_measured() {
    let kb = 1000;
    for (line, input, low, high) in [
        ("gcc -O2 -c a.c", 10 * kb, 35, 80),
        ("gcc -O2 -c a.c", 1000 * kb, 345, 500),
        ("gcc -O2 -c sqlite3.c", 9600 * kb, 360, 900),
        ("clang -O2 -g -c a.c", 200 * kb, 220, 350),
        ("g++ -O2 -c a.cpp", 20 * kb, 340, 500),
        ("g++ -O2 -g -c a.cpp", 100 * kb, 610, 900),
        ("clang++ -O2 -c a.cpp", 100 * kb, 290, 400),
        ("rustc --crate-name a --crate-type lib src/lib.rs", 2500 * kb, 341, 500),
        ("rustc --crate-name a --crate-type lib src/lib.rs", 150 * kb, 112, 200),
        ("rustc --crate-name a src/main.rs -C lto=fat", 8 << 20, 500, 700),
        ("mold -o a a.o", 114_000 * kb, 190, 300),
        ("/x/tool/linux_amd64/compile -p net/http a.go", 750 * kb, 173, 250),
    ] {
        let peak = unit(line).forecast(input).peak.whole_mib();
        assert!((low..=high).contains(&peak), "{line}: {peak} MiB");
    }
}

#[test]
fn first_guesses_are_cold_and_never_absurd() {
    let facts = unit("gcc -o x a.o");
    let forecast = facts.forecast(u64::MAX);
    assert_eq!((forecast.basis, forecast.peak), (Basis::Cold, Bytes::gib(8)));
}

fn declared(line: &str, name: Option<&str>) -> UnitFacts {
    let argv: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    let cwd = Path::new("/home/me/project");
    let invocation = Invocation { argv: &argv, cwd, environment: &[], stdin_is_source: false };
    explicit(&invocation, name)
}

#[test]
fn whatever_is_declared_is_a_unit() {
    let facts = declared("./run-tests.sh --all", None);
    assert_eq!((facts.tool.as_str(), facts.label.as_str()), ("run-tests.sh", "run-tests.sh --all"));
    assert_eq!(facts.forecast(0).peak, Bytes::mib(256));
    assert_ne!(facts.key, declared("./run-tests.sh --some", None).key);
    assert_eq!(facts.family, declared("./run-tests.sh --some", None).family);
    assert_eq!(declared("gcc -c a.c", None), unit("gcc -c a.c"));
}

#[test]
fn a_name_is_the_key() {
    let named = declared("./run-tests.sh --all", Some("tests"));
    assert_eq!((named.key.as_str(), named.label.as_str()), ("tests", "tests"));
    let compiler = declared("gcc -c a.c", Some("mine"));
    assert_eq!(compiler.key, "mine");
    assert_eq!(compiler.family, unit("gcc -c a.c").family);
    assert_eq!(declared("true", Some(" ")).key, declared("true", None).key);
}

#[test]
fn a_cache_answers_for_compilers_of_c_alone() {
    let names = ["gcc", "x86_64-linux-gnu-g++-12", "clang-14", "c++"];
    assert!(names.into_iter().all(compiles_c));
    assert!(!["rustc", "ld", "cc1", "gfortran", "gcc-ar", "nvcc"].into_iter().any(compiles_c));
}
