//! Names of LAN hosts, lifetimes that end, and a clock that is not set.

use super::*;
use crate::model::lan::{Host, Lan};

#[test]
fn a_lifetime_that_ends_is_a_reason_to_look_again() {
    let config = config("cloudflare", SharedLine::Skip);
    let journal = confirmed(&config, "93.184.7.20");
    let mut view = eth(&["93.184.7.20"]);
    view.wans[0].addresses[0].preferred = Some(Duration::from_secs(90));
    let decision = one(&view, &journal, &config);
    assert_eq!(decision.step, Step::Right(vec![ip("93.184.7.20")]));
    assert_eq!(decision.again, Some(NOW + Duration::from_secs(91)));
    view.wans[0].addresses[0].preferred = Some(Duration::ZERO);
    assert_eq!(one(&view, &journal, &config).again, None, "it has ended, once");
}

#[test]
fn without_a_clock_what_needs_one_waits_and_the_rest_does_not() {
    let mut view = eth(&["93.184.7.20"]);
    view.clock = Clock::Unset(86_400 + 7);
    let there = vec![ip("93.184.7.20")];
    let config = |provider| config(provider, SharedLine::Skip);
    let decision = one(&view, &Journal::default(), &config("cloudflare"));
    assert_eq!(decision.step, Step::Clock(there.clone()));
    assert_eq!(decision.again, Some(NOW + clock::RETRY));
    assert!(decision.why.contains("shows 1970-01-02, "), "{}", decision.why);
    // RFC 8945 5.2.3: the server tells its time.
    for local in ["hosts", "rfc2136"] {
        let decision = one(&view, &Journal::default(), &config(local));
        assert_eq!(decision.step, Step::Publish(there.clone()), "{local}");
    }
    let cloudflare = config("cloudflare");
    let decision = one(&view, &confirmed(&cloudflare, "93.184.7.20"), &cloudflare);
    assert_eq!(decision.step, Step::Right(there), "confirmed stays confirmed");
    // A clock that may be old is no better, and is waited for in the same way.
    let mut stale = eth(&["93.184.7.20"]);
    stale.clock = Clock::Stale(1_795_000_000);
    let decision = one(&stale, &Journal::default(), &cloudflare);
    assert_eq!(decision.step, Step::Clock(vec![ip("93.184.7.20")]));
    assert_eq!(decision.again, Some(NOW + clock::RETRY));
    let want = "the clock of this machine may be old: it shows 2026-11-18, the boot took that from a \
                file, and the kernel says that nobody has set it since; certificates and signatures \
                need the right time. Waiting for NTP, at most until 5 minutes after the boot";
    assert_eq!(decision.why, want);
    // Asking the outside by TLS would be in vain as well.
    let mut shared = eth(&["100.64.7.9"]);
    shared.clock = Clock::Unset(0);
    let outside = super::config("cloudflare", SharedLine::Outside);
    assert_eq!(one(&shared, &Journal::default(), &outside).step, Step::Unknown);
    shared.clock = Clock::Right;
    let decision = one(&shared, &Journal::default(), &outside);
    assert_eq!(decision.step, Step::Ask(Some("eth1".into())));
}

/// Two names of LAN hosts at one account, and the LAN with these prefixes.
fn house(prefixes: &[(&str, Option<u64>)]) -> (WanView, Config) {
    let mut config = config("cloudflare", SharedLine::Skip);
    config.names[0].families = vec![Family::Ipv6];
    config.names[0].hosts = vec![Host::Suffix(0x10), Host::Suffix(0x20)];
    let mut nas = config.names[0].clone();
    (nas.fqdn, nas.fingerprint) = ("nas.example.org".into(), 3);
    nas.hosts = vec![Host::Suffix(0x30)];
    config.names.push(nas);
    let mut view = eth(&[]);
    view.wans[0].family = Family::Ipv6;
    let prefixes = prefixes.iter().map(|(prefix, preferred)| Address {
        ip: ip(prefix),
        prefix_len: 64,
        flags: 0,
        preferred: preferred.map(Duration::from_secs),
        valid: None,
    });
    view.lans.push(Lan {
        wan: None,
        asked: "lan".into(),
        device: Known::Known(Some("br-lan".into())),
        prefixes: prefixes.collect(),
        neighbours: Known::Known(Vec::new()),
    });
    (view, config)
}

fn published(decisions: &[Decision]) -> Vec<String> {
    let text = |decision: &Decision| match &decision.step {
        Step::Publish(to) => to.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" "),
        step => format!("{step:?}"),
    };
    decisions.iter().map(text).collect()
}

#[test]
fn a_renumbering_moves_all_names_of_a_lan_together() {
    let (old, new) = ("2a00:1:0:5::", "2a00:2:0:7::");
    let (view, config) = house(&[(old, Some(600))]);
    let mut journal = Journal::default();
    let decisions = decide(&view, &journal, &config, NOW);
    assert_eq!(published(&decisions), ["2a00:1:0:5::10 2a00:1:0:5::20", "2a00:1:0:5::30"]);
    // The first name is published. A better prefix comes: the other keeps to the same one.
    let first = key(&config.names[0], Family::Ipv6);
    let ips = [ip("2a00:1:0:5::10"), ip("2a00:1:0:5::20")];
    let fingerprint = fingerprint(&config, &config.names[0]);
    journal.before("mine", NOW / 2, [(first.clone(), fingerprint, &ips[..])]);
    journal.after("mine", NOW / 2, 0, [(&first, &Outcome::Updated)]);
    let (both, _) = house(&[(old, Some(600)), (new, Some(1800))]);
    let decisions = decide(&both, &journal, &config, NOW);
    assert_eq!(decisions[0].step, Step::Right(ips.to_vec()));
    assert_eq!(published(&decisions[1..]), ["2a00:1:0:5::30"]);
    assert_eq!(decisions[0].again, Some(NOW + Duration::from_secs(600)));
    // The old one ends: all of them move.
    let (ended, _) = house(&[(old, Some(0)), (new, Some(1800))]);
    let decisions = decide(&ended, &journal, &config, NOW);
    assert_eq!(published(&decisions), ["2a00:2:0:7::10 2a00:2:0:7::20", "2a00:2:0:7::30"]);
    // No prefix at all, or no LAN: nothing changes.
    let (none, _) = house(&[]);
    assert!(decide(&none, &journal, &config, NOW).iter().all(|d| d.step == Step::Absent));
    let mut blind = none;
    blind.lans[0].device = Known::unknown("netifd did not answer");
    assert!(decide(&blind, &journal, &config, NOW).iter().all(|d| d.step == Step::Unknown));
    // Its WAN is down: the prefix leads nowhere.
    let (mut down, _) = house(&[(new, None)]);
    down.wans[0].device = Known::Known(None);
    assert!(decide(&down, &journal, &config, NOW).iter().all(|d| d.step == Step::Absent));
}
