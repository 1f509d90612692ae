//! Group `rule`, about the target's address: is it a host of ours, and the one that is meant?

use super::{Answers, Check, Facts, known, translates};
use crate::model::address::{Prefix, class};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::{Forward, Target};
use std::net::IpAddr;

pub const CHECKS: &[Check] = &[
    Check {
        id: "rule.dest.offnet",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the target is in no network of ours",
        what: "firewall4 takes any dest_ip without a word. If no network behind the router holds \
               the address, its packets leave by the WAN or nowhere.",
        next: "Correct dest_ip.",
        trap: "Hosts behind another router need a route, which counts here if netifd knows it.",
        source: "firewall4, run with an address outside the LAN",
        after: &["rule.to_router"],
        run: offnet,
    },
    Check {
        id: "rule.dest.shared",
        severity: Severity::Medium,
        axis: Axis::Reach,
        title: "the target is no single host",
        what: "dest_ip is the network's own or its broadcast address. With a prefix, firewall4 \
               keeps the network's address only.",
        next: "Write the address of one host.",
        trap: "",
        source: "firewall4",
        after: &[],
        run: shared,
    },
    Check {
        id: "rule.dest.dynamic",
        severity: Severity::Medium,
        axis: Axis::Hygiene,
        title: "the target's address may change",
        what: "The address lies in the range that DHCP hands out, and no config host keeps it for \
               one machine. One day somebody else gets it, and the Internet with it.",
        next: "Add a static lease for the host.",
        trap: "A host with a fixed address of its own inside the range is also at risk: DHCP may \
               give it away.",
        source: "dnsmasq's init script: start 100, limit 150 by default",
        after: &["rule.dest.offnet", "rule.dest.shared"],
        run: dynamic,
    },
    Check {
        id: "rule.dest.lease_moved",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the host has another address now",
        what: "The static lease for this address belongs to a machine that is seen with another \
               address.",
        next: "Renew the host's lease (reconnect it), or correct the static lease.",
        trap: "A host may have two addresses, one for each network card.",
        source: "DHCP leases, ARP",
        after: &[],
        run: lease_moved,
    },
    Check {
        id: "rule.dest.noarp",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the target does not answer",
        what: "The router asked for the host's hardware address and nobody answered: it is off, \
               asleep, or has another address.",
        next: "Switch it on, or correct dest_ip.",
        trap: "A sleeping host wakes up for Wake-on-LAN, not for a forward.",
        source: "/proc/net/arp",
        after: &["rule.dest.offnet", "rule.dest.lease_moved"],
        run: noarp,
    },
    Check {
        id: "rule.v6.stale_prefix",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "made for a prefix that is gone",
        what: "The rule names a global IPv6 address outside the prefixes that the provider \
               delegates now. Prefixes change; the last 64 bits of a host mostly do not.",
        next: "Write the suffix form: option dest_ip '::10/-64'",
        trap: "Privacy addresses change their suffix; use the stable one.",
        source: "firewall4; netifd",
        after: &[],
        run: stale_prefix,
    },
];

/// Active forwards to one host that is not the router.
fn hosts<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (usize, &'a Forward, IpAddr)> {
    let firewall = facts.firewall();
    facts.active().filter_map(move |(index, forward)| match forward.target {
        Target::Host(ip) if !firewall.is_some_and(|firewall| firewall.is_router(ip)) => {
            Some((index, forward, ip))
        }
        _ => None,
    })
}

fn offnet(facts: &Facts, out: &mut Answers) {
    for (index, _, ip) in hosts(facts).filter(|(_, forward, _)| translates(forward)) {
        let Some(networks) = known(&facts.snapshot.networks, out) else { return };
        let own = |(own, len): &(IpAddr, u8)| Prefix { ip: *own, len: *len }.contains(ip);
        let holder = networks.iter().find(|network| {
            network.addresses.iter().any(own) || network.routes.iter().any(|net| net.contains(ip))
        });
        let outside = holder.is_some_and(|network| network.default_route);
        if !out.pass_if(holder.is_some() && !outside) {
            let text = match holder {
                Some(network) => {
                    format!("{ip} is on the side of the Internet (network {}).", network.name)
                }
                None => format!("No network behind the router holds {ip}."),
            };
            out.forward(facts, index, text, "Correct dest_ip.")
                .effect(Effect::Blocked(Where::Rule))
                .seen(Means::Kernel, "netifd", "addresses and routes of all networks");
        }
    }
}

fn shared(facts: &Facts, out: &mut Answers) {
    for (index, forward, ip) in hosts(facts) {
        let Some(networks) = known(&facts.snapshot.networks, out) else { return };
        let edge = |(own, len): &(IpAddr, u8)| match (own, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) if *len < 31 => {
                let host = u32::MAX.checked_shr(u32::from(*len)).unwrap_or(0);
                let same = (own.to_bits() ^ ip.to_bits()) & !host == 0;
                same && (ip.to_bits() & host == 0 || ip.to_bits() & host == host)
            }
            _ => false,
        };
        let edge = networks.iter().flat_map(|network| &network.addresses).any(edge);
        if !out.pass_if(!edge) {
            let text = match &forward.target_named {
                Some(name) => {
                    format!("firewall4 makes {ip} of dest_ip '{name}': a network, no host.")
                }
                None => format!("{ip} is the address of a whole network, not of a host."),
            };
            out.forward(facts, index, text, "Write the address of one host.")
                .effect(Effect::Blocked(Where::Host));
        }
    }
}

