//! Porkbun's API v3: one request for each record that differs. An edit names everything, so TTL,
//! priority and notes are sent back as they were.

use super::rest::{Api, Fault, No, Page, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;
use serde_json::Value;

pub const PROVIDER: Provider = Provider {
    id: "porkbun",
    about: "domains at Porkbun, by API key",
    families: &Family::BOTH,
    // No limit is published.
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("api_key", Kind::Secret, "API key (pk1_...)"),
        OptionDoc::required("secret_key", Kind::Secret, "secret API key (sk1_...)"),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.porkbun.com/api/json/v3";

static SERVICE: Service = Service {
    api: Api {
        service: "Porkbun",
        auth: &[("x-api-key", "", &["api_key"]), ("x-secret-api-key", "", &["secret_key"])],
        dialect: None,
        check: "option api_key",
        rights: ["may list domains", "may change them: API access is switched on for each domain"],
        place: "options zone and url",
        unsaid: Duration::from_secs(300),
        said,
    },
    naming: Naming::Fqdn,
    by_name: true,
    zones,
    read,
    change,
    batch: 1,
    ttl: (1, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/domain/listAll", "/domains", more, To::FindZones)?;
    zones::named(talk, &list, "domain")
}

/// In chunks of 1000.
fn more(page: &Page<'_>) -> Option<String> {
    (page.count == 1000).then(|| format!("?start={}", page.number * 1000))
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let path = format!("/dns/retrieve/{}", zone.part());
    let list = talk.list(&path, "/records", |_| None, To::Read)?;
    zones::held(talk, items, list, |object| {
        let mut held = zones::record(object, ["name", "type", "content", "ttl"])?;
        held.iter_mut().for_each(|held| held.note = object.clone());
        Some(held)
    })
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    zones::each(talk, zone, changes, outcomes, |talk, zone, change| {
        let mut confirmed = true;
        for (held, address) in change.records() {
            let name = Naming::Relative("").name(&change.item.want.fqdn, zone);
            let mut body = rest::object(&mut [
                ("name", name.into()),
                ("type", change.rtype().into()),
                ("content", address.to_string().into()),
            ]);
            let mut path = format!("/dns/create/{}", zone.part());
            if let Some(held) = held {
                path = format!("/dns/edit/{}/{}", zone.part(), held.id);
                for field in ["ttl", "prio", "notes"] {
                    if !held.note[field].is_null() {
                        body[field] = held.note[field].clone();
                    }
                }
            }
            if let Some(ttl) = change.item.want.ttl {
                body["ttl"] = ttl.to_string().into();
            }
            let reply = talk.call("POST", &path, Some(&body), To::Change)?;
            // Neither reply shows the address; a new record has an id.
            confirmed &= held.is_some() || rest::id(&reply["id"]).is_some();
        }
        Ok(confirmed)
    })
}

fn said(status: u16, json: &Value) -> Said {
    let words = json["message"].as_str().unwrap_or_default();
    match json["status"].as_str() {
        Some("SUCCESS") => Said::Yes,
        Some("ERROR") => {
            let no = match status {
                // A wrong key is a 400 too.
                400 if words.contains("API key") => No::Token,
                // "no" with a status that says yes.
                0..400 => No::Record,
                _ => No::by(status),
            };
            Said::No(no, words.into())
        }
        _ => Said::Foreign,
    }
}
