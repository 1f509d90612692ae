//! GoDaddy's domains API v1: one PUT for each set that differs, with its other values and TTLs.
//!
//! A PUT of a whole type would be one request, but would also undo what others change meanwhile.

use super::rest::{Api, Fault, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone};
use super::*;

pub const PROVIDER: Provider = Provider {
    id: "godaddy",
    about: "domains at GoDaddy, by API key",
    families: &Family::BOTH,
    // 60 requests in a minute.
    min_interval: Duration::from_secs(60),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("api_key", Kind::Secret, "API key (production)"),
        OptionDoc::required("api_secret", Kind::Secret, "the key's secret"),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.godaddy.com";

static SERVICE: Service = Service {
    api: Api {
        service: "GoDaddy",
        auth: &[("authorization", "sso-key ", &["api_key", "api_secret"])],
        dialect: None,
        check: "option api_key",
        rights: [ALLOWED, ALLOWED],
        place: "options zone and url",
        unsaid: Duration::from_secs(60),
        // A set that is not there is an empty list; 404 is the domain's.
        said: |status, json| rest::said_at(status, json, "/message"),
    },
    naming: Naming::Relative("@"),
    by_name: true,
    zones,
    read,
    change,
    batch: 1,
    ttl: (600, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

/// Since May 2024.
const ALLOWED: &str = "may use the API, which GoDaddy opens only to accounts with ten domains or \
                       more, or in its Discount Domain Club";

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/v1/domains?limit=1000", "", |_| None, To::FindZones)?;
    zones::named(talk, &list, "domain")
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let path = format!("/v1/domains/{}/records", zone.part());
    let all = match zones::ask_for(items) {
        (_, Some(family)) => [&path, "/", family.record_type()].concat(),
        _ => path.clone(),
    };
    let one = |item: &Item<'_>| {
        format!("{path}/{}/{}", item.want.family.record_type(), percent(&item.name))
    };
    zones::read_either(talk, items, all, &one, |object| {
        // A value with a TTL of its own, without an id.
        let text = |field: &str| Some(object[field].as_str()?.to_string());
        let ttl = object["ttl"].as_u64();
        let (name, rtype, content) = (text("name")?, text("type")?, text("data")?);
        let note = object.clone();
        Some(vec![Held { name, rtype, content, ttl, note, ..Held::default() }])
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
        let path = format!("/v1/domains/{}/records/{}/{name}", zone.part(), change.rtype());
        let values = change.values.iter().map(|(held, address)| {
            let mut value = rest::object(&mut [("data", address.to_string().into())]);
            if let Some(ttl) = change.ttl_of(*held) {
                value["ttl"] = ttl.into();
            }
            value
        });
        let reply = talk.call("PUT", &path, Some(&values.collect()), To::Change)?;
        Ok(reply.is_null() || reply.is_object())
    })
}
