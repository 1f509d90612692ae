//! The live ruleset's DNAT rules, by structure: which forward is in force, how often it was used,
//! and what is forwarded without a section. What a packet meets on its way is `acl`'s.

use crate::model::address::Prefix;
use crate::model::forward::{Forward, Origin, Ports, Proto, Source, State, Target};
use crate::model::name::Family;
use crate::model::ruleset::{Action, Expr, Field, Match, Op, Ruleset, Target as To};
use std::net::{IpAddr, Ipv4Addr};

/// One rule that sends packets elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dnat<'r> {
    /// `inet fw4`.
    pub table: String,
    pub chain: &'r str,
    /// Without fw4's `!fw4: `; may be empty.
    pub name: &'r str,
    pub handle: u64,
    /// An IP protocol number; `None`: any.
    pub protocol: Option<u8>,
    /// `None`: any port.
    pub ports: Option<Ports>,
    /// `None`: the router itself.
    pub host: Option<IpAddr>,
    pub to: Option<Ports>,
    pub v4: bool,
    pub v6: bool,
    /// A source is named.
    pub narrowed: bool,
    /// The one IPv4 address of ours that it waits for; `None`: any, or several.
    pub own: Option<Ipv4Addr>,
    /// New connections that took it, if it counts.
    pub packets: Option<u64>,
}

impl Dnat<'_> {
    /// It does what the forward says, for one of its protocols.
    pub fn is(&self, forward: &Forward) -> bool {
        let proto = match self.protocol {
            None => forward.protos.contains(&Proto::Any),
            Some(6) => forward.protos.contains(&Proto::Tcp),
            Some(17) => forward.protos.contains(&Proto::Udp),
            Some(_) => forward.protos.iter().any(|proto| matches!(proto, Proto::Other(_))),
        };
        let ports = match self.ports {
            None => forward.every_port(),
            Some(ports) => !forward.every_port() && forward.ext == [ports],
        };
        let to = forward.to_port.or_else(|| forward.ext.first().copied());
        let host = match forward.target {
            Target::Host(ip) => self.host == Some(ip),
            Target::Router => self.host.is_none(),
            _ => false,
        };
        proto && ports && host && (self.to == to || forward.every_port() || self.to.is_none())
    }
}

/// All of them, in order; of fw4's own those for clients inside (reflection) are left out.
pub fn dnats(ruleset: &Ruleset) -> Vec<Dnat<'_>> {
    let mut found = Vec::new();
    for table in ruleset.tables.iter().filter(|table| !table.dormant) {
        for chain in &table.chains {
            for rule in &chain.rules {
                let name = rule.comment.as_deref().unwrap_or_default();
                let name = name.strip_prefix("!fw4: ").unwrap_or(name);
                if name.ends_with(" (reflection)") {
                    continue;
                }
                let Some((to, host)) = rule.exprs.iter().find_map(target) else { continue };
                let mut dnat = Dnat {
                    table: format!("{} {}", table.family, table.name),
                    chain: &chain.name,
                    name,
                    handle: rule.handle,
                    protocol: None,
                    ports: None,
                    host,
                    to: to.port.map(|(first, last)| Ports { first, last }),
                    v4: table.sees(Family::Ipv4) && to.family != Some(Family::Ipv6),
                    v6: table.sees(Family::Ipv6) && to.family != Some(Family::Ipv4),
                    narrowed: false,
                    own: None,
                    packets: rule.packets,
                };
                rule.exprs.iter().for_each(|expr| dnat.narrow(expr));
                match host {
                    Some(IpAddr::V4(_)) => dnat.v6 = false,
                    Some(IpAddr::V6(_)) => dnat.v4 = false,
                    None => {}
                }
                found.push(dnat);
            }
        }
    }
    found
}

fn target(expr: &Expr) -> Option<(&To, Option<IpAddr>)> {
    match expr {
        Expr::Do(Action::Dnat(to)) => Some((to, Some(to.addr?.0))),
        Expr::Do(Action::Redirect(to)) => Some((to, None)),
        _ => None,
    }
}

