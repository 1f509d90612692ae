//! Cloudflare's API v4: a token, a zone, its records.
//!
//! Three requests, however many names: the zones the token sees, the records there, one change
//! (PATCH, POST, or a batch, which is one transaction). A change sends type, name, content and
//! TTL alone, so that proxied, comment, tags and settings stay as the owner set them.

use super::*;
use crate::world::HttpRequest;
use serde_json::{Value, json};
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "cloudflare",
    about: "zones at Cloudflare, by API token",
    families: &Family::BOTH,
    // 1200 requests in 5 minutes for all of a user's programs together, and all of them are shut
    // out for 5 minutes beyond that (API documentation, "Rate limits"). This leaves most of them.
    min_interval: Duration::from_secs(5),
    local: false,
    options: &[
        OptionDoc::required(
            "token",
            Kind::Secret,
            "API token with the permissions Zone:Read and DNS:Edit for the zone",
        ),
        OptionDoc::optional("zone", Kind::Domain, "the zone that holds the names; found if absent"),
        OptionDoc::optional(
            "zone_id",
            Kind::Text,
            "the zone's id; the token then needs no Zone:Read",
        ),
        OptionDoc::optional("url", Kind::Url, "another address of the API").or(URL),
    ],
    publish,
};

const URL: &str = "https://api.cloudflare.com/client/v4";
/// "auto" (API documentation, DNS records).
const NEW_TTL: u64 = 1;
/// Changes in one batch, the smallest plan's limit.
const BATCH_MOST: usize = 200;
const ZONES_EACH_PAGE: usize = 50;
const RECORDS_OF_A_NAME: usize = 100;
/// Of about 700 bytes each.
const RECORDS_EACH_PAGE: usize = 1000;
const PAGES_MOST: u64 = 20;
const BODY_MOST: usize = 4 * 1024 * 1024;
/// How often one call may halve a batch that was turned down because of some change in it.
const HALVINGS: u32 = 24;
/// How long everything is shut out after too many requests.
const SHUT_OUT: Duration = Duration::from_secs(300);

fn publish(net: &mut dyn Net, account: &Account, wants: &[Want]) -> Vec<Outcome> {
    let mut outcomes = vec![None; wants.len()];
    let end = all(net, account, wants, &mut outcomes);
    settle(outcomes, end)
}

/// Fills in outcomes; an error is the outcome of all that have none yet.
fn all(
    net: &mut dyn Net,
    account: &Account,
    wants: &[Want],
    outcomes: &mut [Option<Outcome>],
) -> Result<(), Outcome> {
    let token = account.secret("token").map_or("", |token| token.expose().trim());
    // It goes into a header, where anything else could end that header.
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Outcome::FixConfig(format!(
            "account '{}': option token is empty, or holds characters that no token has",
            account.id
        )));
    }
    let mut api = Api {
        net,
        via: Via { max_body: BODY_MOST, ..via(account) },
        base: account.text("url").unwrap_or(URL).trim_end_matches('/'),
        token,
        halvings: HALVINGS,
    };
    let zones = zones(&mut api, account)?;
    for (at, want) in wants.iter().enumerate() {
        if !zones.iter().any(|zone| zone.holds(want)) {
            outcomes[at] = Some(Outcome::FixConfig(match account.text("zone") {
                Some(zone) => format!("{} does not lie in zone {zone} of this account", want.fqdn),
                None => format!(
                    "{}: the token sees no zone for it; give it Zone:Read and DNS:Edit for that \
                     zone, or set zone_id",
                    want.fqdn
                ),
            }));
        }
    }
    // The longest zone first, so that a name goes to the closest.
    for zone in &zones {
        let items: Vec<(usize, &Want)> = wants
            .iter()
            .enumerate()
            .filter(|(at, want)| outcomes[*at].is_none() && zone.holds(want))
            .collect();
        if items.is_empty() {
            continue;
        }
        match in_one_zone(&mut api, &zone.id, &items, outcomes) {
            Ok(()) => {}
            Err(Fault { reach: Reach::Account, outcome }) => return Err(outcome),
            Err(Fault { outcome, .. }) => {
                for (at, _) in items {
                    outcomes[at].get_or_insert_with(|| outcome.clone());
                }
            }
        }
    }
    Ok(())
}

