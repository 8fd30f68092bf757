//! `crowd new`: what it writes compiles, and its test passes.

mod binary;

use std::{fs, path::Path, process::Command};

use binary::{crowd, finish, stderr, stdout};
use tempfile::TempDir;

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

#[test]
fn the_crate_it_writes_compiles_and_passes_its_test() {
    let folder = TempDir::new().unwrap();
    let mut new = crowd(folder.path());
    new.args(["new", "shop-visit", "--path"]).arg(folder.path()).arg("--crowd").arg(root());
    let output = finish(new, "");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stdout(&output);
    assert!(told.contains("cargo test") && told.contains("shop-visit"), "{told}");

    let made = folder.path().join("shop-visit");
    // The versions this repository was tested with; nothing is fetched.
    fs::copy(root().join("Cargo.lock"), made.join("Cargo.lock")).unwrap();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["test", "--offline"])
        .current_dir(&made)
        // Kept from one time to the next, so that only the first takes long.
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold"))
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("all_users_finish ... ok"), "{}", stdout(&output));
    assert!(!stderr(&output).contains("warning"), "{}", stderr(&output));
}

#[test]
fn faults_are_told_and_nothing_is_written() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("there-already")).unwrap();
    for (name, says) in [
        ("there-already", "exists already"),
        ("Not_Kebab", "lower-case"),
        ("match", "word of the language"),
        ("../outside", "lower-case"),
    ] {
        let mut new = crowd(folder.path());
        new.args(["new", name, "--path"]).arg(folder.path());
        let output = finish(new, "");
        assert_eq!(output.status.code(), Some(64), "{name}");
        assert!(stderr(&output).contains(says), "{name}: {}", stderr(&output));
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 1);
}
