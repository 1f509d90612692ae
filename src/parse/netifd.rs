//! netifd's `network.interface dump` (OpenWrt): each logical network with its protocol, device,
//! default routes, delegated prefixes, port sets and complaints. The addresses are the kernel's to
//! tell. What this version does not need of it is not read; a part that is odd costs itself.

use super::map_rules::port_range;
use crate::model::address::Prefix;
use crate::model::line::{PortSet, Way};
use crate::model::name::Family;
use crate::model::wan::Address;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// One logical network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub up: bool,
    /// `dhcp`, `pppoe`, `dslite`, ...; empty if it is not told.
    pub proto: String,
    /// The device that carries its addresses (`l3_device`); absent while it is down.
    pub device: Option<String>,
    pub defaults: Vec<DefaultRoute>,
    /// Prefixes delegated over it (`ipv6-prefix`).
    pub delegated: Vec<Prefix>,
    /// What it was given of others' delegated prefixes (`ipv6-prefix-assignment`), with what
    /// remained of their lifetimes at the time of the dump.
    pub assigned: Vec<Address>,
    /// The address and ports that its protocol has us translate to (MAP: `snat_ip`, `snat_port`).
    pub snat: Option<(Ipv4Addr, PortSet)>,
    /// `pppoe: AUTH_FAILED`.
    pub errors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    pub family: Family,
    pub metric: u64,
    /// In a table of its own.
    pub private: bool,
    /// `None`: straight onto the link.
    pub gateway: Option<IpAddr>,
}

impl Interface {
    /// The metric of its best default route.
    pub fn default_route(&self, family: Family) -> Option<u64> {
        self.best(family).map(|route| route.metric)
    }

    /// A route in a private table (mwan3, pbr) is not the router's own way out.
    pub fn best(&self, family: Family) -> Option<&DefaultRoute> {
        self.defaults
            .iter()
            .filter(|route| route.family == family && !route.private)
            .min_by_key(|route| route.metric)
    }

    /// It has a default route, be it in a private table.
    pub fn leads_out(&self, family: Family) -> bool {
        self.defaults.iter().any(|route| route.family == family)
    }
}

/// The networks in netifd's order. `Err` if it is no such dump at all.
pub fn interfaces(dump: &Value) -> Result<Vec<Interface>, String> {
    let list = dump
        .get("interface")
        .and_then(Value::as_array)
        .ok_or("netifd's answer could not be read: it lists no interfaces")?;
    Ok(list.iter().filter_map(interface).collect())
}

/// The network that netifd sends Internet traffic of this family by: up, with a default route in
/// the main table, lowest metric; netifd's own order (by name) breaks a tie. A VPN only where
/// there is nothing else: it runs over one of the others, and that one is the line.
pub fn wan(interfaces: &[Interface], family: Family) -> Option<&Interface> {
    interfaces
        .iter()
        .filter(|interface| interface.up && interface.device.is_some())
        .filter_map(|interface| Some((interface.default_route(family)?, interface)))
        .min_by_key(|(metric, interface)| (Way::of(&interface.proto) == Some(Way::Vpn), *metric))
        .map(|(_, interface)| interface)
}

/// The network that a device stands for in this family: the one with the default route, else the
/// first that is up there.
pub fn on_device<'i>(
    interfaces: &'i [Interface],
    device: &str,
    family: Family,
) -> Option<&'i Interface> {
    interfaces
        .iter()
        .filter(|interface| interface.up && interface.device.as_deref() == Some(device))
        .min_by_key(|interface| interface.default_route(family).unwrap_or(u64::MAX))
}

