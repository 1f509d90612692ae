//! The walk of sets of packets through hooks, base chains and rules, as the kernel walks one.
//!
//! - Base chains of a hook go by priority over all tables; of equal ones the one made last goes
//!   first. `accept` ends its base chain only, `drop` ends all.
//! - Chains of type `nat` all stand where conntrack's NAT does (-100), whatever their priority; the
//!   first that changes a packet is the only one. A DNAT keeps a port that lies in its target
//!   range and moves any other to the range's first; `ct status dnat` is true only if something
//!   changed.
//! - Between prerouting and the rest, the router's own addresses and its routes decide.

use super::space::{Dim, Space, Span};
use super::walk::{Answer, By, Caps, End, Fate, RuleId, TooComplex, World};
use crate::model::name::Family;
use crate::model::ruleset::{Action, Base, Expr, Rule, Table};

/// What a rule saw: pieces that it matched, where rules are compared.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    pub rule: RuleId,
    pub trail: u32,
    /// Base chain of it: table and chain.
    pub base: (u32, u32),
    pub hook: &'static str,
    /// Where it was to go out: a place in [`World::routes`].
    pub out_device: Option<u32>,
    pub piece: Frag,
}

/// A piece on its way.
#[derive(Clone, Copy, Debug)]
pub struct Frag {
    pub now: Space,
    /// Target and port as they came in, while they differ from `now` by more than a cut.
    pub was_dest: Span,
    pub was_port: (u16, u16),
    pub flags: u8,
    pub doubt: u32,
    pub nat: u32,
    /// The last accept, a place in `Walker::took`.
    pub took: u32,
}

/// The target, or the port, was replaced: `was_…` counts.
pub const MOVED_DEST: u8 = 1;
pub const MOVED_PORT: u8 = 2;
/// `ct status dnat`.
pub const DNAT: u8 = 4;
/// A NAT chain of this hook has decided.
pub const DECIDED: u8 = 8;
pub const UNTRACKED: u8 = 16;

impl Frag {
    pub fn asked(&self) -> Space {
        Space {
            dest: if self.flags & MOVED_DEST != 0 { self.was_dest } else { self.now.dest },
            dest_port: if self.flags & MOVED_PORT != 0 {
                self.was_port
            } else {
                self.now.dest_port
            },
            ..self.now
        }
    }

    pub fn with(&self, dim: Dim, span: Span) -> Frag {
        Frag { now: self.now.with(dim, span), ..*self }
    }
}

/// The protocols by what their ports are: none, ports, or ICMP's type and code.
fn sorts(family: Family) -> impl Iterator<Item = Space> {
    let (icmp, cuts) = match family {
        Family::Ipv4 => (1, [1, 6, 17, 33, 132, 136]),
        Family::Ipv6 => (58, [6, 17, 33, 58, 132, 136]),
    };
    let mut all = Vec::new();
    let mut from = 0;
    for cut in cuts {
        let ports = if cut == icmp { (0, 255) } else { (0, u16::MAX) };
        all.push(((from, cut - 1), (0, 0)));
        all.push(((cut, cut), ports));
        from = cut + 1;
    }
    all.push(((from, 255), (0, 0)));
    all.retain(|((low, high), _)| low <= high);
    all.into_iter().map(|(protocol, ports)| Space {
        protocol,
        source_port: ports,
        dest_port: ports,
        ..Space::ALL
    })
}

/// A piece at a rule, and whether the rule might not match it (a doubt).
pub type Item = (Frag, u32);

/// What a chain leaves over: let through for good in this base chain, and fallen through its end.
#[derive(Default)]
pub struct Left {
    pub accepted: Vec<Frag>,
    pub through: Vec<Frag>,
}

pub struct Walker<'a> {
    pub world: World<'a>,
    pub device: &'a str,
    pub family: Family,
    calm: bool,
    caps: Caps,
    /// Where it goes out, once that is decided and known.
    pub out_device: Option<&'a str>,
    /// The hook at hand, and whether conntrack has seen the packet.
    pub hook: &'static str,
    pub tracked: bool,
    base: (u32, u32),
    pub in_nat: bool,
    pub answer: Answer,
    took: Vec<By>,
    /// Left out of the walk, to see what changes.
    pub skip: Option<RuleId>,
    /// Kept only if somebody wants to compare rules: what they took, and where each was asked.
    pub hits: Option<Vec<Hit>>,
    pub seen: Vec<Seen<'a>>,
}