impl Dnat<'_> {
    fn narrow(&mut self, expr: &Expr) {
        let Expr::Match(Match { key, op: Op::Is, values }) = expr else { return };
        let [part] = &key[..] else { return };
        let only = match &values.spans[..] {
            [(first, last)] => Some((*first, *last)),
            _ => None,
        };
        if let Some(protocol) = part.protocol {
            self.protocol = Some(protocol);
        }
        match (part.family, &part.field, only) {
            (Some(Family::Ipv4), ..) => self.v6 = false,
            (Some(Family::Ipv6), ..) => self.v4 = false,
            (None, Field::Nfproto, Some((2, 2))) => self.v6 = false,
            (None, Field::Nfproto, Some((10, 10))) => self.v4 = false,
            _ => {}
        }
        match (&part.field, only) {
            (Field::DestPort, Some((first, last))) => {
                let port = |number: u128| u16::try_from(number).unwrap_or(u16::MAX);
                self.ports = Some(Ports { first: port(first), last: port(last) });
            }
            (Field::Protocol, Some((first, last))) if first == last => {
                self.protocol = u8::try_from(first).ok();
            }
            // miniupnpd: the protocol's byte in an IPv4 header.
            (Field::NetworkHeader { offset: 72, len: 8 }, Some((first, _))) => {
                self.protocol = u8::try_from(first).ok();
            }
            (Field::Source, _) => self.narrowed = true,
            (Field::Dest, Some((first, last))) if first == last && !self.v6 => {
                self.own = u32::try_from(first & 0xFFFF_FFFF).ok().map(Ipv4Addr::from);
            }
            _ => {}
        }
    }

    /// As a forward that nobody wrote in the config.
    pub fn forward(&self) -> Forward {
        let at = format!("{} {} handle {}", self.table, self.chain, self.handle);
        Forward {
            uid: format!("nft:{at}"),
            origin: Origin::Ruleset,
            section: at.clone(),
            line: 0,
            name: if self.name.is_empty() { at } else { self.name.to_string() },
            state: State::Active,
            zone: String::new(),
            v4: self.v4,
            v6: self.v6,
            family_default: false,
            protos: vec![match self.protocol {
                Some(6) => Proto::Tcp,
                Some(17) => Proto::Udp,
                Some(other) => Proto::Other(other.to_string()),
                None => Proto::Any,
            }],
            proto_default: false,
            ext: self.ports.into_iter().collect(),
            source: match self.narrowed {
                true => Source { odd: vec!["a source in the rule".into()], ..Source::default() },
                false => Source::default(),
            },
            src_dip: self.own.map(|ip| Prefix { ip: ip.into(), len: 32 }).into_iter().collect(),
            target: self.host.map_or(Target::Router, Target::Host),
            target_named: None,
            to_port: self.to,
            reflection: false,
            conditions: Vec::new(),
            unknown: Vec::new(),
            said: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::nft;

    #[test]
    fn the_real_ruleset() {
        let path = format!("{}/tests/data/nft/fw4-miniupnpd.json", env!("CARGO_MANIFEST_DIR"));
        let (ruleset, _) = nft::ruleset(&std::fs::read(path).unwrap());
        let shown: Vec<String> = dnats(&ruleset)
            .iter()
            .map(|dnat| {
                let one = dnat.forward();
                format!("{} {} > {}", dnat.name, one.external_words(), one.target_words())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "https to NAS tcp 8443 > 192.168.1.50:443",
                "game udp range udp 27000-27015 > 192.168.1.60:27000-27015",
                "ssh from office only tcp 2222 > 192.168.1.50:22",
                "ssh from office only udp 2222 > 192.168.1.50:22",
                "to router itself tcp 9000 > (router itself):80",
                "v6 dnat tcp 8080 v6 > [fd00::50]:8080",
                " tcp 18123 > 192.168.1.50:8123",
                " udp 51413 > 192.168.1.50:51413",
            ]
        );
    }
}
