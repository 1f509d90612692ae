//! Gandi's LiveDNS: one PUT for each set that differs, with its other values and its TTL.

use super::rest::{Api, Fault, No, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;
use serde_json::Value;

pub const PROVIDER: Provider = Provider {
    id: "gandi",
    about: "domains at Gandi LiveDNS, by access token",
    families: &Family::BOTH,
    // 1000 requests in a minute.
    min_interval: Duration::from_secs(5),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required(
            "token",
            Kind::Secret,
            "personal access token that may manage the domain's technical configuration",
        ),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.gandi.net/v5";

static SERVICE: Service = Service {
    api: Api {
        service: "Gandi",
        auth: &[("authorization", "Bearer ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["may see the domain", "may manage its technical configuration"],
        place: "options zone and url",
        unsaid: Duration::from_secs(60),
        said,
    },
    naming: Naming::Relative("@"),
    by_name: true,
    zones,
    read,
    change,
    batch: 1,
    ttl: (300, 2_592_000),
    keeps_ttl: |ttl| ttl,
};

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/livedns/domains?per_page=1000", "", |_| None, To::FindZones)?;
    zones::named(talk, &list, "fqdn")
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let path = format!("/livedns/domains/{}/records", zone.part());
    let all = || [&path, "?per_page=1000"].concat();
    let one = |item: &Item<'_>| format!("{path}/{}", percent(&item.name));
    zones::read_either(talk, items, all(), &one, |object| {
        zones::set(object, ["rrset_name", "rrset_type", "rrset_values", "rrset_ttl"], "")
    })
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    zones::each(talk, zone, changes, outcomes, |talk, zone, change| {
        let name = percent(&change.item.name);
        let path = format!("/livedns/domains/{}/records/{name}/{}", zone.part(), change.rtype());
        let mut body = rest::object(&mut [("rrset_values", change.addresses())]);
        if let Some(ttl) = change.ttl() {
            body["rrset_ttl"] = ttl.into();
        }
        let reply = talk.call("PUT", &path, Some(&body), To::Change)?;
        Ok(reply["message"].is_string())
    })
}

fn said(status: u16, json: &Value) -> Said {
    match json.pointer("/errors/0/description").and_then(Value::as_str) {
        Some(words) if status >= 400 => Said::No(No::by(status), words.into()),
        _ => rest::said_at(status, json, "/message"),
    }
}
