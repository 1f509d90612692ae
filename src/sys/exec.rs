//! Other programs, by argv alone: no shell, nothing on stdin, a deadline, and an end to what
//! they may print. A program that outlives its deadline is killed.

use super::signals;
use crate::world::Ran;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A slow router takes seconds to print a large ruleset.
const DEADLINE: Duration = Duration::from_secs(15);

/// As for files.
const LONGEST: usize = 8 << 20;

/// Where OpenWrt and Debian have them, whatever the caller's PATH.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a program to its end.
pub fn run(argv: &[&str]) -> Result<Ran, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("no program was named".into());
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("there is no {program} here"),
            _ => format!("{program} could not be started: {error}"),
        })?;
    let until = Instant::now() + DEADLINE;
    let (Some(mut out), Some(mut err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(format!("{program} has no output"));
    };
    let mut ran = Ran::default();
    let read = quiet(out.as_fd())
        .and_then(|()| quiet(err.as_fd()))
        .and_then(|()| drink(&mut out, &mut err, &mut ran, until));
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
) -> Result<(), String> {
    let mut open = [true, true];
    while open != [false, false] {
        if signals::stop() {
            return Err("was ended, as we were".into());
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(format!("did not end within {} s", DEADLINE.as_secs()));
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
    fn what_is_missing_or_too_long_says_so() {
        assert_eq!(run(&["no-such-program"]), Err("there is no no-such-program here".into()));
        let why = run(&["head", "-c", "9000000", "/dev/zero"]).unwrap_err();
        assert_eq!(why, "head printed more than 8 MiB");
    }
}
