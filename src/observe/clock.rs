//! Whether the wall clock can be believed. Most routers have no clock that runs without power: what
//! starts them sets it to the newest time of a file in /etc (OpenWrt's sysfixtime, a Raspberry Pi's
//! fake-hwclock), which is plausible and old. NTP then sets it right.
//!
//! The kernel's own mark for that (STA_UNSYNC) is not enough: some NTP clients never take it away,
//! and a virtual machine with a right clock may have none. So a clock counts as stale only while
//! all of this holds: the mark, a file that was written just when this boot began by this clock,
//! and a boot that was not long ago. What is missed by that, TLS refuses, and is tried again when
//! the clock is set.

use crate::model::utc::RELEASED;
use crate::model::wan::Clock;
use crate::world::Sys;
use std::time::Duration;

/// Where files change on a router, and where the jail of its service lets us look.
const FOLDERS: [&str; 4] = ["/etc", "/etc/config", "/etc/reachd", "/etc/reachd/kept"];

/// Seconds after the kernel's start in which the clock is set to a file's.
const SET: [u64; 2] = [3, 60];

/// So long after the boot NTP has had its chance.
const PATIENCE: Duration = Duration::from_secs(300);

pub fn look(sys: &mut dyn Sys) -> Clock {
    let (shows, up) = (sys.wall_clock(), sys.now());
    if shows < RELEASED {
        return Clock::Unset(shows);
    }
    if up >= PATIENCE || !sys.unsynchronised() {
        return Clock::Right;
    }
    let boot = shows.saturating_sub(up.as_secs());
    let set = |time: &u64| (boot + SET[0]..=boot + SET[1]).contains(time);
    match FOLDERS.iter().any(|folder| sys.written(folder).iter().any(set)) {
        true => Clock::Stale(shows),
        false => Clock::Right,
    }
}
