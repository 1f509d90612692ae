//! What each answer of a server must become; real servers are in `tests/`.

use super::fake::*;
use super::*;
use domain::base::iana::Rcode;

const HOME: &str = "home.example.test 203.0.113.9 ttl=60";

fn keyed() -> Account {
    let options = [("server", "ns"), ("zone", "example.test"), ("key_name", "Lab-key.")];
    account(&PROVIDER, &[&options[..], &[("key_secret", SECRET)]].concat())
}

fn keyless() -> Account {
    account(&PROVIDER, &[("server", "ns"), ("zone", "example.test")])
}

/// One want published at a server that does `reply`, and what was sent there.
fn run(
    account: &Account,
    want_text: &str,
    reply: impl FnMut(&[u8], DnsTransport, &Via) -> Result<Vec<u8>, NetError> + 'static,
) -> (String, Vec<String>) {
    let mut fake = Fake::new();
    fake.dns = Some(Box::new(reply));
    let got = publish(&mut fake, account, &[want(want_text)]);
    assert_eq!(got.len(), 1);
    (show(&got[0]), fake.log)
}

fn is_update(message: &[u8]) -> bool {
    message[2] >> 3 & 15 == 5
}

#[test]
fn only_a_signed_yes_is_a_yes() {
    let says = |account: Account, signed: bool| {
        run(&account, HOME, move |sent, _, _| Ok(answer(sent, Rcode::NOERROR, signed))).0
    };
    assert_eq!(says(keyed(), true), "Updated");
    assert_eq!(
        says(keyed(), false),
        "NotConfirmed: could not confirm the change: ns answers without a signature"
    );
    assert_eq!(says(keyless(), false), "Updated");
    let (got, _) = run(&keyed(), HOME, |sent, _, _| {
        let mut reply = answer(sent, Rcode::NOERROR, true);
        let mac = reply.len() - 7;
        reply[mac] ^= 1;
        Ok(reply)
    });
    assert_eq!(
        got,
        "NotConfirmed: could not confirm the change: the answer of ns is not signed as it \
         should be with key 'Lab-key.'"
    );
}

#[test]
fn what_each_answer_means() {
    let signed = [
        (Rcode::FORMERR, "Bug: "),
        (Rcode::SERVFAIL, "TryLater: ns had a failure of its own"),
        (Rcode::NOTIMP, "FixConfig: ns takes no dynamic updates"),
        (
            Rcode::REFUSED,
            "FixConfig: ns refuses: its rules do not let key 'Lab-key.' change A of home.example.test",
        ),
        (Rcode::YXRRSET, "FixConfig: A of home.example.test: a CNAME"),
        (Rcode::NOTAUTH, "FixConfig: ns does not serve zone example.test: "),
        (Rcode::NOTZONE, "FixConfig: ns says that A of home.example.test does not lie"),
        (Rcode::NXDOMAIN, "TryLater: ns answers with error 3"),
    ];
    for (rcode, text) in signed {
        let (got, log) = run(&keyed(), HOME, move |sent, _, _| Ok(answer(sent, rcode, true)));
        assert!(got.starts_with(text), "{rcode}: {got}");
        assert_eq!(log, ["dns udp"], "{rcode}");
    }
    let unsigned = [
        (keyed(), Rcode::REFUSED, "FixConfig: refused (unsigned answer) by ns: check key_secret"),
        (keyed(), Rcode::NOTAUTH, "FixConfig: ns does not serve zone example.test: "),
        (
            keyless(),
            Rcode::REFUSED,
            "FixConfig: ns refuses updates of zone example.test without a key",
        ),
        (
            keyless(),
            Rcode::NOTAUTH,
            "FixConfig: ns does not serve zone example.test, or not without a key",
        ),
    ];
    for (account, rcode, text) in unsigned {
        let (got, _) = run(&account, HOME, move |sent, _, _| Ok(answer(sent, rcode, false)));
        assert!(got.starts_with(text), "{rcode}: {got}");
    }
}