struct Zone {
    id: String,
    /// Absent where the owner gave the id alone.
    name: Option<String>,
}

impl Zone {
    fn holds(&self, want: &Want) -> bool {
        self.name.as_ref().is_none_or(|name| in_zone(&want.fqdn, name))
    }
}

/// The zones names may lie in, the longest first.
fn zones(api: &mut Api<'_>, account: &Account) -> Result<Vec<Zone>, Outcome> {
    let name = account.text("zone").map(|zone| zone.trim_end_matches('.').to_string());
    if let Some(id) = account.text("zone_id") {
        if !is_id(id) {
            return Err(Outcome::FixConfig(format!(
                "account '{}': option zone_id is not an id: 32 digits and letters",
                account.id
            )));
        }
        return Ok(vec![Zone { id: id.into(), name }]);
    }
    let query = name.as_ref().map_or(String::new(), |name| format!("name={}&", percent(name)));
    let found = api
        .list(&format!("/zones?{query}"), ZONES_EACH_PAGE, ASK_ZONE)
        .map_err(|fault| fault.outcome)?;
    let mut zones: Vec<(bool, Zone)> = Vec::new();
    for item in &found {
        let id = item["id"].as_str().filter(|id| is_id(id));
        let (Some(id), Some(found)) = (id, item["name"].as_str()) else {
            return Err(ASK_ZONE.garbage().outcome);
        };
        // The server was asked for one name; whether it listened is ours to see.
        if name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(found)) {
            let zone = Zone { id: id.into(), name: Some(found.into()) };
            zones.push((item["status"] != "active", zone));
        }
    }
    if let (Some(name), true) = (&name, zones.is_empty()) {
        return Err(Outcome::FixConfig(format!(
            "account '{}': the token sees no zone {name}: check option zone, and that the token \
             has Zone:Read and DNS:Edit for it",
            account.id
        )));
    }
    // One name can be there twice, being moved: the active one holds the records that count.
    zones.sort_by_key(|(idle, zone)| {
        (std::cmp::Reverse(zone.name.as_ref().map_or(0, String::len)), *idle)
    });
    Ok(zones.into_iter().map(|(_, zone)| zone).collect())
}

/// A record as it is now.
struct Record<'a> {
    id: &'a str,
    /// As the API writes it.
    name: &'a str,
    address: IpAddr,
    ttl: u64,
    proxied: bool,
}

/// One change to one record.
struct Change {
    /// Place of the want it belongs to.
    at: usize,
    /// Of the record to patch; a new one has none.
    id: Option<String>,
    /// What is sent: type, name, content, ttl.
    body: Value,
}

fn in_one_zone(
    api: &mut Api<'_>,
    zone: &str,
    items: &[(usize, &Want)],
    outcomes: &mut [Option<Outcome>],
) -> Result<(), Fault> {
    let path = format!("/zones/{zone}/dns_records");
    let first = items.first().map_or("", |(_, want)| want.fqdn.as_str());
    let one_name = items.iter().all(|(_, want)| want.fqdn == first);
    let v4 = items.iter().filter(|(_, want)| want.family == Family::Ipv4).count();
    let (query, each) = match (one_name, v4) {
        (true, _) => (format!("?name.exact={}&", percent(first)), RECORDS_OF_A_NAME),
        (_, 0) => ("?type=AAAA&".into(), RECORDS_EACH_PAGE),
        (_, v4) if v4 == items.len() => ("?type=A&".into(), RECORDS_EACH_PAGE),
        _ => ("?".into(), RECORDS_EACH_PAGE),
    };
    let records = api.list(&format!("{path}{query}"), each, ASK_RECORDS)?;
    let mut changes = Vec::new();
    for &(at, want) in items {
        match plan(&records, at, want)? {
            Ok(mut more) if !more.is_empty() => changes.append(&mut more),
            Ok(_) => outcomes[at] = Some(Outcome::AlreadyRight),
            Err(outcome) => outcomes[at] = Some(outcome),
        }
    }
    // Free to end before the changes: a zone of thousands is megabytes.
    drop(records);
    for batch in changes.chunks(BATCH_MOST) {
        send(api, &path, batch, items, outcomes)?;
    }
    Ok(())
}

