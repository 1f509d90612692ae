//! What the kind of line does to a record.

use super::*;
use crate::model::line::{Means, Seen};

#[test]
fn a_vpn_that_was_merely_found_is_nobodys_line() {
    let mut wg = eth(&["93.184.7.20"]);
    wg.wans[0].access.proto = Some("wireguard".into());
    for policy in [SharedLine::Skip, SharedLine::Outside] {
        let decision = one(&wg, &Journal::default(), &config("cloudflare", policy));
        assert_eq!(decision.step, Step::Skip);
        assert!(decision.why.contains("option wan in section 'home'"), "{}", decision.why);
    }
    let mut named = config("cloudflare", SharedLine::Skip);
    named.names[0].wan = Some("wg0".into());
    wg.wans[0].asked = Some("wg0".into());
    let decision = one(&wg, &Journal::default(), &named);
    assert_eq!(decision.step, Step::Publish(vec![ip("93.184.7.20")]), "the owner's wish");
}

#[test]
fn an_address_that_the_internet_does_not_see_is_shared() {
    let outside = |said: &[&str], answer: Option<&str>| {
        let seen = said.iter().map(|text| Seen {
            service: "https://a.example".into(),
            means: Means::Https,
            answer: Ok(ip(text)),
        });
        Outside {
            seen_from: vec![ip("25.9.7.20")],
            answer: answer.map(ip),
            next: NOW * 2,
            seen: seen.collect(),
            ..Outside::default()
        }
    };
    let squat = eth(&["25.9.7.20"]);
    let published = vec![ip("25.9.7.20")];
    type Case<'a> = (&'a [&'a str], Option<&'a str>, SharedLine, Step);
    let cases: &[Case] = &[
        (&["93.184.7.20"; 2], Some("93.184.7.20"), SharedLine::Skip, Step::Skip),
        (
            &["93.184.7.20"; 2],
            Some("93.184.7.20"),
            SharedLine::Outside,
            Step::Publish(vec![ip("93.184.7.20")]),
        ),
        // The last look brought nothing: what was agreed on before still counts, and stays.
        (&["93.184.7.20"; 2], None, SharedLine::Outside, Step::Unknown),
        (&["93.184.7.20"; 2], None, SharedLine::Wan, Step::Right(published.clone())),
        (&["25.9.7.20"; 2], Some("25.9.7.20"), SharedLine::Outside, Step::Right(published)),
    ];
    for (said, answer, policy, want) in cases {
        let config = config("cloudflare", *policy);
        let mut journal = confirmed(&config, "25.9.7.20");
        journal.outside.insert((String::new(), Family::Ipv4), outside(said, *answer));
        let decision = one(&squat, &journal, &config);
        assert_eq!(decision.step, *want, "{said:?} {answer:?} {policy:?}: {}", decision.why);
    }
    // Nobody was asked: it is published, then looked at by those who use lookups anyway.
    let config = config("cloudflare", SharedLine::Outside);
    let decision = one(&squat, &confirmed(&config, "25.9.7.20"), &config);
    assert_eq!(decision.step, Step::Check(vec![ip("25.9.7.20")], "eth1".into()));
}