/// A rule that packets came to, or would have if none had been taken before.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub rule: RuleId,
    /// How many hits there were before it.
    pub after: usize,
    pub base: (u32, u32),
    pub hook: &'static str,
    pub tracked: bool,
    pub out_device: Option<&'a str>,
}

/// Jumps deeper than the kernel allows are not followed.
const DEEPEST: u32 = 16;

impl<'a> Walker<'a> {
    pub fn new(
        world: World<'a>,
        device: &'a str,
        family: Family,
        calm: bool,
        caps: Caps,
    ) -> Walker<'a> {
        let nobody = RuleId { table: u32::MAX, chain: 0, rule: 0 };
        Walker {
            world,
            device,
            family,
            calm,
            caps,
            out_device: None,
            hook: "prerouting",
            tracked: false,
            base: (0, 0),
            in_nat: false,
            answer: Answer {
                family,
                ends: vec![],
                doubts: vec![(None, String::new())],
                nats: vec![(nobody, 0)],
                trails: vec![(nobody, 0)],
                work: 0,
                pieces: 0,
            },
            took: vec![By::Nothing],
            skip: None,
            hits: None,
            seen: vec![],
        }
    }

    /// The spaces as pieces to begin with: with ports only where there are ports.
    pub fn begin(&self, spaces: &[Space]) -> Vec<Frag> {
        let highest = if self.family == Family::Ipv4 { u128::from(u32::MAX) } else { u128::MAX };
        let mut frags = Vec::new();
        for sort in sorts(self.family) {
            let sort = Space { source: (0, highest), dest: (0, highest), ..sort };
            frags.extend(spaces.iter().filter_map(|space| space.meet(&sort)).map(|now| Frag {
                now,
                was_dest: now.dest,
                was_port: now.dest_port,
                flags: 0,
                doubt: 0,
                nat: 0,
                took: 0,
            }));
        }
        frags
    }

    pub fn ask(&mut self, spaces: &[Space]) -> Result<(), TooComplex> {
        let mut frags = self.begin(spaces);
        if self.world.rules.cut {
            let why = "part of the ruleset could not be read";
            let doubt = self.doubt(None, why);
            for frag in &mut frags {
                frag.doubt = doubt;
                self.end(frag, Fate::Unknown(why.to_string()), By::Nothing);
            }
        }
        let frags = self.unseen(frags);
        let frags = self.hook("prerouting", frags)?;
        let (own, onward) = self.route(frags);
        for frag in self.hook("input", own)? {
            self.end(&frag, Fate::Router, self.by(&frag));
        }
        for (device, frags) in onward {
            self.out_device = device;
            let frags = self.hook("forward", frags)?;
            let frags = self.hook("postrouting", frags)?;
            for frag in frags {
                let fate = Fate::Forwarded(device.map(str::to_string));
                self.end(&frag, fate, self.by(&frag));
            }
            self.out_device = None;
        }
        Ok(())
    }

    fn by(&self, frag: &Frag) -> By {
        self.took.get(frag.took as usize).copied().unwrap_or(By::Nothing)
    }

    /// Chains below IP (netdev, bridge) with rules of their own may take packets before or after
    /// us. They are not walked.
    fn unseen(&mut self, mut frags: Vec<Frag>) -> Vec<Frag> {
        for table in &self.world.rules.tables {
            for chain in table.chains.iter().filter(|chain| !chain.rules.is_empty()) {
                let Some(base) = &chain.base else { continue };
                let below =
                    matches!(base.hook.as_str(), "ingress" | "egress") || table.family == "bridge";
                let elsewhere = base.hook == "ingress"
                    && !base.devices.is_empty()
                    && !base.devices.iter().any(|device| device == self.device);
                if below && !elsewhere && !table.dormant {
                    let why =
                        format!("rules below IP, in the {} table {}", table.family, table.name);
                    let doubt = self.doubt(None, &why);
                    for frag in frags.iter_mut().filter(|frag| frag.doubt == 0) {
                        frag.doubt = doubt;
                        self.end(frag, Fate::Unknown(why.clone()), By::Nothing);
                    }
                }
            }
        }
        frags
    }

    /// The number of a doubt; a rule has one.
    pub fn doubt(&mut self, rule: Option<RuleId>, why: &str) -> u32 {
        let known = self
            .answer
            .doubts
            .iter()
            .rposition(|(one, reason)| *one == rule && (rule.is_some() || reason == why));
        let place = known.filter(|place| *place > 0).unwrap_or_else(|| {
            self.answer.doubts.push((rule, why.to_string()));
            self.answer.doubts.len() - 1
        });
        place as u32
    }

    pub fn end(&mut self, frag: &Frag, fate: Fate, by: By) {
        self.answer.ends.push(End {
            asked: frag.asked(),
            now: frag.now,
            fate,
            by,
            hook: self.hook,
            doubt: frag.doubt,
            nat: frag.nat,
        });
    }

    /// One look at a piece.
    pub fn spend(&mut self, looks: usize) -> Result<(), TooComplex> {
        self.answer.work += looks as u64;
        if self.answer.work > self.caps.work { Err(TooComplex) } else { Ok(()) }
    }

    fn alive(&mut self, pieces: usize) -> Result<(), TooComplex> {
        let pieces = pieces + self.answer.ends.len();
        self.answer.pieces = self.answer.pieces.max(pieces);
        if pieces > self.caps.pieces { Err(TooComplex) } else { Ok(()) }
    }

    /// The base chains of a hook that see this family, in the kernel's order.
    pub fn bases(&self, hook: &str) -> Vec<(i32, &'a Base, u32, u32)> {
        let mut found: Vec<(i32, &'a Base, u32, u32)> = Vec::new();
        for (t, table) in self.world.rules.tables.iter().enumerate() {
            if table.dormant || !table.sees(self.family) {
                continue;
            }
            for (c, chain) in table.chains.iter().enumerate() {
                let Some(base) = chain.base.as_ref().filter(|base| base.hook == hook) else {
                    continue;
                };
                let place = match (base.kind.as_str(), hook) {
                    ("nat", "input" | "postrouting") => 100,
                    ("nat", _) => -100,
                    _ => base.priority,
                };
                // The listing is in the order they were made, and the last goes first.
                let key = (place, base.priority);
                let after = |(at, other, ..): &(i32, &Base, u32, u32)| (*at, other.priority) >= key;
                let at = found.iter().position(after).unwrap_or(found.len());
                found.insert(at, (place, base, t as u32, c as u32));
            }
        }
        found
    }

    /// What gets through a hook.
    pub fn hook(&mut self, hook: &'static str, frags: Vec<Frag>) -> Result<Vec<Frag>, TooComplex> {
        let mut frags = frags;
        self.hook = hook;
        for (place, base, table, chain) in self.bases(hook) {
            if frags.is_empty() {
                break;
            }
            self.tracked = hook != "prerouting" || place >= -200;
            self.base = (table, chain);
            self.in_nat = base.kind == "nat";
            let (mut next, asked) = match self.in_nat {
                true => frags.into_iter().partition(|frag| frag.flags & (DECIDED | UNTRACKED) != 0),
                false => (Vec::new(), frags),
            };
            let left = self.chain(table, chain, asked, 0, 0)?;
            for frag in left.accepted {
                keep(&mut next, frag);
            }
            let policy = By::Policy(table, chain);
            for mut frag in left.through {
                if base.policy_drop {
                    self.end(&frag, Fate::Dropped, policy);
                } else {
                    if frag.took == 0 && !self.in_nat && matches!(hook, "input" | "forward") {
                        frag.took = self.taken(policy);
                    }
                    keep(&mut next, frag);
                }
            }
            frags = next;
        }
        self.in_nat = false;
        frags.iter_mut().for_each(|frag| frag.flags &= !DECIDED);
        Ok(frags)
    }

    fn taken(&mut self, by: By) -> u32 {
        if self.took.last() != Some(&by) {
            self.took.push(by);
        }
        (self.took.len() - 1) as u32
    }

    fn chain(
        &mut self,
        table: u32,
        chain: u32,
        frags: Vec<Frag>,
        trail: u32,
        depth: u32,
    ) -> Result<Left, TooComplex> {
        let mut left = Left::default();
        let rules = self.world.rules;
        let found = rules.tables.get(table as usize);
        let (Some(home), Some(found)) =
            (found, found.and_then(|table| table.chains.get(chain as usize)))
        else {
            return Ok(left);
        };
        let mut frags = frags;
        for (at, rule) in found.rules.iter().enumerate() {
            let id = RuleId { table, chain, rule: at as u32 };
            if let Some(hits) = &self.hits {
                self.seen.push(Seen {
                    rule: id,
                    after: hits.len(),
                    base: self.base,
                    hook: self.hook,
                    tracked: self.tracked,
                    out_device: self.out_device,
                });
            } else if frags.is_empty() {
                break;
            }
            // What came to the rule left out has passed those before it.
            let skip = self.skip.is_some_and(|skip| {
                (skip.table, skip.chain) == (table, chain) && id.rule <= skip.rule
            });
            if skip || frags.is_empty() {
                continue;
            }
            self.alive(frags.len() + left.accepted.len() + left.through.len())?;
            frags = self.rule(home, id, rule, frags, trail, depth, &mut left)?;
        }
        for frag in frags {
            keep(&mut left.through, frag);
        }
        Ok(left)
    }

    /// What goes on to the next rule.
    #[allow(clippy::too_many_arguments)]
    fn rule(
        &mut self,
        home: &'a Table,
        id: RuleId,
        rule: &'a Rule,
        frags: Vec<Frag>,
        trail: u32,
        depth: u32,
        left: &mut Left,
    ) -> Result<Vec<Frag>, TooComplex> {
        let mut rest = Vec::with_capacity(frags.len());
        let mut items: Vec<Item> = Vec::new();
        self.spend(frags.len())?;
        for frag in frags {
            match self.misses(home, &rule.exprs, &frag) {
                true => rest.push(frag),
                false => items.push((frag, 0)),
            }
        }
        for expr in &rule.exprs {
            if items.is_empty() {
                break;
            }
            match expr {
                Expr::Match(test) => {
                    let mut yes = Vec::with_capacity(items.len());
                    for item in items {
                        self.test(home, id, test, item, &mut yes, &mut rest)?;
                        self.alive(yes.len() + rest.len())?;
                    }
                    items = yes;
                }
                Expr::Limit { over } if self.calm => {
                    if *over {
                        rest.extend(items.drain(..).map(|(frag, _)| frag));
                    }
                }
                Expr::Limit { .. } => self.all_maybe(id, "a rate limit", &mut items),
                Expr::Sometimes(why) => self.all_maybe(id, why, &mut items),
                Expr::Notrack => {
                    if !self.tracked {
                        items.iter_mut().for_each(|(frag, _)| frag.flags |= UNTRACKED);
                    }
                }
                Expr::Unknown(why) => {
                    let doubt = self.doubt(Some(id), why);
                    for (frag, maybe) in &mut items {
                        // It may end here, so also what does not match later is in doubt.
                        frag.doubt = if frag.doubt == 0 { doubt } else { frag.doubt };
                        *maybe = doubt;
                        self.end(frag, Fate::Unknown(why.clone()), By::Rule(id, trail));
                    }
                }
                Expr::Do(action) => {
                    let taken = std::mem::take(&mut items);
                    self.act(id, action, taken, trail, depth, left, &mut rest)?;
                }
                Expr::Choose { key, from, actions } => {
                    let set = from.set.as_ref();
                    let named = set.and_then(|name| home.sets.iter().find(|set| set.name == *name));
                    let (values, actions) = match (set, named) {
                        (None, _) => (from, actions),
                        (_, Some(set)) if !set.changing => (&set.values, &set.actions),
                        _ => {
                            self.unknown(id, trail, "a map that cannot be told", &mut items);
                            continue;
                        }
                    };
                    if let Some(why) = &values.unknown {
                        self.unknown(id, trail, why, &mut items);
                    }
                    let width = key.len().max(1);
                    for (element, action) in values.spans.chunks(width).zip(actions) {
                        let (mut yes, mut no) = (Vec::new(), Vec::new());
                        for item in items {
                            self.element(id, key, element, &values.names, item, &mut yes, &mut no)?;
                        }
                        items = no;
                        if !yes.is_empty() {
                            self.act(id, action, yes, trail, depth, left, &mut rest)?;
                        }
                    }
                }
            }
        }
        rest.extend(items.into_iter().map(|(frag, _)| frag));
        Ok(rest)
    }

    fn all_maybe(&mut self, id: RuleId, why: &str, items: &mut [Item]) {
        let doubt = self.doubt(Some(id), why);
        items.iter_mut().for_each(|(_, maybe)| *maybe = doubt);
    }

    fn unknown(&mut self, id: RuleId, trail: u32, why: &str, items: &mut [Item]) {
        let doubt = self.doubt(Some(id), why);
        for (frag, _) in items {
            frag.doubt = if frag.doubt == 0 { doubt } else { frag.doubt };
            self.end(frag, Fate::Unknown(why.to_string()), By::Rule(id, trail));
        }
    }

    /// Ends a rule for the pieces that it matches.
    #[allow(clippy::too_many_arguments)]
    fn act(
        &mut self,
        id: RuleId,
        action: &'a Action,
        items: Vec<Item>,
        trail: u32,
        depth: u32,
        left: &mut Left,
        rest: &mut Vec<Frag>,
    ) -> Result<(), TooComplex> {
        // A DNAT of the other family does nothing at all.
        if let Action::Dnat(target) = action
            && target.family.is_some_and(|family| family != self.family)
        {
            rest.extend(items.into_iter().map(|(frag, _)| frag));
            return Ok(());
        }
        let mut frags = Vec::with_capacity(items.len());
        let mut doubted = Vec::new();
        for (mut frag, maybe) in items {
            if maybe != 0 {
                frag.doubt = if frag.doubt == 0 { maybe } else { frag.doubt };
                doubted.push(frag);
            }
            frags.push(frag);
        }
        if let Some(hits) = &mut self.hits {
            let (base, hook) = (self.base, self.hook);
            let routes = self.world.routes;
            let out = self.out_device.and_then(|out| routes.iter().position(|r| r.device == out));
            let out_device = out.and_then(|place| u32::try_from(place).ok());
            hits.extend(frags.iter().map(|piece| Hit {
                rule: id,
                trail,
                base,
                hook,
                out_device,
                piece: *piece,
            }));
        }
        let by = By::Rule(id, trail);
        // What was not matched after all goes on too; what comes back from a jump is that already.
        match action {
            Action::Continue => rest.append(&mut frags),
            _ => rest.extend(&doubted),
        }
        match action {
            Action::Continue => {}
            Action::Accept => {
                if matches!(self.hook, "input" | "forward") && !self.in_nat {
                    let took = self.taken(by);
                    frags.iter_mut().for_each(|frag| frag.took = took);
                }
                frags.into_iter().for_each(|frag| keep(&mut left.accepted, frag));
            }
            Action::Drop => {
                frags.iter().for_each(|frag| self.end(frag, Fate::Dropped, by));
            }
            Action::Reject(how) => {
                frags.iter().for_each(|frag| self.end(frag, Fate::Rejected(how.clone()), by));
            }
            Action::Unknown(why) => {
                frags.iter().for_each(|frag| self.end(frag, Fate::Unknown(why.clone()), by));
            }
            Action::Return => frags.into_iter().for_each(|frag| keep(&mut left.through, frag)),
            Action::Jump(name) | Action::Goto(name) => {
                let chains = self.world.rules.tables.get(id.table as usize).map(|t| &t.chains);
                let found = chains.and_then(|all| all.iter().position(|one| one.name == *name));
                let Some(chain) = found.filter(|_| depth < DEEPEST) else {
                    let why = format!("there is no chain {name}");
                    frags.iter().for_each(|frag| self.end(frag, Fate::Unknown(why.clone()), by));
                    return Ok(());
                };
                self.answer.trails.push((id, trail));
                let trail = (self.answer.trails.len() - 1) as u32;
                let inner = self.chain(id.table, chain as u32, frags, trail, depth + 1)?;
                inner.accepted.into_iter().for_each(|frag| keep(&mut left.accepted, frag));
                let onward = match action {
                    Action::Jump(_) => rest,
                    _ => &mut left.through,
                };
                inner.through.into_iter().for_each(|frag| keep(onward, frag));
            }
            Action::SourceNat => {
                for mut frag in frags {
                    frag.flags |= DECIDED;
                    keep(&mut left.accepted, frag);
                }
            }
            Action::Dnat(target) => {
                for frag in frags {
                    self.dnat(id, trail, frag, *target, left);
                }
            }
            Action::Redirect(target) => self.redirect(id, trail, frags, *target, left),
        }
        Ok(())
    }
}

/// Adds a piece. One with a doubt comes on several ways at once and need not be kept twice.
pub fn keep(list: &mut Vec<Frag>, frag: Frag) {
    let same = |one: &Frag| {
        one.doubt != 0
            && (one.flags, one.nat, one.took) == (frag.flags, frag.nat, frag.took)
            && (one.was_dest, one.was_port) == (frag.was_dest, frag.was_port)
            && one.now.contains(&frag.now)
    };
    // The near ones only: this saves work, nothing depends on it.
    if frag.doubt == 0 || !list.iter().rev().take(100).any(same) {
        list.push(frag);
    }
}
