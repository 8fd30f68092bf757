//! The console blocks of a text in Markdown.

use std::fmt::Write;

/// What a person types in one block, step by step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins: `file:line`.
    pub(crate) at: String,
    pub(crate) steps: Vec<Step>,
}

/// A command of the shell, and what follows it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) command: String,
    /// What is typed on its console.
    pub(crate) console: Vec<String>,
    /// What it prints, as far as the block says; a line of `…` is anything.
    pub(crate) printed: Vec<String>,
}

impl Step {
    /// The exit code that the block says it has.
    pub(crate) fn code(&self) -> Option<i32> {
        let (_, code) = self.command.split_once("# exit code ")?;
        code.split_whitespace().next()?.parse().ok()
    }
}

/// The blocks whose fence says ```` ```console ````; with a word after it, `illustration`, a block is
/// not to be run.
pub(crate) fn blocks(file: &str, text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let fence = line.trim_start();
        if !fence.starts_with("```") || fence.trim_end() == "```" {
            continue;
        }
        let body: Vec<&str> =
            lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```").collect();
        match fence.trim_start_matches('`').trim() {
            "console" => {
                found.push(Block { at: format!("{file}:{}", at + 1), steps: steps(&body) })
            }
            "console illustration" => {}
            other => assert!(
                !other.starts_with("console") && !matches!(other, "sh" | "bash" | "shell"),
                "{file}:{}: a block of `{other}` is neither run nor marked: write `console`, or \
                 `console illustration`",
                at + 1
            ),
        }
    }
    found
}

fn steps(lines: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        if goes_on {
            let step = steps.last_mut().unwrap();
            let _ = write!(step.command, "\n{line}");
        } else if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), ..Step::default() });
        } else if let Some(typed) = line.strip_prefix("crowd> ") {
            if steps.is_empty() {
                steps.push(Step { command: "crowd".to_owned(), ..Step::default() });
            }
            steps.last_mut().unwrap().console.push(typed.to_owned());
        } else if let Some(step) = steps.last_mut() {
            step.printed.push((*line).to_owned());
        }
        goes_on = line.ends_with('\\');
    }
    steps
}

/// A command as it is run here: of ten seconds one, and of any time two at most; the binary that was
/// built instead of another build.
pub(crate) fn shortened(command: &str) -> String {
    let command = command.replace("cargo run --release --", "crowd");
    let command = command.replace("cargo run --release", "crowd");
    let mut short = String::new();
    let mut rest = command.as_str();
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let digits =
            rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        let (before, tail) = rest.split_at(start);
        let (number, after) = tail.split_at(digits);
        short.push_str(before);
        let ends = |unit: char| {
            let left = after.strip_prefix(unit)?;
            (!left.starts_with(|c: char| c.is_alphanumeric())).then_some(left)
        };
        let begins = !short.ends_with(|c: char| c.is_alphanumeric() || c == '.');
        let seconds = match (ends('s'), ends('m')) {
            (Some(left), _) => Some((1, left)),
            (_, Some(left)) => Some((60, left)),
            _ => None,
        };
        match (number.parse::<u64>(), seconds) {
            (Ok(number), Some((unit, left))) if begins => {
                let _ = write!(short, "{}ms", (number * unit * 100).min(2_000));
                rest = left;
            }
            _ => {
                short.push_str(number);
                rest = after;
            }
        }
    }
    short + rest
}
