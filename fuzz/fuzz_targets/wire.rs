//! Any bytes as what a network or another program may hand us: no panic, no endless loop.
//! The first byte picks the reader.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reachd::collect::names as names_file;
use reachd::journal::Journal;
use reachd::lookup::http::read_answer;
use reachd::model::name::Family;
use reachd::parse::{leases, map_rules, netifd};
use reachd::wire::{der, dns, igd, names, natpmp, rtnetlink, stun, ubus, xml};
use std::net::Ipv4Addr;
use std::time::Duration;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    match which % 14 {
        0 => {
            // A message is at least 16 bytes, so their number is bounded.
            let messages: Vec<_> = rtnetlink::messages(bytes).collect();
            assert!(messages.len() <= bytes.len() / 16 + 1);
            for message in &messages {
                let _ = (rtnetlink::address(message), rtnetlink::route(message));
                let _ = (rtnetlink::error(message), rtnetlink::is_news(message));
                let _ = rtnetlink::neighbour(message);
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
            let Some(dump) = ubus::read(bytes).and_then(|message| message.data()) else { return };
            let _ = leases::ubus(&dump);
            if let Ok(interfaces) = netifd::interfaces(&dump) {
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
        5 => {
            let question = stun::question(0x42);
            if stun::is_reply(&question, bytes) {
                let _ = stun::address(bytes);
            }
        }
        6 => {
            let asked = natpmp::announce(Ipv4Addr::LOCALHOST.into());
            let _ = (natpmp::natpmp_answer(bytes), natpmp::is_pcp_reply(&asked, bytes));
            let _ = (natpmp::pcp_result(bytes), natpmp::map_answer(bytes));
        }
        7 => {
            let gateway = Ipv4Addr::new(192, 168, 77, 1);
            let url = "http://192.168.77.1:5431/rootDesc.xml";
            let _ = (xml::elements(bytes), igd::answer(bytes));
            if let Some(url) = igd::location(bytes) {
                let _ = igd::is_at(url, gateway);
            }
            if let Ok(device) = igd::device(bytes, url, gateway) {
                assert!(device.services.iter().all(|(url, _)| igd::is_at(url, gateway)));
            }
        }
        8 => {
            for kind in [dns::Kind::Text, dns::Kind::ChaosText, dns::Kind::Address(Family::Ipv4)] {
                let _ = dns::told(bytes, kind);
            }
        }
        9 => {
            let _ = xml::read(bytes);
        }
        10 => {
            // A lease is a line of some bytes, so their number is bounded.
            assert!(leases::file(bytes).len() <= bytes.len() / 8 + 1);
        }
        11 => {
            let _ = map_rules::rule(bytes);
        }
        12 => {
            // As an answer to a question of ours, so that most are read to their end.
            for kind in [names::Kind::NameServers, names::Kind::Address(Family::Ipv4)] {
                let Some(question) = names::question("nas.example.org", kind, 0x4142, true) else {
                    continue;
                };
                let mut reply = question[..question.len() - 11].to_vec();
                reply[2] |= 0x80;
                (reply[7], reply[11]) = (4, 0);
                reply.extend(bytes);
                if let Some(told) = names::records(&question, &reply) {
                    assert!(told.answer.aliases.len() <= names::MOST_ALIASES + 1);
                    let words = told.answer.aliases.iter().chain(&told.servers);
                    assert!(words.flat_map(|word| word.chars()).all(|c| c.is_ascii_graphic()));
                }
                let _ = names::records(&question, bytes);
            }
            if let Ok(all) = names_file::from_file(&String::from_utf8_lossy(bytes)) {
                assert!(names_file::from_file(&names_file::write(&all)).is_ok());
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
