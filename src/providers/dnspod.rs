//! DNSPod's own API: one request for each record that differs. A change names everything, so
//! line, TTL, status and weight are sent back as they were. `Record.Ddns` is shorter, but sets
//! the TTL to 10, which the free plan does not have. Its refusals come with status 200.

use super::rest::{Api, Ask, Dialect, Fault, No, Page, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Service, Zone};
use super::*;
use crate::world::HttpRequest;
use serde_json::Value;
use std::net::IpAddr;

pub const PROVIDER: Provider = Provider {
    id: "dnspod",
    about: "domains at DNSPod, by token of DNSPod itself",
    families: &Family::BOTH,
    // No number is given; what changes nothing is counted, and locks a record (API specification).
    min_interval: Duration::from_secs(10),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("token", Kind::Secret, "ID and token with a comma: 12345,abcdef..."),
        rest::ZONE,
        OptionDoc::optional(
            "contact",
            Kind::Text,
            "your e-mail address, which DNSPod asks each program for; hostmaster@ZONE if absent",
        ),
        rest::url("https://dnsapi.cn"),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

static SERVICE: Service = Service {
    api: Api {
        service: "DNSPod",
        auth: &[("", "", &["token"])],
        dialect: Some(Dialect { write, read: rest::json }),
        check: "option token",
        rights: ["may read the domain", "may change the domain"],
        place: "options zone and url",
        // After too many failed logins an account is shut out for an hour; -2 says less.
        unsaid: Duration::from_secs(600),
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

/// A path is `/ACTION?QUERY`, and the query becomes a form: only POST is allowed.
fn write(ask: &Ask<'_>) -> HttpRequest {
    let (action, query) = ask.path.split_once('?').unwrap_or((ask.path, ""));
    let token = percent(ask.key(0));
    let form = ["login_token=", &token, "&format=json&lang=en&error_on_empty=no&", query].concat();
    // Name/Version(address), or the account is shut out (API specification).
    let contact = match (ask.account.text("contact"), ask.account.text("zone")) {
        (Some(contact), _) => contact.to_string(),
        (None, zone) => ["hostmaster@", zone.unwrap_or("localhost")].concat(),
    };
    let agent = [concat!("reachd/", env!("CARGO_PKG_VERSION"), "("), &contact, ")"];
    let mut request = HttpRequest::new("POST", [ask.base, action].concat())
        .header("user-agent", agent.concat())
        .header("content-type", "application/x-www-form-urlencoded");
    request.body = Some(form.into_bytes());
    request
}

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/Domain.List?length=3000", "/domains", more, To::FindZones)?;
    // Where it has letters of its own, the other name is in Chinese.
    zones::named(talk, &list, "punycode")
}

/// In pages of 3000.
fn more(page: &Page<'_>) -> Option<String> {
    rest::after(page, 3000, "&offset=")
}

/// The zone in a form. Its id where it is known: the international site takes no name.
fn domain(zone: &Zone) -> String {
    match &zone.id[..] {
        "" => ["domain=", &zone.part()].concat(),
        id => ["domain_id=", id].concat(),
    }
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path = ["/Record.List?", &domain(zone), "&length=3000"].concat();
    if let (Some(_), Some(item)) = (zones::ask_for(items).0, items.first()) {
        rest::add(&mut path, &["&sub_domain=", &percent(&item.name)]);
    }
    let list = talk.list(&path, "/records", more, To::Read)?;
    zones::held(talk, items, list, |object| {
        let mut held = zones::record(object, ["name", "type", "value", "ttl"])?;
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
    let action = if held.is_some() { "/Record.Modify?" } else { "/Record.Create?" };
    let mut path = [action, &domain(zone)].concat();
    let mut put = |name: &str, value: &str| {
        rest::add(&mut path, &["&", name, "=", &percent(value)]);
    };
    put("sub_domain", &change.item.name);
    put("record_type", change.rtype());
    put("value", &address.to_string());
    if let Some(ttl) = change.ttl_of(held) {
        put("ttl", &ttl.to_string());
    }
    match held {
        Some(held) => {
            put("record_id", &held.id);
            let text = |field: &str| match &held.note[field] {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => String::new(),
            };
            put("record_line_id", &text("line_id"));
            let weight = text("weight");
            if !weight.is_empty() {
                put("weight", &weight);
            }
            put("status", if text("enabled") == "0" { "disable" } else { "enable" });
        }
        // The line of all who are on no other one; its name depends on the site.
        None => put("record_line_id", "0"),
    }
    let mut reply = talk.call("POST", &path, None, To::Change)?;
    let record = &mut reply["record"];
    let shown = record["value"].as_str().is_none_or(|value| value.parse() == Ok(address));
    Ok(if shown { record["id"].take() } else { Value::Null })
}

fn said(_: u16, json: &Value) -> Said {
    let status = &json["status"];
    let Some(code) = status["code"].as_str() else { return Said::Foreign };
    let no = match code {
        "1" => return Said::Yes,
        "-1" | "-8" | "83" => No::Token,
        "-2" => No::Rate,
        "-7" | "7" | "9" | "85" => No::Denied,
        "-15" | "-99" | "6" | "21" => No::Zone,
        "8" | "10" => No::Moved,
        "104" => No::Exists,
        "3" => No::Broken,
        _ => No::Record,
    };
    Said::No(no, status["message"].as_str().unwrap_or(code).into())
}

#[cfg(test)]
mod tests {
    use super::sign::lab::*;
    use super::*;

    const COMMON: &str =
        "login_token=12345%2CKd83tokenthatstaysSecret0aZ9&format=json&lang=en&error_on_empty=no&";

    #[test]
    fn forms() {
        let last = |about: &str| {
            let sent = sent(&PROVIDER, about);
            body(sent.last().unwrap()).strip_prefix(COMMON).unwrap().to_string()
        };
        assert_eq!(
            last("first publish, the zone found"),
            "domain_id=101&sub_domain=home&record_type=A&value=203.0.113.7&record_line_id=0"
        );
        // Line, weight and status as the owner set them.
        assert_eq!(
            last("changed"),
            "domain=example.com&sub_domain=home&record_type=A&value=203.0.113.7&ttl=600&\
             record_id=9001&record_line_id=10%3D0&weight=20&status=disable"
        );
        assert_eq!(
            last("the TTL alone"),
            "domain=example.com&sub_domain=home&record_type=A&value=203.0.113.7&ttl=900&\
             record_id=9001&record_line_id=0&status=enable"
        );
        assert_eq!(last("bad token"), "domain=example.com&length=3000&sub_domain=home");
    }

    #[test]
    fn it_is_told_who_asks() {
        let agent = |about: &str| header(&sent(&PROVIDER, about)[0], "user-agent").to_string();
        let ours = concat!("reachd/", env!("CARGO_PKG_VERSION"));
        assert_eq!(agent("changed"), [ours, "(hostmaster@example.com)"].concat());
        assert_eq!(
            agent("first publish, the zone found"),
            [ours, "(hostmaster@localhost)"].concat()
        );
        assert_eq!(agent("with a contact"), [ours, "(me@example.net)"].concat());
    }
}
