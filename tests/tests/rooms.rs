//! The folder tree of each crate: no imports in circles, few files beside the folders, no file name
//! twice.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};

/// Most files in a `src` beside those that have a folder of their own.
const FILES_BESIDE_FOLDERS: usize = 8;

/// Folders of the workspace's crates.
const CRATES: [&str; 17] = [
    "cli",
    "cli/convert",
    "cli/dataset",
    "sdk",
    "sdk/c",
    "sdk/core",
    "sdk/engine",
    "sdk/python",
    "sdk/store",
    "sdk/tract",
    "sdk/view",
    "sdk/wasm",
    "targets/board",
    "targets/device",
    "targets/http",
    "targets/service",
    "targets/simulator",
];

/// A module by the segments of its path; the root has none.
type Module = Vec<String>;

fn source_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src")
}

/// The modules of a crate that are files, with their syntax.
fn modules(src: &Path) -> BTreeMap<Module, syn::File> {
    let mut found = BTreeMap::new();
    let mut folders = vec![src.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("folders can be read") {
            let path = entry.expect("entries can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("sources are UTF-8");
                let syntax =
                    syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
                found.insert(module_of(src, &path), syntax);
            }
        }
    }
    found
}

fn module_of(src: &Path, file: &Path) -> Module {
    let inside = file.strip_prefix(src).expect("found below it").with_extension("");
    let parts: Module = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    match parts.last().map(String::as_str) {
        Some("lib" | "main") if parts.len() == 1 => Module::new(),
        _ => parts,
    }
}

/// Collects the paths that a module names, from the root of its crate.
struct Paths<'a> {
    own: &'a [String],
    files: &'a BTreeSet<Module>,
    named: BTreeSet<Module>,
}

impl Paths<'_> {
    /// Takes a path as it is written.
    fn add(&mut self, segments: &[String]) {
        let Some(first) = segments.first() else { return };
        let mut base = match first.as_str() {
            "crate" => Module::new(),
            "self" | "super" => self.own.to_vec(),
            _ => self.own.to_vec(),
        };
        let mut rest = segments;
        while let Some((word, others)) = rest.split_first() {
            match word.as_str() {
                "crate" | "self" => {}
                "super" => drop(base.pop()),
                _ => break,
            }
            rest = others;
        }
        base.extend_from_slice(rest);
        // The longest part of the path that is a file; the rest is an item in it.
        while !base.is_empty() && !self.files.contains(&base) {
            base.pop();
        }
        self.named.insert(base);
    }

    fn add_tree(&mut self, before: &mut Module, tree: &syn::UseTree) {
        match tree {
            syn::UseTree::Path(path) => {
                before.push(path.ident.to_string());
                self.add_tree(before, &path.tree);
                before.pop();
            }
            syn::UseTree::Name(name) => {
                before.push(name.ident.to_string());
                self.add(before);
                before.pop();
            }
            syn::UseTree::Rename(name) => {
                before.push(name.ident.to_string());
                self.add(before);
                before.pop();
            }
            syn::UseTree::Glob(_) => self.add(before),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.add_tree(before, tree))
            }
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        // A re-export shows what lies inside; it is no use of it.
        if matches!(item.vis, syn::Visibility::Inherited) {
            self.add_tree(&mut Module::new(), &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Module = path.segments.iter().map(|s| s.ident.to_string()).collect();
        let is_anchored = ["crate", "self", "super"].contains(&segments[0].as_str());
        if segments.len() > 1 && (is_anchored || self.is_child(&segments[0])) {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }

    /// Unit tests may look anywhere.
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }
}

impl Paths<'_> {
    fn is_child(&self, name: &str) -> bool {
        let mut path = self.own.to_vec();
        path.push(name.to_string());
        self.files.contains(&path)
    }
}

