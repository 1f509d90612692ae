//! DigitalOcean's API v2: one request for each record that differs. A PATCH of the data alone
//! leaves name and TTL as they are.

use super::rest::{Api, Fault, Page, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;

pub const PROVIDER: Provider = Provider {
    id: "digitalocean",
    about: "domains at DigitalOcean, by API token",
    families: &Family::BOTH,
    // 5000 requests in an hour and 250 in a minute for a token (API documentation, "Rate limit").
    min_interval: Duration::from_secs(5),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required(
            "token",
            Kind::Secret,
            "API token with the scopes domain:read, domain:create and domain:update",
        ),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.digitalocean.com/v2";

static SERVICE: Service = Service {
    api: Api {
        service: "DigitalOcean",
        auth: &[("authorization", "Bearer ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["has domain:read", "has domain:create and domain:update"],
        place: "options zone and url",
        unsaid: Duration::from_secs(300),
        said: |status, json| rest::said_at(status, json, "/message"),
    },
    naming: Naming::Relative("@"),
    by_name: true,
    zones,
    read,
    change,
    batch: 1,
    ttl: (30, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/domains?per_page=200", "/domains", more, To::FindZones)?;
    zones::named(talk, &list, "name")
}

fn more(page: &Page<'_>) -> Option<String> {
    page.body.pointer("/links/pages/next")?;
    Some(format!("&page={}", page.number + 1))
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path = format!("/domains/{}/records?per_page=200", zone.part());
    // Never by type: a CNAME in the way matters too.
    if let (Some(name), _) = zones::ask_for(items) {
        path.push_str("&name=");
        path.push_str(&percent(name));
    }
    let list = talk.list(&path, "/domain_records", more, To::Read)?;
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
        let shown = Some("/domain_record/data");
        zones::single(talk, change, &path, "PATCH", [shown, shown], &|held, address| {
            let mut body =
                rest::object(&mut [("type", change.rtype().into()), ("data", address.into())]);
            if held.is_none() {
                body["name"] = change.item.name.as_str().into();
            }
            if let Some(ttl) = change.item.want.ttl {
                body["ttl"] = ttl.into();
            }
            body
        })
    })
}
