//! What every service that keeps zones is put through: the table of situations, a hundred names,
//! and any JSON at all.

use super::fake::*;
use super::*;
use serde_json::{Value, json};

/// What `tests/providers/ID/` must show.
const SITUATIONS: &[&str] = &[
    "first publish",
    "unchanged",
    "changed",
    "both families",
    "one family",
    "the TTL alone",
    "two values, one wanted",
    "a CNAME in the way",
    "outside the zone",
    "bad token",
    "no such zone",
    "rate limit with Retry-After",
    "rate limit without Retry-After",
    "server error",
    "a gateway that gave up",
    "cut before the change",
    "cut after the change was sent",
    "garbage",
    "too large",
    "HTML with 200 to a look",
    "HTML with 200 to a change",
    "the record is refused",
];

macro_rules! cases {
    ($id:literal) => {
        [
            include_str!(concat!("../../tests/providers/", $id, "/publish.json")),
            include_str!(concat!("../../tests/providers/", $id, "/refused.json")),
        ]
    };
}

/// With its cases and the options of an account.
type Service = (&'static Provider, [&'static str; 2], Vec<(&'static str, &'static str)>);

fn services() -> Vec<Service> {
    let token = vec![("token", "t"), ("zone", "example.com")];
    let mut pdns = vec![("api_key", "t"), ("zone", "example.com")];
    let mut godaddy = pdns.clone();
    let mut porkbun = pdns.clone();
    pdns.push(("url", "http://127.0.0.1:8081/api/v1"));
    godaddy.push(("api_secret", "t"));
    porkbun.push(("secret_key", "t"));
    [
        ("desec", cases!("desec"), token.clone()),
        ("digitalocean", cases!("digitalocean"), token.clone()),
        ("gandi", cases!("gandi"), token.clone()),
        ("godaddy", cases!("godaddy"), godaddy),
        ("hetzner", cases!("hetzner"), token.clone()),
        ("linode", cases!("linode"), token.clone()),
        ("porkbun", cases!("porkbun"), porkbun),
        ("powerdns", cases!("powerdns"), pdns),
        ("vultr", cases!("vultr"), token),
    ]
    .into_iter()
    .map(|(id, cases, options)| (find(id).expect(id), cases, options))
    .collect()
}

#[test]
fn every_situation_is_shown() {
    for (provider, files, _) in services() {
        let cases: Vec<Value> = files
            .iter()
            .flat_map(|file| serde_json::from_str::<Vec<Value>>(file).unwrap())
            .collect();
        for situation in SITUATIONS {
            let shown = |case: &Value| case["about"].as_str().unwrap().starts_with(situation);
            assert!(cases.iter().any(shown), "{}: {situation}", provider.id);
        }
    }
}

