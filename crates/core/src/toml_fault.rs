//! What is wrong with a TOML file, without what it holds.

use config::ConfigError;

/// A TOML error quotes the line it is about, and that line may hold a secret.
pub fn without_source(error: &ConfigError) -> String {
    let quotes = |line: &&str| {
        let line = line.trim_start().trim_start_matches(|letter: char| letter.is_ascii_digit());
        line.trim_start().starts_with('|')
    };
    let text = error.to_string();
    let lines: Vec<_> = text.lines().filter(|line| !quotes(line)).map(str::trim).collect();
    lines.join(": ")
}
