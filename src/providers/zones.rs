//! Records in zones: which zone a name lies in, what its set of records lacks, and what becomes
//! of each change. Shared by all services that keep whole zones; how they are asked is theirs.
//!
//! A set is changed, never cut down: where the service holds more addresses than are wanted, the
//! owner is told instead. Nothing is deleted.

use super::rest::{Api, Fault, Reach, Talk, To, number};
use super::*;
use serde_json::Value;
use std::cmp::Reverse;
use std::net::IpAddr;

/// How often one call may halve a batch that was turned down because of some change in it.
const HALVINGS: u32 = 24;

pub type Outcomes<'o> = &'o mut [Option<Outcome>];

/// One service: plain functions for its requests, called in this order.
pub struct Service {
    pub api: Api,
    pub naming: Naming,
    /// Requests name the zone itself: where the owner gave it, none is needed to find it.
    pub by_name: bool,
    /// The zones there are; where the owner gave one, only that one matters.
    pub zones: fn(&mut Talk<'_>, Option<&str>) -> Result<Vec<Zone>, Fault>,
    /// The records that these items have now. More may be given.
    pub read: Read,
    /// Carries changes out and [`note`]s what became of each.
    pub change: fn(&mut Talk<'_>, &Zone, &[Change<'_>], Outcomes<'_>) -> Result<(), Fault>,
    /// Sets that one request can change.
    pub batch: usize,
    /// Smallest and largest TTL, seconds.
    pub ttl: (u32, u32),
    /// A wanted TTL as the service will keep it.
    pub keeps_ttl: fn(u32) -> u32,
}

pub type Read = fn(&mut Talk<'_>, &Zone, &[Item<'_>]) -> Result<Vec<Held>, Fault>;

/// How a service writes the name of a record.
#[derive(Clone, Copy)]
pub enum Naming {
    Fqdn,
    /// With a dot at the end.
    Rooted,
    /// Below the zone; this at its top.
    Relative(&'static str),
}

impl Naming {
    pub fn name(self, fqdn: &str, zone: &Zone) -> String {
        match self {
            Naming::Fqdn => fqdn.into(),
            Naming::Rooted => [fqdn, "."].concat(),
            Naming::Relative(top) => {
                let zone = zone.name.as_ref().map_or(0, String::len);
                match fqdn.len().checked_sub(zone + 1).and_then(|end| fqdn.get(..end)) {
                    Some(below) => below.into(),
                    None => top.into(),
                }
            }
        }
    }
}

#[derive(Debug, Default)]
pub struct Zone {
    pub id: String,
    /// Absent where the owner gave the id alone.
    pub name: Option<String>,
    /// Of two with the same name: not the one that counts.
    pub idle: bool,
    /// Smallest TTL it takes, if it says.
    pub least_ttl: u64,
}

impl Zone {
    fn holds(&self, want: &Want) -> bool {
        self.name.as_ref().is_none_or(|name| in_zone(&want.fqdn, name))
    }

    /// The name, as a part of an URL.
    pub fn part(&self) -> String {
        percent(self.name.as_deref().unwrap_or_default())
    }
}

/// A want on its way.
#[derive(Clone)]
pub struct Item<'a> {
    /// Its place.
    pub at: usize,
    pub want: &'a Want,
    /// Its name as the service writes it.
    pub name: String,
}

/// A record as the service has it; a set of several values is several of these.
#[derive(Debug, Default)]
pub struct Held {
    /// As the service writes it.
    pub name: String,
    pub rtype: String,
    pub content: String,
    /// Seconds, if it has one of its own.
    pub ttl: Option<u64>,
    /// Its TTL cannot be chosen; asking for another would never end.
    pub own_ttl: bool,
    pub id: String,
    /// It is in the set, but nobody is told of it.
    pub idle: bool,
    /// It cannot be changed without a loss, for this reason: `an alias`.
    pub fixed: Option<&'static str>,
    /// What has to be sent back with it so that it stays.
    pub note: Value,
}

