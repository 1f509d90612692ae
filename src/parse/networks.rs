//! The router's networks with their addresses, as a report needs them: from netifd's dump, or
//! from what firewall4 wrote down when it was loaded (`/var/run/fw4.state`). Which network is
//! WAN for a record is `netifd`'s.

use crate::model::address::Prefix;
use crate::model::snapshot::Network;
use serde_json::Value;
use std::net::IpAddr;

/// netifd's `network.interface dump`, in its order.
pub fn netifd(dump: &Value) -> Result<Vec<Network>, String> {
    let list = dump.get("interface").and_then(Value::as_array);
    let list = list.ok_or("netifd's answer lists no interfaces")?;
    Ok(list.iter().filter_map(interface).collect())
}

fn interface(value: &Value) -> Option<Network> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    let mut network = Network {
        name: text("interface")?,
        up: value.get("up").and_then(Value::as_bool).unwrap_or(false),
        proto: text("proto").unwrap_or_default(),
        device: text("l3_device").or_else(|| text("device")),
        zone: value.get("data").and_then(|data| data.get("zone")?.as_str()).map(str::to_string),
        ..Network::default()
    };
    for key in ["ipv4-address", "ipv6-address"] {
        network.addresses.extend(array(value, key).filter_map(|one| address(one, "mask")));
    }
    // The router's own address in a prefix that was handed down to this network.
    network.addresses.extend(
        array(value, "ipv6-prefix-assignment")
            .filter_map(|one| address(one.get("local-address")?, "mask")),
    );
    network.delegated = array(value, "ipv6-prefix")
        .filter_map(|one| address(one, "mask"))
        .filter_map(|(ip, len)| Prefix::of(ip, len))
        .collect();
    for route in array(value, "route").filter(|route| route.get("table").is_none()) {
        let to = route.get("target").and_then(Value::as_str).unwrap_or_default();
        let len = route.get("mask").and_then(Value::as_u64).unwrap_or(0);
        match Prefix::parse(&format!("{to}/{len}")) {
            Some(net) if net.len == 0 => network.default_route = true,
            net => network.routes.extend(net),
        }
    }
    Some(network)
}

/// The networks in `/var/run/fw4.state`: what the firewall's rules were made from.
pub fn fw4_state(state: &Value) -> Result<Vec<Network>, String> {
    let all = state.get("networks").and_then(Value::as_object);
    let all = all.ok_or("/var/run/fw4.state names no networks")?;
    let one = |(name, value): (&String, &Value)| Network {
        name: name.clone(),
        up: value.get("up").and_then(Value::as_bool).unwrap_or(false),
        device: value.get("device").and_then(Value::as_str).map(str::to_string),
        zone: value.get("zone").and_then(Value::as_str).map(str::to_string),
        addresses: array(value, "ipaddrs").filter_map(|one| self::address(one, "bits")).collect(),
        ..Network::default()
    };
    Ok(all.iter().map(one).collect())
}

fn array<'v>(value: &'v Value, key: &str) -> impl Iterator<Item = &'v Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn address(value: &Value, len: &str) -> Option<(IpAddr, u8)> {
    let ip: IpAddr = value.get("address").or(value.get("addr"))?.as_str()?.parse().ok()?;
    let len = value.get(len)?.as_u64()?;
    Some((ip, u8::try_from(len).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_dump() {
        let path = format!("{}/tests/data/netifd/static.json", env!("CARGO_MANIFEST_DIR"));
        let dump = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let networks = netifd(&dump).unwrap();
        let of = |name: &str| networks.iter().find(|network| network.name == name).unwrap();
        assert_eq!(of("wan").addresses, [("198.51.100.23".parse().unwrap(), 24)]);
        assert!(of("wan").default_route && of("wan6").default_route && !of("lan").default_route);
        let own: Vec<String> = of("lan").addresses.iter().map(|(ip, _)| ip.to_string()).collect();
        assert_eq!(own, ["192.168.1.1", "2001:db8:cafe::1", "fd2c:6b1e:77a0::1"]);
        assert_eq!(of("wan6").delegated[0].to_string(), "2001:db8:cafe::/56");
        assert_eq!(of("lan").device.as_deref(), Some("br-lan"));
    }

    #[test]
    fn what_is_no_dump_says_so() {
        assert!(netifd(&Value::Null).is_err() && fw4_state(&serde_json::json!([])).is_err());
        let odd = serde_json::json!({"interface": [7, {"interface": "x", "ipv4-address": [{}]}]});
        assert_eq!(netifd(&odd).unwrap().len(), 1);
    }
}