/// What to change so that the record's set holds what is wanted; nothing if it does.
fn plan(records: &[Value], at: usize, want: &Want) -> Result<Result<Vec<Change>, Outcome>, Fault> {
    let rtype = want.family.record_type();
    let mut held = Vec::new();
    for record in records {
        let (Some(name), Some(found)) = (record["name"].as_str(), record["type"].as_str()) else {
            return Err(ASK_RECORDS.garbage());
        };
        if !name.eq_ignore_ascii_case(&want.fqdn) {
            continue;
        }
        if found == "CNAME" {
            return Ok(Err(Outcome::FixConfig(format!(
                "{} is a CNAME at Cloudflare; remove it, no address can be beside it",
                want.fqdn
            ))));
        }
        if found != rtype {
            continue;
        }
        let id = record["id"].as_str().filter(|id| is_id(id));
        let address = record["content"].as_str().and_then(|text| text.parse().ok());
        let address = address.filter(|address| Family::of(*address) == want.family);
        let (Some(id), Some(address), Some(ttl)) = (id, address, record["ttl"].as_u64()) else {
            return Err(ASK_RECORDS.garbage());
        };
        held.push(Record { id, name, address, ttl, proxied: record["proxied"] == true });
    }

    let (kept, wrong): (Vec<_>, Vec<_>) =
        held.iter().partition(|record| want.addresses.contains(&record.address));
    let missing: Vec<&IpAddr> = want
        .addresses
        .iter()
        .filter(|address| !kept.iter().any(|record| record.address == **address))
        .collect();
    if wrong.len() > missing.len() {
        return Ok(Err(Outcome::FixConfig(format!(
            "{} has {} {rtype} records at Cloudflare, more than the {} wanted: reachd would have to \
             drop some and does not; remove the extra ones there",
            want.fqdn,
            held.len(),
            want.addresses.len()
        ))));
    }
    // A proxied record's TTL is always "auto"; asking for another would never end.
    let ttl = |record: &Record<'_>| match want.ttl {
        Some(ttl) if !record.proxied => u64::from(ttl),
        _ => record.ttl,
    };
    let patch = |record: &Record<'_>, address: &IpAddr| Change {
        at,
        id: Some(record.id.into()),
        body: json!({
            "type": rtype, "name": record.name, "content": address.to_string(), "ttl": ttl(record),
        }),
    };
    let mut changes: Vec<Change> = kept
        .iter()
        .filter(|record| ttl(record) != record.ttl)
        .map(|record| patch(record, &record.address))
        .collect();
    for (place, address) in missing.into_iter().enumerate() {
        changes.push(match wrong.get(place) {
            Some(record) => patch(record, address),
            None => Change {
                at,
                id: None,
                body: json!({
                    "type": rtype, "name": want.fqdn, "content": address.to_string(),
                    "ttl": want.ttl.map_or(NEW_TTL, u64::from),
                }),
            },
        });
    }
    Ok(Ok(changes))
}

