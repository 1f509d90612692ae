//! The LANs whose hosts have names: their prefixes, neighbours and leases. Only what the config's
//! names need is looked at.

use super::{Netifd, named};
use crate::model::address::class;
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::lan::{Host, Lan, Lease, Mac};
use crate::model::name::{Family, Name};
use crate::model::wan::{Address, Link, WanView};
use crate::parse::leases;
use crate::world::Sys;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

type Heard = Known<Vec<(u32, Mac, Ipv6Addr)>>;

/// Adds to the view what its names of LAN hosts need. The WANs are in it already.
pub(super) fn look(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &Result<Vec<Link>, String>,
    config: &Config,
    view: &mut WanView,
) {
    let names = || config.names.iter().filter(|name| name.has_hosts());
    // A suffix is all that it takes; the others must be found.
    let to_find = |host: &Host| !matches!(host, Host::Suffix(_));
    let mut heard = Known::Known(Vec::new());
    if names().any(|name| name.hosts.iter().any(to_find)) {
        heard = sys.neighbours().into();
        view.leases = all_leases(sys);
    }
    for name in names() {
        if view.lan(name.wan.as_deref(), &name.lan).is_none() {
            let lan = match links {
                Ok(links) => one(sys, netifd, links, view, name, &heard),
                Err(why) => Lan {
                    wan: name.wan.clone(),
                    asked: name.lan.clone(),
                    device: Known::unknown(why),
                    prefixes: Vec::new(),
                    neighbours: Known::unknown(why),
                },
            };
            view.lans.push(lan);
        }
    }
}

fn one(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    view: &WanView,
    name: &Name,
    heard: &Heard,
) -> Lan {
    let device = match named(sys, netifd, links, &name.lan) {
        Known::Known(device) => Known::Known(device.map(|(device, _)| device)),
        Known::Unknown(why) => Known::Unknown(why),
    };
    let link = device.known().and_then(Option::as_ref);
    let link = link.and_then(|device| links.iter().find(|link| link.name == *device && link.up));
    let mut prefixes: Vec<Address> = Vec::new();
    let mut add = |address: &Address| {
        let Some(prefix) = prefix(address) else { return };
        match prefixes.iter_mut().find(|known| known.ip == prefix.ip) {
            Some(known) if lasting(known) >= lasting(&prefix) => {}
            Some(known) => *known = prefix,
            None => prefixes.push(prefix),
        }
    };
    link.into_iter().flat_map(|link| &link.addresses).for_each(&mut add);
    // What netifd assigned, but the kernel does not have yet: the bridge may still be starting.
    let shown: Vec<IpAddr> = prefixes.iter().map(|prefix| prefix.ip).collect();
    if let (Some(Ok(interfaces)), Some(link)) = (netifd.ask(sys), link) {
        let on = interfaces.iter().filter(|i| i.device.as_ref() == Some(&link.name));
        let assigned = on.flat_map(|interface| &interface.assigned);
        for prefix in assigned.filter_map(prefix).filter(|prefix| !shown.contains(&prefix.ip)) {
            prefixes.push(prefix);
        }
        if let Some(wan) = name.wan.as_deref().and_then(|wan| view.find(Some(wan), Family::Ipv6)) {
            let own = wan.device.known().and_then(Option::as_ref).map(|(device, _)| &device[..]);
            let others = interfaces.iter().filter(|i| i.device.as_deref() != own);
            let others: Vec<_> = others.flat_map(|interface| &interface.delegated).collect();
            prefixes.retain(|prefix| !others.iter().any(|other| other.contains(prefix.ip)));
        }
    }
    let neighbours = match (heard, link) {
        (Known::Known(heard), Some(link)) => {
            let here = heard.iter().filter(|(index, ..)| *index == link.index);
            Known::Known(here.map(|(_, mac, ip)| (*mac, *ip)).collect())
        }
        (Known::Known(_), None) => Known::Known(Vec::new()),
        (Known::Unknown(why), _) => Known::Unknown(why.clone()),
    };
    Lan { wan: name.wan.clone(), asked: name.lan.clone(), device, prefixes, neighbours }
}

/// The /64 that an address or an assigned prefix stands for; `None` for what no host can share.
fn prefix(address: &Address) -> Option<Address> {
    let IpAddr::V6(ip) = address.ip else { return None };
    if address.prefix_len > 64 || !class(address.ip).kind.fits_a_record() {
        return None;
    }
    let ip = IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64));
    // The router's own address may be a duplicate; its prefix is good all the same.
    let flags = address.flags & Address::DEPRECATED;
    Some(Address { ip, prefix_len: 64, flags, ..address.clone() })
}

/// Not deprecated, then the longer lifetime; none is for ever.
fn lasting(address: &Address) -> (bool, Duration) {
    let lifetime = address.preferred.unwrap_or(Duration::MAX);
    (!address.has(Address::DEPRECATED), lifetime)
}

fn all_leases(sys: &mut dyn Sys) -> Vec<Lease> {
    let mut all = sys.ipv6_leases().map(|answer| leases::ubus(&answer)).unwrap_or_default();
    for path in leases::FILES {
        // A file that cannot be read tells nothing, which is what a missing host means.
        if let Ok(Some(bytes)) = sys.read_file(path) {
            all.extend(leases::file(&bytes));
        }
    }
    all
}
