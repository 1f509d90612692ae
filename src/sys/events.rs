//! What the daemon sleeps on: the kernel's bell, signals, and a moment. One poll.

use super::netlink::Bell;
use super::{clock, signals};
use crate::world::Event;
use nix::poll::{PollFd, PollFlags, poll};
use std::time::Duration;

/// Sleeps until something happens, at most until `until` (time since boot).
/// Without signals installed or a bell there is only the moment.
pub fn next(bell: &mut Bell, until: Option<Duration>) -> Event {
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
        if bell.rang() {
            return Event::News;
        }
        let left = until.map(|until| until.saturating_sub(clock::since_boot()));
        if left.is_some_and(|left| left.is_zero()) {
            return Event::Timer;
        }
        let mut fds = [
            PollFd::new(bell.fd(), PollFlags::POLLIN),
            PollFd::new(signals::fd().unwrap_or(bell.fd()), PollFlags::POLLIN),
        ];
        // EINTR and early wake-ups only cost another turn.
        let _ = poll(&mut fds, signals::timeout(left));
    }
}
