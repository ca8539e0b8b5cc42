//! Kinds of units that take alike: a language and a kind of step.
//!
//! Does not know how much any of them takes.

use schemars::JsonSchema;
use serde::Serialize;

use crate::inventory::{Kind, Language, Node};
use crate::observe::unit::UnitRecord;

/// A language with a kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A crate that is compiled to a library or a proc macro.
    RustLibrary,
    /// A crate that is compiled and linked to a program.
    RustProgram,
    /// A build script.
    RustBuildScript,
    /// A C file, or assembly.
    C,
    /// A C++ file.
    Cxx,
    /// A file of which Cython makes C.
    Cython,
    /// CUDA.
    Cuda,
    /// Objects that are linked or archived.
    Link,
    /// A Go package.
    GoPackage,
    /// A Go program that is linked.
    GoLink,
    /// An extension that a package manager builds of unknown sources.
    Addon,
    /// A project's own build script.
    Script,
    /// A script that a package manager runs when it installs: most look around and end.
    Hook,
    /// A whole package in one: a derivation.
    Whole,
    /// Nothing that compiles.
    Nothing,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::RustLibrary,
        Self::RustProgram,
        Self::RustBuildScript,
        Self::C,
        Self::Cxx,
        Self::Cython,
        Self::Cuda,
        Self::Link,
        Self::GoPackage,
        Self::GoLink,
        Self::Addon,
        Self::Script,
        Self::Hook,
        Self::Whole,
        Self::Nothing,
    ];

    /// The name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RustLibrary => "Rust libraries",
            Self::RustProgram => "Rust programs",
            Self::RustBuildScript => "build scripts",
            Self::C => "C files",
            Self::Cxx => "C++ files",
            Self::Cython => "Cython files",
            Self::Cuda => "CUDA files",
            Self::Link => "links",
            Self::GoPackage => "Go packages",
            Self::GoLink => "Go links",
            Self::Addon => "addons",
            Self::Script => "scripts",
            Self::Hook => "install scripts",
            Self::Whole => "whole packages",
            Self::Nothing => "files",
        }
    }

    /// The class of a node.
    pub fn of_node(node: &Node) -> Self {
        if node.prebuilt {
            return Self::Nothing;
        }
        match (node.language, node.kind) {
            (_, Kind::Derivation) => Self::Whole,
            (_, Kind::InstallScript) => Self::Hook,
            // What pip itself takes is added to the package.
            (Language::Python, Kind::Build) => Self::Nothing,
            // Of the crates of one that is written in Rust, each is a node.
            (Language::Rust, Kind::Extension) => Self::Link,
            (_, Kind::Extension) if node.is_sum() => Self::Link,
            (_, Kind::Extension) => Self::Addon,
            (_, Kind::Build) => Self::Script,
            (Language::Go, Kind::Link | Kind::Program) => Self::GoLink,
            (Language::Go, _) => Self::GoPackage,
            (Language::Rust, Kind::Program) => Self::RustProgram,
            (Language::Rust, Kind::BuildScript) => Self::RustBuildScript,
            (Language::Rust, _) => Self::RustLibrary,
            // Its objects are nodes of their own.
            (_, Kind::Link | Kind::Archive | Kind::Interpreter) => Self::Link,
            (_, Kind::TranslationUnit) => Self::of_source(&node.label),
            _ => Self::Nothing,
        }
    }

    /// The class of a unit that ran.
    pub fn of_record(record: &UnitRecord) -> Self {
        let words: Vec<&str> = record.key.split(' ').take(3).collect();
        let is = |word: &str| words.contains(&word);
        match record.tool.as_str() {
            "rustc" | "clippy-driver" | "rustdoc" if is("build-script") => Self::RustBuildScript,
            "rustc" | "clippy-driver" | "rustdoc" if is("bin") || is("test") => Self::RustProgram,
            "rustc" | "clippy-driver" | "rustdoc" => Self::RustLibrary,
            "go compile" | "go asm" => Self::GoPackage,
            "go link" => Self::GoLink,
            "nvcc" | "cicc" | "ptxas" => Self::Cuda,
            "node" | "esbuild" => Self::Script,
            "nix" => Self::Whole,
            _ if is("link") => Self::Link,
            _ if is("c++") => Self::Cxx,
            _ => Self::of_source(&record.label),
        }
    }

    /// By the ending of a source file.
    fn of_source(label: &str) -> Self {
        let ending = label.rsplit('.').next().unwrap_or_default();
        match ending {
            "cc" | "cpp" | "cxx" | "C" | "c++" | "hpp" | "mm" | "ixx" | "cppm" => Self::Cxx,
            "cu" => Self::Cuda,
            "pyx" => Self::Cython,
            _ => Self::C,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_kinds_tell_the_class() {
        let unit = |label: &str| {
            Class::of_node(&Node::new(Language::CFamily, Kind::TranslationUnit, label, label))
        };
        assert_eq!(
            (unit("a.c"), unit("b/a.cpp"), unit("k.cu")),
            (Class::C, Class::Cxx, Class::Cuda)
        );
        let go = Node::new(Language::Go, Kind::Package, "net/http", "net/http");
        assert_eq!(Class::of_node(&go), Class::GoPackage);
        let fetched = Node::new(Language::Nix, Kind::FixedOutput, "x", "x");
        assert_eq!(Class::of_node(&fetched), Class::Nothing);
    }
}
