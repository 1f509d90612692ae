//! `config redirect`: DNAT from a zone. SNAT is no forward and left out.

use super::part::{Part, Raw, Where};
use super::{conditions, family_of_zone, infer, sources, value, zone_ref};
use crate::model::address::Prefix;
use crate::model::forward::{Forward, Origin, Proto, Source, State, Target};
use crate::model::snapshot::{Network, Zone};

/// Options that fw4 knows; `extra` and `monthdays` it knows, but does not support.
const OPTIONS: [&str; 34] = [
    "enabled",
    "name",
    "_name",
    "family",
    "src",
    "dest",
    "ipset",
    "helper",
    "proto",
    "src_ip",
    "src_mac",
    "src_port",
    "src_dip",
    "src_dport",
    "dest_ip",
    "dest_port",
    "extra",
    "limit",
    "limit_burst",
    "utc_time",
    "start_date",
    "stop_date",
    "start_time",
    "stop_time",
    "weekdays",
    "monthdays",
    "mark",
    "reflection",
    "reflection_src",
    "reflection_zone",
    "counter",
    "log",
    "log_limit",
    "target",
];

const TARGETS: [&str; 10] =
    ["accept", "reject", "drop", "notrack", "helper", "mark", "dscp", "dnat", "snat", "masquerade"];