/// What a set is to be.
#[derive(Clone)]
pub struct Change<'a> {
    pub item: &'a Item<'a>,
    /// Every address of the set, with the record it takes the place of: its own if it was there.
    pub values: Vec<(Option<&'a Held>, IpAddr)>,
    /// Idle values of the set.
    pub idle: Vec<&'a Held>,
}

impl Change<'_> {
    pub fn rtype(&self) -> &'static str {
        self.item.want.family.record_type()
    }

    /// Of the whole set; `None`: whatever the service gives a new one.
    pub fn ttl(&self) -> Option<u64> {
        self.ttl_of(self.values.iter().find_map(|(held, _)| *held))
    }

    pub fn ttl_of(&self, held: Option<&Held>) -> Option<u64> {
        match (self.item.want.ttl, held) {
            (_, Some(held)) if held.own_ttl => held.ttl,
            (Some(ttl), _) => Some(ttl.into()),
            (None, held) => held.and_then(|held| held.ttl),
        }
    }

    /// A record of the set is not yet as it is to be.
    pub fn differs(&self, held: Option<&Held>, address: IpAddr) -> bool {
        held.is_none_or(|held| {
            held.content.parse() != Ok(address) || self.ttl_of(Some(held)) != held.ttl
        })
    }

    /// The records that are not yet as they are to be, for services that know single records.
    pub fn records(&self) -> impl Iterator<Item = (Option<&Held>, IpAddr)> {
        self.values
            .iter()
            .filter(|(held, address)| self.differs(*held, *address))
            .map(|(held, address)| (*held, *address))
    }

    pub fn addresses(&self) -> Value {
        self.values.iter().map(|(_, address)| Value::from(address.to_string())).collect()
    }
}

pub fn publish(
    service: &'static Service,
    net: &mut dyn Net,
    account: &Account,
    wants: &[Want],
) -> Vec<Outcome> {
    let mut outcomes = vec![None; wants.len()];
    let end = all(service, net, account, wants, &mut outcomes);
    settle(outcomes, end)
}

/// Fills in outcomes; an error is the outcome of all that have none yet.
fn all(
    service: &'static Service,
    net: &mut dyn Net,
    account: &Account,
    wants: &[Want],
    outcomes: Outcomes<'_>,
) -> Result<(), Outcome> {
    let mut kept;
    let mut wants = wants;
    if wants.iter().any(|want| want.ttl.is_some_and(|ttl| (service.keeps_ttl)(ttl) != ttl)) {
        kept = wants.to_vec();
        kept.iter_mut().for_each(|want| want.ttl = want.ttl.map(service.keeps_ttl));
        wants = &kept;
    }
    let mut talk = Talk::new(&service.api, net, account)?;
    let zones = find(service, &mut talk)?;
    let rights = service.api.rights;
    for (at, want) in wants.iter().enumerate() {
        let (least, most) = service.ttl;
        if let Some(ttl) = want.ttl.filter(|ttl| !(least..=most).contains(ttl)) {
            outcomes[at] = Some(Outcome::FixConfig(format!(
                "option ttl '{ttl}' of {}: {} takes {least} to {most} seconds",
                want.fqdn, service.api.service
            )));
        } else if !zones.iter().any(|zone| zone.holds(want)) {
            outcomes[at] = Some(Outcome::FixConfig(match account.text("zone") {
                Some(zone) => format!("{} does not lie in zone {zone} of this account", want.fqdn),
                None => format!(
                    "{}: {} shows no zone for it; check that {} {} and {} for that zone",
                    want.fqdn, service.api.service, service.api.check, rights[0], rights[1]
                ),
            }));
        }
    }
    // The longest zone first, so that a name goes to the closest.
    for zone in &zones {
        let items: Vec<Item<'_>> = wants
            .iter()
            .enumerate()
            .filter(|(at, want)| outcomes[*at].is_none() && zone.holds(want))
            .map(|(at, want)| Item { at, want, name: service.naming.name(&want.fqdn, zone) })
            .collect();
        if items.is_empty() {
            continue;
        }
        match in_one(service, &mut talk, zone, &items, outcomes) {
            Ok(()) => {}
            Err(Fault { reach: Reach::Account, outcome, .. }) => return Err(outcome),
            Err(Fault { outcome, .. }) => {
                for item in items {
                    outcomes[item.at].get_or_insert_with(|| outcome.clone());
                }
            }
        }
    }
    Ok(())
}

