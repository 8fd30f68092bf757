//! Which folders import which, and where that leads back.

use std::collections::{BTreeMap, BTreeSet};

use crate::reading::Source;

/// The folders of a crate: what each imports, and a file that does.
pub(crate) type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// What the folders right below `src` import of each other. `x.rs` and all in `x/` are one folder.
/// `lib.rs` and the prelude hold nothing of their own.
pub(crate) fn imports(sources: &[Source]) -> Imports {
    let is_folder = |name: &str| !["lib", "prelude"].contains(&name);
    let folders: BTreeSet<&str> = sources
        .iter()
        .filter_map(|source| source.module.first())
        .map(String::as_str)
        .filter(|name| is_folder(name))
        .collect();
    let mut imports = Imports::new();
    for source in sources {
        let Some(from) = source.module.first().filter(|name| is_folder(name)) else { continue };
        for path in source.names().paths {
            let [krate, to, ..] = path.as_slice() else { continue };
            if krate == "crate" && to != from && folders.contains(to.as_str()) {
                let of = imports.entry(from.clone()).or_default();
                of.entry(to.clone()).or_insert_with(|| source.file.clone());
            }
        }
    }
    imports
}

/// The sets of folders that reach each other, each with two at least.
pub(crate) fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        imports.keys().map(|from| (from, reach(imports, from))).collect();
    let mut circles = BTreeSet::new();
    for (from, to) in &reached {
        let back = |other: &&&String| reached.get(*other).is_some_and(|of| of.contains(from));
        let mut circle: BTreeSet<String> =
            to.iter().filter(back).map(|&name| name.clone()).collect();
        circle.insert((*from).clone());
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

fn reach<'a>(imports: &'a Imports, from: &'a String) -> BTreeSet<&'a String> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(at) = next.pop() {
        for to in imports.get(at).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(to) {
                next.push(to);
            }
        }
    }
    seen
}
