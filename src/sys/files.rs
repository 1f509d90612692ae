//! Files, whole: read with a limit, replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// Nothing we read is larger.
const LONGEST: u64 = 8 << 20;

/// A file's bytes; `Ok(None)` if there is none.
pub fn read(path: &str) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("could not read {path}: {}", say_read(&error))),
    };
    let mut bytes = Vec::new();
    match file.take(LONGEST + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > LONGEST => {
            Err(format!("could not read {path}: it is larger than {} MiB", LONGEST >> 20))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) => Err(format!("could not read {path}: {}", say_read(&error))),
    }
}

/// When the files of a folder were last written, seconds since 1970. Links are not followed.
pub fn written(folder: &str) -> Vec<u64> {
    let mut times = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(meta) if meta.is_file() => times.push(meta.mtime().max(0) as u64),
            _ => {}
        }
    }
    times
}

/// Writes `content` beside the file, brings it to the disk, then renames it into place: whoever
/// reads sees the old or the new content, and a crash leaves one of the two. Missing directories
/// are made. A symbolic link stays one: what it points to is replaced.
pub fn replace(path: &str, content: &[u8], mode: u32) -> Result<(), String> {
    let failed = |error: io::Error| format!("could not write {path}: {}", say(&error));
    let target = follow(path);
    if target.is_symlink() {
        return Err(format!("could not write {path}: its links lead nowhere"));
    }
    let old = fs::metadata(&target).ok();
    if old.as_ref().is_some_and(|old| !old.is_file() && !old.is_dir()) {
        return Err(format!("could not write {path}: it is not a plain file"));
    }
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(failed)?;
    let mode = old.as_ref().map_or(mode, |old| old.permissions().mode() & 0o7777);
    // One name for each process, so that two never share it. With a dot in front: programs that
    // read a whole directory (dnsmasq's hosts) pass it over.
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let beside = parent.join(format!(".{name}.reachd-{}", std::process::id()));
    clear(parent, &format!(".{name}.reachd-"));
    let owner = old.map(|old| (old.uid(), old.gid()));
    let written = write(&beside, content, mode, owner).and_then(|()| fs::rename(&beside, &target));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(failed(error));
    }
    // The name itself. Not every file system knows how (tmpfs does); the file is whole anyway.
    if let Ok(parent) = File::open(parent) {
        let _ = parent.sync_all();
    }
    Ok(())
}

/// Takes away what killed processes have left: on tmpfs every file is memory.
fn clear(parent: &Path, prefix: &str) {
    // Without /proc every process would look dead.
    if !Path::new("/proc/self").exists() {
        return;
    }
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Where symbolic links lead, also where nothing is there yet.
fn follow(path: &str) -> PathBuf {
    let mut target = PathBuf::from(path);
    // Nobody stacks more; a loop ends somewhere in itself.
    for _ in 0..8 {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => break,
        }
    }
    target
}

fn write(path: &Path, content: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o777).open(path)?;
    // Only root may; a file in an own directory becomes ours, as with an editor.
    if let Some((user, group)) = owner {
        let _ = fchown(&file, Some(user), Some(group));
    }
    // The umask has had its say on `open`.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// As [`say`], for a file that should be there.
pub fn say_read(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        _ => say(error),
    }
}