#[test]
fn complaints_about_the_signature() {
    let theirs = (NOW + 4000).to_be_bytes();
    let cases: [(u16, &'static [u8], &str); 4] = [
        (16, b"", "FixConfig: ns knows key 'Lab-key.', but with another secret"),
        (17, b"", "FixConfig: ns does not know key 'Lab-key.'"),
        (22, b"", "FixConfig: ns wants longer signatures"),
        (99, b"", "TryLater: ns answers with TSIG error 99"),
    ];
    for (error, other, text) in cases {
        for want in [HOME, "home.example.test 203.0.113.9"] {
            let (got, log) =
                run(&keyed(), want, move |sent, _, _| Ok(complaint(sent, error, other)));
            assert!(got.starts_with(text), "{error}: {got}");
            assert_eq!(log.len(), 1);
        }
    }
    // The time of an answer that nobody signed is told, not believed.
    let (got, log) = run(&keyed(), HOME, move |sent, _, _| Ok(complaint(sent, 18, &theirs[2..])));
    assert_eq!(
        got,
        "TryLater: the clocks differ: ns has 2026-11-23 11:06:40 UTC, this router has \
         2026-11-23 10:00:00 UTC; check the router's clock (unsigned answer)"
    );
    assert_eq!(log.len(), 1);
    let mut fake = Fake::new();
    fake.clock = 86_400;
    fake.dns = Some(Box::new(|sent, _, _| Ok(complaint(sent, 18, b""))));
    let got = show(&publish(&mut fake, &keyed(), &[want(HOME)])[0]);
    assert!(got.contains("1970-01-02 00:00:00 UTC; the router's clock was never set"), "{got}");
}

#[test]
fn trouble_on_the_way() {
    use NetErrorKind::*;
    let cases = [
        (Deadline, true, "NotConfirmed: could not confirm the change: deadline happened", 2),
        (Garbage, true, "NotConfirmed: could not confirm the change: garbage happened", 2),
        (Connect, false, "TryLater: connect happened", 1),
        (Resolve, false, "TryLater: resolve happened", 1),
        (Interrupted, true, "NotConfirmed: could not confirm the change: interrupted", 1),
        (Interrupted, false, "TryLater: interrupted", 1),
        (Config, false, "FixConfig: config happened", 1),
    ];
    for (kind, sent, text, requests) in cases {
        let (got, log) = run(&keyed(), HOME, move |_, _, _| Err(net_error(kind, sent)));
        assert_eq!((got.as_str(), log.len()), (text, requests), "{kind:?}");
    }
    // UDP was sent; that TCP was not does not undo it.
    let (got, log) = run(&keyed(), HOME, |_, over, _| match over {
        DnsTransport::Udp => Err(net_error(Deadline, true)),
        DnsTransport::Tcp => Err(net_error(Connect, false)),
    });
    assert_eq!(got, "NotConfirmed: could not confirm the change: connect happened");
    assert_eq!(log, ["dns udp", "dns tcp"]);
    // Truncated, then whole.
    let (got, log) = run(&keyed(), HOME, |sent, over, _| {
        let mut reply = answer(sent, Rcode::NOERROR, over == DnsTransport::Tcp);
        reply[2] |= if over == DnsTransport::Udp { 2 } else { 0 };
        Ok(reply)
    });
    assert_eq!((got.as_str(), log.len()), ("Updated", 2));
    // The answer to somebody else.
    let (got, _) = run(&keyed(), HOME, |sent, _, _| {
        let mut reply = answer(sent, Rcode::NOERROR, true);
        reply[1] ^= 1;
        Ok(reply)
    });
    assert!(got.ends_with("ns gave an answer that does not fit the request"), "{got}");
}

#[test]
fn a_look_that_fails_holds_nothing_up() {
    for kind in [NetErrorKind::Deadline, NetErrorKind::Garbage] {
        let mut fake = Fake::new();
        fake.dns = Some(Box::new(move |sent, _, via| match is_update(sent) {
            true => Ok(answer(sent, Rcode::NOERROR, true)),
            false => {
                assert!(via.deadline <= Duration::from_secs(2));
                Err(net_error(kind, true))
            }
        }));
        let wants = [want("home.example.test 192.0.2.1"), want("nas.example.test 192.0.2.1")];
        assert_eq!(publish(&mut fake, &keyed(), &wants), [Outcome::Updated, Outcome::Updated]);
        // One look for both, and one update for both.
        assert_eq!(fake.log, ["dns udp", "dns udp"]);
    }
}

/// The TTL an update sends, `None` if none is sent, after a look that found `found`.
fn ttl_after(aa: bool, signed: bool, found: &'static [[u8; 4]]) -> Option<u16> {
    let ttl = std::rc::Rc::new(std::cell::Cell::new(None));
    let seen = ttl.clone();
    run(&keyed(), "home.example.test 203.0.113.9", move |sent, _, _| {
        if is_update(sent) {
            let at = sent.windows(4).position(|part| part == [203, 0, 113, 9]).unwrap();
            // The low half of the TTL, before the length.
            seen.set(Some(u16::from_be_bytes([sent[at - 4], sent[at - 3]])));
            return Ok(answer(sent, Rcode::NOERROR, true));
        }
        let mut reply = answer_with(sent, Rcode::NOERROR, signed, found);
        reply[2] &= if aa { 0xff } else { !4 };
        Ok(reply)
    });
    ttl.get()
}

#[test]
fn what_a_look_is_good_for() {
    let (right, other): (&[[u8; 4]], &[[u8; 4]]) = (&[[203, 0, 113, 9]], &[[192, 0, 2, 1]]);
    assert_eq!(ttl_after(true, true, right), None);
    assert_eq!(ttl_after(true, true, other), Some(1234));
    assert_eq!(ttl_after(true, true, &[]), Some(60));
    // Nobody vouches that it is right; its TTL is still the best guess.
    assert_eq!(ttl_after(true, false, right), Some(1234));
    // From a cache: what is left of the TTL is not the TTL.
    assert_eq!(ttl_after(false, false, other), Some(60));
}

#[test]
fn a_hundred_names_are_one_message() {
    let mut fake = Fake::new();
    fake.dns = Some(Box::new(|sent, _, _| Ok(answer(sent, Rcode::NOERROR, true))));
    let wants: Vec<Want> =
        (0..100).map(|i| want(&format!("h{i}.example.test 192.0.2.{i} ttl=60"))).collect();
    let got = publish(&mut fake, &keyed(), &wants);
    assert!(got.iter().all(|outcome| *outcome == Outcome::Updated));
    assert_eq!(fake.log, ["dns tcp"]);
}

#[test]
fn options_that_cannot_be_right_cost_no_request() {
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[("key_name", "k")], "FixConfig: options key_name and key_secret go together"),
        (&[("key_secret", SECRET)], "FixConfig: options key_name and key_secret go together"),
        (
            &[("key_name", "k"), ("key_secret", "not base64!")],
            "FixConfig: account 'test': option key_secret is not base64, as in the server's key file",
        ),
        (
            &[("key_name", "a..b"), ("key_secret", SECRET)],
            "FixConfig: account 'test': option key_name is not a domain name",
        ),
        (
            &[("zone", "example.net")],
            "FixConfig: home.example.test does not lie in zone example.net of this account",
        ),
    ];
    for (options, text) in cases {
        let mut all = vec![("server", "ns"), ("zone", "example.test")];
        all.extend(options);
        let got = publish(&mut Fake::new(), &account(&PROVIDER, &all), &[want(HOME)]);
        assert_eq!(show(&got[0]), text);
    }
}
