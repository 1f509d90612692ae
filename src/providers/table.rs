//! What every provider of [`ALL`] is put through: the table of situations, faults at each of its
//! requests, a hundred names, and any JSON at all. All of it comes from `tests/providers/ID/` and
//! from the provider's own table, so that a new provider is checked as soon as it is in [`ALL`].

use super::fake::*;
use super::*;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// What the cases of a provider must show: how `about` begins, and what may come of it.
const SITUATIONS: &[(&str, &[&str])] = &[
    ("first publish", &["Updated"]),
    ("unchanged", &["AlreadyRight"]),
    ("changed", &["Updated"]),
    ("both families", &["Updated", "AlreadyRight"]),
    ("one family", &["Updated", "AlreadyRight"]),
    ("100 names", &["Updated"]),
    ("bad token", &["FixConfig"]),
    ("no such", &["FixConfig"]),
    ("rate limit with Retry-After", &["WaitUntil"]),
    ("rate limit without Retry-After", &["WaitUntil"]),
    ("server error", &["TryLater"]),
    ("garbage", &["TryLater", "NotConfirmed"]),
];

/// The same for those that keep records with a TTL of their own.
const WITH_RECORDS: &[(&str, &[&str])] = &[
    ("the TTL alone", &["Updated"]),
    ("two values, one wanted", &["FixConfig"]),
    ("a CNAME in the way", &["FixConfig"]),
    ("outside the zone", &["FixConfig"]),
    ("the record is refused", &["FixConfig"]),
];

/// What cannot happen to some: ID, situations, why.
const CANNOT: &[(&str, &[&str], &str)] = &[
    (
        "hosts",
        &["bad token", "no such", "rate limit", "server error", "garbage"],
        "a file on this router: nobody is asked, nobody refuses",
    ),
    ("custom", &["unchanged"], "the owner's tests say that it worked, not what was there before"),
    ("rfc2136", &["rate limit"], "the protocol has no word for it (RFC 2136 2.2)"),
];

fn cannot(provider: &Provider, situation: &str) -> bool {
    CANNOT.iter().any(|(id, situations, why)| {
        assert!(!why.is_empty() && ALL.iter().any(|known| known.id == *id), "{id}");
        *id == provider.id && situations.iter().any(|start| situation.starts_with(start))
    })
}

fn begins(case: &Value, situation: &str) -> bool {
    let about = case["about"].as_str().expect("about");
    let rest = about.strip_prefix(situation);
    rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

#[test]
fn every_case_of_every_provider() {
    for provider in ALL {
        for case in cases(provider.id) {
            play(provider, &case);
        }
    }
}

#[test]
fn every_provider_shows_every_situation() {
    let mut lacking = Vec::new();
    for provider in ALL {
        let cases = cases(provider.id);
        let more = if provider.ttl.is_some() { WITH_RECORDS } else { &[] };
        for (situation, ends) in SITUATIONS.iter().chain(more) {
            let shown: Vec<&Value> = cases.iter().filter(|case| begins(case, situation)).collect();
            match (shown.is_empty(), cannot(provider, situation)) {
                (true, false) => lacking.push([provider.id, ": ", situation].concat()),
                (false, true) => panic!("{}: {situation} is shown; CANNOT is wrong", provider.id),
                _ => {}
            }
            for case in shown {
                let (_, wants, fake) = scene(provider, case);
                let about = &case["about"];
                let outcomes: Vec<&str> =
                    case["outcomes"].as_array().unwrap().iter().flat_map(Value::as_str).collect();
                let fits = |told: &&str| ends.contains(&told.split([':', ' ']).next().unwrap());
                assert!(outcomes.iter().any(fits), "{} {about}: {outcomes:?}", provider.id);
                let six = wants.iter().filter(|want| want.family == Family::Ipv6).count();
                match *situation {
                    "both families" => assert!(six > 0 && six < wants.len(), "{about}"),
                    "one family" => assert!(six == 0 || six == wants.len(), "{about}"),
                    "100 names" => {
                        let most = 100_usize.div_ceil(provider.batch) + 2;
                        let asked = fake.exchanges.len();
                        assert!(wants.len() >= 100, "{} {about}", provider.id);
                        assert!(asked <= most, "{} {about}: {asked}, not {most}", provider.id);
                    }
                    _ => {}
                }
            }
        }
    }
    assert!(lacking.is_empty(), "no case in tests/providers/ID/*.json begins with {lacking:#?}");
}

/// A folder that nobody plays would show nothing.
#[test]
fn every_folder_is_somebodys() {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/providers");
    for folder in std::fs::read_dir(top).unwrap() {
        let name = folder.unwrap().file_name().into_string().unwrap();
        assert!(name == "services" || ALL.iter().any(|known| known.id == name), "{name}");
    }
}

/// The case that begins with "changed".
fn changed(provider: &Provider) -> Option<Value> {
    let case = cases(provider.id).into_iter().find(|case| begins(case, "changed"))?;
    case["exchanges"].as_array().is_some_and(|list| !list.is_empty()).then_some(case)
}

/// What goes wrong, and what may become of the record: at a look, at the change.
struct Trouble {
    what: &'static str,
    happens: Result<HttpReply, NetError>,
    before: &'static [&'static str],
    change: &'static [&'static str],
}

