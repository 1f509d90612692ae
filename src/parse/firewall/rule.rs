//! `config rule` as a forward: one that accepts new tcp or udp from a zone that faces the
//! Internet, to the router or, mostly with IPv6, to a host behind it. Rules that OpenWrt brings
//! along for its own working are left out.

use super::part::{Part, Raw, Where};
use super::{conditions, family_of_zone, infer, is_routable, sources, value, zone_ref};
use crate::model::forward::{Forward, Origin, Ports, Proto, Source, State, Target};
use crate::model::snapshot::{Network, Zone};
use std::net::IpAddr;

const OPTIONS: [&str; 37] = [
    "enabled",
    "name",
    "_name",
    "family",
    "src",
    "dest",
    "device",
    "direction",
    "ipset",
    "helper",
    "set_helper",
    "proto",
    "src_ip",
    "src_mac",
    "src_port",
    "dest_ip",
    "dest_port",
    "icmp_type",
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
    "set_mark",
    "set_xmark",
    "dscp",
    "set_dscp",
    "counter",
    "log",
    "log_limit",
    "target",
];

/// As they stand in OpenWrt's first config: protocol, port, to the router or on. Answers to our
/// own DHCP client, and IPsec for hosts behind.
const STOCK: [(&str, u16); 3] =
    [("Allow-DHCP-Renew", 68), ("Allow-DHCPv6", 546), ("Allow-ISAKMP", 500)];

pub fn read(raw: &Raw, networks: &[Network], zones: &[Zone], sets: &[&str]) -> Vec<Forward> {
    let mut part = Part::new(raw, networks);
    let part = &mut part;
    let enabled = part.boolean("enabled", true);
    let asked = part.one("family", &value::family);
    let src = part.one("src", &|text| zone_ref(zones, text));
    let dest = part.one("dest", &|text| zone_ref(zones, text));
    let set = part.one("ipset", &|text| value::negated(text).map(|(_, text)| text.to_string()));
    let set = set.and_then(|set| set.split_whitespace().next().map(str::to_string));
    let protos =
        part.list("proto", &|text| value::negated(text).map(|(_, text)| value::protos(text)));
    let proto_default = protos.is_empty();
    let mut protos: Vec<Proto> = protos.into_iter().flatten().collect();
    if proto_default {
        protos = vec![Proto::Tcp, Proto::Udp];
    }
    let network = |text: &str| Part::network(networks, text);
    let ports = |text: &str| value::negated(text).and_then(|(no, t)| Some((no, value::ports(t)?)));
    let src_ip = part.list("src_ip", &network);
    part.list("src_port", &ports);
    let dest_ip = part.list("dest_ip", &network);
    let dest_port = part.list("dest_port", &ports);
    let target = part.one("target", &|text| value::choice(text, &["accept", "reject", "drop"]));
    let unknown = part.unknown(&OPTIONS);
    let mut skip = None;
    if !part.is_taken() {
        skip = part.said.last().cloned();
    }
    if let Some(set) = set.as_ref().filter(|set| skip.is_none() && !sets.contains(&&set[..])) {
        skip = Some(format!("references unknown set '{set}'"));
        part.said.extend(skip.clone());
    }

    protos.retain(|proto| !matches!(proto, Proto::Other(_)));
    let from = src.clone().or_else(|| raw.text("src").map(str::to_string)).unwrap_or_default();
    let faces = zones.iter().any(|zone| zone.wan && (zone.name == from || from == "*"));
    if target != Some("accept") || protos.is_empty() || !faces || stock(raw, &dest_port) {
        return Vec::new();
    }
    let family = infer(
        asked,
        &[
            (Where::family(&src_ip), "source IP"),
            (Where::family(&dest_ip), "destination IP"),
            (family_of_zone(zones, src.as_deref()), "source zone"),
            (family_of_zone(zones, dest.as_deref()), "destination zone"),
        ],
    );
    if let (Err(why), None) = (&family, &skip) {
        skip = Some(format!("{why}, skipping"));
        part.said.extend(skip.clone());
    }
    let family = family.unwrap_or(asked);
    let (mut v4, v6) = (family != Some(6), family != Some(4));
    // To the Internet again: tunnels of the provider (464xlat) let their own packets through.
    if dest.as_ref().is_some_and(|dest| zones.iter().any(|zone| zone.wan && zone.name == *dest)) {
        return Vec::new();
    }
    // Nobody out there can send to a private address: IPv4 needs a redirect.
    if let Some(dest) = &dest {
        let to = zones.iter().filter(|zone| !zone.wan && (zone.name == *dest || dest == "*"));
        v4 &= to.clone().any(is_routable);
    }
    if !v4 && !v6 {
        return Vec::new();
    }
    let (nets, odd) = sources(&src_ip);
    let mut conditions = conditions(raw);
    let mut ext: Vec<Ports> = Vec::new();
    for (negated, ports) in dest_port {
        match negated {
            true => conditions.push(format!("dest_port !{ports}")),
            false => ext.push(ports),
        }
    }
    ext.sort();
    let (id, origin) = match &raw.id[..] {
        "" => (raw.text("name").unwrap_or_default(), Origin::Service),
        id => (id, Origin::Rule),
    };
    let uid = if origin == Origin::Rule { format!("fw:{id}") } else { id.to_string() };
    let forward = Forward {
        uid,
        origin,
        section: id.into(),
        line: raw.line,
        name: raw.text("name").unwrap_or(id).into(),
        state: match skip {
            None => State::Active,
            Some(_) if !enabled && !part.refused => State::Disabled,
            Some(why) => State::Skipped(why),
        },
        zone: from,
        v4,
        v6,
        family_default: raw.option("family").is_none(),
        protos,
        proto_default,
        ext,
        source: Source {
            nets,
            odd,
            set,
            macs: raw.option("src_mac").is_some(),
            port: raw.option("src_port").map(|_| raw.text("src_port").unwrap_or("a list").into()),
        },
        src_dip: Vec::new(),
        target: Target::Router,
        target_named: None,
        to_port: None,
        reflection: false,
        conditions,
        unknown,
        said: std::mem::take(&mut part.said),
    };
    let Some(dest) = dest else { return vec![forward] };
    let mut targets: Vec<Target> = dest_ip.iter().flat_map(|one| &one.all).map(target_of).collect();
    if targets.is_empty() {
        targets.push(Target::Zone(dest));
    }
    let of = |(index, target): (usize, Target)| {
        let mut one = forward.clone();
        if index > 0 {
            one.uid = format!("{}#{}", one.uid, index + 1);
        }
        one.target = target;
        one
    };
    targets.into_iter().enumerate().map(of).collect()
}

fn stock(raw: &Raw, ports: &[(bool, Ports)]) -> bool {
    let name = raw.text("name").unwrap_or_default();
    let known = STOCK.iter().find(|(stock, _)| *stock == name);
    let same = |(_, port): &(&str, u16)| ports == [(false, Ports::one(*port))];
    known.is_some_and(same)
}

fn target_of(addresses: &value::Addresses) -> Target {
    match addresses {
        value::Addresses::Masked(IpAddr::V6(ip), IpAddr::V6(mask)) => Target::Suffix(*ip, *mask),
        value::Addresses::Masked(ip, _) | value::Addresses::Range(ip, _) => Target::Host(*ip),
        value::Addresses::Net(..) => match addresses.prefix() {
            Some(net) if net.len < if net.ip.is_ipv4() { 32 } else { 128 } => Target::Net(net),
            Some(net) => Target::Host(net.ip),
            None => Target::Router,
        },
    }
}
