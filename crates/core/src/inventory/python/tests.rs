//! Python projects with and without something to compile.
//!
//! Does not run Python.

use proptest::prelude::*;

use super::*;

fn extension_of(pyproject: &str, setup: Option<&str>) -> Option<(String, Language)> {
    let texts = Texts {
        pyproject: Some(("pyproject.toml", pyproject)),
        setup,
        folder: "/work/here",
        native: &[],
    };
    let graph = project(&texts).unwrap();
    let found = graph.nodes.iter().find(|node| node.kind == Kind::Extension)?;
    Some((found.label.clone(), found.language))
}

#[test]
fn extensions_are_told_by_backend_setup_and_requirements() {
    let maturin = "[build-system]\nrequires = [\"maturin>=1\"]\nbuild-backend = \"maturin\"\n[project]\nname = \"fast\"\n";
    assert_eq!(extension_of(maturin, None), Some(("fast".to_owned(), Language::Rust)));
    let setup = "from setuptools import Extension\nsetup(ext_modules=[Extension('a', ['a.c'])])\n";
    assert_eq!(extension_of("", Some(setup)), Some(("here".to_owned(), Language::CFamily)));
    assert_eq!(extension_of("", Some("# Extension('a')\nsetup()\n")), None);
    let cython = "[build-system]\nrequires = [\"setuptools\", \"Cython >= 3\"]\n";
    assert_eq!(extension_of(cython, None), Some(("here".to_owned(), Language::CFamily)));
    let declared = "[[tool.setuptools.ext-modules]]\nname = \"a.b\"\nsources = [\"b.c\"]\n";
    assert_eq!(extension_of(declared, None), Some(("a.b".to_owned(), Language::CFamily)));
}

#[test]
fn an_extension_is_made_of_its_sources() {
    let native: Vec<_> =
        ["a.c", "b.pyx", "tests/t.c"].iter().map(|path| ((*path).to_owned(), Some(7))).collect();
    let of = |pyproject: &str| {
        let texts = Texts {
            pyproject: Some(("p", pyproject)),
            folder: "/w/x",
            native: &native,
            ..Texts::default()
        };
        project(&texts).unwrap()
    };
    let units = |graph: &Graph| -> Vec<String> {
        let units = graph.nodes.iter().filter(|node| node.kind == Kind::TranslationUnit);
        units.map(|node| node.id.clone()).collect()
    };
    // setuptools compiles one after the other, Meson several at a time.
    let graph = of("[build-system]\nrequires = [\"Cython\"]\n");
    assert_eq!(units(&graph), ["c:/w/x/a.c", "c:/w/x/b.pyx"]);
    let needs = graph.needs();
    assert_eq!((&needs[1], &needs[3]), (&vec![2, 3], &vec![2]));
    let graph = of("[build-system]\nbuild-backend = \"mesonpy\"\n");
    assert!(graph.needs()[2..].iter().all(Vec::is_empty));
    // A backend of its own, in the project itself.
    assert_eq!(units(&of("[build-system]\nbuild-backend = \"own.hooks\"\n")).len(), 2);
    let graph = of("[[tool.setuptools.ext-modules]]\nname = \"x.y\"\nsources = [\"a.c\"]\n");
    assert_eq!(units(&graph), ["c:/w/x/a.c"]);
}

#[test]
fn a_project_without_extensions_compiles_nothing() {
    let pure = "[project]\nname = \"pure\"\nversion = \"1.0\"\ndependencies = [\"Requests[x] >= 2; python_version > '3'\", \"b == 1.5\"]\n";
    let texts = Texts { pyproject: Some(("p", pure)), ..Texts::default() };
    let graph = project(&texts).unwrap();
    assert!(graph.nodes.iter().all(|node| node.prebuilt));
    let packages: Vec<_> = graph.nodes.iter().filter_map(|n| n.package.as_deref()).collect();
    assert_eq!(packages, ["pure-1.0", "requests", "b-1.5"]);
    assert_eq!(graph.needs()[0], [1, 2]);
}

