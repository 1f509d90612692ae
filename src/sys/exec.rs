//! Other programs, by argv alone: no shell, a deadline, and an end to what they may print. A program
//! that outlives its deadline is killed, with what it started.

use super::signals;
use crate::world::{Program, Ran};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A slow router takes seconds to print a large ruleset.
const DEADLINE: Duration = Duration::from_secs(15);

/// As for files.
const LONGEST: usize = 8 << 20;

/// A folder of hooks has no more files.
const MOST: usize = 32;

/// Where OpenWrt and Debian have them, whatever the caller's PATH.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program to its end.
pub fn run(argv: &[&str]) -> Result<Ran, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("no program was named".into());
    };
    let mut command = Command::new(program);
    command.args(arguments).env("PATH", PATH).env("LC_ALL", "C");
    finish(program, &mut command, None, DEADLINE)
}

/// Runs a program of the owner's: its environment is PATH alone, its stdin holds `input`.
pub fn tell(argv: &[&str], input: &[u8], deadline: Duration) -> Result<Ran, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("no program was named".into());
    };
    let mut command = Command::new(program);
    // A group of its own, to be killed whole.
    command.args(arguments).env_clear().env("PATH", PATH).process_group(0);
    finish(program, &mut command, Some(input), deadline)
}

/// The plain files of a folder, sorted, each with why it may not be run, if so.
pub fn programs(folder: &str) -> Result<Vec<Program>, String> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("could not list {folder}: {error}")),
    };
    let mut all = Vec::new();
    for entry in entries.flatten().take(MOST) {
        let Ok(name) = entry.file_name().into_string() else { continue };
        // What editors and packages leave behind; names with blanks are no id in the journal.
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !name.chars().all(plain) || name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        // Not followed: a link may lead to a file that others own or change.
        let wrong = match entry.metadata() {
            Err(error) => Some(error.to_string()),
            Ok(meta) if !meta.is_file() => Some("is no plain file".into()),
            Ok(meta) if meta.mode() & 0o111 == 0 => Some("is not executable: chmod 755".into()),
            Ok(meta) if meta.mode() & 0o002 != 0 => {
                Some("may be written by everybody: chmod o-w".into())
            }
            Ok(meta) if meta.uid() != 0 && meta.uid() != geteuid().as_raw() => {
                Some("belongs neither to root nor to the user of reachd: chown root".into())
            }
            Ok(_) => None,
        };
        all.push(Program { name, wrong });
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

fn finish(
    program: &str,
    command: &mut Command,
    told: Option<&[u8]>,
    deadline: Duration,
) -> Result<Ran, String> {
    let stdin = if told.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child =
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(
            |error| match error.kind() {
                ErrorKind::NotFound => format!("there is no {program} here"),
                _ => format!("{program} could not be started: {error}"),
            },
        )?;
    let until = Instant::now() + deadline;
    if let Some(mut stdin) = child.stdin.take() {
        // It fits into a pipe. Who does not read it has what it wants in its arguments.
        let _ = quiet(stdin.as_fd()).map(|()| stdin.write_all(told.unwrap_or_default()));
    }
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(format!("{program} has no output"));
    };
    let mut ran = Ran::default();
    let read = quiet(out.as_fd())
        .and_then(|()| quiet(err.as_fd()))
        .and_then(|()| drink(&mut out, &mut err, &mut ran, until, deadline));
    // Whoever closed its output is about to end, unless it made itself comfortable.
    let ended = read.and_then(|()| {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if Instant::now() < until && !signals::stop() => {
                    let _ = poll(&mut [], nix::poll::PollTimeout::from(5u8));
                }
                _ => break Err("did not end in time".into()),
            }
        }
    });
    match ended {
        Ok(status) => {
            ran.fine = status.success();
            Ok(ran)
        }
        Err(why) => {
            if told.is_some() {
                let _ = killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
            }
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("{program} {why}"))
        }
    }
}

