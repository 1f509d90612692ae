//! Aliyun's (Alibaba Cloud's) DNS: one request for each record that differs. Line and TTL go back
//! with it; weight, status and remark are not part of a change and stay.

use super::rest::{Api, Ask, Dialect, Fault, No, Page, Said, Talk, To};
use super::sign::{self, With};
use super::zones::{Change, Held, Item, Naming, Service, Zone};
use super::*;
use crate::model::utc;
use crate::world::HttpRequest;
use serde_json::Value;
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "aliyun",
    about: "domains at Aliyun (Alibaba Cloud) DNS, by AccessKey",
    families: &Family::BOTH,
    // 60 changes in a second for an account (API documentation, quotas).
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("access_key_id", Kind::Secret, "AccessKey ID (LTAI...)"),
        OptionDoc::required(
            "access_key_secret",
            Kind::Secret,
            "its secret; best of a RAM user with AliyunDNSFullAccess and nothing else",
        ),
        rest::ZONE,
        rest::url("https://alidns.aliyuncs.com"),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

/// Names that are asked for one by one; more are cheaper as the whole zone.
const ONE_BY_ONE: usize = 2;

static SERVICE: Service = Service {
    api: Api {
        service: "Aliyun",
        auth: &[("", "", &["access_key_id"]), ("", "", &["access_key_secret"])],
        dialect: Some(Dialect { write, read: rest::json }),
        check: "options access_key_id and access_key_secret",
        rights: ["may read DNS (AliyunDNSReadOnlyAccess)", "may change DNS (AliyunDNSFullAccess)"],
        place: "option zone",
        // Its limits are per second.
        unsaid: Duration::from_secs(60),
        said,
    },
    naming: Naming::Relative("@"),
    by_name: true,
    zones,
    read,
    change: |talk, zone, changes, outcomes| {
        zones::batches(&SERVICE, talk, zone, changes, outcomes, |talk, zone, changes| {
            zones::by_record(talk, zone, changes, send)
        })
    },
    batch: 1,
    ttl: (1, 86_400),
    keeps_ttl: |ttl| ttl,
};

/// A path is `ACTION?QUERY`; there is no body (RPC style).
fn write(ask: &Ask<'_>) -> HttpRequest {
    let (action, query) = ask.path.split_once('?').unwrap_or((ask.path, ""));
    let nonce = format!("{:016x}{:016x}", ask.now, ask.nonce);
    let mut request = HttpRequest::new("POST", [ask.base, "/?", query].concat())
        .header("accept", "application/json")
        .header("x-acs-action", action)
        .header("x-acs-content-sha256", sign::sha256(b""))
        .header("x-acs-date", utc::stamp(ask.now, true))
        .header("x-acs-signature-nonce", nonce)
        .header("x-acs-version", "2015-01-09");
    request.body = Some(Vec::new());
    let with = With {
        id: ask.key(0),
        secret: ask.key(1),
        moment: "",
        scope: "",
        headers: &[
            "host",
            "x-acs-action",
            "x-acs-content-sha256",
            "x-acs-date",
            "x-acs-signature-nonce",
            "x-acs-version",
        ],
    };
    sign::sign(&sign::ACS3, request, &with)
}

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let path = "DescribeDomains?PageSize=100";
    let mut list = talk.list(path, "/Domains/Domain", more, To::FindZones)?;
    for item in &mut list {
        // Where it has letters of its own, the other name is in Chinese.
        if item["PunyCode"].is_string() {
            item["DomainName"] = item["PunyCode"].take();
        }
    }
    zones::named(talk, &list, "DomainName")
}

fn more(page: &Page<'_>) -> Option<String> {
    let (total, size) = (page.body["TotalCount"].as_u64()?, page.body["PageSize"].as_u64()?);
    (page.number.saturating_mul(size) < total).then(|| format!("&PageNumber={}", page.number + 1))
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let names = zones::names(items);
    let part = zone.part();
    let paths = if names.len() > ONE_BY_ONE {
        vec![format!("DescribeDomainRecords?DomainName={part}&PageSize=500")]
    } else {
        let one = |name: &&str| {
            let above = if *name == "@" { "" } else { &[*name, "."].concat() };
            let name = [&percent(above), &part[..]].concat();
            format!("DescribeSubDomainRecords?DomainName={part}&PageSize=100&SubDomain={name}")
        };
        names.iter().map(one).collect()
    };
    let mut all = Vec::new();
    for path in paths {
        let list = talk.list(&path, "/DomainRecords/Record", more, To::Read)?;
        all.append(&mut zones::held(talk, items, list, |object| {
            let mut held = zones::record_with(object, ["RR", "Type", "Value", "TTL", "RecordId"])?;
            held.iter_mut().for_each(|held| held.note = object["Line"].clone());
            Some(held)
        })?);
    }
    Ok(all)
}

