//! Other runs of this program, to tell a daemon something. There is no pid file: what stands in
//! /proc cannot be out of date, and inside a jail it is the jail's.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The program's name, as it stands first in a command line.
const NAME: &[u8] = b"reachd";

/// All other runs of a program of this name: process id, and the words after the name.
pub fn others() -> Vec<(i32, Vec<OsString>)> {
    let own = std::process::id() as i32;
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| *pid != own) else { continue };
        // Gone meanwhile, or a kernel thread: no words.
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        let program = Path::new(std::ffi::OsStr::from_bytes(program)).file_name();
        if program.is_some_and(|name| name.as_bytes() == NAME) {
            let words = words.filter(|word| !word.is_empty());
            found.push((pid, words.map(|word| OsString::from_vec(word.to_vec())).collect()));
        }
    }
    found
}

/// Tells a daemon that the clock was set (USR2).
pub fn tell_clock(pid: i32) -> Result<(), String> {
    kill(Pid::from_raw(pid), Signal::SIGUSR2).map_err(|errno| errno.desc().to_string())
}