/// Modules that each module imports; its own ancestors and descendants, which are one room with it,
/// are left out.
fn imports(modules: &BTreeMap<Module, syn::File>) -> BTreeMap<Module, BTreeSet<Module>> {
    let files: BTreeSet<Module> = modules.keys().cloned().collect();
    let mut all = BTreeMap::new();
    for (own, syntax) in modules {
        let mut paths = Paths { own, files: &files, named: BTreeSet::new() };
        paths.visit_file(syntax);
        let outside = |other: &Module| !own.starts_with(other) && !other.starts_with(own);
        all.insert(own.clone(), paths.named.into_iter().filter(outside).collect());
    }
    all
}

/// A circle of imports, if there is one.
fn circle(imports: &BTreeMap<Module, BTreeSet<Module>>) -> Option<Vec<String>> {
    fn go(
        at: &Module,
        imports: &BTreeMap<Module, BTreeSet<Module>>,
        way: &mut Vec<Module>,
        done: &mut BTreeSet<Module>,
    ) -> Option<Vec<String>> {
        if let Some(start) = way.iter().position(|m| m == at) {
            return Some(way[start..].iter().chain([at]).map(|m| m.join("::")).collect());
        }
        if !done.insert(at.clone()) {
            return None;
        }
        way.push(at.clone());
        let found = imports[at].iter().find_map(|next| go(next, imports, way, done));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    imports.keys().find_map(|start| go(start, imports, &mut Vec::new(), &mut done))
}

#[test]
fn no_crate_imports_in_circles() {
    let mut found = Vec::new();
    let mut arrows = 0;
    for name in CRATES {
        let imports = imports(&modules(&source_folder(name)));
        arrows += imports.values().map(BTreeSet::len).sum::<usize>();
        found.extend(circle(&imports).map(|way| format!("{name}: {}", way.join(" -> "))));
    }
    assert!(arrows > 500, "found {arrows} imports only");
    assert!(found.is_empty(), "imports in circles:\n{}", found.join("\n"));
}

#[test]
fn few_files_lie_beside_the_folders() {
    for name in CRATES {
        let src = source_folder(name);
        let beside: Vec<String> = fs::read_dir(&src)
            .expect("every crate has a src")
            .map(|entry| entry.expect("entries can be read").path())
            .filter(|path| {
                path.extension().is_some_and(|e| e == "rs") && !path.with_extension("").is_dir()
            })
            .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        assert!(
            beside.len() <= FILES_BESIDE_FOLDERS,
            "{name}/src has {}: {beside:?}",
            beside.len()
        );
    }
}

#[test]
fn no_file_name_is_there_twice_in_a_crate() {
    for name in CRATES {
        let mut seen = BTreeMap::new();
        for module in modules(&source_folder(name)).into_keys().filter(|m| !m.is_empty()) {
            let file = module.last().cloned().unwrap_or_default();
            if let Some(other) = seen.insert(file, module.clone()) {
                panic!("{name}: {} and {}", module.join("/"), other.join("/"));
            }
        }
    }
}

/// The rules above are only as good as the reading they rest on.
#[test]
fn circles_are_found() {
    let file = |text: &str| syn::parse_file(text).expect("this is Rust");
    let path = |text: &str| -> Module { text.split("::").map(str::to_string).collect() };
    let mut modules = BTreeMap::from([
        (Module::new(), file("mod a; mod b;")),
        (path("a"), file("mod c; use c::Thing; pub use crate::b::Shown;")),
        (path("a::c"), file("use super::Other; pub struct Thing;")),
        (
            path("b"),
            file("fn f() { crate::a::c::Thing; }\n#[cfg(test)] mod tests { use crate::a::x; }"),
        ),
    ]);
    assert_eq!(circle(&imports(&modules)), None);
    modules.insert(path("a::c"), file("use crate::{d, b::{Any as Some, None}};"));
    let way = circle(&imports(&modules)).expect("a::c and b import each other");
    assert_eq!(way, ["a::c", "b", "a::c"]);
}
