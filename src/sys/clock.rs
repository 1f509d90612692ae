//! The clocks.

use nix::time::{ClockId, clock_gettime};
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
