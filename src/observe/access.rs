//! What tells the kind of line of a WAN, beside its addresses: netifd's protocol and complaints,
//! the kernel's word on the link, the rules of a MAP line. The ways out are `ways`'s.

use crate::model::known::Known;
use crate::model::line::{Access, MapRule, Way};
use crate::model::name::Family;
use crate::model::wan::{Because, Link, Wan};
use crate::parse::map_rules;
use crate::parse::netifd::{self, Interface};
use crate::world::Sys;
use log::debug;

/// What netifd says of the network behind a WAN.
pub fn by_netifd(wan: &Wan, interfaces: &[Interface]) -> Access {
    let by_name = |name: &str| interfaces.iter().find(|network| network.name == name);
    let mut access = Access::default();
    let Known::Known(Some((device, because))) = &wan.device else {
        let down = interfaces.iter().filter(|network| match &wan.asked {
            Some(asked) => network.name == *asked,
            None => !network.up,
        });
        access.errors = down.flat_map(|network| network.errors.clone()).collect();
        return access;
    };
    let network = match because {
        Because::Netifd(name) => by_name(name),
        _ => wan.asked.as_deref().and_then(by_name),
    };
    let Some(network) = network.or_else(|| netifd::on_device(interfaces, device, wan.family))
    else {
        return access;
    };
    access.network = Some(network.name.clone());
    access.proto = Some(network.proto.clone());
    access.gateway = network.best(wan.family).and_then(|route| route.gateway);
    access.errors = network.errors.clone();
    if let Some((address, ports)) = &network.snat {
        let ports = Known::Known(ports.clone());
        access.map = Some(MapRule { kind: None, address: Some(*address), ports });
    }
    if wan.family == Family::Ipv6 {
        let here = interfaces.iter().filter(|other| other.device == network.device);
        for prefix in here.flat_map(|other| &other.delegated) {
            if !access.delegated.contains(prefix) {
                access.delegated.push(*prefix);
            }
        }
    }
    access
}

/// What the kernel says of a WAN's link, and what map.sh wrote down.
pub fn by_kernel(sys: &mut dyn Sys, wan: &mut Wan, link: &Link) {
    if wan.access.network.is_none() {
        wan.access.proto = kind_of(sys, &link.name);
    }
    let way = wan.access.proto.as_deref().and_then(Way::of);
    match (way, &wan.access.network) {
        (Some(Way::Map), Some(network)) => {
            let written = written_rule(sys, network);
            wan.access.map = match (written, wan.access.map.take()) {
                (Some(rule), Some(told)) if rule.ports.known().is_none() => {
                    Some(MapRule { ports: told.ports, ..rule })
                }
                (Some(rule), _) => Some(rule),
                (None, told) => told,
            };
        }
        // Others have us translate, too, but not to ports of theirs.
        _ => wan.access.map = None,
    }
}

/// The kernel knows it as a VPN's.
pub fn is_vpn(sys: &mut dyn Sys, device: &str) -> bool {
    kind_of(sys, device).as_deref().and_then(Way::of) == Some(Way::Vpn)
}

/// The kernel's own word on a link, as far as it tells the kind of line.
fn kind_of(sys: &mut dyn Sys, device: &str) -> Option<String> {
    let mut file = |name: &str| {
        let bytes = sys.read_file(&format!("/sys/class/net/{device}/{name}")).ok().flatten()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    if let Some(uevent) = file("uevent")
        && let Some(kind) = uevent.lines().find_map(|line| line.strip_prefix("DEVTYPE="))
        && Way::of(kind).is_some()
    {
        return Some(kind.to_string());
    }
    // ARPHRD_TUNNEL6 (linux/if_arp.h): IPv4 or IPv6 in IPv6.
    if file("type").is_some_and(|kind| kind.trim() == "769") {
        return Some("ip6tnl".into());
    }
    file("tun_flags").map(|_| "tun".into())
}

/// What map.sh wrote for this network; `None` if it is not there or cannot be read.
fn written_rule(sys: &mut dyn Sys, network: &str) -> Option<MapRule> {
    let path = map_rules::path(network)?;
    match map_rules::rule(&sys.read_file(&path).ok()??) {
        Ok(rule) => Some(rule),
        Err(why) => {
            debug!("{path}: {why}");
            None
        }
    }
}
