//! What a verdict is called, and what it means for the owner.

use super::label;
use crate::model::address::{Kind, Prefix, class};
use crate::model::known::Known;
use crate::model::line::{Astray, Certainty, Line, MapKind, PortSet, Upstream, Verdict};
use crate::model::name::Family;
use crate::model::wan::Wan;

/// For programs; stable.
pub fn key(line: &Line) -> &'static str {
    match line {
        Line::Public => "public",
        Line::Cgnat { behind: None } => "cgnat",
        Line::Cgnat { behind: Some(_) } => "cgnat_behind_nat",
        Line::DoubleNat { .. } => "double_nat",
        Line::DsLite => "ds_lite",
        Line::Map { kind: MapKind::MapE, .. } => "map_e",
        Line::Map { kind: MapKind::MapT, .. } => "map_t",
        Line::Map { kind: MapKind::Lw4o6, .. } => "lw4o6",
        Line::Xlat464 => "464xlat",
        Line::VpnEgress => "vpn_egress",
        Line::MobileCarrier => "mobile_carrier",
        Line::Down => "down",
        Line::Unknown => "unknown",
    }
}

/// For people, without an article.
pub fn title(line: &Line) -> &'static str {
    match line {
        Line::Public => "public address",
        Line::Cgnat { behind: None } => "carrier-grade NAT (CGNAT)",
        Line::Cgnat { behind: Some(_) } => "carrier-grade NAT (CGNAT) behind another router",
        Line::DoubleNat { .. } => "double NAT: another router above",
        Line::DsLite => "DS-Lite: IPv4 is translated at the ISP",
        Line::Map { kind: MapKind::MapE, .. } => "MAP-E: a public address shared by ports",
        Line::Map { kind: MapKind::MapT, .. } => "MAP-T: a public address shared by ports",
        Line::Map { kind: MapKind::Lw4o6, .. } => "lw4o6: a public address shared by ports",
        Line::Xlat464 => "464XLAT: IPv4 is translated at the ISP",
        Line::VpnEgress => "VPN: packets leave through a tunnel",
        Line::MobileCarrier => "mobile network with the carrier's NAT",
        Line::Down => "down",
        Line::Unknown => "not known",
    }
}

/// Title and certainty.
pub fn summary(verdict: &Verdict) -> String {
    let title = title(&verdict.line);
    match verdict.certainty {
        Certainty::Unknown => title.to_string(),
        certainty => format!("{title}, {certainty}"),
    }
}

/// What it means for the owner, in sentences. `prefixes`: what is public and delegated over IPv6,
/// on whatever WAN, for those who must turn to it.
pub fn meaning(verdict: &Verdict, wan: &Wan, prefixes: &[Prefix]) -> String {
    let mut text = match &verdict.line {
        Line::Public if wan.family == Family::Ipv6 => {
            "Hosts can be reached over IPv6 where the firewall lets packets in.".to_string()
        }
        Line::Public => match verdict.certainty {
            Certainty::Proved => "IPv4 forwards can work on this line.".to_string(),
            _ => "IPv4 forwards should work on this line; nobody outside has confirmed it.".into(),
        },
        Line::Cgnat { behind: None } => instead("your ISP shares the address", prefixes),
        Line::Cgnat { behind: Some(above) } => {
            let why = ["your ISP shares the address of ", &router(above)].concat();
            instead(&why, prefixes)
        }
        Line::DoubleNat { upstream } => double_nat(upstream, wan),
        Line::DsLite => instead("IPv4 ends at your ISP's translator (AFTR)", prefixes),
        Line::Xlat464 => instead("the line is IPv6 only, and your ISP translates", prefixes),
        Line::MobileCarrier => format!(
            "{} Some carriers sell an access point name (APN) with a public address.",
            instead("the carrier translates, which is normal on mobile networks", prefixes)
        ),
        Line::Map { ports: Known::Known(ports), .. } => map(ports),
        Line::Map { ports: Known::Unknown(_), .. } => {
            "Only some external ports are yours; which ones could not be told.".to_string()
        }
        Line::VpnEgress => "What the Internet sees here is the VPN's address. Names are published \
                            from it only if they say so with option wan; name your ISP's network \
                            there to follow the line."
            .into(),
        Line::Down => "Nothing can be reached over it.".to_string(),
        Line::Unknown => unknown(wan, prefixes),
    };
    let Some(Astray { device, back_by }) = &wan.access.astray else { return text };
    let unless = match back_by {
        Known::Known(Some(mark)) => format!(
            " unless they are marked {mark:#x}, as mwan3 or pbr marks those of connections that came \
             in here."
        ),
        Known::Known(None) => {
            if verdict.line == Line::Public {
                text = "The address is public, but connections that come in here break.".into();
            }
            ", whatever their mark. Have packets from it leave by this line, with mwan3, pbr or an \
             ip rule."
                .into()
        }
        Known::Unknown(_) => ", unless mwan3 or pbr sends them back.".into(),
    };
    text.push_str(&format!(" Answers from its own address leave by {device}{unless}"));
    text
}

