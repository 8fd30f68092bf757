//! Results as files.

use std::{
    ffi::OsString,
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
};

use rustix::{fs::OFlags, process::geteuid};
use tempfile::{Builder, NamedTempFile};

/// So many links are followed one after the other; the kernel stops there too.
const MOST_LINKS: usize = 40;

/// A new file may be read and written by whom the umask of the process says.
const NEW_FILE: u32 = 0o666;

/// One that only its owner may read and write.
const OWN_FILE: u32 = 0o600;

/// A result could not be written. The run is none the worse for it.
#[derive(Debug, thiserror::Error)]
#[error("the report could not be written to `{}`: {source}", path.display())]
pub struct WriteError {
    /// Where it should have gone.
    pub path: PathBuf,
    /// Why it did not.
    pub source: io::Error,
}

/// What a path names in the end, when all links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A plain file, or one that does not exist yet: it is replaced as a whole.
    File(PathBuf),
    /// The standard output of this process.
    Stdout,
    /// A pipe, a terminal, another device: it takes what is written, one text after the other.
    Stream,
}

impl Place {
    /// What this path names.
    ///
    /// # Errors
    /// If a file cannot be there, as a sentence's second half: "this is a folder; name a file".
    pub fn of(path: &Path) -> Result<Self, String> {
        if path.as_os_str() == "-" {
            return Err("`-` names no file; write `/dev/stdout` for standard output".to_owned());
        }
        match fs::metadata(path) {
            Ok(found) if is_stdout(&found) => Ok(Self::Stdout),
            Ok(found) if found.is_dir() => Err("this is a folder; name a file".to_owned()),
            Ok(found) if found.is_file() => {
                fs::canonicalize(path).map(Self::File).map_err(|error| in_words(path, &error))
            }
            Ok(found) if found.file_type().is_fifo() || found.file_type().is_char_device() => {
                Ok(Self::Stream)
            }
            Ok(_) => Err("this is no file, but a socket or a disk".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => new_file(path).map(Self::File),
            Err(error) => Err(in_words(path, &error)),
        }
    }

    /// Whether it can be written, found out without changing anything that is there.
    ///
    /// # Errors
    /// Why not, as a sentence's second half.
    pub fn try_out(&self) -> Result<(), String> {
        let Self::File(path) = self else { return Ok(()) };
        match File::options().write(true).open(path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = folder_of(path);
                temporary(folder, None).map(drop).map_err(|error| {
                    format!("no file can be written in `{}`: {error}", folder.display())
                })
            }
            Err(error) => Err(in_words(path, &error)),
        }
    }
}

/// Where a result goes. It is found out once, before the run: a link that somebody plants meanwhile is
/// not followed, but replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// As it was given.
    path: PathBuf,
    place: Place,
}

impl Output {
    /// What this path names now.
    ///
    /// # Errors
    /// If a file cannot be there, as a sentence's second half: "this is a folder; name a file".
    pub fn of(path: &Path) -> Result<Self, String> {
        Ok(Self { path: path.to_owned(), place: Place::of(path)? })
    }

    /// What that is.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The path as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a text to it. A file is replaced: whoever reads it meanwhile sees the old text or the new
    /// one, never a part. Something that is not a plain file, such as `/dev/stdout` or a pipe, is
    /// written to as it is; so is a file whose folder does not let it be replaced.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, text: &str) -> Result<(), WriteError> {
        let written = match &self.place {
            Place::File(file) => replace(file, text.as_bytes()),
            Place::Stdout => pour(io::stdout().lock(), text),
            Place::Stream => stream(&self.path).and_then(|stream| pour(stream, text)),
        };
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}

/// Writes a text to a file, as [`Output::write`] does; a link is followed.
///
/// # Errors
/// If it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    match Output::of(path) {
        Ok(output) => output.write(text),
        Err(fault) => Err(WriteError { path: path.to_owned(), source: io::Error::other(fault) }),
    }
}

/// Opens what is no plain file.
fn stream(path: &Path) -> io::Result<File> {
    let stream = File::options().write(true).open(path)?;
    match stream.metadata()?.is_file() {
        true => Err(io::Error::other("it has become a plain file meanwhile")),
        false => Ok(stream),
    }
}

