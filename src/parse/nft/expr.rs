//! One rule's expressions, and the elements of sets, out of nft's JSON (libnftables-json(5)).

use super::{names, strings};
use crate::model::name::Family;
use crate::model::ruleset::{
    Action, Expr, Field, Key, Mark, Marks, Match, Op, Part, Target, Values,
};
use serde_json::Value;
use std::net::IpAddr;

/// What a number of a key is, for reading its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Address,
    Device,
    Protocol,
    Nfproto,
    IcmpType,
    Icmp6Type,
    IcmpCode,
    Icmp6Code,
    CtState,
    CtStatus,
    TcpFlags,
    RouteType,
    Other,
}

pub struct Reader {
    /// Numbers read, and how many may be.
    pub spans: usize,
    pub budget: usize,
    /// Named sets that the rule writes to.
    pub written: Vec<String>,
    /// The rule's counter.
    pub packets: Option<u64>,
    /// What the rule does with marks.
    pub marks: Marks,
}

/// Statements that leave a packet and its way as they are. A mark is taken as unknown wherever it
/// is looked at, so setting one changes nothing for us either.
const NEUTRAL: &[&str] = &[
    "log",
    "ct helper",
    "ct timeout",
    "ct expectation",
    "flow",
    "dup",
    "secmark",
    "last",
    "meta nftrace",
];

/// What may be rewritten without changing which rules match or where the packet goes.
const HARMLESS: &[&str] = &[
    "mark", "priority", "nftrace", "secmark", "label", "event", "helper", "dscp", "tos", "ecn",
    "ttl", "hoplimit",
];

pub fn unknown(what: &str) -> Expr {
    Expr::Unknown(what.chars().take(100).collect())
}

impl Reader {
    pub fn exprs(&mut self, list: &[Value]) -> Vec<Expr> {
        let mut out = Vec::with_capacity(list.len());
        for statement in list {
            match statement.as_object().and_then(|object| object.iter().next()) {
                Some((kind, body)) => self.statement(kind, body, &mut out),
                None => out.push(unknown("an empty expression")),
            }
        }
        out
    }

    fn statement(&mut self, kind: &str, body: &Value, out: &mut Vec<Expr>) {
        match kind {
            "match" => out.push(self.comparison(body)),
            "counter" => {
                let packets = body.get("packets").and_then(Value::as_u64);
                self.packets = self.packets.or(packets);
            }
            "limit" | "ct count" if body.is_object() => {
                let over = body.get("inv").and_then(Value::as_bool).unwrap_or(false);
                out.push(Expr::Limit { over });
            }
            "limit" | "quota" => out.push(Expr::Sometimes(kind.to_string())),
            "xt" if text(body, "type") == "match" => {
                out.push(Expr::Sometimes(format!("xt {}", text(body, "name"))));
            }
            "set" | "map" if body.get("op").is_some() => {
                let name = text(body, "set").trim_start_matches('@').to_string();
                if body.get("stmt").is_some() {
                    out.push(Expr::Sometimes(format!("a meter by @{name}")));
                }
                self.written.push(name);
            }
            "mangle" => {
                self.mark(body, out);
                if !harmless(body.get("key")) {
                    out.push(unknown("a rewrite of the packet"));
                }
            }
            "notrack" => out.push(Expr::Notrack),
            "vmap" => out.push(self.choose(body, |action| action)),
            "dnat" => self.dnat(body, out),
            "reject" => {
                // nft leaves out the condition that its kind of answer needs.
                let kind = text(body, "type");
                let (field, number) = match kind {
                    "tcp reset" => (Field::Protocol, 6),
                    "icmp" => (Field::Nfproto, 2),
                    "icmpv6" => (Field::Nfproto, 10),
                    _ => (Field::Protocol, 0),
                };
                if number != 0 {
                    let values = Values { spans: vec![(number, number)], ..Values::default() };
                    out.push(Expr::Match(Match { key: vec![part(field)], op: Op::Is, values }));
                }
                out.push(Expr::Do(action("reject", body)));
            }
            // Of iptables' words nft shows the name at most.
            "xt" => {
                let name = text(body, "name");
                self.marks.unread |= name.is_empty() || name.contains("MARK");
                out.push(unknown(kind));
            }
            _ if NEUTRAL.contains(&kind) => {}
            _ => match action(kind, body) {
                Action::Unknown(what) if kind != "queue" => out.push(unknown(&what)),
                action => out.push(Expr::Do(action)),
            },
        }
    }