#[test]
fn requirements_leave_out_options() {
    let graph = requirements("-r other.txt\n# no\na==1.0 # yes\n--hash=x\nB_c>=2 ; x\n\n");
    let packages: Vec<_> = graph.nodes.iter().filter_map(|n| n.package.as_deref()).collect();
    assert_eq!(packages, ["a-1.0", "b-c"]);
}

#[test]
fn what_has_no_wheel_is_built() {
    let uv = "[[package]]\nname = \"a\"\nversion = \"1\"\nsdist = { url = \"a.tar.gz\", size = 7 }\ndependencies = [{ name = \"b\" }]\n\
        [[package]]\nname = \"b\"\nversion = \"2\"\nwheels = [{ url = \"b-2-py3-none-any.whl\", size = 5 }]\n";
    let graph = lock("uv.lock", uv).unwrap();
    let shown: Vec<_> = graph.nodes.iter().map(|n| (n.kind, n.size_bytes.map(|b| b.0))).collect();
    assert_eq!(shown, [(Kind::Build, Some(7)), (Kind::Dependency, Some(5))]);
    assert_eq!(graph.needs()[0], [1]);
    let poetry = "[[package]]\nname = \"a\"\nversion = \"1\"\nfiles = [{file = \"a.tar.gz\", hash = \"x\"}]\n[package.dependencies]\nb = \"*\"\n\
        [[package]]\nname = \"b\"\nversion = \"1\"\nfiles = [{file = \"b-1-py3-none-any.whl\", hash = \"x\"}]\n";
    let graph = lock("poetry.lock", poetry).unwrap();
    let kinds: Vec<_> = graph.nodes.iter().map(|n| n.kind).collect();
    assert_eq!((kinds, graph.edges.len()), (vec![Kind::Build, Kind::Dependency], 1));
}

#[test]
fn wheels_for_others_are_none_and_the_project_is_no_dependency() {
    let uv = "[[package]]\nname = \"own\"\nversion = \"1\"\nsource = { virtual = \".\" }\n\
        [[package]]\nname = \"a\"\nversion = \"1\"\nsdist = { url = \"a.tar.gz\" }\n\
        wheels = [{ url = \"a-1-cp311-cp311-win_amd64.whl\" }, { url = \"a-1-cp311-cp311-macosx_11_0_arm64.whl\" }]\n";
    let graph = lock("uv.lock", uv).unwrap();
    let shown: Vec<_> = graph.nodes.iter().map(|n| (n.label.as_str(), n.kind)).collect();
    assert_eq!(shown, [("a", Kind::Build)]);
    let arch = std::env::consts::ARCH;
    assert!(fits(&format!("a-1-cp311-cp311-manylinux_2_17_{arch}.manylinux2014_{arch}")));
    assert!(fits("a-1-py3-none-any") && !fits("a-1-cp311-cp311-manylinux_2_17_ppc64le"));
}

#[test]
fn cpython_tells_its_version() {
    let text = "#define PY_VERSION_HEX 1\n#define PY_VERSION      \t\"3.13.1\"\n";
    assert_eq!(cpython(text, Some(1)).package.as_deref(), Some("cpython-3.13.1"));
    assert_eq!(cpython("", None).label, "cpython");
}

#[test]
fn a_mistake_tells_its_line() {
    let texts =
        Texts { pyproject: Some(("pyproject.toml", "[project]\nname = 3\n")), ..Texts::default() };
    let error = project(&texts).unwrap_err().to_string();
    assert!(error.starts_with("pyproject.toml:2: not a pyproject.toml"), "{error}");
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,60}") {
        let texts = Texts { pyproject: Some(("p", &text)), setup: Some(&text), ..Texts::default() };
        let _ = (project(&texts).is_ok(), lock("f", &text).is_ok(), requirements(&text), cpython(&text, None));
    }
}
