//! Any bytes as `nft -j list ruleset`, and packets through whatever firewall that is: no panic, no
//! endless loop, no more than the caps, and what is sure of one end is not sure of another. The
//! corpus in the tree is tests/data/nft; tests/acl.rs does the same with mutations of it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reachd::acl::forward::{broad, surface};
use reachd::acl::rules;
use reachd::acl::space::Space;
use reachd::acl::walk::{Caps, Fate, Question, Route, World, ask};
use reachd::acl::words;
use reachd::model::address::Prefix;
use reachd::model::name::Family;
use reachd::parse::nft;
use std::net::IpAddr;

fuzz_target!(|bytes: &[u8]| {
    let (rules, complaints) = nft::ruleset(bytes);
    assert!(complaints.len() <= 20);
    let local: [IpAddr; 2] = [IpAddr::from([198, 51, 100, 2]), "2001:db8::2".parse().unwrap()];
    let routes = ["192.168.1.0/24", "2001:db8:1::/64"].map(|to| Route {
        to: Prefix::parse(to).unwrap(),
        device: "br-lan".to_string(),
    });
    let first = [("wan0".to_string(), local[0])];
    let world = World { rules: &rules, local: &local, routes: &routes, first: &first };
    let caps = Caps { pieces: 2_000, work: 100_000 };
    for (family, calm) in [(Family::Ipv4, true), (Family::Ipv6, false)] {
        let question = Question { device: "wan0", family, spaces: vec![Space::ALL], calm };
        let Ok(answer) = ask(world, &question, caps) else { continue };
        assert!(answer.work <= caps.work && answer.pieces <= caps.pieces);
        for end in &answer.ends {
            let said = words::sentence(&rules, &answer, end);
            assert!(!said.is_empty() && !said.chars().any(char::is_control));
        }
        let _ = (surface(&answer, &[], caps), broad(&answer));
        let dropped = answer.parts(caps, |end| end.fate == Fate::Dropped);
        let others = answer.parts(caps, |end| end.fate != Fate::Dropped);
        if let (Ok((dropped, _)), Ok((others, _))) = (dropped, others) {
            for one in dropped.iter().take(100) {
                assert!(others.iter().all(|other| one.meet(other).is_none()));
            }
        }
    }
    let _ = rules::judge(world, &["wan0"], caps);
});