fn troubles() -> Vec<Trouble> {
    use NetErrorKind::*;
    const LATER: &[&str] = &["TryLater"];
    const NOT_SURE: &[&str] = &["NotConfirmed"];
    const EITHER: &[&str] = &["TryLater", "NotConfirmed"];
    const WAIT: &[&str] = &["WaitUntil"];
    const FIX: &[&str] = &["FixConfig"];
    const NOT_RIGHT: &[&str] = &["TryLater", "NotConfirmed", "FixConfig"];
    let error = |what, kind, sent, before, change| Trouble {
        what,
        happens: Err(net_error(kind, sent)),
        before,
        change,
    };
    let html = |what, status, headers: &[(&str, &str)], before, change| Trouble {
        what,
        happens: Ok(HttpReply {
            status,
            headers: headers
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            body: b"<html><body>Sign in to the network</body></html>".into(),
        }),
        before,
        change,
    };
    vec![
        error("no name server", Resolve, false, LATER, LATER),
        error("no connection", Connect, false, LATER, LATER),
        error("another certificate", Tls, false, LATER, LATER),
        error("the clock is wrong", Clock, false, LATER, LATER),
        error("told to stop", Interrupted, false, LATER, LATER),
        error("no http:// without the opt-in", Config, false, FIX, FIX),
        error("cut before it was sent", Cut, false, LATER, LATER),
        error("cut after it was sent", Cut, true, EITHER, NOT_SURE),
        error("no answer in time", Deadline, true, EITHER, NOT_SURE),
        error("100 MB body", TooLarge, true, EITHER, NOT_SURE),
        error("not HTTP", Garbage, true, EITHER, NOT_SURE),
        html("HTML with 200", 200, &[], EITHER, NOT_SURE),
        html("HTML with 403", 403, &[], NOT_RIGHT, NOT_RIGHT),
        html("HTML with 500", 500, &[], EITHER, EITHER),
        html("HTML with 502", 502, &[], EITHER, EITHER),
        html("rate limit with Retry-After", 429, &[("retry-after", "42")], WAIT, WAIT),
        html("rate limit without Retry-After", 429, &[], WAIT, WAIT),
        html("sent elsewhere", 302, &[("location", "https://x/")], NOT_RIGHT, NOT_RIGHT),
    ]
}