/// The zones names may lie in, the longest first.
fn find(service: &Service, talk: &mut Talk<'_>) -> Result<Vec<Zone>, Outcome> {
    let account = talk.account;
    let name = account.text("zone").map(|zone| zone.trim_end_matches('.').to_string());
    if let (true, Some(_)) = (service.by_name, &name) {
        return Ok(vec![Zone { name, ..Zone::default() }]);
    }
    let mut zones = (service.zones)(talk, name.as_deref()).map_err(|fault| fault.outcome)?;
    if let Some(name) = &name {
        // The service was asked for one name; whether it listened is ours to see.
        zones.retain(|zone| zone.name.as_ref().is_none_or(|zone| zone.eq_ignore_ascii_case(name)));
        if zones.is_empty() {
            let rights = service.api.rights;
            return Err(Outcome::FixConfig(format!(
                "account '{}': {} shows no zone {name}: check option zone, and that {} {} and {} \
                 for it",
                account.id, service.api.service, service.api.check, rights[0], rights[1]
            )));
        }
    }
    // One name can be there twice, being moved: the active one holds the records that count.
    zones.sort_unstable_by_key(|zone| {
        (Reverse(zone.name.as_ref().map_or(0, String::len)), zone.idle)
    });
    Ok(zones)
}

/// Zones from a list in which this field is the name.
pub fn named(talk: &Talk<'_>, list: &[Value], field: &str) -> Result<Vec<Zone>, Fault> {
    list.iter()
        .map(|item| {
            let name = item[field].as_str().ok_or_else(|| talk.garbage(To::FindZones))?;
            let name = Some(name.trim_end_matches('.').to_ascii_lowercase());
            let id = rest::id(&item["id"]).unwrap_or_default();
            Ok(Zone { id, name, ..Zone::default() })
        })
        .collect()
}

fn in_one(
    service: &Service,
    talk: &mut Talk<'_>,
    zone: &Zone,
    items: &[Item<'_>],
    outcomes: Outcomes<'_>,
) -> Result<(), Fault> {
    let held = (service.read)(talk, zone, items)?;
    let mut changes = Vec::new();
    for item in items {
        match plan(talk, &held, item)? {
            Ok(Some(change)) => changes.push(change),
            Ok(None) => outcomes[item.at] = Some(Outcome::AlreadyRight),
            Err(outcome) => outcomes[item.at] = Some(outcome),
        }
    }
    if changes.is_empty() {
        return Ok(());
    }
    (service.change)(talk, zone, &changes, outcomes)
}

/// What to ask for: all items have this one name, or this one family.
pub fn ask_for<'a>(items: &[Item<'a>]) -> (Option<&'a str>, Option<Family>) {
    let Some(first) = items.first().map(|item| item.want) else { return (None, None) };
    let one_name = items.iter().all(|item| item.want.fqdn == first.fqdn);
    let one_family = items.iter().all(|item| item.want.family == first.family);
    (one_name.then_some(first.fqdn.as_str()), one_family.then_some(first.family))
}

/// The names that these items have, each once.
pub fn names<'i>(items: &'i [Item<'_>]) -> Vec<&'i str> {
    let mut names: Vec<&str> = Vec::new();
    for item in items {
        if !names.contains(&&item.name[..]) {
            names.push(&item.name);
        }
    }
    names
}

/// A list of texts holds the addresses of a set as it is to be, and no more.
pub fn holds(list: &Value, change: &Change<'_>) -> bool {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    let is_in = |address: IpAddr| {
        list.iter().any(|text| text.as_str().is_some_and(|text| text.parse() == Ok(address)))
    };
    list.len() == change.values.len() && change.values.iter().all(|(_, one)| is_in(*one))
}

