//! Rules that are wrong in one way each (tests/data/nft/odd-rules.nft, listed by nft).

use super::*;
use crate::parse::nft;

fn found() -> (Ruleset, Vec<Finding>) {
    let (rules, complaints) = nft::ruleset(include_bytes!("../../tests/data/nft/odd-rules.json"));
    assert!(complaints.is_empty() && !rules.cut, "{complaints:?}");
    let local = ["198.51.100.2".parse().unwrap()];
    let world = World { rules: &rules, local: &local, routes: &[], first: &[] };
    let (found, whole) = judge(world, &["wan0"], Caps::default()).unwrap();
    assert!(whole);
    (rules, found)
}

fn comment(rules: &Ruleset, id: RuleId) -> String {
    id.find(rules).and_then(|(.., rule)| rule.comment.clone()).unwrap_or("-".to_string())
}

#[test]
fn each_kind_speaks_for_its_rule_and_no_other() {
    let (rules, found) = found();
    let said: Vec<String> = found
        .iter()
        .map(|one| {
            let by: Vec<String> =
                one.blockers.iter().map(|blocker| comment(&rules, blocker.rule)).collect();
            let before = one.before.map(|id| format!(", before {}", comment(&rules, id)));
            let text = before.unwrap_or_default();
            format!("{}: {:?} by [{}]{text}", comment(&rules, one.rule), one.wrong, by.join(", "))
        })
        .collect();
    assert_eq!(
        said,
        [
            "no ssh: Shadowed by [ssh], before ssh",
            "web again: Redundant by [web], before web",
            "https: RedundantLater by [wide]",
            "nobody: Empty by []",
            "two at once: Empty by []",
            "friends: Contradicts by [block], before block",
            "vpn: Unreached by []",
            "behind a jump: Shadowed by [no 7000], before -",
            "same: Redundant by [first], before first",
            "other: Shadowed by [first], before first",
        ]
    );
}

#[test]
fn a_packet_shows_it_and_a_move_mends_it() {
    let (rules, found) = found();
    let one = |name: &str| found.iter().find(|one| comment(&rules, one.rule) == name).unwrap();
    let packet = one("no ssh").witness.unwrap();
    assert_eq!((packet.dest_port, packet.source.to_string()), (22, "192.0.2.9".to_string()));
    let packet = one("friends").witness.unwrap();
    assert!((1500..=2000).contains(&packet.dest_port), "{packet:?}");
    assert!(packet.source >= "203.0.113.128".parse::<std::net::IpAddr>().unwrap());
    // The move is tried: the rule that was dead lives, and what was before it still does.
    let dead = one("no ssh");
    let (from, to) = (dead.rule, dead.before.unwrap());
    assert_eq!(dead.before, dead.before_all);
    let mut moved = rules.clone();
    let chain = &mut moved.tables[from.table as usize].chains[from.chain as usize].rules;
    let rule = chain.remove(from.rule as usize);
    chain.insert(to.rule as usize, rule);
    let local = ["198.51.100.2".parse().unwrap()];
    let world = World { rules: &moved, local: &local, routes: &[], first: &[] };
    let again = judge(world, &["wan0"], Caps::default()).unwrap().0;
    let still = |name: &str| again.iter().any(|one| comment(&moved, one.rule) == name);
    assert!(!still("no ssh") && !still("ssh") && still("web again"));
}

#[test]
fn shares_add_up_and_the_caps_hold() {
    let (rules, found) = found();
    for one in found.iter().filter(|one| !one.blockers.is_empty()) {
        let sum: f64 = one.blockers.iter().map(|blocker| blocker.share).sum();
        assert!(sum > 0.0 && sum < 1.000_001, "{one:?}");
    }
    let local = ["198.51.100.2".parse().unwrap()];
    let world = World { rules: &rules, local: &local, routes: &[], first: &[] };
    assert!(judge(world, &["wan0"], Caps { pieces: 20_000, work: 100 }).is_err());
}
