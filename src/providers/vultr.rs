//! Vultr's API v2: one request for each record that differs. What a PATCH does not name stays.

use super::rest::{Api, Fault, Page, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;

pub const PROVIDER: Provider = Provider {
    id: "vultr",
    about: "domains at Vultr, by API key",
    families: &Family::BOTH,
    // 30 requests in a second for one address (API documentation, "Rate Limits").
    min_interval: Duration::from_secs(5),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required(
            "token",
            Kind::Secret,
            "API key; the router's address must be on its access list",
        ),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.vultr.com/v2";

static SERVICE: Service = Service {
    api: Api {
        service: "Vultr",
        auth: &[("authorization", "Bearer ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["may manage DNS from this address", "may manage DNS from this address"],
        place: "options zone and url",
        unsaid: Duration::from_secs(300),
        said: |status, json| rest::said_at(status, json, "/error"),
    },
    naming: Naming::Relative(""),
    by_name: true,
    zones,
    read,
    change,
    batch: 1,
    ttl: (1, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/domains?per_page=500", "/domains", more, To::FindZones)?;
    zones::named(talk, &list, "domain")
}

fn more(page: &Page<'_>) -> Option<String> {
    let cursor = page.body.pointer("/meta/links/next")?.as_str()?;
    (!cursor.is_empty()).then(|| ["&cursor=", &percent(cursor)].concat())
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let path = format!("/domains/{}/records?per_page=500", zone.part());
    let list = talk.list(&path, "/records", more, To::Read)?;
    zones::held(talk, items, list, |object| zones::record(object, ["name", "type", "data", "ttl"]))
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    zones::each(talk, zone, changes, outcomes, |talk, zone, change| {
        let path = format!("/domains/{}/records", zone.part());
        // 204 to a PATCH: there is nothing to compare.
        let shown = [None, Some("/record/data")];
        zones::single(talk, change, &path, "PATCH", shown, &|held, address| {
            let mut body = rest::object(&mut [("data", address.into())]);
            if held.is_none() {
                body["type"] = change.rtype().into();
                body["name"] = change.item.name.as_str().into();
            }
            if let Some(ttl) = change.item.want.ttl {
                body["ttl"] = ttl.into();
            }
            body
        })
    })
}
