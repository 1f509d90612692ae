//! Signals as data: blocked, read from one signalfd, remembered here.
//!
//! Whoever waits for a socket waits for the signalfd too (see [`wait`]), so TERM and INT end
//! every request at once. HUP, USR1, USR2 and WINCH that arrive meanwhile are kept for the loop. The
//! flags are process-wide because signals are.

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
static CLOCK: AtomicBool = AtomicBool::new(false);
static LOOK: AtomicBool = AtomicBool::new(false);
static FIREWALL: AtomicBool = AtomicBool::new(false);

/// Why a wait ended without the file being ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    Ready,
    Deadline,
    /// TERM or INT: give up everything.
    Stop,
}

/// Blocks TERM, INT, HUP, USR1, USR2 and WINCH and routes them to the signalfd. Call once, before
/// any wait. PIPE is ignored: a broken pipe is an error of a write.
pub fn install() -> nix::Result<()> {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
    let mut set = SigSet::empty();
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH] {
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
            Ok(Signal::SIGUSR2) => CLOCK.store(true, Ordering::Relaxed),
            Ok(Signal::SIGWINCH) => {
                LOOK.store(true, Ordering::Relaxed);
                FIREWALL.store(true, Ordering::Relaxed);
            }
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

/// USR2 has arrived since the last call.
pub fn take_clock() -> bool {
    CLOCK.swap(false, Ordering::Relaxed)
}

/// WINCH has arrived since the last call.
pub fn take_look() -> bool {
    LOOK.swap(false, Ordering::Relaxed)
}

/// The same, for those who look at the firewall.
pub fn take_firewall() -> bool {
    FIREWALL.swap(false, Ordering::Relaxed)
}

/// Waits until `file` is ready for `interest`, the deadline, or TERM/INT.
/// Errors and hang-ups of the file count as ready: the next read or write tells them.
pub fn wait(file: BorrowedFd<'_>, interest: PollFlags, until: Instant) -> Waited {
    wait_any(&mut vec![PollFd::new(file, interest)], until)
}

/// As [`wait`], until any of these is ready; without any, it sleeps.
pub fn wait_any(fds: &mut Vec<PollFd<'_>>, until: Instant) -> Waited {
    let files = fds.len();
    fds.extend(fd().map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    loop {
        drain();
        if stop() {
            return Waited::Stop;
        }
        let left = until.saturating_duration_since(Instant::now());
        match poll(fds, timeout(Some(left))) {
            Ok(0) if left.is_zero() => return Waited::Deadline,
            Ok(1..) if fds.iter().take(files).any(|fd| fd.any().unwrap_or(true)) => {
                return Waited::Ready;
            }
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
