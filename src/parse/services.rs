//! What a report needs of the other packages' configs: DHCP pools and fixed addresses,
//! rebind protection, miniupnpd, whether the router's SSH takes passwords, and networks where
//! nobody can tell how they are.

use crate::model::snapshot::{Dhcp, Network, Ssh, StaticHost, Upnpd};
use crate::parse::uci::{Package, Section, Value};
use std::net::{IpAddr, Ipv4Addr};

/// `/etc/config/dhcp`.
pub fn dhcp(package: &Package) -> Dhcp {
    let mut dhcp = Dhcp { rebind_protection: true, ..Dhcp::default() };
    for (index, section) in package.sections.iter().enumerate() {
        match &section.kind[..] {
            "dhcp" if on(section, "ignore", false) || !on(section, "dynamicdhcp", true) => {}
            "dhcp" => {
                let number = |name, default| one(section, name).map_or(Some(default), parse);
                // As dnsmasq's init script has it.
                let (start, limit) = (number("start", 100), number("limit", 150));
                if let (Some(network), Some(start), Some(limit)) =
                    (one(section, "interface"), start, limit)
                {
                    dhcp.pools.push((network, start, limit));
                }
            }
            "host" => dhcp.hosts.push(StaticHost {
                section: package.id(index),
                name: one(section, "name").unwrap_or_default(),
                macs: list(section, "mac").iter().map(|mac| mac.to_ascii_lowercase()).collect(),
                ip: one(section, "ip").and_then(|ip| ip.parse().ok()),
            }),
            "dnsmasq" => {
                dhcp.rebind_protection = on(section, "rebind_protection", true);
                dhcp.rebind_domains = list(section, "rebind_domain");
            }
            _ => {}
        }
    }
    dhcp
}

/// `/etc/config/upnpd`; `None`: nothing in it runs a daemon.
pub fn upnpd(package: &Package) -> Option<Upnpd> {
    let section = package.sections.iter().find(|section| section.kind == "upnpd")?;
    Some(Upnpd {
        enabled: on(section, "enabled", true),
        secure: on(section, "secure_mode", true),
        leases: one(section, "upnp_lease_file")
            .unwrap_or_else(|| "/var/run/miniupnpd.leases".into()),
    })
}

/// `/etc/config/dropbear`: its sections that run.
pub fn dropbear(package: &Package) -> Vec<Ssh> {
    let sections = package.sections.iter().enumerate();
    let read = |(index, section): (usize, &Section)| {
        (section.kind == "dropbear" && on(section, "enable", true)).then(|| Ssh {
            section: package.id(index),
            port: one(section, "Port").and_then(parse).unwrap_or(22),
            passwords: on(section, "PasswordAuth", true),
        })
    };
    sections.filter_map(read).collect()
}

/// `/etc/config/network`: names and fixed addresses, for want of anything better.
pub fn networks(package: &Package) -> Vec<Network> {
    let interface = |section: &&Section| section.kind == "interface";
    let read = |section: &Section| {
        let mut addresses = Vec::new();
        let mask = one(section, "netmask").and_then(|mask| mask.parse::<Ipv4Addr>().ok());
        let len = mask.map_or(32, |mask| mask.to_bits().leading_ones() as u8);
        for text in [list(section, "ipaddr"), list(section, "ip6addr")].concat() {
            match text.split_once('/') {
                Some((ip, len)) => {
                    addresses.extend(ip.parse::<IpAddr>().ok().zip(len.parse().ok()));
                }
                None => addresses.extend(text.parse::<IpAddr>().ok().map(|ip| (ip, len))),
            }
        }
        Some(Network {
            name: section.name.clone()?,
            up: true,
            proto: one(section, "proto").unwrap_or_default(),
            device: one(section, "device"),
            addresses,
            ..Network::default()
        })
    };
    package.sections.iter().filter(interface).filter_map(read).collect()
}

fn parse<T: std::str::FromStr>(text: String) -> Option<T> {
    text.parse().ok()
}

fn one(section: &Section, name: &str) -> Option<String> {
    list(section, name).pop()
}

fn list(section: &Section, name: &str) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match section.option(name).map(|option| &option.value) {
        None => Vec::new(),
        Some(Value::One(bytes)) => text(bytes).split_whitespace().map(str::to_string).collect(),
        Some(Value::List(items)) => items.iter().map(|item| text(&item.bytes)).collect(),
    }
}

/// As OpenWrt's shell functions read a boolean.
fn on(section: &Section, name: &str, default: bool) -> bool {
    match one(section, name).as_deref() {
        Some("1" | "on" | "true" | "yes" | "enabled") => true,
        Some("0" | "off" | "false" | "no" | "disabled") => false,
        _ => default,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::uci;

    #[test]
    fn fixed_addresses_pools_and_passwords() {
        let text =
            b"config dhcp lan\n option interface lan\n option start 100\n option limit 150\n\
                     config dhcp wan\n option interface wan\n option ignore 1\n\
                     config host nas\n option mac 'AA:BB:CC:00:11:22'\n option ip 192.168.1.50\n\
                     config dnsmasq\n option rebind_protection 0\n";
        let dhcp = dhcp(&uci::parse(text).unwrap());
        assert_eq!(dhcp.pools, [("lan".to_string(), 100, 150)]);
        assert_eq!(dhcp.hosts[0].macs, ["aa:bb:cc:00:11:22"]);
        assert!(!dhcp.rebind_protection);
        let ssh = dropbear(&uci::parse(b"config dropbear\n option PasswordAuth off\n").unwrap());
        assert_eq!((ssh[0].port, ssh[0].passwords), (22, false));
        let upnpd = upnpd(&uci::parse(b"config upnpd config\n option secure_mode 0\n").unwrap());
        assert!(!upnpd.unwrap().secure);
    }
}
