use std::os::unix::fs::symlink;

use super::*;

fn refused(path: &Path) -> String {
    match Place::of(path) {
        Ok(place) => place.try_out().unwrap_err(),
        Err(fault) => fault,
    }
}

fn names(folder: &Path) -> Vec<String> {
    let found = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_file_is_replaced_and_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    fs::write(&path, "a longer text from before").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    write(&path, "new").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "new");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
    assert_eq!(names(folder.path()), ["result.json"]);
}

#[test]
fn a_new_file_can_be_read_as_any_other() {
    let folder = tempfile::tempdir().unwrap();
    let [ours, other] = ["ours", "other"].map(|name| folder.path().join(name));
    write(&ours, "x").unwrap();
    fs::write(&other, "x").unwrap();
    let mode = |path| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&ours), mode(&other));
}

/// Somebody else who may write into the folder has put links where a writer might look for a name.
#[test]
fn a_planted_link_is_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let victim = tempfile::NamedTempFile::new().unwrap();
    fs::write(victim.path(), "precious").unwrap();
    let path = folder.path().join("result.json");
    let process = std::process::id();
    let planted = [
        format!("result.json.{process}.tmp"),
        format!(".result.json.{process}.tmp"),
        "result.json.tmp".to_owned(),
        ".crowd-.tmp".to_owned(),
    ];
    for name in &planted {
        symlink(victim.path(), folder.path().join(name)).unwrap();
    }
    for text in ["first", "second"] {
        write(&path, text).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert!(fs::symlink_metadata(&path).unwrap().is_file(), "the result is a link");
    }
    assert_eq!(fs::read_to_string(victim.path()).unwrap(), "precious");
    // A second name of somebody's file is a name no more.
    let own = folder.path().join("also");
    fs::hard_link(victim.path(), &own).unwrap_or_default();
    write(&own, "third").unwrap();
    assert_eq!(fs::read_to_string(victim.path()).unwrap(), "precious");
    assert_eq!(names(folder.path()).len(), planted.len() + 2);
    // Put there after all links were followed.
    let late = folder.path().join("result.json.tmp");
    assert!(overwrite(&late, b"fourth").is_err());
    assert_eq!(fs::read_to_string(victim.path()).unwrap(), "precious");
}

#[test]
fn a_link_that_is_planted_meanwhile_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let [path, victim, new] = ["result.json", "victim", "new"].map(|name| folder.path().join(name));
    for before in [false, true] {
        if before {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "old").unwrap();
        }
        let output = Output::of(&path).unwrap();
        for planted in [&victim, &new] {
            fs::write(&victim, "precious").unwrap();
            let _ = fs::remove_file(&path);
            symlink(planted, &path).unwrap();
            output.write("text").unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "text");
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        assert!(!new.exists());
    }
}

/// Only the superuser can make somebody else's file, so others look at what would be decided.
#[test]
fn what_somebody_else_has_put_into_a_shared_folder_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    fs::write(&path, "planted").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let shared = |mode| fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
    shared(0o777);
    assert!(is_trusted(&fs::metadata(&path).unwrap(), folder.path()), "our own");
    if std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).is_err() {
        return;
    }
    assert!(!is_trusted(&fs::metadata(&path).unwrap(), folder.path()));
    write(&path, "text").unwrap();
    let written = fs::metadata(&path).unwrap();
    assert_eq!((written.uid(), written.mode() & 0o022), (geteuid().as_raw(), 0));
    // In a folder that nobody else writes to it is whose it was.
    shared(0o755);
    std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).unwrap();
    write(&path, "more").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().uid(), 65_534);
}

#[test]
fn whoever_reads_meanwhile_sees_the_old_text_or_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    let texts = ["a", "b"].map(|letter| letter.repeat(300_000));
    write(&path, &texts[0]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for text in texts.iter().rev().cycle().take(60) {
                write(&path, text).unwrap();
            }
        });
        let mut seen = 0;
        while !writer.is_finished() || seen == 0 {
            let read = fs::read_to_string(&path).unwrap();
            assert!(texts.contains(&read), "a part: {} bytes", read.len());
            seen += 1;
        }
    });
}

