//! `crowd new`: a crate with a scenario of one's own, its test, and a binary that runs it.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::exit::Exit;

/// The files of the crate: their paths and what they hold, with `{{…}}` to be filled in.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("scaffold/Cargo.toml.txt")),
    (".gitignore", "/target\n"),
    ("src/lib.rs", include_str!("scaffold/lib.rs.txt")),
    ("src/main.rs", include_str!("scaffold/main.rs.txt")),
    ("tests/run.rs", include_str!("scaffold/run.rs.txt")),
];

/// Names that Cargo does not take, or that would shadow what the crate needs.
const TAKEN: &[&str] = &["crowd", "test", "core", "std", "alloc", "main", "tokio", "tests"];

/// Words of the language that cannot name a crate.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// What to scaffold.
#[derive(Debug, Clone)]
pub struct ScaffoldOptions {
    /// The name of the crate and of the scenario, in kebab-case.
    pub name: String,
    /// The folder the crate's folder is put into.
    pub folder: PathBuf,
    /// Where crowd itself is; none: in the registry.
    pub crowd: Option<PathBuf>,
}

/// Why nothing was scaffolded.
#[derive(Debug, thiserror::Error)]
pub enum ScaffoldFault {
    /// The name is none.
    #[error("`{0}` cannot name a crate: {1}")]
    Name(String, &'static str),
    /// There is something already.
    #[error("`{}` exists already; nothing was written", .0.display())]
    Exists(PathBuf),
    /// That is no checkout of crowd.
    #[error("`{}` is not the folder of crowd's repository: {why}", path.display())]
    Crowd {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong with that.
        why: String,
    },
    /// The files cannot be written.
    #[error("`{}` cannot be written: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl ScaffoldFault {
    /// The exit code of the process it ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Name(..) | Self::Exists(_) | Self::Crowd { .. } => Exit::BadUsage,
            Self::Io { .. } => Exit::Failed,
        }
    }
}

/// Writes the crate; answers with what to do next.
///
/// # Errors
/// If the name cannot name a crate, its folder exists already, or a file cannot be written.
pub fn write(options: &ScaffoldOptions) -> Result<String, ScaffoldFault> {
    let ScaffoldOptions { name, folder, crowd } = options;
    check_name(name)?;
    let target = folder.join(name);
    if target.symlink_metadata().is_ok() {
        return Err(ScaffoldFault::Exists(target));
    }
    let dependency = dependency(crowd.as_deref())?;
    let fill = |template: &str| {
        template
            .replace("{{name}}", name)
            .replace("{{crate}}", &name.replace('-', "_"))
            .replace("{{Type}}", &type_name(name))
            .replace("{{crowd}}", &dependency)
    };
    let made = fs::create_dir_all(folder).and_then(|()| fs::create_dir(&target));
    made.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => ScaffoldFault::Exists(target.clone()),
        _ => ScaffoldFault::Io { path: target.clone(), source },
    })?;
    for (path, template) in FILES {
        let path = target.join(path);
        create(&path, &fill(template)).map_err(|source| ScaffoldFault::Io { path, source })?;
    }
    Ok(next_steps(name, &target, crowd.is_some()))
}

/// A file that was not there before: whatever somebody may have put there is not followed.
fn create(path: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    File::create_new(path)?.write_all(text.as_bytes())
}

fn check_name(name: &str) -> Result<(), ScaffoldFault> {
    let fault = |why| Err(ScaffoldFault::Name(name.to_owned(), why));
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        fault("it has to begin with a lower-case letter, as in `my-scenario`")
    } else if !name.chars().all(fits) {
        fault("write lower-case letters, digits and dashes, as in `my-scenario`")
    } else if name.ends_with('-') || name.contains("--") {
        fault("a dash stands between two words, as in `my-scenario`")
    } else if name.len() > 64 {
        fault("at most 64 letters")
    } else if KEYWORDS.contains(&name) {
        fault("it is a word of the language")
    } else if TAKEN.contains(&name) {
        fault("that name is taken")
    } else {
        Ok(())
    }
}