pub fn read(raw: &Raw, networks: &[Network], zones: &[Zone], sets: &[&str]) -> Option<Forward> {
    let mut part = Part::new(raw, networks);
    let part = &mut part;
    // In fw4's order: it names the first value it cannot read, and no other.
    let enabled = part.boolean("enabled", true);
    let asked = part.one("family", &value::family);
    let src = part.one("src", &|text| zone_ref(zones, text));
    let mut dest = part.one("dest", &|text| zone_ref(zones, text));
    let set = part.one("ipset", &|text| value::negated(text).map(|(_, text)| first_word(text)));
    let mut protos =
        part.list("proto", &|text| value::negated(text).map(|(_, text)| value::protos(text)));
    let proto_default = protos.is_empty();
    if proto_default {
        protos.push(vec![Proto::Tcp, Proto::Udp]);
    }
    let protos: Vec<Proto> = protos.into_iter().flatten().collect();
    let network = |text: &str| Part::network(networks, text);
    let src_ip = part.one("src_ip", &network);
    let macs = raw.option("src_mac").is_some();
    let ports = |text: &str| value::negated(text).and_then(|(no, t)| Some((no, value::ports(t)?)));
    part.one("src_port", &ports);
    let src_dip = part.one("src_dip", &network);
    let src_dport = part.one("src_dport", &ports);
    let dest_ip = part.one("dest_ip", &network);
    let dest_port = part.one("dest_port", &ports);
    let reflection = part.boolean("reflection", true);
    let target = part.one("target", &|text| value::choice(text, &TARGETS)).unwrap_or("dnat");
    if target == "snat" {
        return None;
    }
    let unknown = part.unknown(&OPTIONS);

    let mut skip = None;
    if !part.is_taken() {
        skip = part.said.last().cloned();
    }
    if skip.is_none() && target != "dnat" {
        part.said.push("has invalid target specified, defaulting to dnat".into());
    }
    let first = |which: &Option<Where>| which.as_ref().and_then(|w| w.all.first().cloned());
    let host = first(&dest_ip).as_ref().and_then(value::Addresses::host);
    let wrong = match (&src, &set, &dest_ip) {
        (_, Some(set), _) if !sets.contains(&&set[..]) => {
            Some(format!("references unknown set '{set}'"))
        }
        (None, ..) => Some("has no source specified".into()),
        (Some(any), ..) if any == "*" => Some("must not have source '*' for dnat target".into()),
        (.., Some(ip)) if ip.negated => Some("must not specify a negated 'dest_ip' value".into()),
        (.., Some(ip)) if ip.all.iter().any(|a| matches!(a, value::Addresses::Masked(..))) => {
            Some("must not use non-contiguous masks in 'dest_ip'".into())
        }
        _ => None,
    };
    if let Some(wrong) = wrong.filter(|_| skip.is_none()) {
        part.said.push(wrong.clone());
        skip = Some(wrong);
    }
    if let (None, None, Some(host)) = (&skip, &dest, host) {
        let holds = |zone: &&Zone| {
            zone.subnets.iter().any(|(ip, len)| Prefix { ip: *ip, len: *len }.contains(host))
        };
        if let Some(zone) = zones.iter().find(holds) {
            part.said.push(format!("does not specify a destination, assuming '{}'", zone.name));
            dest = Some(zone.name.clone());
        }
    }
    let of =
        |which: &Option<Where>| which.as_ref().and_then(|w| Where::family(std::slice::from_ref(w)));
    let asked = match &protos[..] {
        [Proto::Other(name)] if name == "ipv6-icmp" => Some(6),
        _ => asked,
    };
    let family = infer(
        asked,
        &[
            (of(&src_ip), "source IP"),
            (of(&src_dip), "destination IP"),
            (of(&dest_ip), "rewrite IP"),
            (family_of_zone(zones, src.as_deref()), "source zone"),
            (family_of_zone(zones, dest.as_deref()), "destination zone"),
        ],
    );
    if let (Err(why), None) = (&family, &skip) {
        skip = Some(format!("{why}, skipping"));
        part.said.extend(skip.clone());
    }
    let has = |v6: bool| {
        let all = [&src_ip, &src_dip, &dest_ip];
        all.into_iter().flatten().flat_map(|w| &w.all).any(|a| a.is_v6() == v6)
    };
    let (v4, v6) = match family.unwrap_or(asked) {
        Some(4) => (true, false),
        Some(6) => (false, true),
        // Nothing said and no address: IPv4 only, as in the days of fw3.
        None if !has(false) && !has(true) => (true, false),
        Some(_) if !has(false) && !has(true) => (true, true),
        _ => (has(false), has(true)),
    };
    let (nets, odd) = sources(src_ip.as_slice());
    let (src_dip, _) = sources(src_dip.as_slice());
    let mut conditions = conditions(raw);
    let mut plain = |name: &str, ports: Option<(bool, _)>| match ports {
        Some((true, ports)) => {
            conditions.push(format!("{name} !{ports}"));
            None
        }
        other => other.map(|(_, ports)| ports),
    };
    let ext = plain("src_dport", src_dport);
    let to_port = plain("dest_port", dest_port);
    let (uid, section) = match &raw.id[..] {
        "" => (raw.text("name").unwrap_or_default().into(), raw.text("name").unwrap_or_default()),
        id => (format!("fw:{id}"), id),
    };
    Some(Forward {
        uid,
        origin: if raw.id.is_empty() { Origin::Service } else { Origin::Redirect },
        section: section.into(),
        line: raw.line,
        name: raw.text("name").unwrap_or(section).into(),
        state: match skip {
            None => State::Active,
            Some(_) if !enabled && !part.refused => State::Disabled,
            Some(why) => State::Skipped(why),
        },
        zone: src.or_else(|| raw.text("src").map(str::to_string)).unwrap_or_default(),
        v4,
        v6,
        family_default: raw.option("family").is_none(),
        protos,
        proto_default,
        ext: ext.into_iter().collect(),
        source: Source { nets, odd, set, macs, port: raw.text("src_port").map(str::to_string) },
        src_dip,
        target: host.map_or(Target::Router, Target::Host),
        target_named: dest_ip.and_then(|ip| ip.named),
        to_port,
        reflection: reflection && host.is_some(),
        conditions,
        unknown,
        said: std::mem::take(&mut part.said),
    })
}

fn first_word(text: &str) -> String {
    text.split_whitespace().next().unwrap_or_default().to_string()
}
