//! What the kernel says of the ways out, packet by packet: by its tables and rules as they are, for
//! a source, a mark, a link. So mwan3, pbr and tables by source need not be understood here.

use crate::model::address::class;
use crate::model::name::Family;
use crate::model::wan::{Address, Link, Route, Wan};
use crate::world::{RouteQuery, Sys};
use std::net::IpAddr;

/// The links by which packets from their own address leave. On a router with one way out that is
/// the one; where each has a table of its own, it may be the only thing that tells.
pub fn by_source<'l>(sys: &mut dyn Sys, links: &'l [Link], family: Family) -> Vec<&'l Link> {
    let mut found = Vec::new();
    for link in links.iter().filter(|link| link.up && !link.loopback) {
        let own = source(&link.addresses, family);
        if own.is_some_and(|own| way(sys, family, Some(own), None, 0) == Some(link.index)) {
            found.push(link);
        }
    }
    found
}

/// The ways over and around a WAN's link: the router above, who takes our own packets, and who
/// takes the answers to connections that came in here.
pub fn look(sys: &mut dyn Sys, wan: &mut Wan, links: &[Link], link: &Link) {
    let family = wan.family;
    let other = |index: u32| {
        let other = links.iter().find(|other| other.index == index && index != link.index);
        other.filter(|other| !other.loopback).map(|other| other.name.clone())
    };
    let own = source(&wan.addresses, family);
    if wan.access.gateway.is_none() {
        wan.access.gateway = over(sys, family, own, link.index).and_then(|route| route.gateway);
    }
    wan.access.egress = way(sys, family, None, None, 0).and_then(other);
    if own.is_none() {
        return;
    }
    wan.access.astray = way(sys, family, own, None, 0).and_then(other);
    if wan.access.astray.is_some() {
        let marks = sys.marks(family);
        let back = |mark: &u32| way(sys, family, own, None, *mark) == Some(link.index);
        wan.access.back_by = marks.into_iter().find(back);
    }
}

/// The router above on this device's link, and our own address towards it.
pub fn above(sys: &mut dyn Sys, device: &str, family: Family) -> Option<(IpAddr, IpAddr)> {
    let links = sys.links().ok()?;
    let link = links.iter().find(|link| link.name == device)?;
    let own = source(&link.addresses, family);
    let route = over(sys, family, own, link.index)?;
    // The kernel does not repeat the source it was asked for.
    Some((route.gateway?, route.source.or(own)?))
}

/// The way of a packet that must leave by this link. A socket bound to it gets the source first,
/// and then the way from there; without a source, the kernel may take the whole Internet for
/// neighbours on the link.
fn over(sys: &mut dyn Sys, family: Family, own: Option<IpAddr>, device: u32) -> Option<Route> {
    let from_own = own.and_then(|own| ask(sys, family, Some(own), Some(device), 0));
    let leads = from_own.filter(|route| route.gateway.is_some());
    leads.or_else(|| ask(sys, family, None, Some(device), 0))
}

fn way(
    sys: &mut dyn Sys,
    family: Family,
    source: Option<IpAddr>,
    device: Option<u32>,
    mark: u32,
) -> Option<u32> {
    ask(sys, family, source, device, mark).map(|route| route.device)
}

fn ask(
    sys: &mut dyn Sys,
    family: Family,
    source: Option<IpAddr>,
    device: Option<u32>,
    mark: u32,
) -> Option<Route> {
    sys.route(&RouteQuery { family, to: None, device, source, mark }).ok().flatten()
}

/// The address that conversations begin from.
fn source(addresses: &[Address], family: Family) -> Option<IpAddr> {
    let fits = |ip: &IpAddr| Family::of(*ip) == family && class(*ip).kind.fits_a_record();
    addresses.iter().map(|address| address.ip).find(fits)
}
