//! Results as files.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process,
};

/// A result could not be written. The run is none the worse for it.
#[derive(Debug, thiserror::Error)]
#[error("the report could not be written to `{}`: {source}", path.display())]
pub struct WriteError {
    /// Where it should have gone.
    pub path: PathBuf,
    /// Why it did not.
    pub source: io::Error,
}

/// Writes a text to a file, replacing what was there. Whoever reads the file meanwhile sees the old
/// text or the new one, never a part. Something that is not a plain file, such as `/dev/stdout` or a
/// pipe, is written to as it is.
///
/// # Errors
/// If it cannot be written; what was there is untouched then.
pub fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    replace(path, text.as_bytes()).map_err(|source| WriteError { path: path.to_owned(), source })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return File::options().write(true).truncate(true).open(path)?.write_all(bytes);
    }
    let Some(name) = path.file_name() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it names no file"));
    };
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}.tmp", process::id()));
    // In the same folder, since a file can be renamed within one file system only.
    let temporary = path.with_file_name(temporary);
    let written = fill(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one worth telling.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn fill(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
