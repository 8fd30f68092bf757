//! Opening files that somebody names from elsewhere.

use std::{fs::File, io, os::unix::fs::OpenOptionsExt, path::Path};

use rustix::fs::OFlags;

/// Opens a file to read it. A pipe or a device, which may keep whoever reads it waiting for ever, is
/// not opened.
///
/// # Errors
/// If it cannot be opened, or is no plain file.
pub fn open(path: &Path) -> io::Result<File> {
    // So that a pipe nobody writes to is opened at once, and found out.
    let at_once = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(at_once).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no plain file")),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, process::Command};

    use super::*;

    #[test]
    fn plain_files_are_opened_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let [plain, pipe] = ["plain", "pipe"].map(|name| folder.path().join(name));
        fs::write(&plain, "text").unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(open(&plain).is_ok());
        for other in [&pipe, folder.path(), Path::new("/dev/zero")] {
            assert_eq!(open(other).unwrap_err().to_string(), "it is no plain file");
        }
        assert_eq!(open(&folder.path().join("none")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
