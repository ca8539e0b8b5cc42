//! Translation units and links of a C or C++ project: from its build tree where it has one, else by
//! counting sources.
//!
//! Does not configure anything, and does not run make, whose recipes could do anything.

use std::fs;
use std::path::{Path, PathBuf};

use ironwright_core::inventory::ninja::Files;
use ironwright_core::inventory::{GraphBuilder, cmake_api, compile_commands, make, ninja};

use super::sizes::Sizes;
use super::{Found, ReadError, python, shown, text, walk};

/// Where CMake answers questions about a build tree.
const REPLIES: &str = ".cmake/api/v1/reply";

pub(super) fn read(project: &Path, sizes: &mut Sizes) -> Result<Found, ReadError> {
    for tree in build_trees(project) {
        if let Some(found) = build_tree(&tree, sizes)? {
            return Ok(found);
        }
    }
    counted(project)
}

/// The project itself and the folders below it that are named like build trees, in order.
fn build_trees(project: &Path) -> Vec<PathBuf> {
    let is_tree = |name: &str| {
        ["build", "cmake-build", "_build", "out", "obj"].iter().any(|head| name.starts_with(head))
    };
    let entries = fs::read_dir(project).into_iter().flatten().flatten();
    let mut trees: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| entry.file_name().to_str().is_some_and(is_tree))
        .map(|entry| entry.path())
        .collect();
    trees.sort();
    trees.insert(0, project.to_owned());
    trees
}

/// What a build tree tells, the most telling file first.
pub(super) fn build_tree(tree: &Path, sizes: &mut Sizes) -> Result<Option<Found>, ReadError> {
    let path = tree.join("build.ninja");
    if let Some(build) = text(&path)? {
        let mut read = |name: &str| text(&tree.join(name)).ok().flatten();
        let mut files = Files { read: &mut read, size: &mut |path| sizes.of(path) };
        let graph = ninja::parse(&shown(&path), &build, tree, &mut files)?;
        return Ok(Some(Found::new(graph, shown(&path))));
    }
    let path = tree.join("compile_commands.json");
    if let Some(database) = text(&path)? {
        let graph = compile_commands::parse(&shown(&path), &database, &mut |path| sizes.of(path))?;
        let note = format!("{}: links are not listed there", shown(&path));
        return Ok(Some(Found::new(graph, shown(&path)).noted(Some(note))));
    }
    replies(&tree.join(REPLIES), sizes)
}

fn replies(directory: &Path, sizes: &mut Sizes) -> Result<Option<Found>, ReadError> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut models: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("codemodel-v2"))
        })
        .collect();
    models.sort();
    let Some(path) = models.pop() else { return Ok(None) };
    let model = cmake_api::codemodel(&shown(&path), &text(&path)?.unwrap_or_default())?;
    let mut targets = Vec::new();
    for name in &model.target_files {
        let path = directory.join(name);
        targets.extend(text(&path)?.map(|text| (shown(&path), text)));
    }
    let graph = cmake_api::graph(&model, &targets, &mut |path| sizes.of(path))?;
    Ok(Some(Found::new(graph, "CMake's file API")))
}

/// Sources of a folder that no build system claims.
pub(super) fn unrecognised(folder: &Path) -> Found {
    let files = walk::files(folder, make::is_source);
    let listed = files.iter().map(|(path, size)| (path.as_str(), *size));
    let graph = make::sources(&shown(folder), listed);
    let is_there = |name: &str| folder.join(name).is_file();
    let hint = if is_there("configure.ac") || is_there("configure.in") {
        "it has no configure yet, which `autoreconf -i` makes"
    } else if is_there("meson.build") {
        "Meson's build tree would tell, which `meson setup build` makes"
    } else if is_there("bun.lock") || is_there("deno.json") {
        "lock files of bun and deno are not read"
    } else {
        "Cargo.toml, CMakeLists.txt, go.mod, package.json, pyproject.toml, setup.py, configure or a Makefile would tell"
    };
    let what = if graph.nodes.is_empty() { "nothing was found" } else { "sources were counted" };
    let note = format!("{}: no project is recognised, {what}; {hint}", shown(folder));
    Found::new(graph, "sources").noted(Some(note))
}

fn counted(project: &Path) -> Result<Found, ReadError> {
    let files = walk::files(project, make::is_source);
    let own = make::for_users_here(&files);
    let listed = own.iter().map(|(path, size)| (path.as_str(), *size));
    let graph = make::sources(&shown(project), listed);
    let without = match files.len() - own.len() {
        0 => String::new(),
        count => format!(" without {count} of tests, examples and other systems"),
    };
    let note =
        format!("{}: sources were counted{without}; a build tree would tell more", shown(project));
    let bytes = files.iter().filter_map(|(_, size)| *size).sum();
    let Some(interpreter) = python::cpython(project, bytes)? else {
        return Ok(Found::new(graph, "sources").noted(Some(note)));
    };
    let mut builder = GraphBuilder::from(graph);
    let place = builder.add(interpreter);
    (0..place).for_each(|unit| builder.needs(place, unit));
    Ok(Found::new(builder.finish(), "CPython's sources").noted(Some(note)))
}