    /// `meta mark set`, `ct mark set`: which, and of packets from where.
    fn mark(&mut self, body: &Value, before: &[Expr]) {
        let of = |kind: &str| body.get("key").and_then(|key| key.get(kind));
        let packet = match (of("meta"), of("ct")) {
            (Some(key), _) if text(key, "key") == "mark" => true,
            (_, Some(key)) if text(key, "key") == "mark" => false,
            _ => return,
        };
        let device = |expr: &Expr| match expr {
            Expr::Match(Match { key, op: Op::Is, values }) if values.set.is_none() => {
                key.iter().any(|part| part.field == Field::InDevice).then(|| values.names.clone())
            }
            _ => None,
        };
        let by = before.iter().find_map(device).unwrap_or_default();
        self.mark_of(body.get("value").unwrap_or(&Value::Null), packet, &by);
    }

    fn mark_of(&mut self, value: &Value, packet: bool, by: &[String]) {
        let pair = |of: &Value| Some((of.get(0)?.clone(), of.get(1)?.as_u64()?));
        let inner = value.as_object().and_then(|object| object.iter().next());
        match inner {
            None => match value.as_u64().and_then(|number| u32::try_from(number).ok()) {
                Some(value) => self.marks.set.push(Mark { value, packet, by: by.to_vec() }),
                None => self.marks.unread = true,
            },
            Some((kind, key)) if text(key, "key") == "mark" => {
                self.marks.restored |= packet && kind == "ct";
            }
            Some((kind, both)) => match (kind.as_str(), pair(both)) {
                ("&", Some((of, _))) => self.mark_of(&of, packet, by),
                ("|" | "^", Some((of, bits))) => {
                    self.mark_of(&of, packet, by);
                    self.mark_of(&bits.into(), packet, by);
                }
                _ => self.marks.unread = true,
            },
        }
    }

    fn comparison(&mut self, body: &Value) -> Expr {
        let mut key = Key::new();
        let mut kinds = Vec::new();
        key_of(body.get("left").unwrap_or(&Value::Null), &mut key, &mut kinds);
        let right = body.get("right").unwrap_or(&Value::Null);
        let mut values = self.values(&kinds, right);
        let flags = matches!(kinds[..], [Kind::CtState | Kind::CtStatus | Kind::TcpFlags]);
        let plain = match values.spans[..] {
            [(low, high)] if kinds.len() == 1 && values.set.is_none() => Some((low, high)),
            _ => None,
        };
        let op = match (body.get("op").and_then(Value::as_str).unwrap_or("=="), plain) {
            ("==", _) => Op::Is,
            ("in", _) if flags => Op::AnyBit,
            ("in", _) => Op::Is,
            ("!=", _) => Op::IsNot,
            ("!", _) if flags => Op::NoBit,
            ("<", Some((low, _))) => {
                values.spans = low.checked_sub(1).map(|below| (0, below)).into_iter().collect();
                Op::Is
            }
            ("<=", Some((_, high))) => {
                values.spans = vec![(0, high)];
                Op::Is
            }
            (">", Some((_, high))) => {
                let above = high.checked_add(1).map(|above| (above, u128::MAX));
                values.spans = above.into_iter().collect();
                Op::Is
            }
            (">=", Some((low, _))) => {
                values.spans = vec![(low, u128::MAX)];
                Op::Is
            }
            (other, _) => {
                values.unknown = Some(format!("the comparison {other}"));
                Op::Is
            }
        };
        // Bits are asked for all at once.
        if matches!(op, Op::AnyBit | Op::NoBit) {
            let bits = values.spans.iter().fold(0, |bits, (low, _)| bits | low);
            values.spans = vec![(bits, bits)];
        }
        Expr::Match(Match { key, op, values })
    }

