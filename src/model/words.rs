//! How times, addresses and foreign words are said to people.

use std::net::IpAddr;
use std::time::Duration;

/// A duration for people: `5 s`, `10 min`, `2 h`, `3 days`.
pub fn span(time: Duration) -> String {
    match time.as_secs() + u64::from(time.subsec_millis() > 0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7200..172_800 => format!("{} h", seconds.div_ceil(3600)),
        seconds => format!("{} days", seconds / 86_400),
    }
}

pub fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(" ")
}

/// Foreign text for a terminal: no control characters, nothing that turns the writing round.
pub fn plain(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
    };
    text.chars().map(|c| if hidden(c) { '?' } else { c }).collect()
}
