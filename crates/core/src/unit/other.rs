//! Compilers and bundlers of other languages, with simple keys: what they are given and how
//! much they optimise.
//!
//! Does not know files, nor what a script does beyond its name.

use super::key::{self, Settings};
use super::{Draft, Invocation, Kind, Model, c_family};

/// Scripts that start other programs and wait for them. Were they units, what they start would
/// run inside and never be asked for.
const ORCHESTRATORS: &[&str] = &[
    "npm",
    "npm-cli",
    "npx",
    "npx-cli",
    "yarn",
    "yarnpkg",
    "pnpm",
    "pnpx",
    "corepack",
    "node-gyp",
    "lerna",
    "turbo",
    "nx",
    "gulp",
    "grunt",
    "concurrently",
    "run-s",
    "run-p",
    "husky",
];

/// Options of node whose argument is the next word.
const NODE_TAKING: &[&str] =
    &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions"];

/// Options of the other tools whose argument is the next word.
const TAKING: &[&str] = &[
    "-o",
    "-d",
    "-cp",
    "-classpath",
    "--class-path",
    "-sourcepath",
    "-processorpath",
    "-source",
    "-target",
    "--release",
    "-encoding",
    "-s",
    "-h",
    "-I",
    "-L",
    "-l",
    "-package",
    "-package-id",
    "-package-db",
    "-outputdir",
    "-odir",
    "-hidir",
    "-stubdir",
    "-dumpdir",
    "-module-name",
    "-emit-module-path",
    "-sdk",
    "-module-cache-path",
    "-num-threads",
    "-j",
    "-Xcc",
    "-Xlinker",
    "-p",
    "-mcpu",
    "-fcheckmodule",
    "-ppx",
    "-pp",
    "-cclib",
    "-ccopt",
    "-open",
    "--name",
    "--cache-dir",
    "--global-cache-dir",
    "--zig-lib-dir",
    "-deps",
];

const QUESTIONS: &[&str] =
    &["--version", "-version", "-V", "--help", "-help", "--info", "--numeric-version", "-vnum"];

pub(super) fn recognise(invocation: &Invocation<'_>, tool: &str, arguments: &[&str]) -> Kind {
    match tool {
        "node" | "nodejs" => node(invocation, arguments),
        "zig" => zig(invocation, arguments),
        "nim" => match arguments.split_first() {
            Some((&("c" | "cc" | "cpp" | "objc" | "js" | "compile"), rest)) => {
                simple(invocation, tool, NIM, rest)
            }
            Some(_) => Kind::Light,
            None => Kind::Probe,
        },
        _ => simple(invocation, tool, model(tool), arguments),
    }
}

/// The script is the first word that is no option.
fn node(invocation: &Invocation<'_>, arguments: &[&str]) -> Kind {
    let mut settings = Settings::default();
    let mut rest = arguments.iter().copied();
    let script = loop {
        match rest.next() {
            None | Some("-v" | "--version" | "-h" | "--help") => return Kind::Probe,
            Some("-e" | "--eval" | "-p" | "--print" | "-i" | "-") => return Kind::Light,
            Some(option) if NODE_TAKING.contains(&option) => drop(rest.next()),
            Some(option) if option.starts_with("--max") => settings.coarse(option),
            Some(option) if option.starts_with('-') => {}
            Some(script) => break script,
        }
    };
    let name = script_name(script);
    if ORCHESTRATORS.contains(&name.as_str()) {
        return Kind::Light;
    }
    let words: Vec<&str> = rest.collect();
    if words.iter().any(|word| QUESTIONS.contains(word)) {
        return Kind::Probe;
    }
    settings.fine(key::digest(words.iter().filter(|word| !word.starts_with('/')).copied()));
    let draft = Draft {
        tool: "node".to_owned(),
        step: name.clone(),
        subject: key::place(invocation.cwd, "."),
        label: name,
        package: None,
        settings,
        inputs: vec![key::absolute(invocation.cwd, script)],
        model: NODE,
    };
    draft.unit()
}