fn interface(value: &Value) -> Option<Interface> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    Some(Interface {
        name: text("interface")?.to_string(),
        up: value.get("up").and_then(Value::as_bool).unwrap_or(false),
        proto: text("proto").unwrap_or_default().to_string(),
        device: text("l3_device").map(str::to_string),
        defaults: default_routes(value),
        delegated: list(value, "ipv6-prefix").filter_map(prefix).collect(),
        assigned: list(value, "ipv6-prefix-assignment").filter_map(assigned).collect(),
        snat: snat(value),
        errors: list(value, "errors").filter_map(complaint).collect(),
    })
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn default_routes(interface: &Value) -> Vec<DefaultRoute> {
    let own_metric = interface.get("metric").and_then(Value::as_u64).unwrap_or(0);
    let route = |route: &Value| {
        if route.get("mask").and_then(Value::as_u64) != Some(0) {
            return None;
        }
        let family = match route.get("target").and_then(Value::as_str)? {
            "0.0.0.0" => Family::Ipv4,
            "::" => Family::Ipv6,
            _ => return None,
        };
        let gateway = route.get("nexthop").and_then(Value::as_str).and_then(|ip| ip.parse().ok());
        let gateway = gateway.filter(|ip: &IpAddr| !ip.is_unspecified());
        let metric = route.get("metric").and_then(Value::as_u64).unwrap_or(own_metric);
        let private = route.get("table").is_some();
        Some(DefaultRoute { family, metric, private, gateway })
    };
    list(interface, "route").filter_map(route).collect()
}

fn prefix(value: &Value) -> Option<Prefix> {
    let address = value.get("address")?.as_str()?;
    Prefix::parse(&format!("{address}/{}", value.get("mask")?.as_u64()?))
}

/// Without lifetimes it lasts for ever: the owner's own, or a unique local one.
fn assigned(value: &Value) -> Option<Address> {
    let prefix = prefix(value)?;
    let seconds = |key| value.get(key).and_then(Value::as_u64).map(Duration::from_secs);
    Some(Address {
        ip: prefix.ip,
        prefix_len: prefix.len,
        flags: 0,
        preferred: seconds("preferred"),
        valid: seconds("valid"),
    })
}

/// One rule stands there for each range and protocol; all to one address.
fn snat(interface: &Value) -> Option<(Ipv4Addr, PortSet)> {
    let mut address = None;
    let mut ranges = Vec::new();
    for rule in list(interface.get("data")?, "firewall") {
        let text = |key: &str| rule.get(key).and_then(Value::as_str);
        let (Some(ip), Some(ports)) = (text("snat_ip"), text("snat_port")) else { continue };
        let (Ok(ip), Some(range)) = (ip.parse(), port_range(ports)) else { continue };
        if ranges.len() < 3 * PortSet::MOST_RANGES && *address.get_or_insert(ip) == ip {
            ranges.push(range);
        }
    }
    Some((address?, PortSet::of_ranges(ranges)))
}

