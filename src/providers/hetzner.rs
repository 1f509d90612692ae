//! Hetzner's Cloud API, for zones in primary mode: one request for each set that differs. Its
//! TTL and labels stay, and the comment of a record goes with the address that takes its place.
//!
//! A change is an action that may end later; how it ended is asked for all of them at once.

use super::rest::{Api, Fault, No, Page, Reach, Said, Talk, To};
use super::zones::{Change, Held, Item, Naming, Outcomes, Service, Zone, note};
use super::*;
use serde_json::Value;

pub const PROVIDER: Provider = Provider {
    id: "hetzner",
    about: "zones at Hetzner (Cloud API, not the old DNS console), by API token",
    families: &Family::BOTH,
    // 3600 requests in an hour for a project, one more each second (API description, "Rate
    // Limiting").
    min_interval: Duration::from_secs(5),
    batch: SERVICE.batch,
    ttl: Some(SERVICE.ttl),
    local: false,
    options: &[
        OptionDoc::required("token", Kind::Secret, "API token of the project, read and write"),
        rest::ZONE,
        rest::url(URL),
    ],
    publish: |net, account, wants| zones::publish(&SERVICE, net, account, wants),
};

const URL: &str = "https://api.hetzner.cloud/v1";
/// How often it is asked whether an action has ended; each takes as long as the way there.
const ASKED_MOST: usize = 4;
/// Actions in one question.
const ACTIONS_EACH: usize = 50;

static SERVICE: Service = Service {
    api: Api {
        service: "Hetzner",
        auth: &[("authorization", "Bearer ", &["token"])],
        dialect: None,
        check: "option token",
        rights: ["belongs to the zone's project", "may read and write"],
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
    ttl: (60, i32::MAX as u32),
    keeps_ttl: |ttl| ttl,
};

fn zones(talk: &mut Talk<'_>, _: Option<&str>) -> Result<Vec<Zone>, Fault> {
    let list = talk.list("/zones?per_page=50", "/zones", more, To::FindZones)?;
    zones::named(talk, &list, "name")
}

fn more(page: &Page<'_>) -> Option<String> {
    let next = page.body.pointer("/meta/pagination/next_page")?.as_u64()?;
    Some(format!("&page={next}"))
}

fn read(talk: &mut Talk<'_>, zone: &Zone, items: &[Item<'_>]) -> Result<Vec<Held>, Fault> {
    let mut path =
        format!("/zones/{}/rrsets?type=A&type=AAAA&type=CNAME&per_page=100", zone.part());
    if let (Some(_), Some(item)) = (zones::ask_for(items).0, items.first()) {
        path.push_str("&name=");
        path.push_str(&percent(&item.name));
    }
    let list = talk.list(&path, "/rrsets", more, To::Read)?;
    zones::held(talk, items, list, |object| {
        zones::set(object, ["name", "type", "records", "ttl"], "value")
    })
}