    /// `VALUE`, `@SET` or `{ … }`.
    fn values(&mut self, kinds: &[Kind], right: &Value) -> Values {
        let mut values = Values::default();
        match right {
            Value::String(name) if name.starts_with('@') => {
                values.set = Some(name.trim_start_matches('@').to_string());
            }
            _ => match right.get("set") {
                Some(Value::Array(list)) => {
                    for element in list {
                        self.element(kinds, element, &mut values);
                    }
                }
                Some(Value::String(name)) if name.starts_with('@') => {
                    values.set = Some(name.trim_start_matches('@').to_string());
                }
                Some(one) => self.element(kinds, one, &mut values),
                None => self.element(kinds, right, &mut values),
            },
        }
        if kinds.len() == 1 {
            sort(&mut values.spans);
        }
        values
    }

    /// Appends one element's numbers, as many as there are kinds; or says that it cannot.
    fn element(&mut self, kinds: &[Kind], element: &Value, values: &mut Values) {
        let element = element.get("elem").and_then(|elem| elem.get("val")).unwrap_or(element);
        let single = [element];
        let parts: Vec<&Value> = match element.get("concat").and_then(Value::as_array) {
            Some(parts) => parts.iter().collect(),
            None if element == "*" => vec![element; kinds.len()],
            None => single.to_vec(),
        };
        let before = values.spans.len();
        for (kind, part) in kinds.iter().zip(&parts) {
            if let Some(span) = span(*kind, part, &mut values.names) {
                values.spans.push(span);
            }
        }
        self.spans += kinds.len();
        let complete = parts.len() == kinds.len() && values.spans.len() == before + kinds.len();
        if !complete || self.spans > self.budget {
            values.spans.truncate(before);
            let what: String = element.to_string().chars().take(60).collect();
            values.unknown.get_or_insert(format!("the value {what}"));
        }
    }

    /// The elements of a named set or map of these types.
    pub fn elements(
        &mut self,
        types: &[String],
        map: Option<&Value>,
        elements: &[Value],
    ) -> (Values, Vec<Action>) {
        let kinds: Vec<Kind> = types
            .iter()
            .flat_map(|one| one.split(" . "))
            .map(|one| match one {
                "ipv4_addr" | "ipv6_addr" => Kind::Address,
                "inet_service" => Kind::Plain,
                "inet_proto" => Kind::Protocol,
                "ifname" => Kind::Device,
                "ct_state" => Kind::CtState,
                "icmp_type" => Kind::IcmpType,
                "icmpv6_type" => Kind::Icmp6Type,
                "nf_proto" => Kind::Nfproto,
                _ => Kind::Other,
            })
            .collect();
        let Some(data) = map else {
            let mut values = Values::default();
            for element in elements {
                self.element(&kinds, element, &mut values);
            }
            if kinds.len() == 1 {
                sort(&mut values.spans);
            }
            return (values, vec![]);
        };
        let verdicts = data == "verdict";
        self.pairs(&kinds, elements, |value| {
            if verdicts { verdict(value) } else { Action::Dnat(map_target(value)) }
        })
    }

    /// Of a map: keys and what they lead to. A catch-all comes last.
    fn pairs(
        &mut self,
        kinds: &[Kind],
        elements: &[Value],
        mut lead: impl FnMut(&Value) -> Action,
    ) -> (Values, Vec<Action>) {
        let (mut values, mut actions) = (Values::default(), Vec::new());
        let is_rest = |pair: &&Value| pair.get(0).is_some_and(|key| key == "*");
        let mut sorted: Vec<&Value> = elements.iter().filter(|pair| !is_rest(pair)).collect();
        sorted.extend(elements.iter().filter(is_rest));
        for pair in sorted {
            let (Some(key), Some(to)) = (pair.get(0), pair.get(1)) else {
                values.unknown.get_or_insert("an element of a map".to_string());
                continue;
            };
            let before = values.spans.len();
            self.element(kinds, key, &mut values);
            if values.spans.len() > before {
                actions.push(lead(to));
            }
        }
        (values, actions)
    }

