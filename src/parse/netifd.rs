//! netifd's `network.interface dump` (OpenWrt): which logical network has which device and which
//! default route. What this version does not need of it is not read.

use crate::model::address::Prefix;
use crate::model::name::Family;
use crate::model::wan::Address;
use serde_json::Value;
use std::time::Duration;

/// One logical network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    pub name: String,
    pub up: bool,
    /// The device that carries its addresses (`l3_device`); absent while it is down.
    pub device: Option<String>,
    /// Metric of its default route in the main table, per family.
    pub default_v4: Option<u64>,
    pub default_v6: Option<u64>,
    /// Prefixes delegated over it (`ipv6-prefix`).
    pub delegated: Vec<Prefix>,
    /// What it was given of others' delegated prefixes (`ipv6-prefix-assignment`), with what
    /// remained of their lifetimes at the time of the dump.
    pub assigned: Vec<Address>,
}

impl Interface {
    pub fn default_route(&self, family: Family) -> Option<u64> {
        match family {
            Family::Ipv4 => self.default_v4,
            Family::Ipv6 => self.default_v6,
        }
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
/// the main table, lowest metric; netifd's own order (by name) breaks a tie.
pub fn wan(interfaces: &[Interface], family: Family) -> Option<&Interface> {
    interfaces
        .iter()
        .filter(|interface| interface.up && interface.device.is_some())
        .filter_map(|interface| Some((interface.default_route(family)?, interface)))
        .min_by_key(|(metric, _)| *metric)
        .map(|(_, interface)| interface)
}

fn interface(value: &Value) -> Option<Interface> {
    Some(Interface {
        name: value.get("interface")?.as_str()?.to_string(),
        up: value.get("up").and_then(Value::as_bool).unwrap_or(false),
        device: value.get("l3_device").and_then(Value::as_str).map(str::to_string),
        default_v4: default_route(value, "0.0.0.0"),
        default_v6: default_route(value, "::"),
        delegated: list(value, "ipv6-prefix").filter_map(prefix).collect(),
        assigned: list(value, "ipv6-prefix-assignment").filter_map(assigned).collect(),
    })
}

fn list<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
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

fn default_route(interface: &Value, target: &str) -> Option<u64> {
    let own_metric = interface.get("metric").and_then(Value::as_u64).unwrap_or(0);
    interface
        .get("route")?
        .as_array()?
        .iter()
        .filter(|route| {
            // A route in a private table (mwan3, pbr) is not the router's own way out.
            route.get("target").and_then(Value::as_str) == Some(target)
                && route.get("mask").and_then(Value::as_u64) == Some(0)
                && route.get("table").is_none()
        })
        .map(|route| route.get("metric").and_then(Value::as_u64).unwrap_or(own_metric))
        .min()
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
