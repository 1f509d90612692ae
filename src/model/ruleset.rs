//! The live firewall as values: tables, chains, rules and what each rule looks at and does. Filled
//! by `parse::nft`, walked by `acl`. What could not be understood stands here as such.

use crate::model::name::Family;
use std::net::IpAddr;

/// All tables, in the kernel's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    pub tables: Vec<Table>,
    /// Part of the listing is missing, so nothing that follows from it is certain.
    pub cut: bool,
    pub marks: Marks,
}

/// What rules do with marks, by which routes are chosen. To whether a rule matches a mark is
/// unknown all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Packets that come in get their connection's mark.
    pub restored: bool,
    pub set: Vec<Mark>,
    /// A rule that could not be read may do either.
    pub unread: bool,
}

/// A mark that a rule sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub value: u32,
    /// On the packet; else on the connection alone.
    pub packet: bool,
    /// Of packets that come in by these devices; none: by any.
    pub by: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// `inet`, `ip`, `ip6`, `netdev`, `bridge`, `arp`.
    pub family: String,
    pub name: String,
    /// Its chains are not hooked in.
    pub dormant: bool,
    pub chains: Vec<Chain>,
    /// Named sets and maps.
    pub sets: Vec<Set>,
}

impl Table {
    /// Whether its chains see IP packets of this family.
    pub fn sees(&self, family: Family) -> bool {
        match self.family.as_str() {
            "inet" => true,
            "ip" => family == Family::Ipv4,
            "ip6" => family == Family::Ipv6,
            _ => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    pub name: String,
    /// Absent: only reached by jumps.
    pub base: Option<Base>,
    pub rules: Vec<Rule>,
}

/// Where a base chain is hooked in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// `filter`, `nat`, `route`.
    pub kind: String,
    /// `prerouting`, `input`, `forward`, `output`, `postrouting`, `ingress`, `egress`.
    pub hook: String,
    pub priority: i32,
    /// What becomes of a packet that no rule decided.
    pub policy_drop: bool,
    /// Of `ingress` and `egress`.
    pub devices: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub handle: u64,
    /// As it stands there; may hold anything, to be stripped where it is shown.
    pub comment: Option<String>,
    /// Packets counted, if the rule counts.
    pub packets: Option<u64>,
    /// Left to right. What has no influence on a packet's fate (counter, log, marks, helpers) is
    /// left out; what was not understood is [`Expr::Unknown`].
    pub exprs: Vec<Expr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    Match(Match),
    /// `limit`, `ct count`: true up to a rate, or beyond it.
    Limit {
        over: bool,
    },
    /// True or not by something we cannot see (quota, a meter); never decides by itself.
    Sometimes(String),
    Do(Action),
    /// A verdict map, also of `dnat to … map`.
    Choose {
        key: Key,
        from: Values,
        /// One for each element of `from`; a named map has its own.
        actions: Vec<Action>,
    },
    Notrack,
    /// Not understood: may decide, may change the packet. The text is what nft called it.
    Unknown(String),
}

/// `KEY OP VALUES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub key: Key,
    pub op: Op,
    pub values: Values,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal, or in the set.
    Is,
    IsNot,
    /// Any of these bits.
    AnyBit,
    /// None of these bits.
    NoBit,
}

/// One part, or several of a concatenation.
pub type Key = Vec<Part>;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub field: Field,
    /// Packets of the other family do not match at all, also with `!=`.
    pub family: Option<Family>,
    /// Nor do those of another protocol.
    pub protocol: Option<u8>,
    /// `& MASK`, all ones without.
    pub mask: u128,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    Source,
    Dest,
    SourcePort,
    DestPort,
    IcmpType,
    IcmpCode,
    Protocol,
    /// 2 or 10, as `meta nfproto`.
    Nfproto,
    /// `iif`, `iifname`.
    InDevice,
    OutDevice,
    CtState,
    CtStatus,
    TcpFlags,
    /// `fib daddr type`.
    DestKind,
    /// `@nh,OFFSET,LEN` in bits.
    NetworkHeader {
        offset: u32,
        len: u32,
    },
    /// Something else, in nft's words.
    Unknown(String),
}

/// What it is compared with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// Ranges, both ends included. Of a concatenation, an element has as many as the key has
    /// parts, one after another. Of a plain key without actions they are sorted and apart.
    pub spans: Vec<(u128, u128)>,
    /// Names that numbers in `spans` stand for, where the key is a device: place in this list.
    pub names: Vec<String>,
    /// A named set or map of the same table.
    pub set: Option<String>,
    /// Why part of it could not be understood.
    pub unknown: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    pub name: String,
    pub values: Values,
    /// Of a verdict map.
    pub actions: Vec<Action>,
    /// Rules put elements in and take them out while packets pass.
    pub changing: bool,
}

/// How a rule ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Accept,
    Drop,
    /// With what: `tcp reset`, `port-unreachable`.
    Reject(String),
    Continue,
    Return,
    Jump(String),
    Goto(String),
    Dnat(Target),
    /// To the router itself.
    Redirect(Target),
    /// `snat`, `masquerade`: the packet goes on.
    SourceNat,
    /// Userspace decides, or something else that we cannot follow.
    Unknown(String),
}

/// Where a DNAT leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Only packets of this family are changed.
    pub family: Option<Family>,
    pub addr: Option<(IpAddr, IpAddr)>,
    pub port: Option<(u16, u16)>,
}