/// `node_modules/webpack/bin/webpack.js` is webpack, `.bin/tsc` is tsc. A name that says nothing
/// is that of the package.
fn script_name(script: &str) -> String {
    let stem = |name: &str| {
        let endings = [".js", ".mjs", ".cjs", ".ts"];
        let ending = endings.iter().find_map(|ending| name.strip_suffix(ending));
        ending.unwrap_or(name).to_owned()
    };
    let name = stem(&key::file_name(script));
    let says_nothing = matches!(name.as_str(), "index" | "cli" | "main" | "bin" | "run");
    let package = script.rsplit_once("node_modules/").and_then(|(_, tail)| tail.split('/').next());
    let package = package.filter(|package| says_nothing && !package.is_empty());
    package.map_or(key::clean(&name), key::clean)
}

fn zig(invocation: &Invocation<'_>, arguments: &[&str]) -> Kind {
    match arguments.split_first() {
        Some((&("build-exe" | "build-lib" | "build-obj" | "test"), rest)) => {
            simple(invocation, "zig", ZIG, rest)
        }
        Some((&"cc", rest)) => c_family::recognise(invocation, "clang", rest),
        Some((&"c++", rest)) => c_family::recognise(invocation, "clang++", rest),
        Some((&("version" | "env" | "targets" | "zen" | "help"), _)) | None => Kind::Probe,
        Some(_) => Kind::Light,
    }
}

/// What is compiled is the first word that is no option.
fn simple(invocation: &Invocation<'_>, tool: &str, model: Model, arguments: &[&str]) -> Kind {
    let mut settings = Settings::default();
    let mut files = Vec::new();
    let mut rest = arguments.iter().copied();
    while let Some(word) = rest.next() {
        match word {
            _ if QUESTIONS.contains(&word) => return Kind::Probe,
            _ if TAKING.contains(&word) => drop(rest.next()),
            _ if word.starts_with('-') => setting(&mut settings, word),
            _ => files.push(word),
        }
    }
    let Some(first) = files.first() else { return Kind::Probe };
    let place = key::place(invocation.cwd, first);
    let more = files.len() - 1;
    let name = key::file_name(first);
    let draft = Draft {
        tool: tool.to_owned(),
        step: "compile".to_owned(),
        subject: if more == 0 { place } else { format!("{place} +{more}") },
        label: if more == 0 { name } else { format!("{name} and {more} more") },
        package: None,
        settings,
        inputs: files.iter().map(|file| key::absolute(invocation.cwd, file)).collect(),
        model,
    };
    draft.unit()
}

fn setting(settings: &mut Settings, word: &str) {
    if word.starts_with("-O") || word == "-release" || word.starts_with("-d:") {
        settings.coarse(word);
    } else if word.starts_with("-g") || word.contains("lto") || word.contains("threads") {
        settings.fine(word);
    }
}

// First guesses. None of these was measured: they are the sizes that the tools' run times need by
// themselves, with room for a project of middle size. The first run replaces them.

/// A bundler or type checker over a middle-sized project.
const NODE: Model = Model::object(512, 0.0).with_threads(1.2);
const ESBUILD: Model = Model::object(192, 0.0).with_threads(2.0);
/// A Java virtual machine and the syntax trees of all files at once.
const JAVAC: Model = Model::source(320, 60.0).with_threads(1.5);
const GHC: Model = Model::source(256, 2000.0);
const OCAML: Model = Model::source(64, 300.0);
const SWIFT: Model = Model::source(256, 400.0);
const ZIG: Model = Model::source(384, 200.0).with_threads(1.3);
const D: Model = Model::source(192, 600.0);
const NIM: Model = Model::source(192, 400.0);
const CLANG_TIDY: Model = Model::source(224, 2000.0);

fn model(tool: &str) -> Model {
    match tool {
        "esbuild" => ESBUILD,
        "javac" => JAVAC,
        "ghc" => GHC,
        "ocamlopt" | "ocamlopt.opt" => OCAML,
        "swiftc" | "swift-frontend" => SWIFT,
        "clang-tidy" => CLANG_TIDY,
        _ => D,
    }
}
