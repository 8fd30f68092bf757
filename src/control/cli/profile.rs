//! `crowd profile`: a load profile, checked and drawn.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use crowd_plan::profile::{Format, Profile, ProfileFaults, draw};

use super::say;
use crate::control::{exit::Exit, tell::complain};

pub(super) const PROFILE_EXAMPLES: &str = "\
Examples:
  crowd profile load.toml
  crowd profile --stages '10s: 0 -> 100, 1m: 100, 30s: pause, 1m: 10/s -> 50/s quadratic'

A file has [[stages]] with a `duration` and one of `users`, `rate` and `pause`, or one [shape].
Without a unit a number counts users; with one it is a rate of arrivals.";

#[derive(Debug, Args)]
pub(super) struct ProfileFlags {
    /// The file: TOML, or JSON if its name ends so.
    #[arg(required_unless_present = "stages", conflicts_with = "stages")]
    file: Option<PathBuf>,
    /// The stages themselves, on one line.
    #[arg(long, value_name = "STAGES")]
    stages: Option<String>,
}

/// The profile of a file, or of stages on one line.
pub(super) fn read(file: Option<&Path>, stages: Option<&str>) -> Result<Profile, ProfileFaults> {
    let Some(path) = file else { return stages.unwrap_or_default().parse() };
    let text = fs::read_to_string(path)
        .map_err(|error| ProfileFaults(vec![format!("`{}`: {error}", path.display())]))?;
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    Profile::read(&text, if json { Format::Json } else { Format::Toml })
}

/// Draws it as wide as the terminal, or says all that is wrong with it.
pub(super) fn draw_it(flags: &ProfileFlags) -> Exit {
    match read(flags.file.as_deref(), flags.stages.as_deref()) {
        Ok(profile) => {
            let (_, width) = console::Term::stdout().size();
            say(&draw(&profile, usize::from(width).min(120)));
            Exit::Passed
        }
        Err(faults) => {
            complain(&faults);
            Exit::BadUsage
        }
    }
}