fn quiet(fd: BorrowedFd) -> Result<(), String> {
    fcntl(fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map(drop).map_err(|e| e.desc().to_string())
}

/// Reads both until both are closed.
fn drink(
    out: &mut (impl Read + AsFd),
    err: &mut (impl Read + AsFd),
    ran: &mut Ran,
    until: Instant,
    deadline: Duration,
) -> Result<(), String> {
    let mut open = [true, true];
    while open != [false, false] {
        if signals::stop() {
            return Err("was ended, as we were".into());
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("did not end within {} s", deadline.as_secs_f32().ceil()));
        }
        {
            let mut fds: Vec<PollFd> = Vec::with_capacity(3);
            if open[0] {
                fds.push(PollFd::new(out.as_fd(), PollFlags::POLLIN));
            }
            if open[1] {
                fds.push(PollFd::new(err.as_fd(), PollFlags::POLLIN));
            }
            fds.extend(signals::fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
            let _ = poll(&mut fds, signals::timeout(Some(left)));
        }
        signals::drain();
        open = [open[0] && more(out, &mut ran.stdout)?, open[1] && more(err, &mut ran.stderr)?];
    }
    Ok(())
}

/// Reads what is there; false at the end.
fn more(from: &mut dyn Read, into: &mut Vec<u8>) -> Result<bool, String> {
    let mut buffer = [0; 16 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(false),
            Ok(len) if into.len() + len > LONGEST => {
                return Err(format!("printed more than {} MiB", LONGEST >> 20));
            }
            Ok(len) => into.extend_from_slice(buffer.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(format!("could not be read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_outputs_and_the_end() {
        let ran = run(&["ls", "/", "/nowhere at all"]).unwrap();
        assert!(!ran.fine);
        assert!(String::from_utf8_lossy(&ran.stdout).contains("etc"));
        assert!(String::from_utf8_lossy(&ran.stderr).contains("nowhere at all"));
        assert!(run(&["true"]).unwrap().fine);
    }

    #[test]
    fn a_hook_gets_words_input_and_no_environment() {
        let ran = tell(&["env"], b"", DEADLINE).unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), format!("PATH={PATH}\n"));
        let ran = tell(&["cat", "-", "/no such"], b"{\"a\":1}", DEADLINE).unwrap();
        assert_eq!((&ran.stdout[..], ran.fine), (&b"{\"a\":1}"[..], false));
        let ran = tell(&["true"], &[b'x'; 4096], DEADLINE).unwrap();
        assert!(ran.fine);
    }

    #[test]
    fn what_hangs_is_killed_with_its_children() {
        let begin = Instant::now();
        let why = tell(&["sh", "-c", "sleep 60 & sleep 60"], b"x", Duration::from_millis(300));
        assert_eq!(why, Err("sh did not end within 1 s".into()));
        assert!(begin.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn which_files_are_hooks() {
        use std::os::unix::fs::PermissionsExt;
        let dir = std::env::temp_dir().join(format!("reachd-hooks-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        for (name, mode) in [("b", 0o755), ("a", 0o644), ("c", 0o777), ("c~", 0o755)] {
            std::fs::write(dir.join(name), "").unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(dir.join(name), mode).unwrap();
        }
        std::os::unix::fs::symlink("b", dir.join("link")).unwrap();
        let found = programs(&dir.display().to_string()).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        let said: Vec<_> = found
            .iter()
            .map(|one| (&one.name[..], one.wrong.as_deref().unwrap_or("fine")))
            .collect();
        let want = [
            ("a", "is not executable: chmod 755"),
            ("b", "fine"),
            ("c", "may be written by everybody: chmod o-w"),
            ("link", "is no plain file"),
            ("sub", "is no plain file"),
        ];
        assert_eq!(said, want);
        assert!(programs("/no such folder").unwrap().is_empty());
    }

    #[test]
    fn what_is_missing_or_too_long_says_so() {
        assert_eq!(run(&["no-such-program"]), Err("there is no no-such-program here".into()));
        let why = run(&["head", "-c", "9000000", "/dev/zero"]).unwrap_err();
        assert_eq!(why, "head printed more than 8 MiB");
    }
}