/// The records of a list that may matter for these items; the rest of a zone, perhaps megabytes,
/// is let go.
pub fn held(
    talk: &Talk<'_>,
    items: &[Item<'_>],
    list: Vec<Value>,
    read: fn(&Value) -> Option<Vec<Held>>,
) -> Result<Vec<Held>, Fault> {
    let mut all = Vec::new();
    for record in &list {
        let mut held = read(record).ok_or_else(|| talk.garbage(To::Read))?;
        held.retain(|held| items.iter().any(|item| item.name.eq_ignore_ascii_case(&held.name)));
        all.append(&mut held);
    }
    Ok(all)
}

/// Few items one by one, more of them by the whole list. What that does not show is asked for by
/// itself: a list may be cut short, and what is taken for absent would be overwritten.
pub fn read_either(
    talk: &mut Talk<'_>,
    items: &[Item<'_>],
    all: String,
    one: &dyn Fn(&Item<'_>) -> String,
    read: fn(&Value) -> Option<Vec<Held>>,
) -> Result<Vec<Held>, Fault> {
    let mut found = Vec::new();
    let mut asked: Vec<String> = Vec::new();
    if items.len() > 2 {
        let list = talk.list(&all, "", |_| None, To::Read)?;
        found = held(talk, items, list, read)?;
    }
    for item in items {
        let path = one(item);
        let shown = |held: &Held| {
            held.name.eq_ignore_ascii_case(&item.name)
                && (held.rtype == item.want.family.record_type() || held.rtype == "CNAME")
        };
        if found.iter().any(shown) || asked.contains(&path) {
            continue;
        }
        match talk.list(&path, "", |_| None, To::Read) {
            Ok(list) => {
                let mut more = held(talk, items, list, read)?;
                let again = |old: &Held| {
                    more.iter().any(|new| new.rtype == old.rtype && new.name == old.name)
                };
                found.retain(|old| !again(old));
                found.append(&mut more);
            }
            // Nothing of that name.
            Err(fault) if fault.status == 404 => {}
            Err(fault) => return Err(fault),
        }
        asked.push(path);
    }
    Ok(found)
}

/// A record from an object with an id and these fields: name, type, content, ttl.
pub fn record(object: &Value, fields: [&str; 4]) -> Option<Vec<Held>> {
    let [name, rtype, content, ttl] = fields;
    record_with(object, [name, rtype, content, ttl, "id"])
}

/// The same, where the id has a name of its own, the last.
pub fn record_with(object: &Value, fields: [&str; 5]) -> Option<Vec<Held>> {
    let text = |field: &str| Some(object[field].as_str()?.to_string());
    let [name, rtype, content, ttl, id] = fields;
    let rtype = text(rtype)?;
    Some(vec![Held {
        name: text(name)?,
        // Of no concern, and not always a text, but for addresses.
        content: text(content).unwrap_or_default(),
        ttl: number(&object[ttl]),
        id: rest::id(&object[id])?,
        rtype,
        ..Held::default()
    }])
}

/// The values of a set from an object with these fields: name, type, values, ttl. A value is a
/// text, or an object that has it in the field `inner`.
pub fn set(object: &Value, fields: [&str; 4], inner: &str) -> Option<Vec<Held>> {
    let [name, rtype, values, ttl] = fields;
    let (name, rtype) = (object[name].as_str()?, object[rtype].as_str()?);
    if !matches!(rtype, "A" | "AAAA" | "CNAME") {
        return Some(Vec::new());
    }
    let held = object[values].as_array()?.iter().map(|value| {
        let content = if inner.is_empty() { value } else { &value[inner] };
        Some(Held {
            name: name.into(),
            rtype: rtype.into(),
            content: content.as_str()?.into(),
            ttl: number(&object[ttl]),
            idle: value["disabled"] == true,
            note: value.clone(),
            ..Held::default()
        })
    });
    held.collect()
}

/// What to change so that the record's set holds what is wanted; nothing if it does.
pub fn plan<'a>(
    talk: &Talk<'_>,
    held: &'a [Held],
    item: &'a Item<'a>,
) -> Result<Result<Option<Change<'a>>, Outcome>, Fault> {
    let (want, service) = (item.want, talk.service());
    let rtype = want.family.record_type();
    let (mut kept, mut wrong, mut idle) = (Vec::new(), Vec::new(), Vec::new());
    for one in held.iter().filter(|one| one.name.eq_ignore_ascii_case(&item.name)) {
        if one.rtype == "CNAME" {
            return Ok(Err(Outcome::FixConfig(format!(
                "{} is a CNAME at {service}; remove it, no address can be beside it",
                want.fqdn
            ))));
        }
        if one.rtype != rtype {
            continue;
        }
        if let Some(what) = one.fixed {
            return Ok(Err(Outcome::FixConfig(format!(
                "{} {rtype} is {what} at {service}: reachd would have to break that and leaves it \
                 alone; make it a plain record there if it is to follow this line",
                want.fqdn
            ))));
        }
        if one.idle {
            idle.push(one);
            continue;
        }
        let address = one.content.parse::<IpAddr>().ok();
        match address.filter(|address| Family::of(*address) == want.family) {
            Some(address) if want.addresses.contains(&address) => kept.push((one, address)),
            Some(_) => wrong.push(one),
            None => return Err(talk.garbage(To::Read)),
        }
    }
    let missing = want.addresses.iter().filter(|want| !kept.iter().any(|(_, kept)| kept == *want));
    let missing: Vec<&IpAddr> = missing.collect();
    if wrong.len() > missing.len() {
        return Ok(Err(too_many(want, kept.len() + wrong.len(), service)));
    }
    let mut values: Vec<_> = kept.into_iter().map(|(one, address)| (Some(one), address)).collect();
    for (place, address) in missing.into_iter().enumerate() {
        values.push((wrong.get(place).copied(), *address));
    }
    let change = Change { item, values, idle };
    let differs = change.records().next().is_some();
    Ok(Ok(differs.then_some(change)))
}

/// A want is updated when all its changes are; otherwise the first trouble counts.
pub fn note(outcomes: Outcomes<'_>, change: &Change<'_>, outcome: Outcome) {
    let place = &mut outcomes[change.item.at];
    if place.as_ref().is_none_or(Outcome::is_right) {
        *place = Some(outcome);
    }
}

/// Each change by itself. `one` tells whether the reply confirmed it.
pub fn each(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
    one: fn(&mut Talk<'_>, &Zone, &Change<'_>) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    for change in changes {
        match one(talk, zone, change) {
            Ok(true) => note(outcomes, change, Outcome::Updated),
            Ok(false) => note(outcomes, change, talk.unconfirmed()),
            Err(fault) => {
                note(outcomes, change, fault.outcome.clone());
                if matches!(fault.reach, Reach::Account | Reach::Zone) {
                    return Err(fault);
                }
            }
        }
    }
    Ok(())
}

/// Sends the records of one change that differ, one by one, to a service that knows them by id:
/// `update` at `path/ID`, or POST at `path` for a new one. `shown` is the address's place in the
/// reply to either (RFC 6901); none: the reply's yes is all it says.
pub fn single(
    talk: &mut Talk<'_>,
    change: &Change<'_>,
    path: &str,
    update: &'static str,
    shown: [Option<&str>; 2],
    body: &dyn Fn(Option<&Held>, &str) -> Value,
) -> Result<bool, Fault> {
    let mut confirmed = true;
    for (held, address) in change.records() {
        let body = body(held, &address.to_string());
        let reply = match held {
            Some(held) => {
                talk.call(update, &[path, "/", &held.id].concat(), Some(&body), To::Change)?
            }
            None => talk.call("POST", path, Some(&body), To::Change)?,
        };
        if let Some(place) = shown[usize::from(held.is_none())] {
            let text = reply.pointer(place).and_then(Value::as_str);
            confirmed &= text.and_then(|text| text.parse().ok()) == Some(address);
        }
    }
    Ok(confirmed)
}

/// Changes or makes one record, and gives the id that the reply shows.
pub type One = fn(&mut Talk<'_>, &Zone, &Change<'_>, Option<&Held>, IpAddr) -> Result<Value, Fault>;

/// Sends the records of these sets that differ, one by one.
pub fn by_record(
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    one: One,
) -> Result<Vec<bool>, Fault> {
    let mut confirmed = vec![true; changes.len()];
    for (confirmed, change) in confirmed.iter_mut().zip(changes) {
        for (held, address) in change.records() {
            let id = rest::id(&one(talk, zone, change, held, address)?);
            *confirmed &= id.is_some_and(|id| held.is_none_or(|held| held.id == id));
        }
    }
    Ok(confirmed)
}

/// How a batch is sent; tells for each change whether the reply confirmed it.
pub type Send = fn(&mut Talk<'_>, &Zone, &[Change<'_>]) -> Result<Vec<bool>, Fault>;

