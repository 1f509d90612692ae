//! Tencent Cloud's API 3.0 for DNSPod: one request for each record that differs. It changes the
//! address and nothing else; the TTL goes back with it, which would be the domain's otherwise.
//! Its refusals come with status 200.

use super::rest::{Api, Ask, Dialect, Fault, No, Page, Said, Talk, To};
use super::sign::{self, With};
use super::zones::{Change, Held, Item, Naming, Service, Zone};
use super::*;
use crate::model::utc;
use crate::world::HttpRequest;
use serde_json::{Value, json};
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "tencentcloud",
    about: "domains at DNSPod, by API key of Tencent Cloud (API 3.0)",
    families: &Family::BOTH,
    // 20 requests in a second (API documentation).
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("secret_id", Kind::Secret, "SecretId (AKID...)"),
        OptionDoc::required("secret_key", Kind::Secret, "SecretKey"),
        rest::ZONE,
        rest::url("https://dnspod.tencentcloudapi.com"),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

/// The line that all who are on no other one are answered by. There is no other name for it.
const DEFAULT_LINE: &str = "\u{9ed8}\u{8ba4}";

static SERVICE: Service = Service {
    api: Api {
        service: "Tencent Cloud",
        auth: &[("", "", &["secret_id"]), ("", "", &["secret_key"])],
        dialect: Some(Dialect { write, read: rest::json }),
        check: "options secret_id and secret_key",
        rights: ["may read DNSPod (QcloudDNSPodFullAccess)", "may change DNSPod"],
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
    ttl: (1, 604_800),
    keeps_ttl: |ttl| ttl,
};

/// A path is `ACTION?QUERY`.
fn write(ask: &Ask<'_>) -> HttpRequest {
    let (action, query) = ask.path.split_once('?').unwrap_or((ask.path, ""));
    let mark = if query.is_empty() { "/" } else { "/?" };
    let mut request = HttpRequest::new(ask.method, [ask.base, mark, query].concat());
    match ask.body {
        Some(body) => request = request.json(body),
        None => request = request.header("content-type", "application/x-www-form-urlencoded"),
    }
    let moment = ask.now.to_string();
    request = request
        .header("x-tc-action", action)
        .header("x-tc-version", "2021-03-23")
        .header("x-tc-timestamp", moment.as_str())
        .header("x-tc-language", "en-US");
    let day = utc::utc(ask.now);
    let with = With {
        id: ask.key(0),
        secret: ask.key(1),
        moment: &moment,
        scope: &[day.get(..10).unwrap_or_default(), "/dnspod/tc3_request"].concat(),
        headers: &["content-type", "host"],
    };
    sign::sign(&sign::TC3, request, &with)
}

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let path = "DescribeDomainList?Limit=3000";
    let list = talk.list(path, "/Response/DomainList", more, To::FindZones)?;
    zones::named(talk, &list, "Name")
}

/// In pages of 3000.
fn more(page: &Page<'_>) -> Option<String> {
    rest::after(page, 3000, "&Offset=")
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path =
        ["DescribeRecordList?Domain=", &zone.part(), "&ErrorOnEmpty=no&Limit=3000"].concat();
    if let (Some(_), Some(item)) = (zones::ask_for(items).0, items.first()) {
        rest::add(&mut path, &["&Subdomain=", &percent(&item.name)]);
    }
    let list = talk.list(&path, "/Response/RecordList", more, To::Read)?;
    zones::held(talk, items, list, |object| {
        let mut held = zones::record_with(object, ["Name", "Type", "Value", "TTL", "RecordId"])?;
        held.iter_mut().for_each(|held| held.note = object.clone());
        Some(held)
    })
}

fn send(
    talk: &mut Talk<'_>,
    zone: &Zone,
    change: &Change<'_>,
    held: Option<&Held>,
    address: IpAddr,
) -> Result<Value, Fault> {
    let mut body = json!({
        "Domain": zone.name, "SubDomain": change.item.name, "Value": address.to_string(),
    });
    let action = match held {
        Some(held) => {
            for (ours, theirs) in
                [("RecordId", "RecordId"), ("RecordLine", "Line"), ("RecordLineId", "LineId")]
            {
                body[ours] = held.note[theirs].clone();
            }
            body["Ttl"] = change.ttl_of(Some(held)).into();
            "ModifyDynamicDNS"
        }
        None => {
            body["RecordType"] = change.rtype().into();
            body["RecordLine"] = DEFAULT_LINE.into();
            if let Some(ttl) = change.ttl() {
                body["TTL"] = ttl.into();
            }
            "CreateRecord"
        }
    };
    let mut reply = talk.call("POST", action, Some(&body), To::Change)?;
    Ok(reply["Response"]["RecordId"].take())
}

/// Parts of codes, of which the first that fits counts (dnspod 2021-03-23, error codes).
const MEANINGS: &[(&str, No)] = &[
    ("SignatureExpire", No::Clock),
    ("RequestLimitExceeded", No::Rate),
    ("FrequencyLimit", No::Rate),
    ("UnauthorizedOperation", No::Denied),
    ("OperationDenied", No::Denied),
    ("NotRealNamedUser", No::Denied),
    ("LoginAreaNotAllowed", No::Denied),
    ("AuthFailure", No::Token),
    ("FailedOperation.Login", No::Token),
    ("InternalError", No::Broken),
    ("UnknowError", No::Broken),
    ("DomainIsLocked", No::Zone),
    ("DomainIsSpam", No::Zone),
    ("DomainNotExists", No::Zone),
    ("NoDataOfDomain", No::Zone),
    (".DomainInvalid", No::Zone),
    ("DomainIdInvalid", No::Zone),
    ("NoDataOfRecord", No::Moved),
    ("RecordIdInvalid", No::Moved),
    ("DomainRecordExist", No::Exists),
];

fn said(_: u16, json: &Value) -> Said {
    let reply = &json["Response"];
    let Some(code) = reply["Error"]["Code"].as_str() else {
        return if reply["RequestId"].is_string() { Said::Yes } else { Said::Foreign };
    };
    let no = rest::no(code, MEANINGS).unwrap_or(No::Record);
    Said::No(no, reply["Error"]["Message"].as_str().unwrap_or(code).into())
}

#[cfg(test)]
mod tests {
    use super::sign::lab::*;
    use super::*;

    #[test]
    fn actions_and_the_service_clock() {
        let actions = |about: &str| {
            let sent = sent(&PROVIDER, about);
            let action = |request| header(request, "x-tc-action").to_string();
            sent.iter().map(action).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(actions("first publish"), "DescribeDomainList DescribeRecordList CreateRecord");
        assert_eq!(actions("changed"), "DescribeRecordList ModifyDynamicDNS");
        let sent = sent(&PROVIDER, "the clock is wrong: asked again by");
        let theirs = ["1795452266"; 2];
        let moments: Vec<&str> =
            sent.iter().map(|request| header(request, "x-tc-timestamp")).collect();
        assert_eq!(&moments[1..], theirs, "{moments:?}");
        assert_ne!(moments[0], theirs[0]);
        assert!(header(&sent[1], "authorization").contains("/2026-11-23/dnspod/tc3_request, "));
    }
}
