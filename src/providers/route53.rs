//! AWS Route 53: three requests, however many names: the zones, the sets there, one batch that is
//! carried out whole or not at all. An UPSERT takes the place of a whole set, so that only plain
//! sets are changed, and go back with their TTL; an alias, or one of a weighted or other family of
//! sets, is left alone.
//!
//! Its XML is read by `wire::xml` (150 lines, also for UPnP; a crate is 30 KB); what is sent is put together here
//! from names and addresses, which hold nothing that XML would take for its own.

use super::rest::{Api, Ask, Dialect, Fault, No, Page, Reach, Said, Talk, To};
use super::sign::{self, With};
use super::zones::{Change, Held, Item, Naming, Service, Zone};
use super::*;
use crate::model::utc;
use crate::wire::xml;
use crate::world::HttpRequest;
use serde_json::Value;

pub const PROVIDER: Provider = Provider {
    id: "route53",
    about: "hosted zones at AWS Route 53, by access key",
    families: &Family::BOTH,
    // Once 5 requests in a second for an account with all its programs, now 10 (developer guide,
    // "Throttling API requests").
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("access_key_id", Kind::Secret, "id of the access key (AKIA...)"),
        OptionDoc::required(
            "secret_access_key",
            Kind::Secret,
            "its secret; it needs ListHostedZones, ListHostedZonesByName, \
             ListResourceRecordSets and ChangeResourceRecordSets",
        ),
        rest::ZONE,
        OptionDoc::optional(
            "zone_id",
            Kind::Text,
            "the hosted zone's id (Z...); nothing needs to be listed then",
        ),
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://route53.amazonaws.com";
const ZONES: &str = "/2013-04-01/hostedzone";
/// Seconds, for a new set: it must have one.
const NEW_TTL: u64 = 60;
/// Names that are asked for one by one; more are cheaper as the whole zone.
const ONE_BY_ONE: usize = 2;
/// Sets on one page when asking for one name.
const SETS: usize = 100;

static SERVICE: Service = Service {
    api: Api {
        service: "Route 53",
        auth: &[("", "", &["access_key_id"]), ("", "", &["secret_access_key"])],
        dialect: Some(Dialect { write, read: xml::read }),
        check: "the access key",
        rights: ["may list hosted zones", "may list and change their records"],
        place: "options zone and zone_id",
        // Its limits are per second; another change being carried out takes about as long.
        unsaid: Duration::from_secs(60),
        said,
    },
    naming: Naming::Rooted,
    by_name: false,
    zones,
    read,
    change: |talk, zone, changes, outcomes| {
        zones::batches(&SERVICE, talk, zone, changes, outcomes, send)
    },
    // 1000 records in a batch, of which an UPSERT counts twice; each set is taken for two.
    batch: 250,
    ttl: (0, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn write(ask: &Ask<'_>) -> HttpRequest {
    let moment = utc::stamp(ask.now, false);
    let day = moment.get(..8).unwrap_or_default();
    let mut request = HttpRequest::new(ask.method, [ask.base, ask.path].concat())
        .header("x-amz-date", moment.as_str());
    if let Some(text) = ask.body.and_then(Value::as_str) {
        request = request.header("content-type", "text/xml");
        request.body = Some(text.into());
    }
    let with = With {
        id: ask.key(0),
        secret: ask.key(1),
        moment: &moment,
        // A service of the whole world, but signed for here.
        scope: &[day, "/us-east-1/route53/aws4_request"].concat(),
        headers: &["host", "x-amz-date"],
    };
    sign::sign(&sign::AWS4, request, &with)
}

fn zones(talk: &mut Talk<'_>, name: Option<&str>) -> Result<Vec<Zone>, Fault> {
    if let Some(id) = talk.account.text("zone_id") {
        let Some(id) = rest::id(&Value::from(id.trim_start_matches("/hostedzone/"))) else {
            let text =
                format!("account '{}': option zone_id is not an id: Z and more", talk.account.id);
            return Err(Fault::new(Reach::Account, Outcome::FixConfig(text)));
        };
        let name = name.map(str::to_string);
        return Ok(vec![Zone { id, name, ..Zone::default() }]);
    }
    let mut list = match name {
        // All that come after it in the alphabet, too.
        Some(name) => {
            let path = ["/2013-04-01/hostedzonesbyname?dnsname=", &percent(name), ".&maxitems=10"];
            let place = "/ListHostedZonesByNameResponse/HostedZones";
            talk.list(&path.concat(), place, |_| None, To::FindZones)?
        }
        None => {
            let path = [ZONES, "?maxitems=100"].concat();
            talk.list(&path, "/ListHostedZonesResponse/HostedZones", more_zones, To::FindZones)?
        }
    };
    // A private one answers inside a network of AWS alone.
    list.retain(|zone| zone.pointer("/Config/PrivateZone").is_none_or(|is| is == "false"));
    for zone in &mut list {
        let id = zone["Id"].as_str().unwrap_or_default().trim_start_matches("/hostedzone/");
        zone["id"] = id.into();
    }
    let mut zones = zones::named(talk, &list, "Name")?;
    if zones.iter().any(|zone| zone.id.is_empty()) {
        return Err(talk.garbage(To::FindZones));
    }
    let named = |name: &Option<String>| zones.iter().filter(|zone| zone.name == *name).count();
    let twice: Vec<bool> = zones.iter().map(|zone| named(&zone.name) > 1).collect();
    for (zone, _) in zones.iter_mut().zip(twice).filter(|(_, twice)| *twice) {
        zone.id.clear();
    }
    Ok(zones)
}

fn more_zones(page: &Page<'_>) -> Option<String> {
    let page = page.body.get("ListHostedZonesResponse")?;
    let marker = page["NextMarker"].as_str().filter(|_| page["IsTruncated"] == "true")?;
    Some(["&marker=", &percent(marker)].concat())
}

fn more_sets(page: &Page<'_>) -> Option<String> {
    let page = page.body.get("ListResourceRecordSetsResponse")?;
    let next = |field: &str| page[field].as_str().map(percent);
    let name = next("NextRecordName").filter(|_| page["IsTruncated"] == "true")?;
    let mut more = ["&name=", &name, "&type=", &next("NextRecordType")?].concat();
    if let Some(identifier) = next("NextRecordIdentifier") {
        rest::add(&mut more, &["&identifier=", &identifier]);
    }
    Some(more)
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    if zone.id.is_empty() {
        let text = format!(
            "there are two hosted zones {} at Route 53: set option zone_id to the id of the one \
             whose name servers the registrar has",
            zone.name.as_deref().unwrap_or_default()
        );
        return Err(Fault::new(Reach::Zone, Outcome::FixConfig(text)));
    }
    const PLACE: &str = "/ListResourceRecordSetsResponse/ResourceRecordSets";
    let path = [ZONES, "/", &zone.id, "/rrset?maxitems="].concat();
    let names = zones::names(items);
    if names.len() > ONE_BY_ONE {
        let list = talk.list(&[&path, "300"].concat(), PLACE, more_sets, To::Read)?;
        return zones::held(talk, items, list, set);
    }
    let mut all = Vec::new();
    for name in names {
        // From there on in the alphabet.
        let path = format!("{path}{SETS}&name={}", percent(name));
        let list = talk.list(&path, PLACE, |_| None, To::Read)?;
        let mut held = zones::held(talk, items, list, set)?;
        held.retain(|held| held.name.eq_ignore_ascii_case(name));
        if held.len() >= SETS && held.iter().all(|held| held.fixed.is_some()) {
            // What comes after them on the next page is none of ours either.
            let text = format!("{name} has more sets at Route 53 than can be looked through");
            return Err(Fault::new(Reach::Zone, Outcome::FixConfig(text)));
        }
        all.append(&mut held);
    }
    Ok(all)
}

/// A set's values. One that is more than name, type, TTL and values is not to be touched.
fn set(object: &Value) -> Option<Vec<Held>> {
    let text = |field: &str| object[field].as_str();
    let (name, rtype) = (unescaped(text("Name")?), text("Type")?.to_string());
    if !matches!(&rtype[..], "A" | "AAAA" | "CNAME") {
        return Some(Vec::new());
    }
    let plain = |key: &&String| ["Name", "Type", "TTL", "ResourceRecords"].contains(&key.as_str());
    let fixed = match object.as_object()?.keys().find(|key| !plain(key)).map(String::as_str) {
        None => None,
        Some("AliasTarget") => Some("an alias"),
        Some(_) => Some("one of several with a routing policy (weighted, latency, failover...)"),
    };
    let values = match fixed {
        Some(_) => &[Value::Null][..],
        None => object["ResourceRecords"].as_array()?,
    };
    let ttl = rest::number(&object["TTL"]);
    let held = values.iter().map(|value| {
        let content = match fixed {
            Some(_) => String::new(),
            None => value["Value"].as_str()?.to_string(),
        };
        Some(Held {
            name: name.clone(),
            rtype: rtype.clone(),
            content,
            ttl,
            fixed,
            ..Held::default()
        })
    });
    held.collect()
}

/// A name whose odd characters are written as `\052` (API reference, "DNS domain name format").
fn unescaped(name: &str) -> String {
    let mut parts = name.split('\\');
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (digits, rest) = part.split_at_checked(3).unwrap_or(("", part));
        out.push(u8::from_str_radix(digits, 8).map_or('\\', char::from));
        out.push_str(rest);
    }
    out
}

fn send(talk: &mut Talk<'_>, zone: &Zone, changes: &[Change<'_>]) -> Result<Vec<bool>, Fault> {
    let mut text = String::from(
        "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\">\
         <ChangeBatch><Changes>",
    );
    for change in changes {
        let ttl = change.ttl().unwrap_or(NEW_TTL).to_string();
        let head = [
            "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>",
            &change.item.name,
            "</Name><Type>",
            change.rtype(),
            "</Type><TTL>",
            &ttl,
            "</TTL><ResourceRecords>",
        ];
        rest::add(&mut text, &head);
        for (_, address) in &change.values {
            let address = address.to_string();
            let value = ["<ResourceRecord><Value>", &address, "</Value></ResourceRecord>"];
            rest::add(&mut text, &value);
        }
        text.push_str("</ResourceRecords></ResourceRecordSet></Change>");
    }
    text.push_str("</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>");
    let path = [ZONES, "/", &zone.id, "/rrset/"].concat();
    let reply = talk.call("POST", &path, Some(&text.into()), To::Change)?;
    let status = reply.pointer("/ChangeResourceRecordSetsResponse/ChangeInfo/Status");
    // Taken; on its way to all its servers, or there.
    let taken = status.is_some_and(|status| status == "PENDING" || status == "INSYNC");
    Ok(vec![taken; changes.len()])
}

/// Parts of codes, of which the first that fits counts.
const MEANINGS: &[(&str, No)] = &[
    ("RequestExpired", No::Clock),
    ("RequestTimeTooSkewed", No::Clock),
    ("Throttling", No::Rate),
    ("PriorRequestNotComplete", No::Rate),
    ("InvalidClientTokenId", No::Token),
    ("Signature", No::Token),
    ("UnrecognizedClient", No::Token),
    ("NoSuchHostedZone", No::Zone),
    ("InvalidDomainName", No::Zone),
    ("ServiceUnavailable", No::Broken),
    ("Internal", No::Broken),
];

fn said(status: u16, json: &Value) -> Said {
    let Some((root, inner)) = json.as_object().and_then(|json| json.iter().next()) else {
        return Said::Foreign;
    };
    let text = |place: &str| inner.pointer(place).and_then(Value::as_str);
    let (code, words) = match &root[..] {
        "ErrorResponse" => (text("/Error/Code"), text("/Error/Message")),
        // Also told so: all that is wrong with a batch.
        "InvalidChangeBatch" => (Some(&root[..]), text("/Messages/0")),
        _ if root.ends_with("Response") && (200..300).contains(&status) => return Said::Yes,
        _ => return Said::Foreign,
    };
    let Some(code) = code else { return Said::Foreign };
    let words = words.unwrap_or(code);
    let late =
        ["Signature expired", "Signature not yet"].iter().any(|start| words.starts_with(start));
    let no = if late { No::Clock } else { rest::no(code, MEANINGS).unwrap_or(No::by(status)) };
    Said::No(no, words.into())
}

#[cfg(test)]
mod tests {
    use super::sign::lab::*;
    use super::*;

    #[test]
    fn one_batch_for_all() {
        let sent = sent(&PROVIDER, "both families, first publish");
        let set = |rtype: &str, value: &str| {
            format!(
                "<Change><Action>UPSERT</Action><ResourceRecordSet><Name>home.example.com.</Name>\
                 <Type>{rtype}</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>{value}\
                 </Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>"
            )
        };
        let changes = [set("A", "203.0.113.7"), set("AAAA", "2001:db8::7")].concat();
        assert_eq!(
            body(sent.last().unwrap()),
            format!(
                "<ChangeResourceRecordSetsRequest xmlns=\"https://route53.amazonaws.com/doc/\
                 2013-04-01/\"><ChangeBatch><Changes>{changes}</Changes></ChangeBatch>\
                 </ChangeResourceRecordSetsRequest>"
            )
        );
        for request in &sent {
            let proof = header(request, "authorization");
            assert!(proof.contains("/us-east-1/route53/aws4_request, "), "{proof}");
        }
    }

    #[test]
    fn a_set_goes_back_with_its_ttl() {
        for (about, ttl) in [("changed", "600"), ("the TTL alone", "900")] {
            let sent = sent(&PROVIDER, about);
            let text = body(sent.last().unwrap());
            assert!(text.contains(&["<TTL>", ttl, "</TTL>"].concat()), "{text}");
        }
        let sent = sent(&PROVIDER, "a wildcard");
        assert!(body(sent.last().unwrap()).contains("<Name>*.example.com.</Name>"));
    }

    /// An answer that ends anywhere before its end is none.
    #[test]
    fn answers_cut_short() {
        let cases = fake::cases("route53");
        let case = cases
            .iter()
            .find(|case| case["about"].as_str().is_some_and(|about| about.starts_with("changed")));
        let (account, wants, whole) = fake::scene(&PROVIDER, case.unwrap());
        assert_eq!(whole.exchanges.len(), 3);
        for (at, exchange) in whole.exchanges.iter().enumerate() {
            for end in 0..exchange.reply.as_ref().unwrap().body.len() {
                let (_, _, mut fake) = fake::scene(&PROVIDER, case.unwrap());
                fake.exchanges[at].reply.as_mut().unwrap().body.truncate(end);
                let got = (PROVIDER.publish)(&mut fake, &account, &wants);
                let right = match &got[..] {
                    [Outcome::TryLater(_)] => at < 2,
                    [Outcome::NotConfirmed(_)] => at == 2,
                    _ => false,
                };
                assert!(right, "request {at}, {end} bytes: {got:?}");
                assert_eq!(fake.log.len(), at + 1);
            }
        }
    }

    #[test]
    fn odd_names() {
        assert_eq!(unescaped("\\052.a\\056b."), "*.a.b.");
        for text in ["a\\", "a\\05", "\\", "\\999x", "\\\u{e9}\u{e9}"] {
            assert!(unescaped(text).contains('\\'), "{text}");
        }
    }
}