/// Changes in batches of at most `most` sets. One that is turned down because of something in it
/// is sent again without that, or in halves where the service does not say which it was.
pub fn batches(
    service: &Service,
    talk: &mut Talk<'_>,
    zone: &Zone,
    changes: &[Change<'_>],
    outcomes: Outcomes<'_>,
    send: Send,
) -> Result<(), Fault> {
    let mut halvings = HALVINGS;
    for batch in changes.chunks(service.batch) {
        halve(service, talk, zone, batch, outcomes, send, &mut halvings)?;
    }
    Ok(())
}

fn halve(
    service: &Service,
    talk: &mut Talk<'_>,
    zone: &Zone,
    batch: &[Change<'_>],
    outcomes: Outcomes<'_>,
    send: Send,
    halvings: &mut u32,
) -> Result<(), Fault> {
    let fault = match send(talk, zone, batch) {
        Ok(confirmed) => {
            for (change, confirmed) in batch.iter().zip(confirmed) {
                let outcome = if confirmed { Outcome::Updated } else { talk.unconfirmed() };
                note(outcomes, change, outcome);
            }
            return Ok(());
        }
        Err(fault) => fault,
    };
    let of_one = matches!(fault.reach, Reach::Record | Reach::Exists);
    if of_one && batch.len() > 1 && *halvings > 0 {
        *halvings -= 1;
        let guilty = |place: &usize| fault.culprits.contains(place);
        if (0..batch.len()).any(|place| guilty(&place)) {
            let mut rest = Vec::new();
            for (place, change) in batch.iter().enumerate() {
                match guilty(&place) {
                    true => note(outcomes, change, fault.outcome.clone()),
                    false => rest.push(change.clone()),
                }
            }
            return match &rest[..] {
                [] => Ok(()),
                rest => halve(service, talk, zone, rest, outcomes, send, halvings),
            };
        }
        let (left, right) = batch.split_at(batch.len() / 2);
        halve(service, talk, zone, left, outcomes, send, halvings)?;
        return halve(service, talk, zone, right, outcomes, send, halvings);
    }
    if let (Reach::Exists, [change]) = (fault.reach, batch) {
        // Somebody was faster. What matters is what is there now.
        let now = (service.read)(talk, zone, std::slice::from_ref(change.item));
        let left =
            now.and_then(|held| Ok(plan(talk, &held, change.item)?.map(|left| left.is_none())));
        let right = matches!(left, Ok(Ok(true)));
        note(outcomes, change, if right { Outcome::AlreadyRight } else { fault.outcome });
        return Ok(());
    }
    for change in batch {
        note(outcomes, change, fault.outcome.clone());
    }
    if of_one { Ok(()) } else { Err(fault) }
}
