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

/// Writes `content` beside the file, brings it to the disk, then renames it into place: whoever
/// reads sees the old or the new content, and a crash leaves one of the two. Missing directories
/// are made. A symbolic link stays one: what it points to is replaced.
pub fn replace(path: &str, content: &[u8], mode: u32) -> Result<(), String> {
    let failed = |error: io::Error| format!("could not write {path}: {}", say(&error));
    let target = follow(path);
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

/// Where symbolic links lead, also where nothing is there yet.
fn follow(path: &str) -> PathBuf {
    let mut target = PathBuf::from(path);
    // As deep as the kernel goes is not needed; a loop ends somewhere and fails when written.
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
        io::ErrorKind::NotADirectory => "a part of its path is a file, not a directory".into(),
        io::ErrorKind::ResourceBusy => "it is mounted, so it cannot be replaced".into(),
        io::ErrorKind::NotFound => "a directory on its path does not exist".into(),
        _ => error.to_string(),
    }
}
