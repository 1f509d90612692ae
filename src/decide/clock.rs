//! Who has to wait for a right clock, and what the owner is told about it. What speaks against the
//! clock is `observe`'s to see.

use crate::model::config::Config;
use crate::model::name::Name;
use crate::model::utc::utc;
use crate::model::wan::{Clock, WanView};
use crate::providers;
use std::time::Duration;

/// How often a clock that is not believed is looked at; where the kernel tells that it was set,
/// this waits in vain.
pub(super) const RETRY: Duration = Duration::from_secs(5);

/// Why a name's provider is not to be called with the clock as it is.
pub(super) fn gate(view: &WanView, config: &Config, name: &Name) -> Option<String> {
    let doubt = doubt(view.clock)?;
    let account = config.account(&name.account)?;
    providers::needs_clock(providers::find(&account.provider)?, account).then_some(doubt)
}

/// What speaks against the clock, what that keeps from working, and what to do. The date alone: a
/// text that changes every second would be told every second.
pub fn doubt(clock: Clock) -> Option<String> {
    let (what, shows, why, end) = match clock {
        Clock::Right => return None,
        Clock::Unset(shows) => ("is not set", shows, "which is before this reachd was made", ""),
        Clock::Stale(shows) => (
            "may be old",
            shows,
            "the boot took that from a file, and the kernel says that nobody has set it since",
            ", at most until 5 minutes after the boot",
        ),
    };
    let time = utc(shows);
    let day = time.split(' ').next().unwrap_or_default();
    Some(format!(
        "the clock of this machine {what}: it shows {day}, {why}; certificates and \
         signatures need the right time. Waiting for NTP{end}"
    ))
}