/// Sends changes, all of one zone, and notes what became of each.
fn send(
    api: &mut Api<'_>,
    path: &str,
    changes: &[Change],
    items: &[(usize, &Want)],
    outcomes: &mut [Option<Outcome>],
) -> Result<(), Fault> {
    let sent = match changes {
        [] => return Ok(()),
        [change] => one(api, path, change),
        _ => batch(api, path, changes),
    };
    match sent {
        Ok(confirmed) => {
            for (change, confirmed) in changes.iter().zip(confirmed) {
                note(outcomes, change, if confirmed { Outcome::Updated } else { unconfirmed() });
            }
        }
        Err(Fault { reach: Reach::Record | Reach::Exists, .. })
            if changes.len() > 1 && api.halvings > 0 =>
        {
            api.halvings -= 1;
            let (left, right) = changes.split_at(changes.len() / 2);
            send(api, path, left, items, outcomes)?;
            return send(api, path, right, items, outcomes);
        }
        Err(Fault { reach: Reach::Exists, outcome }) if changes.len() == 1 => {
            // Somebody was faster. What matters is what is there now.
            let want = items.iter().find(|(at, _)| *at == changes[0].at).map(|(_, want)| *want);
            let Some(want) = want else { return Ok(()) };
            let path = format!("{path}?name.exact={}&", percent(&want.fqdn));
            let left = api
                .list(&path, RECORDS_OF_A_NAME, ASK_RECORDS)
                .and_then(|records| plan(&records, changes[0].at, want));
            match left {
                Ok(Ok(left)) if left.is_empty() => {
                    note(outcomes, &changes[0], Outcome::AlreadyRight)
                }
                _ => note(outcomes, &changes[0], outcome),
            }
        }
        Err(fault) => {
            for change in changes {
                note(outcomes, change, fault.outcome.clone());
            }
            if matches!(fault.reach, Reach::Account | Reach::Zone) {
                return Err(fault);
            }
        }
    }
    Ok(())
}

/// A want is updated when all its changes are; otherwise the first trouble counts.
fn note(outcomes: &mut [Option<Outcome>], change: &Change, outcome: Outcome) {
    let place = &mut outcomes[change.at];
    if place.as_ref().is_none_or(Outcome::is_right) {
        *place = Some(outcome);
    }
}

fn unconfirmed() -> Outcome {
    Outcome::NotConfirmed(
        "could not confirm the change: Cloudflare's answer does not show the new record".into(),
    )
}

fn one(api: &mut Api<'_>, path: &str, change: &Change) -> Result<Vec<bool>, Fault> {
    let reply = match &change.id {
        Some(id) => api.call("PATCH", &format!("{path}/{id}"), Some(&change.body), CHANGE)?,
        None => api.call("POST", path, Some(&change.body), CHANGE)?,
    };
    Ok(vec![shows(&reply["result"], change)])
}

fn batch(api: &mut Api<'_>, path: &str, changes: &[Change]) -> Result<Vec<bool>, Fault> {
    let (mut patches, mut posts) = (Vec::new(), Vec::new());
    for change in changes {
        let mut body = change.body.clone();
        match &change.id {
            Some(id) => {
                body["id"] = Value::from(id.as_str());
                patches.push(body);
            }
            None => posts.push(body),
        }
    }
    let mut body = json!({});
    for (name, list) in [("patches", patches), ("posts", posts)] {
        if !list.is_empty() {
            body[name] = Value::from(list);
        }
    }
    let reply = api.call("POST", &format!("{path}/batch"), Some(&body), CHANGE)?;
    let shown = |change: &Change| {
        let list = if change.id.is_some() { "patches" } else { "posts" };
        let list = reply["result"][list].as_array();
        list.is_some_and(|list| list.iter().any(|record| shows(record, change)))
    };
    Ok(changes.iter().map(shown).collect())
}

/// The record in a reply is the one that was sent.
fn shows(record: &Value, change: &Change) -> bool {
    let text = |value: &Value, name: &str| value[name].as_str().map(str::to_ascii_lowercase);
    let address = |value: &Value| value["content"].as_str()?.parse::<IpAddr>().ok();
    change.id.as_deref().is_none_or(|id| record["id"] == *id)
        && text(record, "name") == text(&change.body, "name")
        && text(record, "type") == text(&change.body, "type")
        && address(record) == address(&change.body)
}

/// An id from outside is about to become part of an URL.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// How far a failure reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The token, the way there, the rate: nothing else will work either.
    Account,
    Zone,
    /// One of the records that were sent.
    Record,
    /// As `Record`: there is such a record already.
    Exists,
}

#[derive(Debug)]
struct Fault {
    reach: Reach,
    outcome: Outcome,
}

/// What a request is for, where messages depend on it.
#[derive(Clone, Copy)]
struct Purpose {
    /// `could not ...`
    doing: &'static str,
    permission: &'static str,
    change: bool,
    /// How far "not allowed" reaches.
    denied: Reach,
}