fn dynamic(facts: &Facts, out: &mut Answers) {
    for (index, _, ip) in hosts(facts) {
        let IpAddr::V4(host) = ip else { continue };
        let (Some(dhcp), Some(networks)) =
            (known(&facts.snapshot.dhcp, out), known(&facts.snapshot.networks, out))
        else {
            return;
        };
        let in_pool = dhcp.pools.iter().find(|(name, start, limit)| {
            let network = networks.iter().find(|network| network.name == *name);
            let bases = network.into_iter().flat_map(|network| &network.addresses);
            bases.filter_map(|(ip, len)| Prefix::of(*ip, *len)).any(|net| match net.ip {
                IpAddr::V4(base) if net.contains(ip) => {
                    let offset = host.to_bits() - base.to_bits();
                    offset >= *start && offset - start < *limit
                }
                _ => false,
            })
        });
        let kept = dhcp.hosts.iter().any(|host| host.ip == Some(ip));
        match in_pool {
            Some((name, ..)) if !kept => {
                let mac = mac_of(facts, ip);
                let text = format!("{ip} is in the DHCP range of {name} and kept for nobody.");
                let finding = out.forward(facts, index, text, "Add a static lease for the host.");
                finding.snippet = format!(
                    "config host\n\toption ip '{ip}'\n\toption mac '{}'",
                    mac.unwrap_or("AA:BB:CC:DD:EE:FF")
                );
            }
            _ => out.pass(),
        }
    }
}

fn mac_of<'a>(facts: &Facts<'a>, ip: IpAddr) -> Option<&'a str> {
    let neighbours = facts.snapshot.neighbours.known().into_iter().flatten();
    let leases = facts.snapshot.leases.known().into_iter().flatten();
    let seen = neighbours.filter(|n| n.ip == ip).filter_map(|n| n.mac.as_deref());
    seen.chain(leases.filter(|lease| lease.ip == ip).map(|lease| &lease.mac[..])).next()
}

fn lease_moved(facts: &Facts, out: &mut Answers) {
    for (index, _, ip) in hosts(facts) {
        let Some(dhcp) = known(&facts.snapshot.dhcp, out) else { return };
        let Some(host) = dhcp.hosts.iter().find(|host| host.ip == Some(ip)) else { continue };
        // Two looks: what was leased, and who answers on the wire.
        let mut seen: Vec<IpAddr> = Vec::new();
        let mut see = |mac: &String, at: IpAddr| {
            if host.macs.contains(mac) && at.is_ipv4() == ip.is_ipv4() {
                seen.push(at);
            }
        };
        for lease in facts.snapshot.leases.known().into_iter().flatten() {
            see(&lease.mac, lease.ip);
        }
        for neighbour in facts.snapshot.neighbours.known().into_iter().flatten() {
            neighbour.mac.iter().for_each(|mac| see(mac, neighbour.ip));
        }
        match seen.iter().find(|at| **at != ip) {
            Some(other) if !seen.contains(&ip) => {
                let text =
                    format!("{} has the static lease {ip}, but is seen at {other}.", host.section);
                out.forward(facts, index, text, "Reconnect the host so that it renews its lease.")
                    .effect(Effect::Down)
                    .seen(
                        Means::Kernel,
                        "leases and ARP",
                        format!("{other} has its hardware address"),
                    );
            }
            _ if seen.is_empty() => out.untold(),
            _ => out.pass(),
        }
    }
}

fn noarp(facts: &Facts, out: &mut Answers) {
    for (index, forward, ip) in hosts(facts) {
        // IPv6 neighbours are in no such table, but the try tells.
        if let Some(evidence) = super::target::absent(facts, forward) {
            let text = format!("Nobody has the address {ip}: it was asked for, in vain.");
            let finding =
                out.forward(facts, index, text, "Switch the host on, or correct dest_ip.");
            finding.effect(Effect::Down).evidence.push(evidence);
            continue;
        }
        let Some(neighbours) = known(&facts.snapshot.neighbours, out) else { return };
        match neighbours.iter().find(|neighbour| neighbour.ip == ip) {
            // Nobody spoke to it lately: it may be there or not.
            None => out.untold(),
            Some(neighbour) if neighbour.mac.is_some() => out.pass(),
            Some(neighbour) => {
                let text = format!("{ip} did not answer on {}.", neighbour.device);
                out.forward(facts, index, text, "Switch the host on, or correct dest_ip.")
                    .effect(Effect::Down)
                    .seen(Means::Kernel, "/proc/net/arp", format!("{ip} is incomplete"));
            }
        }
    }
}

fn stale_prefix(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        let ip = match forward.target {
            Target::Host(ip) => ip,
            Target::Net(net) => net.ip,
            _ => continue,
        };
        if !ip.is_ipv6() || !class(ip).global && !documentation(ip) {
            continue;
        }
        let Some(networks) = known(&facts.snapshot.networks, out) else { return };
        let own = networks.iter().any(|network| {
            network.delegated.iter().chain(&network.routes).any(|net| net.contains(ip))
                || network
                    .addresses
                    .iter()
                    .any(|(own, len)| Prefix { ip: *own, len: *len }.contains(ip))
        });
        if !out.pass_if(own) {
            let low = match ip {
                IpAddr::V6(ip) => {
                    std::net::Ipv6Addr::from_bits(ip.to_bits() & u128::from(u64::MAX))
                }
                IpAddr::V4(_) => continue,
            };
            let text = format!("{ip} is in none of the prefixes that we have now.");
            out.forward(
                facts,
                index,
                text,
                format!("Write the suffix form: option dest_ip '{low}/-64'"),
            )
            .effect(Effect::Blocked(Where::Rule))
            .seen(Means::Kernel, "netifd", "the delegated prefixes");
        }
    }
}

/// 2001:db8::/32 stands for global addresses in labs and examples.
fn documentation(ip: IpAddr) -> bool {
    class(ip).kind == crate::model::address::Kind::Documentation
}
