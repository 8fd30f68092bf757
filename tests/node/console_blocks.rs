//! Every console block of the documentation works as it stands there, or says that it is an
//! illustration.
//!
//! With `CROWD_BIN` another binary is tested than the one built with the test: the release binary,
//! say.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};

#[path = "blocks/parse.rs"]
mod parse;
#[path = "blocks/run.rs"]
mod run;

use self::{
    parse::{Block, blocks, shortened},
    run::{Place, target},
};

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

/// README.md and docs/*.md, by name.
fn documentation() -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.push(root().join("README.md"));
    files.sort();
    let read = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, fs::read_to_string(path).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// The first block of TOML: the profile that its page is about.
fn toml(text: &str) -> &str {
    let (_, rest) = text.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

/// A profile as the examples name one.
const PROFILE: &str = "[[stages]]\nduration = \"30s\"\nusers = 5\n";

/// The document of a real run.
fn document(place: &Place) -> Value {
    let step =
        "crowd run http url=http://localhost:8080/ --users 2 --duration 10s --json made.json";
    let block = blocks("a run", &format!("```console\n$ {step}\n```"));
    place.run(&block[0]).unwrap();
    let mut made: Value =
        serde_json::from_str(&fs::read_to_string(place.path().join("made.json")).unwrap()).unwrap();
    // However busy this machine is: that is judged elsewhere.
    made["generator"]["verdict"] = json!("VALID");
    made
}

/// Writes the documents that a block reads: its words that end so and are no outputs.
fn provide(place: &Place, block: &Block, made: &Value) {
    for step in &block.steps {
        let words: Vec<_> = step.command.split_whitespace().collect();
        let named =
            words.windows(2).filter(|pair| pair[1].ends_with(".json") && pair[0] != "--json");
        for name in named.map(|pair| pair[1]) {
            let mut document = made.clone();
            document["run"]["id"] = json!(name);
            fs::write(place.path().join(name), document.to_string()).unwrap();
        }
    }
}

#[test]
fn every_console_block_works_or_is_marked() {
    let target = target();
    let made = document(&Place::new(target));
    let mut faults = Vec::new();
    let mut ran = 0;
    for (name, text) in documentation() {
        for block in blocks(&name, &text) {
            assert!(!block.steps.is_empty(), "{}: nothing is typed there", block.at);
            let place = Place::new(target);
            if name.ends_with("profiles.md") {
                fs::write(place.path().join("load.toml"), place.here(toml(&text))).unwrap();
            }
            provide(&place, &block, &made);
            faults.extend(place.run(&block).err());
            ran += 1;
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(ran >= 10, "only {ran} blocks were found");
}

/// The examples in the help of a verb, but for those that need other hosts.
fn examples(verb: &str) -> Vec<String> {
    let output = Command::new(run::binary()).args([verb, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").expect(verb);
    let commands = examples.lines().take_while(|line| !line.is_empty()).map(str::trim);
    let alone = commands.filter(|line| line.starts_with("crowd ") && !line.contains("--api "));
    // What it is for stands at a distance behind it.
    alone.map(|line| line.split("   ").next().unwrap().to_owned()).collect()
}

#[test]
fn the_examples_of_the_help_work() {
    let target = target();
    let made = document(&Place::new(target));
    let mut faults = Vec::new();
    for verb in ["run", "profile", "compare", "report"] {
        let examples = examples(verb);
        assert!(!examples.is_empty(), "{verb}");
        for example in examples {
            let text = format!("```console\n$ {example}\n```");
            for block in blocks(&format!("crowd {verb} --help"), &text) {
                let place = Place::new(target);
                fs::write(place.path().join("load.toml"), place.here(PROFILE)).unwrap();
                provide(&place, &block, &made);
                faults.extend(place.run(&block).err());
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

/// What comes of a planted block.
fn planted(text: &str) -> Result<(), String> {
    let mut place = Place::new(target());
    place.patience = Duration::from_secs(20);
    let found = blocks("planted.md", text);
    assert_eq!(found.len(), 1, "{text}");
    place.run(&found[0])
}

#[test]
fn a_wrong_block_is_found() {
    let fault = planted("\n```console\n$ crowd run idle --userss 5\n```\n").unwrap_err();
    assert!(fault.starts_with("planted.md:2: `crowd run idle --userss 5`"), "{fault}");
    assert!(fault.contains("exit code 64, and not 0"), "{fault}");
    let fault = planted("```console\ncrowd> do nothing 5\n```\n").unwrap_err();
    assert!(fault.contains("`crowd`: it ended with exit code 1"), "{fault}");
    let fault = planted("```console\n$ crowd scenarios\nno such line\n```\n").unwrap_err();
    assert!(fault.contains("it did not print `no such line`"), "{fault}");
    // The second of three steps, and the last works.
    let steps = "$ true\n$ crowd compare nowhere.json \\\n    nothing.json\n$ true";
    let fault = planted(&format!("```console\n{steps}\n```")).unwrap_err();
    assert!(fault.contains("nowhere.json") && fault.contains("exit code 64"), "{fault}");
}

#[test]
fn a_block_may_state_another_exit_code() {
    planted("```console\n$ crowd run idle --userss 5   # exit code 64\n```").unwrap();
    let fault = planted("```console\n$ true   # exit code 6\n```").unwrap_err();
    assert!(fault.contains("exit code 0, and not 6"), "{fault}");
}

#[test]
fn a_block_that_does_not_end_is_found() {
    let mut place = Place::new(target());
    place.patience = Duration::from_millis(200);
    let block = blocks("planted.md", "```console\n$ sleep 1h\n```");
    let fault = place.run(&block[0]).unwrap_err();
    assert!(fault.contains("did not end within 200ms"), "{fault}");
}

#[test]
fn illustrations_are_not_run_and_nothing_else_is_left_out() {
    assert_eq!(blocks("x.md", "```console illustration\n$ false\n```"), []);
    for fence in ["sh", "bash", "console no"] {
        let text = format!("```{fence}\n$ false\n```");
        std::panic::catch_unwind(|| blocks("x.md", &text)).expect_err(fence);
    }
}

#[test]
fn times_are_shortened_by_one_rule() {
    for (command, here) in [
        ("cargo run --release -- run idle", "crowd run idle"),
        ("cargo run --release", "crowd"),
        (
            "--stages '30s: 0/s -> 200/s, 2m: 5, 4s: 1'",
            "--stages '2000ms: 0/s -> 200/s, 2000ms: 5, 400ms: 1'",
        ),
        ("p95 < 150ms over 10s", "p95 < 150ms over 1000ms"),
        ("a1s 10/min 1.5s 7", "a1s 10/min 1.5s 7"),
    ] {
        assert_eq!(shortened(command), here);
    }
}
