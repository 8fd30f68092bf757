//! What a source file names: read by a parser, so that braces, renames and macros hide nothing.

use std::{fs, path::Path};

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, Item, ItemFn, ItemMod, ItemUse, Macro, UseTree,
    visit::{self, Visit},
};

/// A source file as a module of its crate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Its path below `src`.
    pub(crate) file: String,
    /// The module it is: empty for `lib.rs`.
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn new(file: &str, text: &str) -> Self {
        let stem = file.trim_end_matches(".rs");
        let module = stem.split('/').map(str::to_owned).collect::<Vec<_>>();
        let module = if stem == "lib" { Vec::new() } else { module };
        Self { file: file.to_owned(), module, text: text.to_owned() }
    }

    /// All files of a crate but those that are tests as a whole.
    pub(crate) fn all(src: &Path) -> Vec<Self> {
        let mut found = Vec::new();
        collect(src, src, &mut found);
        found.sort_by(|one, other| one.file.cmp(&other.file));
        found
    }

    /// Every path it names outside of its tests, as written but for `self` and `super`: those within
    /// the crate begin with `crate`.
    ///
    /// # Panics
    /// If it is no Rust.
    pub(crate) fn names(&self) -> Names {
        let file = syn::parse_file(&self.text);
        let file = file.unwrap_or_else(|fault| panic!("{}: {fault}", self.file));
        let mut reading = Reading {
            module: self.module.clone(),
            children: children(&file.items),
            names: Names::default(),
        };
        reading.visit_file(&file);
        reading.names
    }
}

/// What a file names.
#[derive(Debug, Default)]
pub(crate) struct Names {
    pub(crate) paths: Vec<Vec<String>>,
    /// Whether it has an asynchronous function or block.
    pub(crate) is_async: bool,
}

fn collect(src: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.strip_prefix(src).unwrap().to_str().unwrap().to_owned();
        let is_tests = path.file_stem().is_some_and(|name| name == "tests" || name == "fuzz");
        if is_tests || path.file_stem().is_some_and(|name| name == "fuzzed") {
            continue;
        }
        if path.is_dir() {
            collect(src, &path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(Source::new(&file, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The modules that items declare: a path may begin with their names.
fn children(items: &[Item]) -> Vec<String> {
    let modules = items.iter().filter_map(|item| match item {
        Item::Mod(module) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg_test = attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"));
        is_cfg_test || attribute.path().segments.last().is_some_and(|last| last.ident == "test")
    })
}

struct Reading {
    /// The module that is read.
    module: Vec<String>,
    children: Vec<String>,
    names: Names,
}

impl Reading {
    /// Notes a path; within the crate it is made absolute.
    fn note(&mut self, segments: Vec<String>) {
        let mut at = self.module.clone();
        let mut rest = segments.as_slice();
        let within = match rest.first().map(String::as_str) {
            Some("crate") => {
                at.clear();
                rest = &rest[1..];
                true
            }
            Some("self") => {
                rest = &rest[1..];
                true
            }
            Some("super") => {
                while rest.first().is_some_and(|segment| segment == "super") {
                    at.pop();
                    rest = &rest[1..];
                }
                true
            }
            Some(first) => self.children.iter().any(|child| child == first),
            None => false,
        };
        let whole = match within {
            true => ["crate".to_owned()].into_iter().chain(at).chain(rest.to_vec()).collect(),
            false => segments,
        };
        self.names.paths.push(whole);
    }

    fn note_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.note(with(&name.ident)),
            UseTree::Rename(name) => self.note(with(&name.ident)),
            UseTree::Glob(_) => self.note(before.to_vec()),
            UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.note_tree(before, tree));
            }
        }
    }

    /// Paths in the words of a macro, which no parser can read as Rust.
    fn note_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(word) => {
                    if colons != 2 {
                        self.note_if_long(std::mem::take(&mut path));
                    }
                    path.push(word.to_string());
                    colons = 0;
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => colons += 1,
                other => {
                    self.note_if_long(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.note_tokens(group.stream());
                    }
                }
            }
        }
        self.note_if_long(path);
    }

    fn note_if_long(&mut self, path: Vec<String>) {
        if path.len() > 1 {
            self.note(path);
        }
    }
}

impl<'a> Visit<'a> for Reading {
    fn visit_item(&mut self, item: &'a Item) {
        let attributes = match item {
            Item::Mod(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            Item::Macro(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        let Some((_, items)) = &item.content else { return };
        let before = std::mem::replace(&mut self.children, children(items));
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
        self.children = before;
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_item_fn(&mut self, item: &'a ItemFn) {
        visit::visit_item_fn(self, item);
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        self.names.is_async |= signature.asyncness.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'a syn::ExprAsync) {
        self.names.is_async = true;
        visit::visit_expr_async(self, block);
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(segments);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, words: &'a Macro) {
        self.note_tokens(words.tokens.clone());
        visit::visit_macro(self, words);
    }
}