/// Each trouble at each request of a change, from there on.
#[test]
fn trouble_at_every_request() {
    for provider in ALL {
        let Some(case) = changed(provider) else { continue };
        let exchanges = case["exchanges"].as_array().unwrap();
        // What comes after it asks whether it is done.
        let change = exchanges.iter().rposition(|exchange| exchange.get("send").is_some());
        let change = change.unwrap_or(exchanges.len() - 1);
        for at in 0..exchanges.len() {
            for trouble in troubles() {
                let (account, wants, mut fake) = scene(provider, &case);
                let left = fake.exchanges.split_off(at);
                let dns = left[0].ask.starts_with("DNS ");
                match &trouble.happens {
                    Ok(_) if dns => continue,
                    Ok(reply) => fake.any = Some(reply.clone()),
                    Err(error) => fake.fails = Some(error.clone()),
                }
                let got = (provider.publish)(&mut fake, &account, &wants);
                let told: Vec<String> = got.iter().map(show).collect();
                let about = format!("{}, request {at}, {}: {told:?}", provider.id, trouble.what);
                let may = match at.cmp(&change) {
                    Ordering::Less => trouble.before,
                    Ordering::Equal => trouble.change,
                    Ordering::Greater => &["NotConfirmed"],
                };
                let kind = |told: &String| told.split([':', ' ']).next().unwrap().to_string();
                assert!(told.last().is_some_and(|last| may.contains(&&kind(last)[..])), "{about}");
                assert!(!got.last().is_some_and(Outcome::is_right), "{about}");
                // Over UDP, then TCP; and a look whose failure holds nothing up.
                let most = at + if dns { 4 } else { 1 };
                assert!(fake.log.len() <= most, "{about}: {:#?}", fake.log);
                assert!(!told.iter().any(|told| holds_secret(told, &account)), "{about}");
                if at > change {
                    continue;
                }
                if trouble.what.contains("clock") {
                    assert!(told.iter().any(|told| told.contains("clock")), "{about}");
                }
                if trouble.what == "rate limit with Retry-After" {
                    assert!(told.iter().any(|told| told.starts_with("WaitUntil 42:")), "{about}");
                }
            }
        }
    }
}

/// Whatever comes back, to whichever request: one answer, not a wrong yes, and no panic.
#[test]
fn any_json_at_all() {
    let odd = [
        json!(null),
        json!(true),
        json!(-1.5e300),
        json!("x"),
        json!([]),
        json!([[], {}, null]),
        json!([{"x": ["y"]}, {}, {"z": 5}]),
        json!({}),
        json!({"id": 7, "name": [], "type": {}, "content": null, "pages": -3}),
        json!({"id": "a", "name": "home", "type": "A", "data": "192.0.2.9", "ttl": 1}),
        json!([{"id": "../x", "name": "home", "type": "A", "data": "2001:db8::1", "ttl": 1}]),
    ];
    let lists = [
        "domains",
        "zones",
        "rrsets",
        "records",
        "recordsets",
        "domain_records",
        "data",
        "actions",
        "errors",
        "error",
        "action",
        "message",
        "status",
        "detail",
        "result",
        "Response",
        "DomainRecords",
        "Record",
        "Code",
        "code",
    ];
    let mut replies: Vec<Vec<u8>> = odd.iter().map(|one| one.to_string().into_bytes()).collect();
    for value in &odd {
        let mut all = json!({});
        for list in lists {
            all[list] = value.clone();
            replies.push(json!({list: value, "status": "SUCCESS"}).to_string().into_bytes());
        }
        replies.push(all.to_string().into_bytes());
    }
    replies.push(Vec::new());
    replies.push(b"\xff\xfe".into());
    replies.push("[".repeat(100_000).into_bytes());
    replies.push("<a>".repeat(30_000).into_bytes());
    let wants = [want("home.example.com 192.0.2.1"), want("home.example.com ::1")];
    for provider in ALL {
        let Some(case) = changed(provider) else { continue };
        if case["exchanges"][0]["ask"].as_str().is_some_and(|ask| ask.starts_with("DNS ")) {
            continue;
        }
        for (body, status) in
            replies.iter().flat_map(|body| [0, 200, 302, 400, 404, 422, 599].map(|s| (body, s)))
        {
            for zone in [Some("example.com"), None] {
                let (mut account, _, mut fake) = scene(provider, &case);
                match zone {
                    Some(zone) if account.text("zone").is_some() => {
                        let zone = crate::model::account::Setting::Text(zone.into());
                        account.options.insert("zone".into(), zone);
                    }
                    _ => drop(account.options.remove("zone")),
                }
                fake.exchanges.clear();
                let headers = vec![("link".into(), "<?cursor=a>; rel=\"next\"".into())];
                fake.any = Some(HttpReply { status, headers, body: body.clone() });
                let got = (provider.publish)(&mut fake, &account, &wants);
                let body = String::from_utf8_lossy(body);
                let text = format!("{}: {status} {body:.200} made {got:?}", provider.id);
                assert!(got.len() == 2 && !got.iter().any(Outcome::is_right), "{text}");
                assert!(fake.log.len() < 50, "{text}: {:#?}", fake.log);
            }
        }
    }
}
