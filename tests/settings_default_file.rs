//! `config/default.toml` and `docs/settings.md` name every setting of a node and its default.

use crowd::settings::{NodeSettings, Sources, env, value::Shape};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/default.toml");
const PAGE: &str = include_str!("../docs/settings.md");

/// The value as TOML, the way a person would write it.
fn literal(text: &str, shape: Shape) -> String {
    if shape == Shape::List {
        assert_eq!(text, "", "no list has a default that is not empty");
        return "[]".into();
    }
    let bare = text.parse::<u64>().is_ok() || text.parse::<bool>().is_ok();
    if bare { text.to_owned() } else { format!("{text:?}") }
}

/// What the file must say: one line on each setting, then its default, commented out where there
/// is none, or none that is the same everywhere.
fn expected() -> String {
    let header = "# Every setting of a node with its default. A setting may also stand in the \
                  environment, as\n# CROWD_ and its name in capitals. Durations: 1m30s, 200ms.\n";
    let settings = NodeSettings::declared().into_iter().map(|setting| {
        let (about, name) = (setting.about, setting.name);
        let comment = match setting.default_in_words {
            Some(words) => format!("# {about} Default: {words}."),
            None => format!("# {about}"),
        };
        let line = match &setting.default {
            Some(text) => format!("{name} = {}", literal(text, setting.shape)),
            None => format!("# {name} = \"\""),
        };
        format!("\n{comment}\n{line}\n")
    });
    header.to_owned() + &settings.collect::<String>()
}

#[test]
fn the_file_is_complete_and_true() {
    let file = std::fs::read_to_string(FILE).unwrap();
    assert_eq!(file, expected());
}

#[test]
fn the_file_can_be_read_and_says_what_is_built_in() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("settings.toml");
    let text = std::fs::read_to_string(FILE).unwrap();
    // Here it is about the file; what a rate is, is tested with the throttles, and its text above.
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("user_rate")).collect();
    std::fs::write(&path, lines.join("\n")).unwrap();
    let settings = NodeSettings::load(&Sources { file: Some(path), ..Sources::default() });
    assert_eq!(settings.unwrap(), NodeSettings::default());
}

#[test]
fn the_page_has_a_row_for_each_setting() {
    for setting in NodeSettings::declared() {
        let default = match (&setting.default, setting.default_in_words) {
            (Some(text), _) if !text.is_empty() => format!("`{text}`"),
            (_, Some(words)) => words.to_owned(),
            _ => "none".to_owned(),
        };
        let (name, about) = (setting.name, setting.about);
        let row = format!("| `{name}` | `{}` | {default} | {about} |", env::variable(name));
        assert!(PAGE.contains(&row), "docs/settings.md lacks the row\n{row}");
    }
}