fn pour(mut stream: impl Write, text: &str) -> io::Result<()> {
    match stream.write_all(text.as_bytes()).and_then(|()| stream.flush()) {
        // Whoever closes a pipe early wants no more of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Where a file will be that does not exist yet: dangling links are followed.
fn new_file(path: &Path) -> Result<PathBuf, String> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(name) = path.file_name().map(OsString::from) else {
            return Err("this names no file".to_owned());
        };
        if names_folder(&path) {
            return Err("this names a folder; name a file".to_owned());
        }
        let given = folder_of(&path);
        let folder = fs::canonicalize(given)
            .ok()
            .filter(|folder| folder.is_dir())
            .ok_or_else(|| format!("there is no folder `{}`", given.display()))?;
        match fs::read_link(&path) {
            Ok(target) => path = folder.join(target),
            Err(_) => return Ok(folder.join(name)),
        }
    }
    Err("its links lead in a circle".to_owned())
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // All links were followed: one that is there now was put there since.
    let there = fs::symlink_metadata(path).ok();
    let like = there.as_ref().filter(|there| is_trusted(there, folder_of(path)));
    // In the same folder, since a file can be renamed within one file system only.
    let file = match temporary(folder_of(path), like) {
        Ok(file) => file,
        Err(_) if there.is_some() => return overwrite(path, bytes),
        Err(error) => return Err(error),
    };
    file.as_file().write_all(bytes)?;
    file.as_file().sync_all()?;
    match file.persist(path) {
        Ok(_) => Ok(()),
        // It is the root of a mount, say, or somebody else's in a folder such as `/tmp`.
        Err(_) if there.is_some() => overwrite(path, bytes),
        Err(error) => Err(error.error),
    }
}

/// Whether a file may say who has the one that takes its place, and with which mode: not one that
/// somebody else has put into a folder that others write to.
fn is_trusted(there: &fs::Metadata, folder: &Path) -> bool {
    let of_others = |folder: fs::Metadata| folder.mode() & 0o022 != 0;
    let is_ours = there.uid() == geteuid().as_raw();
    there.is_file() && (is_ours || !fs::metadata(folder).is_ok_and(of_others))
}

/// An empty file under a name of its own, removed again unless it takes another's place.
/// With the owner and the permissions of the one that it is to replace.
///
/// Nobody can have put anything there under that name, which is drawn at random: what exists is not
/// opened.
fn temporary(folder: &Path, like: Option<&fs::Metadata>) -> io::Result<NamedTempFile> {
    // Who may not read the old file has no moment in which to open the new one.
    let mode = Permissions::from_mode(if like.is_some() { OWN_FILE } else { NEW_FILE });
    let file =
        Builder::new().prefix(".crowd-").suffix(".tmp").permissions(mode).tempfile_in(folder)?;
    if let Some(like) = like {
        // Only the superuser can give files away; whoever cannot keeps them.
        let _ = fchown(file.as_file(), Some(like.uid()), Some(like.gid()));
        // The umask has no say in what was there before. What runs as somebody else does so no more.
        file.as_file().set_permissions(Permissions::from_mode(like.mode() & 0o777))?;
    }
    Ok(file)
}

/// A path that ends so asks for a folder.
fn names_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

fn overwrite(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // All links were followed: one that is there now was put there since.
    let no_link = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    let mut file = File::options().write(true).truncate(true).custom_flags(no_link).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether this is where standard output goes. Opened once more it would have a position of its own,
/// and one text would be written over the other.
fn is_stdout(found: &fs::Metadata) -> bool {
    let stdout = fs::metadata("/dev/stdout");
    stdout.is_ok_and(|stdout| (stdout.dev(), stdout.ino()) == (found.dev(), found.ino()))
        && !is_null(found)
}

/// What swallows everything is nobody's standard output.
fn is_null(found: &fs::Metadata) -> bool {
    fs::metadata("/dev/null")
        .is_ok_and(|null| (null.dev(), null.ino()) == (found.dev(), found.ino()))
}

fn in_words(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidFilename => {
            let length = path.as_os_str().len();
            format!("this is too long for a path or the name in it, {length} bytes")
        }
        io::ErrorKind::NotADirectory if names_folder(path) => {
            "this names a folder; name a file".to_owned()
        }
        io::ErrorKind::NotADirectory => {
            format!("there is no folder `{}`", folder_of(path).display())
        }
        io::ErrorKind::PermissionDenied => "it may not be written".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