#[test]
fn what_only_its_owner_may_read_is_never_open_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("result.json");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o4600)).unwrap();
    let like = fs::metadata(&path).unwrap();
    let file = temporary(folder.path(), Some(&like)).unwrap();
    assert_eq!(file.as_file().metadata().unwrap().mode() & 0o7777, 0o600);
    write(&path, "new").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn links_are_followed_and_stay_links() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sub")).unwrap();
    let [to_old, to_new] = ["to-old", "to-new"].map(|name| folder.path().join(name));
    fs::write(folder.path().join("sub/old"), "old").unwrap();
    symlink("sub/old", &to_old).unwrap();
    symlink("sub/hop", &to_new).unwrap();
    symlink("new", folder.path().join("sub/hop")).unwrap();
    for link in [&to_old, &to_new] {
        Place::of(link).unwrap().try_out().unwrap();
        write(link, "text").unwrap();
        assert_eq!(fs::read_to_string(link).unwrap(), "text");
        assert!(fs::symlink_metadata(link).unwrap().is_symlink());
    }
    assert_eq!(names(&folder.path().join("sub")), ["hop", "new", "old"]);
}

#[test]
fn one_file_is_one_place_by_whatever_path() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("sub")).unwrap();
    symlink("sub", root.join("also")).unwrap();
    symlink("../sub/x", root.join("sub/link")).unwrap();
    for exists in [false, true] {
        if exists {
            fs::write(root.join("sub/x"), "").unwrap();
        }
        let first = Place::of(&root.join("sub/x")).unwrap();
        for path in ["sub/./x", "also/x", "sub/link", "also/../sub/x"] {
            assert_eq!(Place::of(&root.join(path)).unwrap(), first, "{path}, {exists}");
        }
        assert_ne!(Place::of(&root.join("sub/y")).unwrap(), first);
    }
}

#[test]
fn what_can_never_be_written_is_told_beforehand() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("file"), "").unwrap();
    symlink("nowhere/x", root.join("dangling")).unwrap();
    symlink("circle", root.join("circle")).unwrap();
    let told = |name: &str| refused(&root.join(name)).replace(root.to_str().unwrap(), "FOLDER");
    assert_eq!(told(""), "this is a folder; name a file");
    assert_eq!(told("new/"), "this names a folder; name a file");
    assert_eq!(told("file/"), "this names a folder; name a file");
    assert_eq!(told("file/x"), "there is no folder `FOLDER/file`");
    assert_eq!(told("nowhere/x"), "there is no folder `FOLDER/nowhere`");
    assert_eq!(told("dangling"), "there is no folder `FOLDER/nowhere`");
    assert!(told("circle").contains("symbolic links"), "{}", told("circle"));
    assert!(told(&"a".repeat(256)).starts_with("this is too long"), "{}", told(&"a".repeat(256)));
    assert_eq!(
        refused(Path::new("-")),
        "`-` names no file; write `/dev/stdout` for standard output"
    );
    // Not even the superuser can make a file there.
    let told = refused(Path::new("/proc/crowd.json"));
    assert!(told.starts_with("no file can be written in `/proc`: "), "{told}");
    // Looking has changed nothing.
    assert_eq!(names(root), ["circle", "dangling", "file"]);
}

#[test]
fn the_longest_name_there_is_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a".repeat(255));
    Place::of(&path).unwrap().try_out().unwrap();
    write(&path, "text").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "text");
}

#[test]
fn a_device_takes_what_is_written() {
    let null = Path::new("/dev/null");
    assert_eq!(Place::of(null), Ok(Place::Stream));
    write(null, "text").unwrap();
    let full = write(Path::new("/dev/full"), "text").unwrap_err();
    assert_eq!(full.source.kind(), io::ErrorKind::StorageFull);
}
