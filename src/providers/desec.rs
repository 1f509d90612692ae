//! deSEC's REST API: three requests, however many names: the domain, its sets, one PATCH that is
//! carried out whole or not at all and says which of the sets was in the way.

use super::rest::{Api, Fault, No, Page, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Service, Zone};
use super::*;
use serde_json::Value;
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "desec",
    about: "domains at deSEC (also dedyn.io), by token",
    families: &Family::BOTH,
    // Writes for one domain: 2 in a second, 15 in a minute, 100 in an hour, 300 in a day (API
    // documentation, "Rate Limits").
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[OptionDoc::required("token", Kind::Secret, "API token"), rest::ZONE, rest::url(URL)],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://desec.io/api/v1";
/// Seconds, for a new set; more where the domain takes nothing so small.
const NEW_TTL: u64 = 60;

static SERVICE: Service = Service {
    api: Api {
        service: "deSEC",
        auth: &[("authorization", "Token ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["may see the domain", "may change its records from this address"],
        place: "options zone and url",
        unsaid: Duration::from_secs(300),
        said,
    },
    naming: Naming::Relative(""),
    // The smallest TTL is the domain's.
    by_name: false,
    zones,
    read,
    change: |talk, zone, changes, outcomes| {
        zones::batches(&SERVICE, talk, zone, changes, outcomes, send)
    },
    batch: usize::MAX,
    ttl: (1, 604_800),
    keeps_ttl: |ttl| ttl,
};

fn zones(talk: &mut Talk<'_>, name: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = match name {
        Some(name) => {
            let path = format!("/domains/{}/", percent(name));
            vec![talk.call("GET", &path, None, To::FindZones)?]
        }
        None => talk.list("/domains/?cursor=", "", more, To::FindZones)?,
    };
    let mut zones = zones::named(talk, &list, "name")?;
    for (zone, item) in zones.iter_mut().zip(&list) {
        zone.least_ttl = item["minimum_ttl"].as_u64().unwrap_or(3600);
    }
    Ok(zones)
}

/// `Link: <https://...?cursor=NEXT>; rel="next"` (RFC 8288), of which the cursor alone is taken.
fn more(page: &Page<'_>) -> Option<String> {
    let links = page.reply.header("link")?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let cursor = next.split_once("cursor=")?.1;
    let cursor = cursor.split(['>', '&']).next()?;
    (!cursor.is_empty() && cursor.bytes().all(|byte| byte.is_ascii_graphic()))
        .then(|| cursor.to_string())
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let query = match (zones::ask_for(items), items.first()) {
        ((Some(_), _), Some(item)) => format!("subname={}&", percent(&item.name)),
        _ => String::new(),
    };
    let path = format!("/domains/{}/rrsets/?{query}cursor=", zone.part());
    let list = talk.list(&path, "", more, To::Read)?;
    zones::held(talk, items, list, |object| {
        zones::set(object, ["subname", "type", "records", "ttl"], "")
    })
}

fn send(talk: &mut Talk<'_>, zone: &Zone, changes: &[Change<'_>]) -> Result<Vec<bool>, Fault> {
    let sets = changes.iter().map(|change| {
        let mut set = rest::object(&mut [
            ("subname", change.item.name.as_str().into()),
            ("type", change.rtype().into()),
            ("records", change.addresses()),
        ]);
        // One that stays is not sent: it may be smaller than what is taken today.
        let held = change.values.iter().find_map(|(held, _)| *held);
        if held.is_none_or(|held| held.ttl != change.ttl()) {
            set["ttl"] = change.ttl().unwrap_or(zone.least_ttl.max(NEW_TTL)).into();
        }
        set
    });
    let path = format!("/domains/{}/rrsets/", zone.part());
    let reply = talk.call("PATCH", &path, Some(&sets.collect()), To::Change)?;
    let sets = reply.as_array().map_or(&[][..], Vec::as_slice);
    let shown = |change: &Change<'_>| {
        let set = sets
            .iter()
            .find(|set| set["subname"] == *change.item.name && set["type"] == change.rtype());
        let held = set.and_then(|set| set["records"].as_array());
        held.is_some_and(|held| {
            let holds = |ip: IpAddr| {
                held.iter()
                    .any(|value| value.as_str().and_then(|text| text.parse().ok()) == Some(ip))
            };
            held.len() == change.values.len() && change.values.iter().all(|(_, ip)| holds(*ip))
        })
    };
    Ok(changes.iter().map(shown).collect())
}

fn said(status: u16, json: &Value) -> Said {
    if let Some(words) = json["detail"].as_str() {
        return match status {
            200..300 => Said::Yes,
            _ => Said::No(No::by(status), words.into()),
        };
    }
    match status {
        200..300 => Said::Yes,
        // What is wrong with each field, of one set or of each in a list: `{"ttl": ["..."]}`.
        400 => {
            let sets = json.as_array().map_or(std::slice::from_ref(json), |list| list);
            let first = sets.iter().find_map(|set| set.as_object()?.iter().next());
            let Some((field, texts)) = first else { return Said::Foreign };
            let text = texts[0].as_str().or(texts.as_str()).unwrap_or("is wrong");
            Said::No(No::Record, [field, ": ", text].concat())
        }
        _ => Said::Foreign,
    }
}