/// The line of the manifest that says where crowd is.
fn dependency(crowd: Option<&Path>) -> Result<String, ScaffoldFault> {
    let Some(path) = crowd else {
        let (major, rest) = env!("CARGO_PKG_VERSION").split_once('.').unwrap_or(("0", "1"));
        let minor = rest.split('.').next().unwrap_or_default();
        return Ok(format!("\"{major}.{minor}\""));
    };
    let fault = |why: String| ScaffoldFault::Crowd { path: path.to_owned(), why };
    let path = path.canonicalize().map_err(|error| fault(error.to_string()))?;
    let manifest = fs::read_to_string(path.join("Cargo.toml"))
        .map_err(|error| fault(format!("its Cargo.toml cannot be read: {error}")))?;
    if !manifest.lines().any(|line| line.trim() == "name = \"crowd\"") {
        return Err(fault("its Cargo.toml is that of another crate".to_owned()));
    }
    let text = path.to_str().ok_or_else(|| fault("its path is not Unicode".to_owned()))?;
    // The rules for quoting are the same in TOML and in Rust but for what no path should hold.
    if text.chars().any(char::is_control) {
        return Err(fault("its path holds control characters".to_owned()));
    }
    Ok(format!("{{ path = \"{}\" }}", text.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// `my-scenario` → `MyScenario`.
fn type_name(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters)
        })
        .collect()
}

fn next_steps(name: &str, target: &Path, local: bool) -> String {
    let folder = shlex::try_quote(&target.to_string_lossy())
        .map_or_else(|_| target.display().to_string(), |quoted| quoted.into_owned());
    let registry = if local {
        String::new()
    } else {
        "\nIts manifest takes crowd from the registry; `--crowd PATH` takes it from a checkout."
            .to_owned()
    };
    format!(
        "Wrote the scenario `{name}` to {folder}.{registry}\n\n  cd {folder}\n  cargo test\n  \
         cargo run -- scenarios {name}\n  cargo run -- run {name} --users 10\n\n\
         The scenario is in src/lib.rs, and its comments say what to change."
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn options(folder: &Path, name: &str) -> ScaffoldOptions {
        ScaffoldOptions {
            name: name.to_owned(),
            folder: folder.to_owned(),
            crowd: Some(env!("CARGO_MANIFEST_DIR").into()),
        }
    }

    #[test]
    fn names_are_kebab_case_words() {
        for name in ["a", "my-scenario", "http2", "x-1"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in
            ["", "My", "1st", "-a", "a-", "a--b", "a_b", "a b", "../a", "é", "match", "crowd"]
        {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"a".repeat(65)).is_err());
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let folder = tempfile::tempdir().unwrap();
        write(&options(folder.path(), "two-words")).unwrap();
        for (path, _) in FILES {
            let text = fs::read_to_string(folder.path().join("two-words").join(path)).unwrap();
            assert!(!text.contains("{{"), "{path}: {text}");
        }
        let code = fs::read_to_string(folder.path().join("two-words/src/lib.rs")).unwrap();
        assert!(code.contains("TwoWords") && code.contains("\"two-words\""), "{code}");
    }

    #[test]
    fn what_exists_is_not_touched() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("mine")).unwrap();
        let fault = write(&options(folder.path(), "mine")).unwrap_err();
        assert!(matches!(fault, ScaffoldFault::Exists(_)), "{fault}");
        assert_eq!(fs::read_dir(folder.path().join("mine")).unwrap().count(), 0);
    }

    #[test]
    fn a_planted_link_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        let [link, dangling] = ["mine", "yours"].map(|name| folder.path().join(name));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &link).unwrap();
        symlink(folder.path().join("nowhere"), &dangling).unwrap();
        for name in ["mine", "yours"] {
            let fault = write(&options(folder.path(), name)).unwrap_err();
            assert!(matches!(fault, ScaffoldFault::Exists(_)), "{fault}");
        }
        // The folder was there in the meantime.
        for path in [&link, &dangling] {
            let fault = create(path, "text").unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!folder.path().join("nowhere").exists());
    }

    #[test]
    fn a_folder_that_is_not_crowd_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), "mine");
        options.crowd = Some(folder.path().to_owned());
        assert!(matches!(write(&options), Err(ScaffoldFault::Crowd { .. })));
        assert!(!folder.path().join("mine").exists());
    }
}
