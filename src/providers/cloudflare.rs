//! Cloudflare's API v4: a token, a zone, its records.
//!
//! Three requests, however many names: the zones the token sees, the records there, one change
//! (PATCH, POST, or a batch, which is one transaction). A change sends type, name, content and
//! TTL alone, so that proxied, comment, tags and settings stay as the owner set them.

use super::rest::{Api, Fault, No, Page, Reach, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;
use serde_json::Value;
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "cloudflare",
    about: "zones at Cloudflare, by API token",
    families: &Family::BOTH,
    // 1200 requests in 5 minutes for all of a user's programs together, and all of them are shut
    // out for 5 minutes beyond that (API documentation, "Rate limits"). This leaves most of them.
    min_interval: Duration::from_secs(5),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required(
            "token",
            Kind::Secret,
            "API token with the permissions Zone:Read and DNS:Edit for the zone",
        ),
        rest::ZONE,
        OptionDoc::optional(
            "zone_id",
            Kind::Text,
            "the zone's id; the token then needs no Zone:Read",
        ),
        rest::url(URL),
    ],
    publish,
};

static SERVICE: Service = Service {
    api: Api {
        service: "Cloudflare",
        auth: &[("authorization", "Bearer ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["has Zone:Read", "has DNS:Edit"],
        place: "options zone_id and url",
        // How long everything is shut out.
        unsaid: Duration::from_secs(300),
        said,
    },
    naming: Naming::Fqdn,
    by_name: false,
    zones,
    read,
    change,
    // The smallest plan's limit (API documentation, "Batch record changes").
    batch: 200,
    // 1 is "auto"; 2 to 59 are refused (API documentation, DNS records).
    ttl: (1, 86_400),
    keeps_ttl: |ttl| ttl,
};

const URL: &str = "https://api.cloudflare.com/client/v4";
/// "auto" (API documentation, DNS records).
const NEW_TTL: u64 = 1;

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    zones::publish(&SERVICE, net, account, wants)
}

fn zones(talk: &mut Talk<'_>, name: Option<&str>) -> Result<Vec<Zone>, Fault> {
    if let Some(id) = talk.account.text("zone_id") {
        let Some(id) = rest::id(&Value::from(id)) else {
            let text = format!(
                "account '{}': option zone_id is not an id: 32 digits and letters",
                talk.account.id
            );
            return Err(Fault::new(Reach::Account, Outcome::FixConfig(text)));
        };
        let name = name.map(str::to_string);
        return Ok(vec![Zone { id, name, ..Zone::default() }]);
    }
    let query = name.map_or(String::new(), |name| format!("name={}&", percent(name)));
    let list = talk.list(&format!("/zones?{query}per_page=50"), "/result", more, To::FindZones)?;
    let mut zones = zones::named(talk, &list, "name")?;
    for (zone, item) in zones.iter_mut().zip(&list) {
        zone.idle = item["status"] != "active";
        if zone.id.is_empty() {
            return Err(talk.garbage(To::FindZones));
        }
    }
    Ok(zones)
}

fn more(page: &Page<'_>) -> Option<String> {
    let pages = page.body["result_info"]["total_pages"].as_u64()?;
    (page.number < pages).then(|| format!("&page={}", page.number + 1))
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let query = match zones::ask_for(items) {
        (Some(name), _) => format!("name.exact={}&per_page=100", percent(name)),
        (_, Some(family)) => format!("type={}&per_page=1000", family.record_type()),
        _ => "per_page=1000".into(),
    };
    let path = format!("/zones/{}/dns_records?{query}", zone.id);
    let list = talk.list(&path, "/result", more, To::Read)?;
    zones::held(talk, items, list, |record| {
        let mut held = zones::record(record, ["name", "type", "content", "ttl"])?;
        // A proxied record's TTL is always "auto".
        held.iter_mut().for_each(|held| held.own_ttl = record["proxied"] == true);
        Some(held)
    })
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    zones::batches(&SERVICE, talk, zone, changes, outcomes, send)
}

/// What is sent for one record.
struct Sent<'a> {
    /// Place of its change.
    at: usize,
    id: Option<&'a str>,
    body: Value,
}