    /// `KEY vmap DATA`, or the map in a `dnat`, whose targets become actions by `lead`.
    fn choose(&mut self, body: &Value, lead: impl Fn(Action) -> Action) -> Expr {
        let (mut key, mut kinds) = (Key::new(), Vec::new());
        key_of(body.get("key").unwrap_or(&Value::Null), &mut key, &mut kinds);
        let data = body.get("data").unwrap_or(&Value::Null);
        if let Some(name) = data.as_str() {
            let set = Some(name.trim_start_matches('@').to_string());
            let from = Values { set, ..Values::default() };
            return Expr::Choose { key, from, actions: vec![] };
        }
        let none = Vec::new();
        let list = data.get("set").and_then(Value::as_array).unwrap_or(&none);
        let (from, actions) = self.pairs(&kinds, list, |value| lead(verdict(value)));
        Expr::Choose { key, from, actions }
    }

    fn dnat(&mut self, body: &Value, out: &mut Vec<Expr>) {
        let map = body.get("addr").and_then(|addr| addr.get("map"));
        let Some(map) = map else {
            out.push(Expr::Do(action("dnat", body)));
            return;
        };
        // A map's targets carry their own family; a port beside the map goes to each.
        let port = body.get("port").map(port_span);
        let named = map.get("data").is_some_and(Value::is_string);
        if port.is_some_and(|port| port.is_none() || named) || !plain_flags(body) {
            out.push(Expr::Do(Action::Unknown("dnat by a map".to_string())));
            return;
        }
        let expr = self.choose(map, |found| match found {
            Action::Dnat(target) => {
                Action::Dnat(Target { port: target.port.or(port.flatten()), ..target })
            }
            other => other,
        });
        out.push(expr);
    }
}