const ASK_ZONE: Purpose = Purpose::new("find the zone at Cloudflare", "Zone:Read", Reach::Account);
const ASK_RECORDS: Purpose =
    Purpose::new("read the records at Cloudflare", "DNS:Edit", Reach::Zone);
const CHANGE: Purpose = Purpose {
    change: true,
    ..Purpose::new("change the records at Cloudflare", "DNS:Edit", Reach::Zone)
};

impl Purpose {
    const fn new(doing: &'static str, permission: &'static str, denied: Reach) -> Self {
        Purpose { doing, permission, change: false, denied }
    }

    /// An answer that says yes and is none of the API's.
    fn garbage(self) -> Fault {
        const WHAT: &str = "what answered is not its API; is a login page or proxy in between?";
        let outcome = if self.change {
            Outcome::NotConfirmed(format!("could not confirm the change at Cloudflare: {WHAT}"))
        } else {
            Outcome::TryLater(format!("could not {}: {WHAT}", self.doing))
        };
        Fault { reach: Reach::Account, outcome }
    }
}

struct Api<'a> {
    net: &'a mut dyn Net,
    via: Via,
    base: &'a str,
    token: &'a str,
    halvings: u32,
}

impl Api<'_> {
    /// All items of a list, page by page. `path` ends in `?` or `&`.
    fn list(&mut self, path: &str, each: usize, purpose: Purpose) -> Result<Vec<Value>, Fault> {
        let mut items = Vec::new();
        for page in 1..=PAGES_MOST {
            let mut url = format!("{path}per_page={each}");
            if page > 1 {
                url.push_str(&format!("&page={page}"));
            }
            let mut reply = self.call("GET", &url, None, purpose)?;
            let Value::Array(more) = reply["result"].take() else { return Err(purpose.garbage()) };
            let last = more.is_empty()
                || reply["result_info"]["total_pages"].as_u64().is_none_or(|pages| page >= pages);
            items.extend(more);
            if last {
                return Ok(items);
            }
        }
        Err(Fault {
            reach: purpose.denied,
            outcome: Outcome::FixConfig(format!(
                "could not {}: there are more than {} pages of them; set zone_id, and use one \
                 account for each few names",
                purpose.doing, PAGES_MOST
            )),
        })
    }

    /// One request; the reply if the API says it worked.
    fn call(
        &mut self,
        method: &'static str,
        path: &str,
        body: Option<&Value>,
        purpose: Purpose,
    ) -> Result<Value, Fault> {
        let mut request = HttpRequest::new(method, format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.token))
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = self.net.http(&request, &self.via).map_err(|error| Fault {
            reach: Reach::Account,
            outcome: failed(&error, purpose.change),
        })?;
        let json: Option<Value> = serde_json::from_slice(&reply.body)
            .ok()
            .filter(|json: &Value| json["success"].is_boolean());
        match json {
            Some(json) if json["success"] == true && (200..300).contains(&reply.status) => Ok(json),
            json => Err(self.fault(&reply, json.as_ref(), purpose)),
        }
    }

    /// What a reply that is no success means.
    fn fault(&self, reply: &HttpReply, json: Option<&Value>, purpose: Purpose) -> Fault {
        let (status, doing) = (reply.status, purpose.doing);
        let Some(json) = json else {
            let why = format!("could not {doing}: status {status} from something in between");
            let outcome = match status {
                429 => wait(reply, SHUT_OUT, why),
                // A gateway that gave up: the API behind it may have gone on.
                500.. if purpose.change => Outcome::NotConfirmed(why),
                200..300 => return purpose.garbage(),
                _ => Outcome::TryLater(why),
            };
            return Fault { reach: Reach::Account, outcome };
        };
        // There is no list of codes; these are the ones that were seen.
        let error = &json["errors"][0];
        let code = error["code"].as_u64().unwrap_or(0);
        let why = format!("could not {doing}: {}", self.said(error, status));
        let check = |hint: String| Outcome::FixConfig(format!("{why}; check {hint}"));
        let (reach, outcome) = match (status, code) {
            (429, _) | (_, 971 | 10429) => (Reach::Account, wait(reply, SHUT_OUT, why)),
            (500.., _) => (Reach::Account, Outcome::TryLater(why)),
            (_, 6003 | 6111 | 9103 | 9106 | 9107) => {
                (Reach::Account, check("option token: it is not in a token's form".into()))
            }
            (401 | 403, _) | (_, 10000 | 9109) => {
                let hint = format!("that option token is valid and has {}", purpose.permission);
                (purpose.denied, check(hint))
            }
            // It was there a moment ago; the next look will know better.
            (_, 81044) => (Reach::Record, Outcome::TryLater(why)),
            (_, 81057 | 81058) => (Reach::Exists, unconfirmed()),
            (404, _) | (_, 7000 | 7003) => (Reach::Zone, check("options zone_id and url".into())),
            (400 | 402..500, _) if !matches!(status, 408 | 409 | 425) => {
                (Reach::Record, Outcome::FixConfig(why))
            }
            _ => (Reach::Record, Outcome::TryLater(why)),
        };
        Fault { reach, outcome }
    }

    /// The API's own words, with the inner reason where there is one.
    fn said(&self, error: &Value, status: u16) -> String {
        let Some(message) = error["message"].as_str() else { return format!("status {status}") };
        let inner = error["error_chain"][0]["message"].as_str();
        let whole = match inner {
            Some(inner) => format!("{message}: {inner}"),
            None => message.to_string(),
        };
        format!("it says: {}", quote(&whole, self.token))
    }
}