fn change(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    // Actions that have not ended, each with its change.
    let mut running: Vec<(u64, &Change<'_>)> = Vec::new();
    let mut end = Ok(());
    for change in changes {
        if let Err(fault) = send(talk, zone, change, &mut running, outcomes) {
            note(outcomes, change, fault.outcome.clone());
            if matches!(fault.reach, Reach::Account | Reach::Zone) {
                end = Err(fault);
                break;
            }
        }
    }
    for few in running.chunks(ACTIONS_EACH) {
        wait_for(talk, few, outcomes);
    }
    end
}

/// Sends what makes one set right, and notes what is known of it at once.
fn send<'c>(
    talk: &mut Talk<'_>,
    zone: &Zone,
    change: &'c Change<'c>,
    running: &mut Vec<(u64, &'c Change<'c>)>,
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    let records = change.values.iter().map(|(held, address)| {
        let mut record = rest::object(&mut [("value", address.to_string().into())]);
        if let Some(comment) = held.map(|held| &held.note["comment"]).filter(|c| !c.is_null()) {
            record["comment"] = comment.clone();
        }
        record
    });
    let records: Value = records.collect();
    let path = format!("/zones/{}/rrsets", zone.part());
    let mut asks = Vec::new();
    if change.values.iter().all(|(held, _)| held.is_none()) {
        let mut body = rest::object(&mut [
            ("name", change.item.name.as_str().into()),
            ("type", change.rtype().into()),
            ("records", records),
        ]);
        if let Some(ttl) = change.ttl() {
            body["ttl"] = ttl.into();
        }
        asks.push((path, body));
    } else {
        let set = format!("{path}/{}/{}/actions/", percent(&change.item.name), change.rtype());
        let moves = |(held, address): &(Option<&Held>, std::net::IpAddr)| {
            held.is_none_or(|held| held.content.parse() != Ok(*address))
        };
        if change.values.iter().any(moves) {
            asks.push(([&set, "set_records"].concat(), rest::object(&mut [("records", records)])));
        }
        let held = change.values.iter().find_map(|(held, _)| *held);
        if change.ttl() != held.and_then(|held| held.ttl) {
            asks.push((
                [&set, "change_ttl"].concat(),
                rest::object(&mut [("ttl", change.ttl().into())]),
            ));
        }
    }
    for (path, body) in asks {
        let reply = talk.call("POST", &path, Some(&body), To::Change)?;
        let action = &reply["action"];
        match outcome(talk, action) {
            Some(outcome) => note(outcomes, change, outcome),
            None => running.push((action["id"].as_u64().unwrap_or_default(), change)),
        }
    }
    Ok(())
}

/// How an action ended; `None`: it has not yet.
fn outcome(talk: &Talk<'_>, action: &Value) -> Option<Outcome> {
    match action["status"].as_str() {
        Some("success") => Some(Outcome::Updated),
        Some("error") => {
            let words = action.pointer("/error/message").and_then(Value::as_str);
            Some(Outcome::TryLater(format!(
                "could not change the records at Hetzner: it says: {}",
                quote(words.unwrap_or("the action failed"), "")
            )))
        }
        Some("running") if action["id"].is_u64() => None,
        _ => Some(talk.unconfirmed()),
    }
}

fn wait_for(talk: &mut Talk<'_>, running: &[(u64, &Change<'_>)], outcomes: Outcomes<'_>) {
    let mut left = running.to_vec();
    for _ in 0..ASKED_MOST {
        let mut path = String::from("/actions?per_page=50");
        for (id, _) in &left {
            path.push_str(&format!("&id={id}"));
        }
        let Ok(list) = talk.list(&path, "/actions", |_| None, To::Change) else { break };
        left.retain(|(id, change)| {
            let action = list.iter().find(|action| action["id"] == *id);
            let ended = action.and_then(|action| outcome(talk, action));
            let is = ended.is_none();
            if let Some(ended) = ended {
                note(outcomes, change, ended);
            }
            is
        });
        if left.is_empty() {
            return;
        }
    }
    for (_, change) in left {
        let text = "could not confirm the change: Hetzner took it and is not done yet";
        note(outcomes, change, Outcome::NotConfirmed(text.into()));
    }
}

fn said(status: u16, json: &Value) -> Said {
    let error = &json["error"];
    let Some(code) = error["code"].as_str() else {
        return rest::said_at(status, json, "/error/message");
    };
    let no = match code {
        "unauthorized" => No::Token,
        "token_readonly" | "forbidden" => No::Denied,
        "rate_limit_exceeded" => No::Rate,
        "conflict" | "locked" => No::Moved,
        "uniqueness_error" => No::Exists,
        "maintenance" | "timeout" | "unavailable" => No::Broken,
        _ => No::by(status),
    };
    match status {
        // An action's own error, inside a yes, is read elsewhere.
        200..300 => Said::Yes,
        _ => Said::No(no, error["message"].as_str().unwrap_or(code).into()),
    }
}
