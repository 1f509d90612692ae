//! Whether the kernel takes its wall clock for right. The one file with unsafe code: nix has no
//! adjtimex(2), and the kernel tells this nowhere else. `tests/layers.rs` sees that it stays the one.

#![allow(unsafe_code)]

use nix::libc::{SYS_adjtimex, c_long, syscall};

/// TIME_ERROR (linux/timex.h): STA_UNSYNC is set. It is from the boot on, again after each step,
/// and until an NTP client takes it away; some never do.
const TIME_ERROR: c_long = 5;

/// The kernel says that nobody keeps its clock right. Where it does not say (a sandbox), false.
pub fn unsynchronised() -> bool {
    // All zero is `modes` zero: nothing is changed, so no right is needed.
    let mut timex: [c_long; 64] = [0; 64];
    // SAFETY: the kernel writes one struct timex, which takes 32 longs at most on any machine, and
    // keeps no pointer to it. The system call itself rather than libc's function: that has two
    // layouts on machines with 32 bits.
    unsafe { syscall(SYS_adjtimex, timex.as_mut_ptr()) == TIME_ERROR }
}
