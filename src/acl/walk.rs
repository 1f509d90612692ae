//! What is asked and what is answered: where packets come in, what is around the ruleset, and to
//! which fate each set of them comes, by which rule. The way there is in `walker`.
//!
//! A piece with a doubt may come to its fate or not; pieces without are apart from each other.

use super::space::{Space, without};
use super::walker::Walker;
use crate::model::address::Prefix;
use crate::model::name::Family;
use crate::model::ruleset::{Chain, Rule, Ruleset, Table};
use std::fmt;
use std::net::IpAddr;

/// What is around the ruleset.
#[derive(Clone, Copy, Debug)]
pub struct World<'a> {
    pub rules: &'a Ruleset,
    /// The router's own addresses.
    pub local: &'a [IpAddr],
    pub routes: &'a [Route],
    /// For each device, the address that `redirect` leads to: its first of each family.
    pub first: &'a [(String, IpAddr)],
}

/// The longest prefix wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub to: Prefix,
    pub device: String,
}

/// Which new packets are asked for. A TCP packet is a SYN.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Where they come in.
    pub device: &'a str,
    pub family: Family,
    /// Apart from each other.
    pub spaces: Vec<Space>,
    /// Somebody who comes alone and slowly: no rate limit is exceeded.
    pub calm: bool,
}

/// How much may be done for one question, in pieces alive and in looks at them; not in time, so
/// that the same question always has the same answer.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    pub pieces: usize,
    pub work: u64,
}

impl Default for Caps {
    fn default() -> Caps {
        Caps { pieces: 20_000, work: 4_000_000 }
    }
}

/// The caps did not suffice: the answer is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooComplex;

impl fmt::Display for TooComplex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the firewall is too complex to be worked out here")
    }
}

impl std::error::Error for TooComplex {}

/// Places in [`Ruleset::tables`], its chains, its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleId {
    pub table: u32,
    pub chain: u32,
    pub rule: u32,
}

impl RuleId {
    pub fn find(self, rules: &Ruleset) -> Option<(&Table, &Chain, &Rule)> {
        let table = rules.tables.get(self.table as usize)?;
        let chain = table.chains.get(self.chain as usize)?;
        Some((table, chain, chain.rules.get(self.rule as usize)?))
    }
}

/// What ended a piece, or let it go on last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The second is a place in [`Answer::trails`]: the jumps that led there.
    Rule(RuleId, u32),
    /// The policy of a base chain: table and chain.
    Policy(u32, u32),
    /// An address that cannot come or go this way: loopback, multicast.
    Routing,
    /// No chain at all.
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// To the router itself.
    Router,
    /// To somebody behind the router; by which device, if the routes say.
    Forwarded(Option<String>),
    Dropped,
    Rejected(String),
    /// Why it cannot be told.
    Unknown(String),
}

/// One set of packets and what becomes of it.
#[derive(Clone, Debug)]
pub struct End {
    /// As they came in.
    pub asked: Space,
    /// As they are now, after DNAT.
    pub now: Space,
    pub fate: Fate,
    pub by: By,
    /// The hook where it ended.
    pub hook: &'static str,
    /// A place in [`Answer::doubts`]: it may come to this or not. 0: surely.
    pub doubt: u32,
    /// A place in [`Answer::nats`]: the rule that gave it another target. 0: none.
    pub nat: u32,
}

/// All fates.
#[derive(Clone, Debug)]
pub struct Answer {
    pub family: Family,
    pub ends: Vec<End>,
    /// Which rule cannot be decided, and why.
    pub doubts: Vec<(Option<RuleId>, String)>,
    pub nats: Vec<(RuleId, u32)>,
    /// The last jump and the trail before it.
    pub trails: Vec<(RuleId, u32)>,
    /// Looks taken, and the most pieces alive at once.
    pub work: u64,
    pub pieces: usize,
}

/// Walks all packets of a question to their ends.
pub fn ask(world: World, question: &Question, caps: Caps) -> Result<Answer, TooComplex> {
    let mut walker = Walker::new(world, question.device, question.family, question.calm, caps);
    walker.ask(&question.spaces)?;
    Ok(walker.answer)
}

impl Answer {
    /// The parts of the question that surely end so, whatever a doubt comes to, and the parts that
    /// may. Each part once, as it came in.
    pub fn parts(
        &self,
        caps: Caps,
        wanted: impl Fn(&End) -> bool,
    ) -> Result<(Vec<Space>, Vec<Space>), TooComplex> {
        let mut work = 0;
        let mut take = |spaces: Vec<Space>, taken: &Space| {
            work += spaces.len() as u64;
            if work > caps.work { Err(TooComplex) } else { Ok(without(spaces, taken)) }
        };
        let (mut sure, mut maybe) = (Vec::new(), Vec::new());
        for end in self.ends.iter().filter(|end| wanted(end)) {
            if end.doubt == 0 {
                sure.push(end.asked);
                continue;
            }
            let mut left = vec![end.asked];
            for known in &maybe {
                left = take(left, known)?;
            }
            maybe.extend(left);
        }
        // In doubt, but to the same end on every way.
        let mut certain = maybe.clone();
        for end in self.ends.iter().filter(|end| end.doubt != 0 && !wanted(end)) {
            certain = take(certain, &end.asked)?;
        }
        let mut open = maybe;
        for space in &certain {
            open = take(open, space)?;
        }
        sure.extend(certain);
        Ok((sure, open))
    }
}
