//! The structure of the workspace: which crate stands on which, no folder leads back to itself, and
//! what decides knows no clock.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod circles;
mod planted;
mod pure;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use circles::{circles, imports};
use pure::PURE;
use reading::Source;

/// The floors, from the lowest: each imports those below it alone, since its `Cargo.toml` names no
/// other.
const FLOORS: [(&str, &[&str]); 4] = [
    ("crates/core", &[]),
    ("crates/measure", &["crowd-core"]),
    ("crates/plan", &["crowd-core", "crowd-measure"]),
    ("crates/report", &["crowd-core", "crowd-measure", "crowd-plan"]),
];

/// The folders of the crate `crowd` that still lead back to themselves. No others may, and this list
/// only ever gets shorter.
const KNOWN_CIRCLES: &[&[&str]] =
    &[&["cluster", "controller", "feed", "scenario", "throttle", "user"], &["control", "node"]];

/// Folders of the crate `crowd` and what they do not import.
const ABSENT: &[(&str, &[&str])] = &[
    ("user", &["node", "control", "controller"]),
    ("scenario", &["node", "control", "controller"]),
    ("throttle", &["node", "control"]),
    ("targets", &["node", "control", "cluster"]),
    ("coordinator", &["node", "control"]),
    ("controller", &["node", "control"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources(krate: &str) -> Vec<Source> {
    Source::all(&root().join(krate).join("src"))
}

#[test]
fn a_floor_stands_on_those_below_it_alone() {
    for (krate, below) in FLOORS {
        let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        let used: Vec<_> = manifest
            .lines()
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .filter(|name| name.starts_with("crowd-") && *name != "crowd-derive")
            .collect();
        assert_eq!(used, below, "{krate}");
    }
    let found: BTreeSet<_> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| format!("crates/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    assert_eq!(found, FLOORS.iter().map(|(krate, _)| (*krate).to_owned()).collect());
}

#[test]
fn no_folder_of_a_floor_leads_back_to_itself() {
    for (krate, _) in FLOORS {
        let imports = imports(&sources(krate));
        assert_eq!(circles(&imports), [], "{krate}: {imports:#?}");
    }
}

#[test]
fn no_folder_above_leads_back_to_itself_but_those_that_are_known() {
    let imports = imports(&sources("."));
    let known: Vec<BTreeSet<String>> = KNOWN_CIRCLES
        .iter()
        .map(|circle| circle.iter().map(|name| (*name).to_owned()).collect())
        .collect();
    assert_eq!(circles(&imports), known, "{imports:#?}");
}

#[test]
fn parts_do_not_know_those_who_use_them() {
    let imports = imports(&sources("."));
    let nothing = BTreeMap::new();
    for (folder, absent) in ABSENT {
        let of = imports.get(*folder).unwrap_or(&nothing);
        for name in *absent {
            assert_eq!(of.get(*name), None, "`{folder}` must not import `{name}`");
        }
    }
}

#[test]
fn pure_modules_know_no_runtime_no_actor_and_no_clock() {
    for file in PURE {
        let text = fs::read_to_string(root().join(file)).unwrap();
        let (_, below) = file.split_once("src/").unwrap();
        let impure = pure::impurities(&Source::new(below, &text));
        assert_eq!(impure, [""; 0], "{file} is pure");
    }
}

#[test]
fn every_swappable_crate_is_named_in_few_files() {
    let crates = ["."].into_iter().chain(FLOORS.map(|(krate, _)| krate));
    let all: Vec<_> = crates.flat_map(sources).collect();
    for (word, most) in
        [("reedline", 5), ("procfs", 1), ("rlimit", 2), ("indicatif", 1), ("bincode", 1)]
    {
        let names = |source: &&Source| {
            source.names().paths.iter().any(|path| path.first().is_some_and(|first| first == word))
        };
        let users: Vec<_> = all.iter().filter(names).map(|source| &source.file).collect();
        assert!(!users.is_empty() && users.len() <= most, "{word} is named in {users:?}");
    }
}
