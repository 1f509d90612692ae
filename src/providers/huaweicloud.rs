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
    rest::after(page, 500, "&offset=")
}

fn path(zone: &Zone) -> String {
    ["/v2.1/zones/", &zone.id, "/recordsets"].concat()
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path = [&path(zone), "?limit=500"].concat();
    if let (Some(_), Some(item)) = (zones::ask_for(items).0, items.first()) {
        // Also those whose name holds this one.
        rest::add(&mut path, &["&name=", &percent(&item.name)]);
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
    zones::batches(&SERVICE, talk, zone, &there, outcomes, send)?;
    for fresh in changes.iter().filter(|change| !is_there(change)) {
        zones::batches(&SERVICE, talk, zone, std::slice::from_ref(fresh), outcomes, send)?;
    }
    Ok(())
}

/// The set as it is.
fn known<'a>(change: &'a Change<'_>) -> Option<&'a Held> {
    change.values.iter().find_map(|(held, _)| *held)
}

/// Sets that are there, or one that may be new.
fn send(talk: &mut Talk<'_>, zone: &Zone, changes: &[Change<'_>]) -> Result<Vec<bool>, Fault> {
    let mut sets = Vec::new();
    for change in changes {
        let mut set = json!({"records": change.addresses()});
        if let Some(ttl) = change.ttl() {
            set["ttl"] = ttl.into();
        }
        for field in ["description", "weight"] {
            if let Some(value) = known(change).map(|held| &held.note[field])
                && !value.is_null()
            {
                set[field] = value.clone();
            }
        }
        match (known(change), changes.len()) {
            (Some(held), 2..) => set["id"] = held.id.as_str().into(),
            _ => {
                set["name"] = change.item.name.as_str().into();
                set["type"] = change.rtype().into();
            }
        }
        sets.push(set);
    }
    let all = path(zone);
    let reply = match (changes, &sets[..]) {
        ([change], [set]) => match known(change) {
            Some(held) => talk.call("PUT", &[&all, "/", &held.id].concat(), Some(set), To::Change),
            None => talk.call("POST", &all, Some(set), To::Change),
        },
        _ => talk.call("PUT", &all, Some(&json!({"recordsets": sets})), To::Change),
    }?;
    let shown = match reply["recordsets"].as_array() {
        Some(list) => &list[..],
        None => std::slice::from_ref(&reply),
    };
    Ok(changes.iter().map(|change| shown.iter().any(|set| shows(set, change))).collect())
}

/// The set in a reply is the one that was sent.
fn shows(set: &Value, change: &Change<'_>) -> bool {
    set["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case(&change.item.name))
        && set["type"] == change.rtype()
        && zones::holds(&set["records"], change)
}

const MEANINGS: &[(&str, No)] = &[
    ("APIGW.0301", No::Token),
    ("APIGW.0302", No::Denied),
    ("APIGW.0305", No::Denied),
    ("APIGW.0308", No::Rate),
    ("DNS.0302", No::Zone),
    ("DNS.0313", No::Moved),
    ("DNS.0335", No::Exists),
];

fn said(status: u16, json: &Value) -> Said {
    // The gateway's own, then the service's.
    let text = |names: [&str; 2]| names.into_iter().find_map(|name| json[name].as_str());
    let code = text(["error_code", "code"]);
    let words = text(["error_msg", "message"]).or(code).unwrap_or_default();
    let expired = ["expired", "x-sdk-date", "X-Sdk-Date"].iter().any(|word| words.contains(word));
    let no = match code {
        None if (200..300).contains(&status) => return Said::Yes,
        None => return Said::Foreign,
        Some("APIGW.0301") if expired => No::Clock,
        Some(_) if status < 400 => No::Record,
        Some(code) => rest::no(code, MEANINGS).unwrap_or(No::by(status)),
    };
    Said::No(no, words.into())
}
