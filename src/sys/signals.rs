//! Signals as data: blocked, read from one signalfd, remembered here.
//!
//! Whoever waits for a socket waits for the signalfd too (see [`wait`]), so TERM and INT end
//! every request at once. HUP and USR1 that arrive meanwhile are kept for the loop. The flags
//! are process-wide because signals are.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static FD: OnceLock<SignalFd> = OnceLock::new();
static STOP: AtomicBool = AtomicBool::new(false);
static RELOAD: AtomicBool = AtomicBool::new(false);
static RECHECK: AtomicBool = AtomicBool::new(false);

/// Why a wait ended without the file being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Ready,
    Deadline,
    /// TERM or INT: give up everything.
    Stop,
}

/// Blocks TERM, INT, HUP and USR1 and routes them to the signalfd. Call once, before any wait.
/// PIPE is ignored: a broken pipe is an error of a write.
pub fn install() -> nix::Result<()> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1] {
        set.add(signal);
    }
    set.thread_block()?;
    let fd = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
    let _ = FD.set(fd);
    Ok(())
}

/// The signalfd, for the loop's own poll; `None` before [`install`].
pub fn fd() -> Option<BorrowedFd<'static>> {
    FD.get().map(|fd| fd.as_fd())
}

/// Reads what has arrived into the flags.
pub fn drain() {
    while let Some(Ok(Some(info))) = FD.get().map(|fd| fd.read_signal()) {
        match Signal::try_from(info.ssi_signo as i32) {
            Ok(Signal::SIGHUP) => RELOAD.store(true, Ordering::Relaxed),
            Ok(Signal::SIGUSR1) => RECHECK.store(true, Ordering::Relaxed),
            _ => STOP.store(true, Ordering::Relaxed),
        }
    }
}

/// TERM or INT has arrived.
pub fn stop() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// HUP has arrived since the last call.
pub fn take_reload() -> bool {
    RELOAD.swap(false, Ordering::Relaxed)
}

/// USR1 has arrived since the last call.
pub fn take_recheck() -> bool {
    RECHECK.swap(false, Ordering::Relaxed)
}

/// Waits until `file` is ready for `interest`, the deadline, or TERM/INT.
/// Errors and hang-ups of the file count as ready: the next read or write tells them.
pub fn wait(file: BorrowedFd<'_>, interest: PollFlags, until: Instant) -> Waited {
    loop {
        drain();
        if stop() {
            return Waited::Stop;
        }
        let left = until.saturating_duration_since(Instant::now());
        let mut fds = vec![PollFd::new(file, interest)];
        fds.extend(fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        match poll(&mut fds, timeout(Some(left))) {
            Ok(0) if left.is_zero() => return Waited::Deadline,
            Ok(_) if fds[0].any().unwrap_or(true) => return Waited::Ready,
            // A signal, an early timer or EINTR: look again.
            _ => {}
        }
    }
}

/// A poll timeout that is never shorter than `left`: rounded up to the next millisecond.
pub fn timeout(left: Option<Duration>) -> PollTimeout {
    match left {
        None => PollTimeout::NONE,
        Some(left) => {
            let more = left.subsec_nanos().div_ceil(1_000_000);
            let millis = left.as_secs().saturating_mul(1000).saturating_add(more.into());
            PollTimeout::try_from(millis.min(i32::MAX as u64) as i32).unwrap_or(PollTimeout::MAX)
        }
    }
}
