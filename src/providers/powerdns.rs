//! PowerDNS Authoritative Server by its HTTP API: one PATCH for all names of a zone, carried out
//! whole or not at all. Comments stay, and so do a set's disabled records.

use super::rest::{Api, Fault, No, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Service, Zone};
use super::*;
use serde_json::Value;

pub const PROVIDER: Provider = Provider {
    id: "powerdns",
    about: "PowerDNS Authoritative Server (4.2 or later), by its HTTP API",
    families: &Family::BOTH,
    // One's own server; it names no limit.
    min_interval: Duration::ZERO,
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("url", Kind::Url, "the server's web address, as far as /api/v1"),
        OptionDoc::required("api_key", Kind::Secret, "as in the server's api-key"),
        rest::ZONE,
        OptionDoc::optional("server_id", Kind::Text, "the server's id").or("localhost"),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

/// Seconds, for a new set: it must have one.
const NEW_TTL: u64 = 60;

static SERVICE: Service = Service {
    api: Api {
        service: "PowerDNS",
        auth: &[("x-api-key", "", &["api_key"])],
        dialect: None,
        check: "option api_key",
        rights: ["is the server's", "is the server's"],
        place: "options zone, server_id and url",
        unsaid: Duration::from_secs(60),
        said,
    },
    naming: Naming::Rooted,
    by_name: true,
    zones,
    read,
    change: |talk, zone, changes, outcomes| {
        zones::batches(&SERVICE, talk, zone, changes, outcomes, send)
    },
    batch: usize::MAX,
    ttl: (0, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn path(talk: &Talk<'_>, zone: Option<&Zone>) -> String {
    let server = percent(talk.account.text("server_id").unwrap_or("localhost"));
    let zones = ["/servers/", &server, "/zones"].concat();
    match zone {
        None => zones,
        Some(zone) => [&zones, "/", &zone.part(), "."].concat(),
    }
}

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list(&path(talk, None), "", |_| None, To::FindZones)?;
    zones::named(talk, &list, "name")
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path = path(talk, Some(zone));
    if let (Some(_), Some(item)) = (zones::ask_for(items).0, items.first()) {
        path.push_str("?rrset_name=");
        path.push_str(&percent(&item.name));
    }
    let list = talk.list(&path, "/rrsets", |_| None, To::Read)?;
    zones::held(talk, items, list, |object| {
        zones::set(object, ["name", "type", "records", "ttl"], "content")
    })
}

fn send(talk: &mut Talk<'_>, zone: &Zone, changes: &[Change<'_>]) -> Result<Vec<bool>, Fault> {
    let sets: Value = changes
        .iter()
        .map(|change| {
            let values = change.values.iter().map(|(_, address)| {
                let address = address.to_string().into();
                rest::object(&mut [("content", address), ("disabled", false.into())])
            });
            let served = |idle: &&&Held| {
                change.values.iter().any(|(_, address)| idle.content.parse() == Ok(*address))
            };
            let idle = change.idle.iter().filter(|idle| !served(idle));
            let records: Value = values.chain(idle.map(|idle| idle.note.clone())).collect();
            rest::object(&mut [
                ("name", change.item.name.as_str().into()),
                ("type", change.rtype().into()),
                ("changetype", "REPLACE".into()),
                ("ttl", change.ttl().unwrap_or(NEW_TTL).into()),
                ("records", records),
            ])
        })
        .collect();
    let body = rest::object(&mut [("rrsets", sets)]);
    let reply = talk.call("PATCH", &path(talk, Some(zone)), Some(&body), To::Change)?;
    // 204 and no body: that is its yes.
    Ok(vec![reply.is_null(); changes.len()])
}

fn said(status: u16, json: &Value) -> Said {
    match (status, json) {
        // Yes has JSON, or no body at all: whoever sends others words is somebody else.
        (200..300, _) => Said::Yes,
        // In plain text.
        (401 | 404, Value::Null) => Said::No(No::by(status), String::new()),
        _ => rest::said_at(status, json, "/error"),
    }
}
