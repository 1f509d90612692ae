//! Tries the hosts that forwards lead to: once from the router's address in their network, and
//! once from an address outside of it by the same device, which is what the Internet looks like
//! to them (a host without a default route answers the first only). The router's own outside
//! address is never dialled: that would prove nothing. What was heard can be written to a folder
//! and read back from there.

use super::{ARP, Place, tables};
use crate::model::address::Prefix;
use crate::model::forward::{Ports, Proto, Target};
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::snapshot::Snapshot;
use crate::model::target::{Heard, Knock, Try};
use crate::model::wan::{Address, Link};
use crate::world::Sys;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// In a folder that stands for a router.
pub const FILE: &str = "cmd/reachd-targets.json";

/// Ports of one forward that are tried: the first, the last, and some between.
const SAMPLE: u32 = 8;

/// Ports in all.
const MOST: usize = 64;

/// Tries them all; how the neighbours are is read anew, for now they were spoken to.
pub fn knock(place: &mut Place, snapshot: &mut Snapshot) {
    let wanted = wanted(snapshot);
    snapshot.targets = match place.sys.links() {
        _ if wanted.is_empty() => Known::Known(Vec::new()),
        Ok(links) => Known::Known(tried(place.sys, &links, wanted)),
        Err(why) => Known::Unknown(why),
    };
    if !matches!(&snapshot.targets, Known::Known(tries) if tries.is_empty()) {
        snapshot.neighbours = place.text(ARP).map(|text| tables::arp(&text));
    }
}

/// Ports at hosts that forwards lead to, in their order; true for TCP.
fn wanted(snapshot: &Snapshot) -> Vec<(SocketAddr, bool)> {
    let mut all: Vec<(SocketAddr, bool)> = Vec::new();
    let mut want = |ip: IpAddr, port: u16, proto: &Proto| {
        let one = (SocketAddr::new(ip, port), *proto == Proto::Tcp);
        let ports = matches!(proto, Proto::Tcp | Proto::Udp);
        if ports && port != 0 && all.len() < MOST && !all.contains(&one) {
            all.push(one);
        }
    };
    if let Some(firewall) = snapshot.firewall.known() {
        for forward in firewall.forwards.iter().filter(|f| f.is_active() && !f.every_port()) {
            let Target::Host(ip) = forward.target else { continue };
            let faces = firewall.zone(&forward.zone).is_none_or(|zone| zone.wan || zone.masq);
            if !faces || firewall.is_router(ip) {
                continue;
            }
            for proto in &forward.protos {
                sample(&forward.inside_ports()).into_iter().for_each(|port| want(ip, port, proto));
            }
        }
    }
    for mapping in snapshot.mappings.known().into_iter().flatten() {
        want(mapping.ip, mapping.to, &mapping.proto);
    }
    all
}

fn sample(ranges: &[Ports]) -> Vec<u16> {
    let share = (SAMPLE / (ranges.len() as u32).max(1)).max(1);
    let of = |ports: &Ports| {
        let (first, span) = (u32::from(ports.first), ports.count().saturating_sub(1));
        let steps = span.min(share.saturating_sub(1)).max(1);
        let most = if span == 0 { 0 } else { steps };
        (0..=most).filter_map(|step| u16::try_from(first + span * step / steps).ok()).collect()
    };
    ranges.iter().take(SAMPLE as usize).flat_map(|ports| -> Vec<u16> { of(ports) }).collect()
}

fn tried(sys: &mut dyn Sys, links: &[Link], wanted: Vec<(SocketAddr, bool)>) -> Vec<Try> {
    let out = Family::BOTH.map(|family| sys.route_device(family).ok().flatten());
    let mut knocks = Vec::new();
    let mut tries: Vec<Try> = Vec::new();
    let mut slots = Vec::new();
    for (to, tcp) in wanted {
        let way = ways(links, &out, to.ip());
        for (far, source) in [(false, way.near), (true, way.far)] {
            if let (Some(source), Some(device)) = (source, way.device) {
                knocks.push(Knock { to, tcp, source, device: device.to_string() });
                slots.push((tries.len(), far));
            }
        }
        tries.push(Try {
            to,
            tcp,
            near: Known::unknown("no link of ours holds its network"),
            far: Known::unknown("we have no address outside of its network to try from"),
        });
    }
    for ((at, far), heard) in slots.into_iter().zip(sys.knock(&knocks)) {
        if let Some(one) = tries.get_mut(at) {
            *(if far { &mut one.far } else { &mut one.near }) = heard;
        }
    }
    tries
}

/// By which link a host is reached, and the two own addresses to try from.
#[derive(Default)]
struct Way<'l> {
    device: Option<&'l str>,
    near: Option<IpAddr>,
    far: Option<IpAddr>,
}

fn ways<'l>(links: &'l [Link], out: &[Option<u32>], to: IpAddr) -> Way<'l> {
    let holds = |own: &&Address| Prefix { ip: own.ip, len: own.prefix_len }.contains(to);
    let inside = links.iter().filter(|link| link.up && !link.loopback);
    let mut inside = inside.filter(|link| !out.contains(&Some(link.index)));
    let found = inside.find_map(|link| Some((link, link.addresses.iter().find(holds)?)));
    let Some((lan, own)) = found else { return Way::default() };
    // The line's address first; else any that is not of the host's network.
    let others = links.iter().filter(|link| link.index != lan.index && !link.loopback);
    let is_out = |link: &&Link| out.contains(&Some(link.index));
    let (first, rest): (Vec<&Link>, Vec<&Link>) = others.partition(is_out);
    let local = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let far = first.into_iter().chain(rest).flat_map(|link| &link.addresses).find(|address| {
        let unfit = Address::DADFAILED | Address::TENTATIVE | Address::DEPRECATED;
        address.ip.is_ipv4() == to.is_ipv4()
            && !local(address.ip)
            && (to.is_ipv4() || !address.has(unfit))
            && !holds(address)
    });
    Way { device: Some(&lan.name), near: Some(own.ip), far: far.map(|address| address.ip) }
}