fn send(
    talk: &mut Talk<'_>,
    zone: &Zone,
    change: &Change<'_>,
    held: Option<&Held>,
    address: IpAddr,
) -> Result<Value, Fault> {
    let mut path = match held {
        Some(held) => {
            let line = percent(held.note.as_str().unwrap_or("default"));
            ["UpdateDomainRecord?Line=", &line, "&RecordId=", &held.id].concat()
        }
        None => ["AddDomainRecord?DomainName=", &zone.part()].concat(),
    };
    let (name, address) = (percent(&change.item.name), percent(&address.to_string()));
    rest::add(&mut path, &["&RR=", &name, "&Type=", change.rtype(), "&Value=", &address]);
    if let Some(ttl) = change.ttl_of(held) {
        rest::add(&mut path, &["&TTL=", &ttl.to_string()]);
    }
    Ok(talk.call("POST", &path, None, To::Change)?["RecordId"].take())
}

/// Parts of codes, of which the first that fits counts.
const MEANINGS: &[(&str, No)] = &[
    ("InvalidTimeStamp", No::Clock),
    ("IllegalTimestamp", No::Clock),
    ("Throttling", No::Rate),
    ("InvalidAccessKey", No::Token),
    ("SignatureDoesNot", No::Token),
    ("IncompleteSign", No::Token),
    ("SignatureNonceUsed", No::Broken),
    ("DomainForbidden", No::Zone),
    ("InvalidDomainName", No::Zone),
    ("IncorrectDomainUser", No::Zone),
    ("Forbidden", No::Denied),
    ("NoPermission", No::Denied),
    ("InvalidAccountStatus", No::Denied),
    ("DomainRecordDuplicate", No::Exists),
    ("RecordNotBelongToUser", No::Moved),
    ("UnKnownError", No::Broken),
    ("InternalError", No::Broken),
    ("ServiceUnavailable", No::Broken),
];

fn said(status: u16, json: &Value) -> Said {
    let Some(code) = json["Code"].as_str() else {
        let own = (200..300).contains(&status) && json["RequestId"].is_string();
        return if own { Said::Yes } else { Said::Foreign };
    };
    // What was sent is wrong; also with the status of something else.
    let other = if status < 500 { No::Record } else { No::Broken };
    let no = rest::no(code, MEANINGS).unwrap_or(other);
    Said::No(no, json["Message"].as_str().unwrap_or(code).into())
}

#[cfg(test)]
mod tests {
    use super::sign::lab::*;
    use super::*;

    #[test]
    fn actions_nonces_and_the_service_clock() {
        let sent_for = |about: &str, name: &str| -> Vec<String> {
            let sent = sent(&PROVIDER, about);
            sent.iter().map(|request| header(request, name).to_string()).collect()
        };
        assert_eq!(
            sent_for("first publish, the zone", "x-acs-action"),
            ["DescribeDomains", "DescribeSubDomainRecords", "AddDomainRecord"]
        );
        assert_eq!(
            sent_for("100 names", "x-acs-action")[..2],
            ["DescribeDomainRecords", "UpdateDomainRecord"]
        );
        let mut nonces = sent_for("100 names", "x-acs-signature-nonce");
        nonces.sort();
        nonces.dedup();
        assert_eq!(nonces.len(), 101);
        assert!(nonces.iter().all(|nonce| nonce.len() == 32));
        // From the refusal's words: there is no header.
        let moments = sent_for("the clock is wrong, and nothing", "x-acs-date");
        assert_eq!(moments[1..], ["2026-11-23T16:44:26Z"; 2]);
        assert_ne!(moments[0], moments[1]);
    }
}