#[cfg(test)]
mod tests {
    use super::fake::*;
    use super::*;

    #[test]
    fn exchanges() {
        for file in [
            include_str!("../../tests/providers/cloudflare/publish.json"),
            include_str!("../../tests/providers/cloudflare/zones.json"),
            include_str!("../../tests/providers/cloudflare/refused.json"),
            include_str!("../../tests/providers/cloudflare/network.json"),
        ] {
            play(&PROVIDER, file);
        }
    }

    #[test]
    fn a_token_cannot_end_its_header() {
        for token in ["", " ", "a b", "a\r\nX: y", "t\u{f6}ken"] {
            let account = account(&PROVIDER, &[("token", token), ("zone", "example.com")]);
            let got = publish(&mut Fake::new(), &account, &[want("home.example.com 192.0.2.1")]);
            assert!(matches!(got[..], [Outcome::FixConfig(_)]), "{got:?}");
        }
    }

    /// Both families each; the A records are there already, with other addresses.
    #[test]
    fn a_hundred_names_are_three_requests() {
        let record = |i: usize, rtype: &str, content: String| {
            let name = format!("h{i}.example.com");
            json!({"id": format!("id{i}"), "name": name, "type": rtype, "content": content, "ttl": 1})
        };
        let (mut wants, mut old, mut patches, mut posts) = (vec![], vec![], vec![], vec![]);
        for i in 0..100 {
            let (v4, v6) = (format!("203.0.113.{i}"), format!("2001:db8::{i:x}"));
            wants.push(want(&format!("h{i}.example.com {v4}")));
            wants.push(want(&format!("h{i}.example.com {v6}")));
            old.push(record(i, "A", "192.0.2.1".into()));
            patches.push(record(i, "A", v4));
            posts.push(record(i, "AAAA", v6));
        }
        let mut fake = Fake::new();
        let mut on = |ask: &str, path: &str, result: Value| {
            fake.on(
                &format!("{ask} {URL}{path}"),
                200,
                &json!({"success": true, "result": result}),
            );
        };
        on("GET", "/zones?per_page=50", json!([{"id": "z1", "name": "example.com"}]));
        on("GET", "/zones/z1/dns_records?per_page=1000", Value::from(old));
        on("POST", "/zones/z1/dns_records/batch", json!({"patches": patches, "posts": posts}));
        let got = publish(&mut fake, &account(&PROVIDER, &[("token", "t")]), &wants);
        assert!(got.iter().all(|outcome| *outcome == Outcome::Updated), "{got:?}");
        assert_eq!(fake.log.len(), 3);
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