fn send(talk: &mut Talk<'_>, zone: &Zone, changes: &[Change<'_>]) -> Result<Vec<bool>, Fault> {
    let path = format!("/zones/{}/dns_records", zone.id);
    let mut all = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        for (held, address) in change.records() {
            let body = rest::object(&mut [
                ("type", change.rtype().into()),
                ("name", held.map_or(&change.item.name, |held| &held.name).as_str().into()),
                ("content", address.to_string().into()),
                ("ttl", change.ttl_of(held).unwrap_or(NEW_TTL).into()),
            ]);
            all.push(Sent { at, id: held.map(|held| held.id.as_str()), body });
        }
    }
    let mut confirmed = vec![true; changes.len()];
    if let [one] = &all[..] {
        let reply = match one.id {
            Some(id) => talk.call("PATCH", &format!("{path}/{id}"), Some(&one.body), To::Change)?,
            None => talk.call("POST", &path, Some(&one.body), To::Change)?,
        };
        confirmed[one.at] = shows(&reply["result"], one);
        return Ok(confirmed);
    }
    let (mut patches, mut posts) = (Vec::new(), Vec::new());
    for one in &all {
        let mut body = one.body.clone();
        match one.id {
            Some(id) => {
                body["id"] = Value::from(id);
                patches.push(body);
            }
            None => posts.push(body),
        }
    }
    let mut body = rest::object(&mut []);
    for (name, list) in [("patches", patches), ("posts", posts)] {
        if !list.is_empty() {
            body[name] = Value::from(list);
        }
    }
    let reply = talk.call("POST", &format!("{path}/batch"), Some(&body), To::Change)?;
    for one in &all {
        let list = if one.id.is_some() { "patches" } else { "posts" };
        let list = reply["result"][list].as_array();
        confirmed[one.at] &= list.is_some_and(|list| list.iter().any(|record| shows(record, one)));
    }
    Ok(confirmed)
}

/// The record in a reply is the one that was sent.
fn shows(record: &Value, sent: &Sent<'_>) -> bool {
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_ascii_lowercase);
    let address = |value: &Value| value["content"].as_str()?.parse::<IpAddr>().ok();
    sent.id.is_none_or(|id| record["id"] == *id)
        && text(record, "name") == text(&sent.body, "name")
        && text(record, "type") == text(&sent.body, "type")
        && address(record) == address(&sent.body)
}

fn said(status: u16, json: &Value) -> Said {
    match json["success"].as_bool() {
        None => return Said::Foreign,
        Some(true) if (200..300).contains(&status) => return Said::Yes,
        Some(_) => {}
    }
    // There is no list of codes; these are the ones that were seen.
    let error = &json["errors"][0];
    let no = match (status, error["code"].as_u64().unwrap_or(0)) {
        (429, _) | (_, 971 | 10429) => No::Rate,
        (500.., _) => No::Broken,
        (_, 6003 | 6111 | 9103 | 9106 | 9107) => No::Token,
        (401 | 403, _) | (_, 10000 | 9109) => No::Denied,
        (_, 81044) => No::Moved,
        (_, 81057 | 81058) => No::Exists,
        (404, _) | (_, 7000 | 7003) => No::Zone,
        (400..500, _) => No::by(status),
        _ => No::Moved,
    };
    let mut words = error["message"].as_str().unwrap_or_default().to_string();
    // The inner reason, where there is one.
    if let (false, Some(inner)) = (words.is_empty(), error["error_chain"][0]["message"].as_str()) {
        words = [&words, ": ", inner].concat();
    }
    Said::No(no, words)
}

#[cfg(test)]
mod tests {
    use super::fake::*;
    use super::*;
    use serde_json::json;

    #[test]
    fn a_token_cannot_end_its_header() {
        for token in ["", " ", "a b", "a\r\nX: y", "t\u{f6}ken"] {
            let account = account(&PROVIDER, &[("token", token), ("zone", "example.com")]);
            let got = publish(&mut Fake::new(), &account, &[want("home.example.com 192.0.2.1")]);
            assert!(matches!(got[..], [Outcome::FixConfig(_)]), "{got:?}");
        }
    }