/// As it stands in [`FILE`].
pub fn write(tries: &[Try]) -> String {
    let word = |heard: &Known<Heard>| match heard {
        Known::Known(heard) => json!(heard.word()),
        Known::Unknown(why) => json!({ "unknown": why }),
    };
    let one = |one: &Try| {
        json!({
            "ip": one.to.ip().to_string(),
            "port": one.to.port(),
            "proto": if one.tcp { "tcp" } else { "udp" },
            "near": word(&one.near),
            "far": word(&one.far),
        })
    };
    json!({ "targets": tries.iter().map(one).collect::<Vec<Value>>() }).to_string()
}

/// What [`write`] wrote, or somebody by hand. Entries that are none are an error: half of it
/// would be read as the whole.
pub fn read(value: &Value) -> Result<Vec<Try>, String> {
    let all = value.get("targets").and_then(Value::as_array).ok_or("it has no list of targets")?;
    let heard = |one: &Value, key: &str| match one.get(key) {
        Some(Value::String(word)) => Heard::ALL
            .into_iter()
            .find(|heard| heard.word() == word)
            .map(Known::Known)
            .unwrap_or_else(|| Known::unknown("a word that we do not know")),
        Some(Value::Object(why)) => {
            Known::unknown(why.get("unknown").and_then(Value::as_str).unwrap_or("it is not told"))
        }
        _ => Known::unknown("it is not told"),
    };
    let one = |one: &Value| {
        let ip = one.get("ip")?.as_str()?.parse().ok()?;
        let port = u16::try_from(one.get("port")?.as_u64()?).ok()?;
        let tcp = match one.get("proto")?.as_str()? {
            "tcp" => true,
            "udp" => false,
            _ => return None,
        };
        let to = SocketAddr::new(ip, port);
        Some(Try { to, tcp, near: heard(one, "near"), far: heard(one, "far") })
    };
    let mut tries = Vec::new();
    for entry in all {
        tries.push(one(entry).ok_or_else(|| format!("no target: {entry}"))?);
    }
    Ok(tries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, name: &str, addresses: &[(&str, u8)]) -> Link {
        let address = |(ip, prefix_len): &(&str, u8)| Address {
            ip: ip.parse().unwrap(),
            prefix_len: *prefix_len,
            flags: 0,
            preferred: None,
            valid: None,
        };
        let addresses = addresses.iter().map(address).collect();
        Link { index, name: name.into(), up: true, loopback: false, addresses }
    }

    #[test]
    fn from_two_sides_by_the_hosts_own_device() {
        let links = [
            link(1, "guest", &[("10.9.0.1", 24)]),
            link(2, "br-lan", &[("192.168.1.1", 24), ("fe80::1", 64), ("2001:db8:c::1", 64)]),
            link(3, "wan0", &[("198.51.100.23", 24), ("fe80::2", 64), ("2001:db8:1::2", 64)]),
        ];
        let ways = |to: &str| {
            let way = ways(&links, &[Some(3), Some(3)], to.parse().unwrap());
            let show = |ip: Option<IpAddr>| ip.map(|ip| ip.to_string()).unwrap_or_default();
            format!("{} {} {}", way.device.unwrap_or("-"), show(way.near), show(way.far))
        };
        assert_eq!(ways("192.168.1.50"), "br-lan 192.168.1.1 198.51.100.23");
        assert_eq!(ways("2001:db8:c::50"), "br-lan 2001:db8:c::1 2001:db8:1::2");
        assert_eq!(ways("10.9.0.7"), "guest 10.9.0.1 198.51.100.23");
        // On the Internet's side, or nowhere.
        assert_eq!(ways("198.51.100.1"), "-  ");
        assert_eq!(ways("172.16.0.1"), "-  ");
    }

    #[test]
    fn a_range_is_sampled_from_end_to_end() {
        let ports = |first, last| Ports { first, last };
        assert_eq!(sample(&[ports(443, 443)]), [443]);
        assert_eq!(sample(&[ports(80, 81)]), [80, 81]);
        let many = sample(&[ports(1, 65535)]);
        assert_eq!((many.len(), many[0], many[7]), (8, 1, 65535));
        assert_eq!(sample(&[ports(5, 5), ports(10, 20)]), [5, 10, 13, 16, 20]);
    }

    #[test]
    fn what_is_written_reads_back() {
        let all = vec![Try {
            to: "[2001:db8::5]:443".parse().unwrap(),
            tcp: true,
            near: Known::Known(Heard::Open),
            far: Known::unknown("no time"),
        }];
        let value: Value = serde_json::from_str(&write(&all)).unwrap();
        assert_eq!(read(&value), Ok(all));
        assert!(read(&json!({ "targets": [{ "ip": "x" }] })).is_err());
        assert!(read(&json!([])).is_err());
        let odd = json!({ "targets": [{ "ip": "::1", "port": 1, "proto": "udp", "near": "up" }] });
        assert!(read(&odd).unwrap().iter().all(|one| one.near.known().is_none()));
    }
}
