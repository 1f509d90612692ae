//! Files, whole: read with a limit, replaced whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Nothing we read is larger.
const LONGEST: u64 = 8 << 20;

/// A file's bytes; `Ok(None)` if there is none.
pub fn read(path: &str) -> Result<Option<Vec<u8>>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("could not read {path}: {}", say(&error))),
    };
    let mut bytes = Vec::new();
    match file.take(LONGEST + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > LONGEST => {
            Err(format!("could not read {path}: it is larger than {} MiB", LONGEST >> 20))
        }
        Ok(_) => Ok(Some(bytes)),
        Err(error) => Err(format!("could not read {path}: {}", say(&error))),
    }
}

/// Writes `content` beside the file, brings it to the disk, then renames it into place: whoever
/// reads sees the old or the new content, and a crash leaves one of the two. Missing directories
/// are made. A symbolic link stays one: what it points to is replaced.
pub fn replace(path: &str, content: &[u8], mode: u32) -> Result<(), String> {
    let failed = |error: io::Error| format!("could not write {path}: {}", say(&error));
    let target = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::from(path));
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(failed)?;
    let mode = fs::metadata(&target).map_or(mode, |meta| meta.permissions().mode() & 0o7777);
    let mut beside = target.clone().into_os_string();
    // One name for each process: a leftover of a killed one is ours to take away.
    beside.push(format!(".reachd-{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = write(&beside, content, mode).and_then(|()| fs::rename(&beside, &target));
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

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    // The umask has had its say on `open`.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(content)?;
    file.sync_all()
}

/// The operating system's words, shortened to what the owner needs.
fn say(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full".into(),
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "it is a directory".into(),
        io::ErrorKind::NotFound => "a directory on its path does not exist".into(),
        _ => error.to_string(),
    }
}