    #[test]
    fn no_batch_is_larger_than_the_smallest_plan_takes() {
        let record = |i: usize| {
            let name = format!("h{i}.example.com");
            json!({"id": format!("id{i}"), "name": name, "type": "A", "content": "203.0.113.7"})
        };
        let wants: Vec<Want> =
            (0..450).map(|i| want(&format!("h{i}.example.com 203.0.113.7"))).collect();
        let mut fake = Fake::new();
        let mut on = |path: &str, result: Value| {
            let reply = json!({"success": true, "result": result});
            fake.on(&format!("GET {URL}{path}"), 200, &reply);
        };
        on("/zones?per_page=50", json!([{"id": "z1", "name": "example.com"}]));
        on("/zones/z1/dns_records?type=A&per_page=1000", json!([]));
        let done =
            json!({"success": true, "result": {"posts": Value::from_iter((0..450).map(record))}});
        let body = done.to_string().into_bytes();
        fake.any = Some(HttpReply { status: 200, body, ..HttpReply::default() });
        let got = publish(&mut fake, &account(&PROVIDER, &[("token", "t")]), &wants);
        assert!(got.iter().all(|outcome| *outcome == Outcome::Updated), "{got:?}");
        let sent = fake.sent.iter().filter_map(|request| request.body.as_deref());
        let counts: Vec<usize> = sent
            .map(|body| serde_json::from_slice::<Value>(body).unwrap())
            .map(|body| body["posts"].as_array().map_or(0, Vec::len))
            .collect();
        assert_eq!(counts, [200, 200, 50]);
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
            json!({}),
            json!({"id": 7, "name": [], "type": {}, "content": null, "total_pages": -3}),
            json!({"id": "a", "name": "h.test", "type": "A", "content": "192.0.2.9", "ttl": 1}),
        ];
        let mut replies = odd.to_vec();
        for (outer, inner) in odd.iter().flat_map(|outer| odd.iter().map(move |i| (outer, i))) {
            for yes in [true, false] {
                replies.push(
                    json!({"success": yes, "result": outer, "errors": inner, "result_info": inner}),
                );
                replies.push(json!({"success": yes, "result": [outer], "errors": [inner]}));
            }
        }
        let good = json!({"success": true, "result": [{"id": "z", "name": "test"}]});
        for (reply, status) in
            replies.iter().flat_map(|reply| [0, 200, 400, 404, 599].map(|status| (reply, status)))
        {
            for zones in [&good, reply] {
                let mut fake = Fake::new();
                fake.on(&format!("GET {URL}/zones?name=test&per_page=50"), 200, zones);
                let records = format!("{URL}/zones/z/dns_records");
                fake.on(&format!("GET {records}?name.exact=h.test&per_page=100"), status, reply);
                fake.on(&format!("POST {records}"), status, reply);
                fake.on(&format!("PATCH {records}/a"), status, reply);
                let options = [("token", "t"), ("zone", "test")];
                let got =
                    publish(&mut fake, &account(&PROVIDER, &options), &[want("h.test 192.0.2.1")]);
                assert!(got.len() == 1 && !got[0].is_right(), "{reply} made {got:?}");
            }
        }
        for bytes in [&b""[..], b"\xff\xfe", b"{\"success\":tru", "[".repeat(100_000).as_bytes()] {
            let mut fake = Fake::new();
            let reply = HttpReply { status: 200, headers: vec![], body: bytes.into() };
            let ask = format!("GET {URL}/zones?per_page=50");
            fake.exchanges.push(Exchange { ask, send: None, reply: Ok(reply) });
            let account = account(&PROVIDER, &[("token", "t")]);
            let got = publish(&mut fake, &account, &[want("h.test 192.0.2.1")]);
            assert!(matches!(got[..], [Outcome::TryLater(_)]), "{got:?}");
        }
    }
}
