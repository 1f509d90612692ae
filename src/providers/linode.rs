//! Linode's API v4: one request for each record that differs. What a PUT does not name stays.

use super::rest::{Api, Fault, Page, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;

pub const PROVIDER: Provider = Provider {
    id: "linode",
    about: "domains at Linode (Akamai), by access token",
    families: &Family::BOTH,
    // Each zone is written out every few minutes only; requests are limited per token.
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required(
            "token",
            Kind::Secret,
            "personal access token with read and write access to Domains",
        ),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.linode.com/v4";

static SERVICE: Service = Service {
    api: Api {
        service: "Linode",
        auth: &[("authorization", "Bearer ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["may read Domains", "may write Domains"],
        place: "options zone and url",
        unsaid: Duration::from_secs(300),
        said: |status, json| rest::said_at(status, json, "/errors/0/reason"),
    },
    naming: Naming::Relative(""),
    by_name: false,
    zones,
    read,
    change,
    batch: 1,
    ttl: (0, 2_419_200),
    keeps_ttl,
};

/// The TTLs that there are; others become the next larger one (API documentation, "ttl_sec").
const TTLS: [u32; 15] = [
    0, 30, 120, 300, 3600, 7200, 14_400, 28_800, 57_600, 86_400, 172_800, 345_600, 604_800,
    1_209_600, 2_419_200,
];

/// Asking for another would be asking for ever.
fn keeps_ttl(ttl: u32) -> u32 {
    TTLS.into_iter().find(|kept| *kept >= ttl).unwrap_or(ttl)
}

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/domains?page_size=500", "/data", more, To::FindZones)?;
    let zones = zones::named(talk, &list, "domain")?;
    // Requests go by the id.
    if zones.iter().any(|zone| zone.id.is_empty()) {
        return Err(talk.garbage(To::FindZones));
    }
    Ok(zones)
}

fn more(page: &Page<'_>) -> Option<String> {
    let pages = page.body["pages"].as_u64()?;
    (page.number < pages).then(|| format!("&page={}", page.number + 1))
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let path = format!("/domains/{}/records?page_size=500", zone.id);
    let list = talk.list(&path, "/data", more, To::Read)?;
    zones::held(talk, items, list, |object| {
        zones::record(object, ["name", "type", "target", "ttl_sec"])
    })
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    zones::each(talk, zone, changes, outcomes, |talk, zone, change| {
        let path = format!("/domains/{}/records", zone.id);
        let shown = Some("/target");
        zones::single(talk, change, &path, "PUT", [shown, shown], &|held, address| {
            let mut body = rest::object(&mut [("target", address.into())]);
            if held.is_none() {
                body["type"] = change.rtype().into();
                body["name"] = change.item.name.as_str().into();
            }
            if let Some(ttl) = change.item.want.ttl {
                body["ttl_sec"] = ttl.into();
            }
            body
        })
    })
}
