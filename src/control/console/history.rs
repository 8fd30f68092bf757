//! The lines that were typed, in a file that nobody else may read, without those that hold secrets.

use std::{
    env,
    fs::{DirBuilder, File, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crowd_core::settings::masking::{secrets_of_url_list, secrets_of_urls};
use reedline::{
    FileBackedHistory, History, HistoryItem, HistoryItemId, HistorySessionId, ReedlineError,
    ReedlineErrorVariants, Result, SearchQuery,
};

use super::completion::Known;
use crate::control::command::{CapacityCommand, Command, parse_line};

/// How many lines the history keeps.
const LINES: usize = 1000;

/// Only the owner may read and write it.
const MODE: u32 = 0o600;

/// The history of this user; `None` if there is no place for it, and then it is kept in memory.
pub(super) fn history(known: Arc<Mutex<Known>>) -> Option<Kept> {
    let state = env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".local/state")))?;
    let folder = state.join("crowd");
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    let path = folder.join("history");
    close_to_others(&path).ok()?;
    let file = FileBackedHistory::with_file(LINES, path).ok()?;
    Some(Kept { file, known })
}

/// Makes the file if it is not there, and takes it from everybody but its owner.
///
/// # Errors
/// If it cannot be made so, or if something else is there, such as a pipe.
fn close_to_others(path: &Path) -> io::Result<()> {
    if path.metadata().is_ok_and(|there| !there.is_file()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::options().append(true).create(true).mode(MODE).open(path)?;
    file.set_permissions(Permissions::from_mode(MODE))
}

/// Whether a line may hold something that must not be kept. Kept is what is a command, gives no value
/// but those of settings that are known not to be secret, and has no URL with a login or a query.
fn holds_secret(line: &str, known: &Known) -> bool {
    // Nobody knows what is in a comment.
    if line.contains('#') {
        return true;
    }
    let given = match parse_line(line) {
        Ok(None) => return false,
        Ok(Some(Command::Do { settings, .. } | Command::Set { settings, .. })) => settings,
        Ok(Some(Command::Capacity(CapacityCommand::Start { settings, search, .. }))) => {
            if search.iter().any(|(_, value)| !secrets_of_urls(value).is_empty()) {
                return true;
            }
            settings
        }
        Ok(Some(_)) => {
            let words = shlex::split(line).unwrap_or_default();
            return words.iter().any(|word| !secrets_of_url_list(word).is_empty());
        }
        Err(_) => return true,
    };
    let among = |names: &[String], name: &str| names.iter().any(|known| known == name);
    given.iter().any(|(name, value)| {
        let is_plain = among(&known.changeable, name)
            || known.scenarios.iter().any(|(_, settings)| among(settings, name));
        among(&known.secrets, name) || !is_plain || !secrets_of_url_list(value).is_empty()
    })
}

/// The history in a file. A line that holds a secret is refused, and then the editor remembers it
/// until the next one.
pub(super) struct Kept {
    file: FileBackedHistory,
    known: Arc<Mutex<Known>>,
}

impl History for Kept {
    fn save(&mut self, item: HistoryItem) -> Result<HistoryItem> {
        let secret = {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            holds_secret(&item.command_line, &known)
        };
        match secret {
            true => Err(ReedlineError(ReedlineErrorVariants::OtherHistoryError(
                "a line with a secret is not kept",
            ))),
            false => self.file.save(item),
        }
    }

    fn load(&self, id: HistoryItemId) -> Result<HistoryItem> {
        self.file.load(id)
    }

    fn count(&self, query: SearchQuery) -> Result<i64> {
        self.file.count(query)
    }

    fn search(&self, query: SearchQuery) -> Result<Vec<HistoryItem>> {
        self.file.search(query)
    }

    fn update(
        &mut self,
        id: HistoryItemId,
        updater: &dyn Fn(HistoryItem) -> HistoryItem,
    ) -> Result<()> {
        self.file.update(id, updater)
    }

    fn clear(&mut self) -> Result<()> {
        self.file.clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> Result<()> {
        self.file.delete(id)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.file.session()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known {
            scenarios: vec![("http".to_owned(), vec!["url".to_owned(), "headres".to_owned()])],
            changeable: vec!["user_rate".to_owned()],
            secrets: vec!["headers".to_owned(), "body".to_owned()],
            ..Known::default()
        }
    }

    #[test]
    fn lines_that_may_hold_secrets_are_known() {
        for line in [
            "do http 5 headers='Authorization: x'",
            "do http 5 'headers=Authorization: x'",
            "# do http 5 headers='Authorization: x'",
            "do http 5 # body=x",
            "do http 5 headers = x",
            "do http 5 headers: x",
            "do http 5 auth=x",
            "set HEADERS=x",
            "set body=x",
            "set body x",
            "set headers='not closed",
            "eval 'set body=x'",
            "CROWD_BODY=x crowd run",
            "do http 5 url=http://me:pw@host/",
            "do http 5 url='http://host/?token=x y'",
            "do http 5 url=host/?debug&token=x",
            "do http 5 url=http://a/,http://host/?x",
            "capacity start http url=http://a/ with prometheus=http://me:pw@host:9090",
            "join me:pw@host:1",
        ] {
            assert!(holds_secret(line, &known()), "{line}");
        }
        for line in [
            "",
            "status",
            "do http 5 url=http://host:80/a@b user_rate=5/s",
            "set user_rate=5/s",
            "capacity start http url=http://a/ with query='p: rate(x[1m]) >= 5'",
            "join host:1",
            "throttle start login 5/s",
        ] {
            assert!(!holds_secret(line, &known()), "{line}");
        }
    }

    #[test]
    fn before_the_names_are_known_no_value_is_kept() {
        assert!(holds_secret("do http 5 url=x", &Known::default()));
        assert!(!holds_secret("do http 5", &Known::default()));
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert!(close_to_others(&path).is_err());
        assert!(close_to_others(folder.path()).is_err());
    }

    #[test]
    fn the_file_is_its_owners_whatever_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let mode = || path.metadata().unwrap().permissions().mode() & 0o777;
        close_to_others(&path).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::write(&path, "status\n").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        close_to_others(&path).unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "status\n");
    }
}
