//! What the kernel says of the ways out, packet by packet: by its tables and rules as they are, for
//! a source, a mark, a link. So mwan3, pbr and tables by source need not be understood here.

use crate::model::address::class;
use crate::model::known::Known;
use crate::model::line::Astray;
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
        if own.is_some_and(|own| way(sys, family, Some(own), 0) == Some(link.index)) {
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
    wan.access.egress = way(sys, family, None, 0).and_then(other);
    if own.is_none() {
        return;
    }
    if let Some(device) = way(sys, family, own, 0).and_then(other) {
        let marks = Known::from(sys.marks(family));
        let back = |mark: &u32| way(sys, family, own, *mark) == Some(link.index);
        let back_by = marks.map(|marks| marks.into_iter().find(back));
        wan.access.astray = Some(Astray { device, back_by });
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

/// The way of a packet that must leave by this link. Where the ways depend on the source, the kernel
/// takes the whole Internet for neighbours on the link until it is given one.
fn over(sys: &mut dyn Sys, family: Family, own: Option<IpAddr>, device: u32) -> Option<Route> {
    let any = ask(sys, family, None, Some(device), 0);
    match (&any, own) {
        (Some(Route { gateway: Some(_), .. }), _) | (_, None) => any,
        _ => ask(sys, family, own, Some(device), 0).or(any),
    }
}

fn way(sys: &mut dyn Sys, family: Family, source: Option<IpAddr>, mark: u32) -> Option<u32> {
    ask(sys, family, source, None, mark).map(|route| route.device)
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

/// The address that conversations with the Internet begin from: a global one if there is any.
fn source(addresses: &[Address], family: Family) -> Option<IpAddr> {
    let fits = |ip: &IpAddr| Family::of(*ip) == family && class(*ip).kind.fits_a_record();
    let fit = addresses.iter().map(|address| address.ip).filter(fits);
    fit.min_by_key(|ip| !class(*ip).global)
}