fn complaint(value: &Value) -> Option<String> {
    let code = value.get("code")?.as_str()?;
    let subsystem = value.get("subsystem").and_then(Value::as_str).unwrap_or("netifd");
    Some(format!("{subsystem}: {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(name: &str) -> Vec<Interface> {
        let path = format!("{}/tests/data/netifd/{name}.json", env!("CARGO_MANIFEST_DIR"));
        interfaces(&serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).unwrap()
    }

    fn wan_of(name: &str) -> [Option<String>; 2] {
        let interfaces = dump(name);
        Family::BOTH.map(|family| {
            wan(&interfaces, family)
                .map(|found| format!("{} {}", found.name, found.device.as_deref().unwrap_or("-")))
        })
    }

    #[test]
    fn the_wan_of_real_dumps() {
        let some = |text: &str| Some(text.to_string());
        assert_eq!(wan_of("static"), [some("wan wan0"), some("wan6 wan0")]);
        assert_eq!(wan_of("multiwan")[0], some("wan wan0"), "metric 10 beats 20");
        assert_eq!(wan_of("pppoe")[0], some("wan pppoe-wan"));
        assert_eq!(wan_of("dslite")[0], some("wan4 ds-wan4"));
    }

    #[test]
    fn a_vpn_is_the_wan_only_where_there_is_nothing_else() {
        let network = |name: &str, proto: &str, metric| Interface {
            name: name.into(),
            up: true,
            proto: proto.into(),
            device: Some(name.into()),
            defaults: vec![DefaultRoute {
                family: Family::Ipv4,
                metric,
                private: false,
                gateway: None,
            }],
            ..Interface::default()
        };
        let both = [network("wan", "dhcp", 10), network("wg0", "wireguard", 0)];
        assert_eq!(wan(&both, Family::Ipv4).unwrap().name, "wan");
        assert_eq!(wan(&both[1..], Family::Ipv4).unwrap().name, "wg0");
    }

    #[test]
    fn what_tells_the_kind_of_line() {
        let of = |file: &str, name: &str| dump(file).into_iter().find(|i| i.name == name).unwrap();
        let map = of("mape", "wan4");
        assert_eq!((&map.proto[..], map.device.as_deref()), ("map", Some("map-wan4")));
        let (ip, ports) = map.snat.unwrap();
        assert_eq!((ip.to_string(), ports.0.len(), ports.count()), ("192.0.2.0".into(), 15, 240));
        assert_eq!(of("464", "wan6_4").snat, None, "one address, no ports");
        assert_eq!(of("464", "wan6_4").default_route(Family::Ipv4), Some(2048));
        assert_eq!(of("dslite", "wan6").delegated[0].to_string(), "2001:db8:ca00:ff00::/56");
        let pppoe = of("pppoe", "wan");
        let gateway = pppoe.best(Family::Ipv4).unwrap().gateway;
        assert_eq!(gateway, Some("203.0.113.1".parse().unwrap()));
        // Two networks on one device: the one with the way out stands for it.
        let dump = dump("mape");
        assert_eq!(on_device(&dump, "wan0", Family::Ipv6).unwrap().name, "wan6");
        assert_eq!(on_device(&dump, "wan9", Family::Ipv6), None);
        let failed = serde_json::json!({"interface": [{"interface": "wan", "up": false,
            "proto": "pppoe", "errors": [{"subsystem": "pppoe", "code": "AUTH_FAILED"}, 7]}]});
        assert_eq!(interfaces(&failed).unwrap()[0].errors, ["pppoe: AUTH_FAILED"]);
    }

    #[test]
    fn prefixes_of_real_dumps() {
        let found = |name: &str, network: &str| {
            let found = dump(name).into_iter().find(|one| one.name == network).unwrap();
            let delegated: Vec<_> = found.delegated.iter().map(Prefix::to_string).collect();
            let assigned = found.assigned.iter();
            let assigned: Vec<_> = assigned
                .map(|a| (format!("{}/{}", a.ip, a.prefix_len), a.preferred.map(|p| p.as_secs())))
                .collect();
            (delegated, assigned)
        };
        let (delegated, assigned) = found("dhcp-dhcpv6pd", "wan6");
        assert_eq!(
            (&delegated[..], &assigned[..]),
            (&["2001:db8:ca00:ff00::/56".into()][..], &[][..])
        );
        let (delegated, assigned) = found("dhcp-dhcpv6pd", "lan");
        assert!(delegated.is_empty());
        let ula = ("fd2c:6b1e:77a0::/60".to_string(), None);
        assert_eq!(assigned, [("2001:db8:ca00:ff00::/60".into(), Some(1793)), ula.clone()]);
        let (_, assigned) = found("static", "lan");
        assert_eq!(assigned, [("2001:db8:cafe::/60".into(), None), ula]);
        assert_eq!(found("pppoe", "wan").0, [""; 0]);
    }

    #[test]
    fn what_is_no_dump_says_so() {
        assert!(interfaces(&serde_json::json!({})).is_err());
        assert!(interfaces(&Value::Null).is_err());
        let odd = serde_json::json!({"interface": [{"up": true}, 7, null]});
        assert_eq!(interfaces(&odd), Ok(vec![]));
    }
}