/// Sorted and apart.
fn sort(spans: &mut Vec<(u128, u128)>) {
    spans.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::with_capacity(spans.len());
    for &(low, high) in spans.iter() {
        match merged.last_mut() {
            Some(last) if low <= last.1.saturating_add(1) => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    *spans = merged;
}

fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body.get(key).and_then(Value::as_str).unwrap_or("")
}

fn part(field: Field) -> Part {
    Part { field, family: None, protocol: None, mask: u128::MAX }
}

fn harmless(key: Option<&Value>) -> bool {
    let Some((kind, body)) = key.and_then(Value::as_object).and_then(|key| key.iter().next())
    else {
        return false;
    };
    let what = if kind == "payload" { text(body, "field") } else { text(body, "key") };
    kind == "tcp option" || HARMLESS.contains(&what)
}

fn action(kind: &str, body: &Value) -> Action {
    let target = || text(body, "target").to_string();
    match kind {
        "accept" => Action::Accept,
        "drop" => Action::Drop,
        "continue" => Action::Continue,
        "return" => Action::Return,
        "jump" => Action::Jump(target()),
        "goto" => Action::Goto(target()),
        "snat" | "masquerade" => Action::SourceNat,
        "reject" => {
            let how = body.get("expr").and_then(Value::as_str).unwrap_or(text(body, "type"));
            Action::Reject(if how.is_empty() { "port-unreachable" } else { how }.to_string())
        }
        "dnat" | "redirect" => match target_of(body) {
            Some(target) if kind == "dnat" => Action::Dnat(target),
            Some(target) => Action::Redirect(target),
            None => Action::Unknown(format!("{kind} to a place that is picked anew each time")),
        },
        _ => Action::Unknown(kind.chars().take(60).collect()),
    }
}

/// A verdict as a map's data; anything else is taken as a place for a DNAT.
fn verdict(value: &Value) -> Action {
    match value.as_object().and_then(|object| object.iter().next()) {
        Some((kind, _)) if kind == "concat" => Action::Dnat(map_target(value)),
        Some((kind, body)) => action(kind, body),
        None => Action::Dnat(map_target(value)),
    }
}

fn map_target(value: &Value) -> Target {
    let (addr, port) = match value.get("concat") {
        Some(both) => (both.get(0), both.get(1).and_then(port_span)),
        None => (Some(value), None),
    };
    let addr = addr.and_then(addresses);
    Target { family: addr.map(|(low, _)| Family::of(low)), addr, port }
}

/// No flag that makes the target a matter of chance.
fn plain_flags(body: &Value) -> bool {
    strings(body.get("flags")).iter().all(|flag| flag == "persistent")
}

fn target_of(body: &Value) -> Option<Target> {
    let port = match body.get("port") {
        None => None,
        Some(port) => Some(port_span(port)?),
    };
    if !plain_flags(body) && port.is_none_or(|(low, high)| low != high) {
        return None;
    }
    let addr = match body.get("addr") {
        None => None,
        Some(addr) => Some(addresses(addr)?),
    };
    let family = match text(body, "family") {
        "ip" => Some(Family::Ipv4),
        "ip6" => Some(Family::Ipv6),
        _ => addr.map(|(low, _)| Family::of(low)),
    };
    Some(Target { family, addr, port })
}

fn addresses(value: &Value) -> Option<(IpAddr, IpAddr)> {
    let one = |value: &Value| value.as_str()?.parse::<IpAddr>().ok();
    match value.get("range") {
        None => one(value).map(|ip| (ip, ip)),
        Some(range) => {
            let (low, high) = (one(range.get(0)?)?, one(range.get(1)?)?);
            (low <= high && low.is_ipv4() == high.is_ipv4()).then_some((low, high))
        }
    }
}

fn port_span(value: &Value) -> Option<(u16, u16)> {
    let (low, high) = span(Kind::Plain, value, &mut Vec::new())?;
    Some((u16::try_from(low).ok()?, u16::try_from(high).ok()?))
}

/// The left side of a comparison, part by part.
fn key_of(left: &Value, key: &mut Key, kinds: &mut Vec<Kind>) {
    if let Some(list) = left.get("concat").and_then(Value::as_array) {
        for one in list {
            key_of(one, key, kinds);
        }
        return;
    }
    let masked = left.get("&").and_then(Value::as_array).map(Vec::as_slice);
    let (found, kind) = match masked {
        Some([inner, mask]) => {
            let (mut inner, kind) = field(inner);
            match span(kind, mask, &mut Vec::new()) {
                Some((mask, high)) if mask == high => inner.mask = mask,
                _ => inner.field = Field::Unknown("a mask".to_string()),
            }
            (inner, kind)
        }
        _ => field(left),
    };
    key.push(found);
    kinds.push(kind);
}

/// One plain expression: what it looks at, and what its numbers are.
fn field(left: &Value) -> (Part, Kind) {
    let Some((what, body)) = left.as_object().and_then(|object| object.iter().next()) else {
        return (part(Field::Unknown("an expression".to_string())), Kind::Other);
    };
    let other = |name: &str| (Field::Unknown(name.chars().take(60).collect()), Kind::Other);
    let key = text(body, "key");
    let (mut family, mut protocol) = (None, None);
    let (field, kind) = match what.as_str() {
        "meta" => match key {
            "l4proto" => (Field::Protocol, Kind::Protocol),
            "nfproto" | "protocol" => (Field::Nfproto, Kind::Nfproto),
            "iif" | "iifname" => (Field::InDevice, Kind::Device),
            "oif" | "oifname" => (Field::OutDevice, Kind::Device),
            _ => other(&format!("meta {key}")),
        },
        "ct" if body.get("dir").is_none() => match key {
            "state" => (Field::CtState, Kind::CtState),
            "status" => (Field::CtStatus, Kind::CtStatus),
            _ => other(&format!("ct {key}")),
        },
        "fib" if text(body, "result") == "type" && strings(body.get("flags")) == ["daddr"] => {
            (Field::DestKind, Kind::RouteType)
        }
        "payload" if body.get("base").is_some() => raw(body),
        "payload" => {
            let (of, name) = (text(body, "protocol"), text(body, "field"));
            family = match of {
                "ip" | "icmp" | "igmp" => Some(Family::Ipv4),
                "ip6" | "icmpv6" => Some(Family::Ipv6),
                _ => None,
            };
            if !matches!(of, "ip" | "ip6" | "th" | "ether" | "vlan" | "arp") {
                protocol = names::number(Kind::Protocol, of).and_then(|n| u8::try_from(n).ok());
            }
            match (of, name) {
                ("ip" | "ip6", "saddr") => (Field::Source, Kind::Address),
                ("ip" | "ip6", "daddr") => (Field::Dest, Kind::Address),
                ("ip", "protocol") | ("ip6", "nexthdr") => (Field::Protocol, Kind::Protocol),
                ("th" | "tcp" | "udp" | "udplite" | "sctp" | "dccp", "sport") => {
                    (Field::SourcePort, Kind::Plain)
                }
                ("th" | "tcp" | "udp" | "udplite" | "sctp" | "dccp", "dport") => {
                    (Field::DestPort, Kind::Plain)
                }
                ("tcp", "flags") => (Field::TcpFlags, Kind::TcpFlags),
                ("icmp", "type") => (Field::IcmpType, Kind::IcmpType),
                ("icmp", "code") => (Field::IcmpCode, Kind::IcmpCode),
                ("icmpv6", "type") => (Field::IcmpType, Kind::Icmp6Type),
                ("icmpv6", "code") => (Field::IcmpCode, Kind::Icmp6Code),
                _ => other(&format!("{of} {name}")),
            }
        }
        _ => other(what),
    };
    (Part { field, family, protocol, mask: u128::MAX }, kind)
}

/// `@BASE,OFFSET,LEN`.
fn raw(body: &Value) -> (Field, Kind) {
    let number =
        |key: &str| body.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    match (text(body, "base"), number("offset"), number("len")) {
        ("th", Some(0), Some(16)) => (Field::SourcePort, Kind::Plain),
        ("th", Some(16), Some(16)) => (Field::DestPort, Kind::Plain),
        ("nh", Some(offset), Some(len)) if offset <= 320 && (1..=128).contains(&len) => {
            (Field::NetworkHeader { offset, len }, Kind::Plain)
        }
        (base, ..) => {
            (Field::Unknown(format!("@{}", base.chars().take(20).collect::<String>())), Kind::Other)
        }
    }
}

/// One value or range of this kind. Devices get a number by their place in `devices`.
fn span(kind: Kind, value: &Value, devices: &mut Vec<String>) -> Option<(u128, u128)> {
    if let Some(range) = value.get("range") {
        let low = span(kind, range.get(0)?, devices)?.0;
        let high = span(kind, range.get(1)?, devices)?.1;
        return (low <= high && kind != Kind::Device).then_some((low, high));
    }
    if let Some(prefix) = value.get("prefix") {
        let ip: IpAddr = text(prefix, "addr").parse().ok()?;
        let width = if ip.is_ipv4() { 32 } else { 128 };
        let len = u32::try_from(prefix.get("len")?.as_u64()?).ok().filter(|len| *len <= width)?;
        // The bits behind the prefix; shifting by the whole width is none of them.
        let rest = u128::MAX.checked_shr(128 - (width - len)).unwrap_or(0);
        let low = bits(ip) & !rest;
        return Some((low, low | rest));
    }
    let one = match value {
        Value::Number(number) if kind != Kind::Device && kind != Kind::Other => {
            u128::from(number.as_u64()?)
        }
        Value::String(name) if kind == Kind::Device => {
            let known = devices.iter().position(|one| one == name);
            let place = known.unwrap_or(devices.len());
            if known.is_none() {
                devices.push(name.clone());
            }
            place as u128
        }
        Value::String(name) if name == "*" && kind != Kind::Other => return Some((0, u128::MAX)),
        Value::String(name) if kind == Kind::Address => bits(name.parse().ok()?),
        Value::String(name) => names::number(kind, name)?,
        // Flags: all together.
        Value::Array(list) => any_of(kind, list)?,
        Value::Object(_) => any_of(kind, value.get("|")?.as_array()?)?,
        _ => return None,
    };
    Some((one, one))
}

fn any_of(kind: Kind, list: &[Value]) -> Option<u128> {
    let flags = matches!(kind, Kind::CtState | Kind::CtStatus | Kind::TcpFlags);
    if !flags {
        return None;
    }
    list.iter().try_fold(0, |bits, one| Some(bits | span(kind, one, &mut Vec::new())?.0))
}

pub fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}