fn instead(why: &str, prefixes: &[Prefix]) -> String {
    let prefixes: Vec<String> = prefixes.iter().map(Prefix::to_string).collect();
    let six = match prefixes.is_empty() {
        true => "or use IPv6 or a tunnel".to_string(),
        false => format!("or publish over IPv6 (prefix {})", prefixes.join(", ")),
    };
    format!("No IPv4 forward can work on this line: {why}. Ask for a public IPv4 address, {six}.")
}

fn double_nat(upstream: &Upstream, wan: &Wan) -> String {
    let who = router(upstream);
    let to = match wan.addresses.first() {
        Some(own) => format!(" to {}", own.ip),
        None => String::new(),
    };
    let publish = match upstream.outside {
        Some(ip) => format!(" Option shared_line 'outside' publishes its address, {ip}."),
        None => String::new(),
    };
    format!(
        "Connections reach {who} first: forward the same ports there{to}, or put it into bridge \
         mode.{publish}"
    )
}

/// What holds whichever it is.
fn unknown(wan: &Wan, prefixes: &[Prefix]) -> String {
    let has = |kind| wan.addresses.iter().any(|address| class(address.ip).kind == kind);
    if has(Kind::ServiceContinuity) {
        return instead("whichever it is, your ISP translates", prefixes);
    }
    let mut text = format!("What the {} line gives could not be told.", label(wan.family));
    text.push_str(match has(Kind::Private) {
        true => {
            " If a router of yours is above this one, look which address it has outside: where that \
             is public, forward the same ports there; else no IPv4 forward can work."
        }
        false => " Nothing is concluded from that.",
    });
    text
}

/// The router above, as the owner may know it.
fn router(above: &Upstream) -> String {
    let mut who = match (&above.name, above.address) {
        (Some(name), Some(ip)) => format!("the router above ({name}, {ip})"),
        (None, Some(ip)) => format!("the router above ({ip})"),
        _ => "the router above".into(),
    };
    who.retain(|c| !c.is_control());
    who
}

/// A line holds so many ranges in words.
const SHOWN: usize = 6;

fn map(ports: &PortSet) -> String {
    if ports.count() > u32::from(u16::MAX) {
        return "All external ports are yours: the address is not shared.".into();
    }
    let mut list: Vec<String> =
        ports.0.iter().take(SHOWN).map(|(low, high)| format!("{low}-{high}")).collect();
    if ports.0.len() > SHOWN {
        list.push(format!("and {} more ranges", ports.0.len() - SHOWN));
    }
    let mut text = format!("Only these external ports are yours: {}.", list.join(", "));
    if !ports.usable(443)
        && let Some(near) = ports.nearest_free(443, &[])
    {
        text.push_str(&format!(
            " A forward of any other, such as 443, can never work; one of {near} to a host's 443 \
             can."
        ));
    }
    text
}