/// The operating system's words, shortened to what the owner needs.
fn say(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "it is a directory".into(),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a part of its path is a file, not a directory".into()
        }
        io::ErrorKind::InvalidFilename => "its name is too long".into(),
        io::ErrorKind::ResourceBusy => "it is mounted, so it cannot be replaced".into(),
        io::ErrorKind::NotFound => "a directory on its path does not exist".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    /// An own directory for one test, gone afterwards.
    struct Dir(PathBuf);

    impl Dir {
        fn new(name: &str) -> Dir {
            let name = format!("reachd-files-{name}-{}", std::process::id());
            let dir = Dir(std::env::temp_dir().join(name));
            let _ = fs::remove_dir_all(&dir.0);
            fs::create_dir_all(&dir.0).unwrap();
            dir
        }

        fn path(&self, name: &str) -> String {
            self.0.join(name).display().to_string()
        }

        /// Everything in it, hidden or not.
        fn list(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            names
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn mode(path: &str) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_file_gets_its_mode_an_old_one_keeps_it() {
        let dir = Dir::new("mode");
        let path = dir.path("a/b/journal");
        replace(&path, b"one", 0o600).unwrap();
        assert_eq!((read(&path).unwrap().unwrap(), mode(&path)), (b"one".to_vec(), 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two", 0o600).unwrap();
        assert_eq!((read(&path).unwrap().unwrap(), mode(&path)), (b"two".to_vec(), 0o640));
        // More than the umask lets through.
        let wide = dir.path("wide");
        replace(&wide, b"", 0o666).unwrap();
        assert_eq!(mode(&wide), 0o666);
        assert_eq!(dir.list(), ["a", "wide"]);
    }

    #[test]
    fn the_owner_stays() {
        let dir = Dir::new("owner");
        let path = dir.path("hosts");
        fs::write(&path, "old").unwrap();
        if std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_err() {
            eprintln!("SKIPPED: only root gives files away");
            return;
        }
        replace(&path, b"new", 0o600).unwrap();
        let meta = fs::metadata(&path).unwrap();
        assert_eq!((meta.uid(), meta.gid()), (12_345, 54_321));
    }

    #[test]
    fn links_stay_and_lead() {
        let dir = Dir::new("links");
        fs::create_dir(dir.path("real")).unwrap();
        fs::write(dir.path("real/file"), "old").unwrap();
        symlink("real/file", dir.path("near")).unwrap();
        symlink(dir.path("near"), dir.path("far")).unwrap();
        // After a reboot, what is on a tmpfs is not there yet.
        symlink("later/file", dir.path("dangling")).unwrap();
        symlink("loop", dir.path("loop")).unwrap();
        replace(&dir.path("far"), b"new", 0o600).unwrap();
        assert_eq!(fs::read(dir.path("real/file")).unwrap(), b"new");
        replace(&dir.path("dangling"), b"made", 0o600).unwrap();
        assert_eq!(fs::read(dir.path("later/file")).unwrap(), b"made");
        for link in ["near", "far", "dangling"] {
            assert!(fs::symlink_metadata(dir.path(link)).unwrap().is_symlink(), "{link}");
        }
        assert!(replace(&dir.path("loop"), b"x", 0o600).is_err());
        assert_eq!(dir.list(), ["dangling", "far", "later", "loop", "near", "real"]);
    }

    #[test]
    fn what_fails_says_why_and_leaves_nothing() {
        let dir = Dir::new("fails");
        fs::create_dir(dir.path("folder")).unwrap();
        fs::write(dir.path("file"), "old").unwrap();
        let long = dir.path(&"x".repeat(300));
        for (path, why) in [
            (dir.path("folder"), "it is a directory"),
            (dir.path("file/x"), "a part of its path is a file, not a directory"),
            ("/dev/null".into(), "it is not a plain file"),
            (long, "its name is too long"),
        ] {
            let text = format!("could not write {path}: {why}");
            assert_eq!(replace(&path, b"new", 0o600), Err(text));
        }
        // Not even root makes files there.
        let denied = replace("/sys/reachd-test", b"x", 0o600).unwrap_err();
        let whys = ["permission denied", "the file system is read-only"];
        assert!(whys.iter().any(|why| denied.ends_with(why)), "{denied}");
        assert_eq!(dir.list(), ["file", "folder"]);
        assert_eq!(fs::read(dir.path("file")).unwrap(), b"old");
    }

    #[test]
    fn a_full_disk_keeps_the_old_content() {
        let dir = Dir::new("full");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&dir.0)
            .output();
        if !mount.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: this user may not mount a small tmpfs");
            return;
        }
        let path = dir.path("journal");
        let done = replace(&path, b"old", 0o600);
        let full = replace(&path, &[b'x'; 128 << 10], 0o600);
        let (kept, list) = (fs::read(&path), dir.list());
        assert!(Command::new("umount").arg(&dir.0).status().unwrap().success());
        assert_eq!(done, Ok(()));
        assert_eq!(full, Err(format!("could not write {path}: the disk is full")));
        assert_eq!((kept.unwrap(), list), (b"old".to_vec(), vec!["journal".to_string()]));
    }

    #[test]
    fn reading_says_why_not() {
        let dir = Dir::new("read");
        assert_eq!(read(&dir.path("none")), Ok(None));
        let text = format!("could not read {}: it is a directory", dir.path(""));
        assert_eq!(read(&dir.path("")), Err(text));
        let long = dir.path("long");
        File::create(&long).unwrap().set_len(LONGEST).unwrap();
        assert_eq!(read(&long).unwrap().unwrap().len() as u64, LONGEST);
        File::create(&long).unwrap().set_len(LONGEST + 1).unwrap();
        assert_eq!(read(&long), Err(format!("could not read {long}: it is larger than 8 MiB")));
    }
}