/// 100 names, all of which have another address now: what is asked, and how often.
#[test]
fn a_hundred_names() {
    const OLD: &str = "192.0.2.1";
    const NEW: &str = "203.0.113.7";
    let wants: Vec<Want> = (0..100).map(|i| want(&format!("h{i}.example.com {NEW}"))).collect();
    let list = |record: fn(usize) -> Value| Value::from_iter((0..100).map(record));
    let ok = |reply: Value| (200, reply);
    for (provider, _, options) in services() {
        let mut fake = Fake::new();
        let mut on = |ask: String, (status, reply): (u16, Value)| match status {
            204 => fake.exchanges.push(Exchange {
                ask,
                send: None,
                reply: Ok(HttpReply { status, ..HttpReply::default() }),
            }),
            _ => fake.on(&ask, status, &reply),
        };
        // The requests that read, then the one for each name.
        let (most, change): (usize, Option<(&str, u16, Value)>) = match provider.id {
            "desec" => {
                let url = "https://desec.io/api/v1/domains/example.com/";
                let domain = json!({"name": "example.com", "minimum_ttl": 3600});
                on(format!("GET {url}"), ok(domain));
                let set = |i: usize, address: &str| {
                    json!({
                        "subname": format!("h{i}"), "type": "A", "ttl": 3600, "records": [address],
                    })
                };
                let all = |address: &str| Value::from_iter((0..100).map(|i| set(i, address)));
                on(format!("GET {url}rrsets/?cursor="), ok(all(OLD)));
                on(format!("PATCH {url}rrsets/"), ok(all(NEW)));
                (3, None)
            }
            "powerdns" => {
                let url = "http://127.0.0.1:8081/api/v1/servers/localhost/zones/example.com.";
                let sets = list(|i| {
                    json!({
                        "name": format!("h{i}.example.com."), "type": "A", "ttl": 60,
                        "records": [{"content": OLD, "disabled": false}],
                    })
                });
                on(format!("GET {url}"), ok(json!({"rrsets": sets})));
                on(format!("PATCH {url}"), (204, json!(null)));
                (2, None)
            }
            "hetzner" => {
                let sets = list(|i| {
                    json!({
                        "name": format!("h{i}"), "type": "A", "ttl": null,
                        "records": [{"value": OLD, "comment": null}],
                    })
                });
                let path = "example.com/rrsets?type=A&type=AAAA&type=CNAME&per_page=100";
                on(
                    format!("GET https://api.hetzner.cloud/v1/zones/{path}"),
                    ok(json!({"rrsets": sets, "meta": {"pagination": {"next_page": null}}})),
                );
                let path = "example.com/rrsets/h#/A/actions/set_records";
                let done = json!({"action": {"id": 1, "status": "success"}});
                (101, Some((path, 201, done)))
            }
            "digitalocean" => {
                let records = list(|i| {
                    json!({
                        "id": i, "name": format!("h{i}"), "type": "A", "data": OLD, "ttl": 60,
                    })
                });
                let url = "https://api.digitalocean.com/v2/domains/example.com/records";
                on(format!("GET {url}?per_page=200"), ok(json!({"domain_records": records})));
                (101, Some(("records/#", 200, json!({"domain_record": {"data": NEW}}))))
            }
            "linode" => {
                let url = "https://api.linode.com/v4/domains";
                let zones = json!({"data": [{"id": 7, "domain": "example.com"}], "pages": 1});
                on(format!("GET {url}?page_size=500"), ok(zones));
                let records = list(|i| {
                    json!({
                        "id": i, "name": format!("h{i}"), "type": "A", "target": OLD, "ttl_sec": 0,
                    })
                });
                let records = json!({"data": records, "pages": 1});
                on(format!("GET {url}/7/records?page_size=500"), ok(records));
                (102, Some(("7/records/#", 200, json!({"target": NEW}))))
            }
            "vultr" => {
                let records = list(|i| {
                    json!({
                        "id": format!("{i}"), "name": format!("h{i}"), "type": "A", "data": OLD,
                        "ttl": 60,
                    })
                });
                let url = "https://api.vultr.com/v2/domains/example.com/records";
                on(format!("GET {url}?per_page=500"), ok(json!({"records": records})));
                (101, Some(("records/#", 204, json!(null))))
            }
            "porkbun" => {
                let records = list(|i| {
                    json!({
                        "id": format!("{i}"), "name": format!("h{i}.example.com"), "type": "A",
                        "content": OLD, "ttl": "600", "prio": null, "notes": null,
                    })
                });
                let url = "https://api.porkbun.com/api/json/v3/dns/retrieve/example.com";
                on(format!("GET {url}"), ok(json!({"status": "SUCCESS", "records": records})));
                (101, Some(("edit/example.com/#", 200, json!({"status": "SUCCESS"}))))
            }
            "gandi" => {
                let sets = list(|i| {
                    json!({
                        "rrset_name": format!("h{i}"), "rrset_type": "A", "rrset_ttl": 300,
                        "rrset_values": [OLD],
                    })
                });
                let url = "https://api.gandi.net/v5/livedns/domains/example.com/records";
                on(format!("GET {url}?per_page=1000"), ok(sets));
                (101, Some(("h#/A", 201, json!({"message": "DNS Record Created"}))))
            }
            "godaddy" => {
                let records = list(|i| {
                    json!({
                        "name": format!("h{i}"), "type": "A", "data": OLD, "ttl": 600,
                    })
                });
                let url = "https://api.godaddy.com/v1/domains/example.com/records/A";
                on(format!("GET {url}"), ok(records));
                (101, Some(("A/h#", 200, json!({}))))
            }
            other => panic!("how many requests may {other} need?"),
        };
        if let Some((_, status, reply)) = &change {
            let body = if reply.is_null() { Vec::new() } else { reply.to_string().into_bytes() };
            fake.always = Some(HttpReply { status: *status, headers: Vec::new(), body });
        }
        let got = (provider.publish)(&mut fake, &account(provider, &options), &wants);
        assert!(got.iter().all(|one| *one == Outcome::Updated), "{}: {got:?}", provider.id);
        assert_eq!(fake.log.len(), most, "{}: {:#?}", provider.id, fake.log);
        // Each name once.
        if let Some((path, ..)) = change {
            for i in 0..100 {
                let end = path.replace('#', &i.to_string());
                let times = fake.log.iter().filter(|ask| ask.ends_with(&end)).count();
                assert!(times > 0, "{}: {end} in {:#?}", provider.id, fake.log);
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
        "domain_records",
        "data",
        "actions",
        "errors",
        "error",
        "action",
        "message",
        "status",
        "detail",
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
    for (provider, _, options) in services() {
        for (body, status) in
            replies.iter().flat_map(|body| [0, 200, 302, 400, 404, 422, 599].map(|s| (body, s)))
        {
            for options in [
                &options[..],
                &options.iter().copied().filter(|(name, _)| *name != "zone").collect::<Vec<_>>(),
            ] {
                let mut fake = Fake::new();
                let headers = vec![("link".into(), "<?cursor=a>; rel=\"next\"".into())];
                fake.always = Some(HttpReply { status, headers, body: body.clone() });
                let wants = [want("home.example.com 192.0.2.1"), want("home.example.com ::1")];
                let got = (provider.publish)(&mut fake, &account(provider, options), &wants);
                let body = String::from_utf8_lossy(body);
                let text = format!("{}: {status} {body:.200} made {got:?}", provider.id);
                assert!(got.len() == 2 && !got.iter().any(Outcome::is_right), "{text}");
                assert!(fake.log.len() < 50, "{text}: {:#?}", fake.log);
            }
        }
    }
}
