//! Huawei Cloud's DNS, public zones: sets that are there change together, up to 50 in a request;
//! new ones are made one by one. Line, weight and description stay or go back as they were.

use super::rest::{Api, Ask, Dialect, Fault, No, Page, Said, Talk, To};
use super::sign::{self, With};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;
use crate::model::utc;
use crate::world::HttpRequest;
use serde_json::{Value, json};

pub const PROVIDER: Provider = Provider {
    id: "huaweicloud",
    about: "public zones at Huawei Cloud DNS, by access key",
    families: &Family::BOTH,
    // No number is published.
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("access_key", Kind::Secret, "access key id (AK)"),
        OptionDoc::required("secret_key", Kind::Secret, "secret access key (SK)"),
        rest::ZONE,
        rest::url("https://dns.myhuaweicloud.com"),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

static SERVICE: Service = Service {
    api: Api {
        service: "Huawei Cloud",
        auth: &[("", "", &["access_key"]), ("", "", &["secret_key"])],
        dialect: Some(Dialect { write, read: rest::json }),
        check: "options access_key and secret_key",
        rights: ["may read DNS (DNS ReadOnlyAccess)", "may change DNS (DNS FullAccess)"],
        // Each region's address shows its own zones.
        place: "options zone and url",
        unsaid: Duration::from_secs(60),
        said,
    },
    naming: Naming::Rooted,
    by_name: false,
    zones,
    read,
    change,
    batch: 50,
    ttl: (1, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn write(ask: &Ask<'_>) -> HttpRequest {
    let moment = utc::stamp(ask.now, false);
    let mut request = HttpRequest::new(ask.method, [ask.base, ask.path].concat())
        .header("accept", "application/json")
        .header("x-sdk-date", moment.as_str());
    if let Some(body) = ask.body {
        request = request.json(body);
    }
    let headers = &["content-type", "host", "x-sdk-date"];
    let headers = if ask.body.is_some() { &headers[..] } else { &headers[1..] };
    let with = With { id: ask.key(0), secret: ask.key(1), moment: &moment, scope: "", headers };
    sign::sign(&sign::HUAWEI, request, &with)
}

fn zones(talk: &mut Talk<'_>, name: Option<&str>) -> Result<Vec<Zone>, Fault> {
    // Also those whose name holds this one.
    let name = name.map_or(String::new(), |name| ["&name=", &percent(name), "."].concat());
    let path = ["/v2/zones?type=public&limit=500", &name].concat();
    let list = talk.list(&path, "/zones", more, To::FindZones)?;
    let mut zones = zones::named(talk, &list, "name")?;
    for (zone, item) in zones.iter_mut().zip(&list) {
        zone.idle = item["status"] != "ACTIVE";
        if zone.id.is_empty() {
            return Err(talk.garbage(To::FindZones));
        }
    }
    Ok(zones)
}

fn more(page: &Page<'_>) -> Option<String> {
    (page.count == 500).then(|| format!("&offset={}", page.number * 500))
}

fn path(zone: &Zone) -> String {
    ["/v2.1/zones/", &zone.id, "/recordsets"].concat()
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path = [&path(zone), "?limit=500"].concat();
    if let (Some(_), Some(item)) = (zones::ask_for(items).0, items.first()) {
        // Also those whose name holds this one.
        path.extend(["&name=", &percent(&item.name)]);
    }
    let list = talk.list(&path, "/recordsets", more, To::Read)?;
    let mut held = zones::held(talk, items, list, set)?;
    // Of several sets, by line or by weight, none stands for the name.
    let twin = |one: &Held| {
        held.iter().any(|other| {
            let same = other.name.eq_ignore_ascii_case(&one.name) && other.rtype == one.rtype;
            same && other.id != one.id
        })
    };
    let twins: Vec<bool> = held.iter().map(twin).collect();
    for (held, _) in held.iter_mut().zip(twins).filter(|(_, twin)| *twin) {
        held.fixed = Some("one of several sets, by line or weight,");
    }
    Ok(held)
}

fn set(object: &Value) -> Option<Vec<Held>> {
    let mut held = zones::set(object, ["name", "type", "records", "ttl"], "")?;
    let id = rest::id(&object["id"])?;
    let alias = object.pointer("/alias_target/resource_type").and_then(Value::as_str);
    for held in &mut held {
        held.id.clone_from(&id);
        held.fixed = alias.filter(|kind| !kind.is_empty()).map(|_| "an alias");
        held.note = object.clone();
    }
    Some(held)
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    let is_there = |change: &&Change<'_>| known(change).is_some();
    let there: Vec<Change<'_>> = changes.iter().filter(is_there).cloned().collect();
    let fresh: Vec<Change<'_>> =
        changes.iter().filter(|change| !is_there(change)).cloned().collect();
    zones::batches(&SERVICE, talk, zone, &there, outcomes, update)?;
    fresh.chunks(1).try_for_each(|one| {
        zones::batches(&SERVICE, talk, zone, one, outcomes, |talk, zone, one| {
            let made = one.iter().map(|change| {
                let mut body = with(change);
                body["name"] = change.item.name.as_str().into();
                body["type"] = change.rtype().into();
                let reply = talk.call("POST", &path(zone), Some(&body), To::Change)?;
                Ok(shows(&reply, change))
            });
            made.collect()
        })
    })
}

/// The set as it is.
fn known<'a>(change: &'a Change<'_>) -> Option<&'a Held> {
    change.values.iter().find_map(|(held, _)| *held)
}

fn with(change: &Change<'_>) -> Value {
    let mut body = json!({"records": change.addresses()});
    if let Some(ttl) = change.ttl() {
        body["ttl"] = ttl.into();
    }
    if let Some(held) = known(change) {
        for field in ["description", "weight"] {
            if !held.note[field].is_null() {
                body[field] = held.note[field].clone();
            }
        }
    }
    body
}

fn update(talk: &mut Talk<'_>, zone: &Zone, changes: &[Change<'_>]) -> Result<Vec<bool>, Fault> {
    if let [change] = changes {
        let mut body = with(change);
        body["name"] = change.item.name.as_str().into();
        body["type"] = change.rtype().into();
        let id = known(change).map_or("", |held| &held.id);
        let path = [&path(zone), "/", id].concat();
        let reply = talk.call("PUT", &path, Some(&body), To::Change)?;
        return Ok(vec![shows(&reply, change)]);
    }
    let sets = changes.iter().map(|change| {
        let mut body = with(change);
        body["id"] = known(change).map_or("", |held| &held.id).into();
        body
    });
    let body = json!({"recordsets": sets.collect::<Value>()});
    let reply = talk.call("PUT", &path(zone), Some(&body), To::Change)?;
    let sets = reply["recordsets"].as_array();
    let shown = |change| sets.is_some_and(|sets| sets.iter().any(|set| shows(set, change)));
    Ok(changes.iter().map(shown).collect())
}

/// The set in a reply is the one that was sent.
fn shows(set: &Value, change: &Change<'_>) -> bool {
    set["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&change.item.name))
        && set["type"] == change.rtype()
        && zones::holds(&set["records"], change)
}

fn said(status: u16, json: &Value) -> Said {
    // The gateway's own, then the service's.
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| json[name].as_str());
    let code = text(["error_code", "code"]);
    let words = text(["error_msg", "message"]).or(code).unwrap_or_default();
    let expired = ["expired", "x-sdk-date", "X-Sdk-Date"].iter().any(|word| words.contains(word));
    let no = match (code, status) {
        (None, 200..300) => return Said::Yes,
        (None, _) => return Said::Foreign,
        (Some("APIGW.0301"), _) if expired => No::Clock,
        (Some("APIGW.0301"), _) => No::Token,
        (Some("APIGW.0308"), _) => No::Rate,
        (Some("APIGW.0302" | "APIGW.0305"), _) => No::Denied,
        (Some("DNS.0302"), _) => No::Zone,
        (Some("DNS.0335"), _) => No::Exists,
        (Some("DNS.0313"), _) => No::Moved,
        (_, 0..400) => No::Record,
        _ => No::by(status),
    };
    Said::No(no, words.into())
}
