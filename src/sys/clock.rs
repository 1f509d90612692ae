//! The clocks.

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{
    ClockId as TimerClock, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags,
};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::read;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, SystemTime};

/// Time since boot, sleep included. Zero where the kernel has no such clock (before 2.6.39).
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map(Duration::from).unwrap_or_default()
}

/// Seconds since 1970 by the wall clock, which may be wrong by decades.
pub fn wall() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs())
}

/// The running kernel's boot id; empty if it does not tell.
pub fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_string())
        .unwrap_or_default()
}

/// Tells when somebody sets the wall clock (NTP after a boot without one), by a timer that the
/// kernel cancels then. Slow corrections are not told: they change nothing for us.
#[derive(Debug)]
pub struct Steps {
    timer: TimerFd,
}

impl Steps {
    /// `None` where the kernel has no such timers (before 3.0): then the moments that `decide`
    /// names have to do.
    pub fn new() -> Option<Steps> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(TimerClock::CLOCK_REALTIME, flags).ok()?;
        // Never meant to go off: the last moment that fits every time_t.
        let end = TimeSpec::from_duration(Duration::from_secs(i32::MAX as u64));
        let flags =
            TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        timer.set(Expiration::OneShot(end), flags).ok()?;
        Some(Steps { timer })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }

    /// The clock was set since the last call. The timer goes on watching.
    pub fn rang(&self) -> bool {
        read(&self.timer, &mut [0; 8]) == Err(Errno::ECANCELED)
    }
}
