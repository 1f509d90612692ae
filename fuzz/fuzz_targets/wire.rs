//! Any bytes as what a network or another program may hand us: no panic, no endless loop.
//! The first byte picks the reader.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reachd::journal::Journal;
use reachd::lookup::http::read_answer;
use reachd::model::name::Family;
use reachd::parse::netifd;
use reachd::wire::{der, dns, rtnetlink, ubus};
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 6 {
        0 => {
            // A message is at least 16 bytes, so their number is bounded.
            let messages: Vec<_> = rtnetlink::messages(bytes).collect();
            assert!(messages.len() <= bytes.len() / 16 + 1);
            for message in &messages {
                let _ = (rtnetlink::address(message), rtnetlink::route(message));
                let _ = (rtnetlink::error(message), rtnetlink::is_news(message));
            }
        }
        1 => {
            for family in Family::BOTH {
                if let Some(question) = dns::question("api.example.org", family, 0x4142) {
                    let _ = dns::answer(&question, bytes, family);
                }
            }
        }
        2 => {
            let _ = der::names(bytes);
        }
        3 => {
            if let Some(dump) = ubus::read(bytes).and_then(|message| message.data())
                && let Ok(interfaces) = netifd::interfaces(&dump)
            {
                for family in Family::BOTH {
                    let _ = netifd::wan(&interfaces, family);
                }
            }
        }
        4 => {
            let now = Duration::from_secs(1);
            if let Ok(journal) = Journal::from_text(bytes, "boot", now) {
                let text = journal.to_text("boot", now);
                assert_eq!(Journal::from_text(text.as_bytes(), "boot", now).as_ref(), Ok(&journal));
            }
        }
        _ => {
            for family in Family::BOTH {
                if let Ok(ip) = read_answer(bytes, family, "api.example") {
                    assert_eq!(Family::of(ip), family);
                }
            }
        }
    }
});
