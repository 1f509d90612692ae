//! What the daemon sleeps on: the kernel's bells, netifd's, signals, the wall clock being set, and a
//! moment. One poll.

use super::clock::{self, Steps};
use super::netlink::{Bell, Rules};
use super::signals;
use super::ubus::Ubus;
use crate::world::Event;
use nix::poll::{PollFd, PollFlags, poll};
use std::time::Duration;

/// Sleeps until something happens, at most until `until` (time since boot).
pub fn next(
    mut bell: Option<&mut Bell>,
    rules: Option<&Rules>,
    ubus: &mut Ubus,
    steps: Option<&Steps>,
    until: Option<Duration>,
) -> Event {
    loop {
        signals::drain();
        if signals::stop() {
            return Event::Stop;
        }
        if signals::take_reload() {
            return Event::Reload;
        }
        if signals::take_recheck() {
            return Event::Recheck;
        }
        let set = steps.is_some_and(Steps::rang);
        if signals::take_clock() || set {
            return Event::Clock;
        }
        // All, so that one change told by several is one look.
        let rang = bell.as_mut().is_some_and(|bell| bell.rang()) | signals::take_look();
        if ubus.rang() | rang | rules.is_some_and(Rules::drain) {
            return Event::News;
        }
        let left = until.map(|until| until.saturating_sub(clock::since_boot()));
        if left.is_some_and(|left| left.is_zero()) {
            return Event::Timer;
        }
        let bell_fd = bell.as_ref().map(|bell| bell.fd());
        let files = [bell_fd, rules.map(Rules::fd), ubus.fd(), signals::fd(), steps.map(Steps::fd)];
        let mut fds: Vec<PollFd<'_>> =
            files.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // EINTR and early wake-ups only cost another turn.
        let _ = poll(&mut fds, signals::timeout(left));
    }
}
