//! Rules that do nothing: empty, never reached, taken before by others, or such that nothing
//! changes without them; rules that contradict each other; and the smallest move that mends one.
//!
//! A rule is judged by all packets that may come in by the devices asked for, to anywhere. Rules
//! for what the router itself sends are not judged.

use super::space::{Packet, Space};
use super::walk::{Caps, RuleId, TooComplex, World};
use super::walker::{DNAT, Frag, Hit, Seen, Walker};
use crate::model::name::Family;
use crate::model::ruleset::{Action, Expr, Field, Match, Part, Rule, Ruleset};
use std::rc::Rc;

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Its own conditions exclude each other.
    Empty,
    /// All it would match is taken before, in part with another action or target.
    Shadowed,
    /// All it would match is taken before, with the same action and target.
    Redundant,
    /// What it takes would come to the same end without it.
    RedundantLater,
    /// It takes only part of what it matches: an earlier rule with another action takes some,
    /// and neither is the other's special case.
    Contradicts,
    /// Nothing that it would match comes to it, nor to a rule before it.
    Unreached,
}

/// A rule that stands in another's way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Blocker {
    pub rule: RuleId,
    /// How much of the blocked packets it takes, 0 to 1.
    pub share: f64,
    /// It does something else with them.
    pub different: bool,
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: RuleId,
    pub wrong: Wrong,
    /// Those that take most first; also always the first that does something else.
    pub blockers: Vec<Blocker>,
    /// A packet that shows it.
    pub witness: Option<Packet>,
    /// Standing before this rule of its chain it would match something; and before that one all.
    /// Absent where no move within the chain helps.
    pub before: Option<RuleId>,
    pub before_all: Option<RuleId>,
}

/// At most so many blockers are named.
const NAMED: usize = 10;
/// Rules that match more pieces than this are not compared piece by piece.
const PIECES: usize = 100;

/// One walk of everything, for one device and family.
struct Trace<'a> {
    device: &'a str,
    family: Family,
    hits: Vec<Hit>,
    /// The first time each rule was asked, in each context.
    seen: Vec<Seen<'a>>,
    trails: Vec<(RuleId, u32)>,
    doubts: Vec<RuleId>,
}

/// Judges all rules that packets from these devices may come to; in the ruleset's order.
/// The second part is whether all rules were judged: beyond the caps the rest is not.
pub fn judge<'a>(
    world: World<'a>,
    devices: &[&'a str],
    caps: Caps,
) -> Result<(Vec<Finding>, bool), TooComplex> {
    let mut traces = Vec::new();
    for device in devices {
        for family in Family::BOTH {
            let mut walker = Walker::new(world, device, family, true, caps);
            walker.hits = Some(Vec::new());
            walker.ask(&[Space::ALL])?;
            let doubts = walker.answer.doubts.iter().filter_map(|(rule, _)| *rule).collect();
            traces.push(Trace {
                device,
                family,
                hits: walker.hits.take().unwrap_or_default(),
                seen: walker.seen,
                trails: walker.answer.trails,
                doubts,
            });
        }
    }
    let ids = all(world.rules);
    let mut hits: Vec<Vec<(usize, &Hit)>> = vec![Vec::new(); ids.len()];
    for (at, trace) in traces.iter().enumerate() {
        for hit in &trace.hits {
            let list = ids.binary_search(&hit.rule).ok().and_then(|place| hits.get_mut(place));
            list.into_iter().for_each(|list| list.push((at, hit)));
        }
    }
    let living = ids.iter().zip(&hits).filter(|(_, hits)| !hits.is_empty());
    let mut judge = Judge {
        world,
        caps,
        work: 0,
        living: living.map(|(id, _)| *id).collect(),
        known: vec![None; ids.len() * traces.len()],
        found: Vec::new(),
    };
    for (place, (id, hits)) in ids.iter().copied().zip(&hits).enumerate() {
        let Some((.., rule)) = id.find(world.rules) else { continue };
        // A rule that decides nothing takes nothing from anybody.
        if !rule.exprs.iter().any(|expr| matches!(expr, Expr::Do(_) | Expr::Choose { .. })) {
            continue;
        }
        let judged = match hits.is_empty() {
            true => judge.dead(id, rule, &traces),
            false => judge.alive(id, place, rule, hits, &traces),
        };
        if judged.is_err() {
            return Ok((judge.found, false));
        }
    }
    Ok((judge.found, true))
}

/// All rules, sorted.
fn all(rules: &Ruleset) -> Vec<RuleId> {
    let mut ids = Vec::new();
    for (t, table) in rules.tables.iter().enumerate() {
        for (c, chain) in table.chains.iter().enumerate() {
            for r in 0..chain.rules.len() {
                ids.push(RuleId { table: t as u32, chain: c as u32, rule: r as u32 });
            }
        }
    }
    ids
}

struct Judge<'a> {
    world: World<'a>,
    caps: Caps,
    work: u64,
    /// Rules that take something, sorted.
    living: Vec<RuleId>,
    /// What rules match that are compared with others, for each trace and rule.
    known: Vec<Option<Rc<[Frag]>>>,
    found: Vec<Finding>,
}

impl<'a> Judge<'a> {
    fn spend(&mut self, looks: u64) -> Result<(), TooComplex> {
        self.work += looks;
        // For all rules together; a question of its own for each would be beyond any bound.
        if self.work > self.caps.work.saturating_mul(4) { Err(TooComplex) } else { Ok(()) }
    }

    fn note(&mut self, rule: RuleId, wrong: Wrong) -> &mut Finding {
        self.found.push(Finding {
            rule,
            wrong,
            blockers: vec![],
            witness: None,
            before: None,
            before_all: None,
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// All packets that a rule would match where it was asked, in that hook's coordinates.
    fn matched(
        &mut self,
        trace: &Trace<'a>,
        seen: &Seen<'a>,
        rule: &Rule,
        ignore_devices: bool,
    ) -> Result<Vec<Frag>, TooComplex> {
        let Some(home) = self.world.rules.tables.get(seen.rule.table as usize) else {
            return Ok(vec![]);
        };
        let mut walker = Walker::new(self.world, trace.device, trace.family, true, self.caps);
        walker.hook = seen.hook;
        walker.tracked = seen.tracked;
        walker.out_device = seen.out_device;
        let mut items: Vec<(Frag, u32)> = Vec::new();
        for frag in walker.begin(&[Space::ALL]) {
            items.push((frag, 0));
            items.push((Frag { flags: DNAT, ..frag }, 0));
        }
        let is_device = |part: &Part| matches!(part.field, Field::InDevice | Field::OutDevice);
        for expr in &rule.exprs {
            let Expr::Match(Match { key, .. }) = expr else { continue };
            if ignore_devices && key.iter().any(is_device) {
                continue;
            }
            let Expr::Match(test) = expr else { continue };
            let (mut yes, mut no) = (Vec::new(), Vec::new());
            for item in items {
                walker.test(home, seen.rule, test, item, &mut yes, &mut no)?;
            }
            items = yes;
        }
        self.spend(walker.answer.work)?;
        Ok(items.into_iter().map(|(frag, _)| frag).collect())
    }

    /// The same, kept for the next who asks. `place` is the rule's among all, in this trace.
    fn known(
        &mut self,
        place: usize,
        trace: &Trace<'a>,
        seen: &Seen<'a>,
        rule: &Rule,
    ) -> Result<Rc<[Frag]>, TooComplex> {
        if let Some(Some(known)) = self.known.get(place) {
            return Ok(known.clone());
        }
        let found: Rc<[Frag]> = self.matched(trace, seen, rule, false)?.into();
        if let Some(slot) = self.known.get_mut(place) {
            *slot = Some(found.clone());
        }
        Ok(found)
    }

    /// A rule that took nothing in any walk.
    fn dead(&mut self, id: RuleId, rule: &'a Rule, traces: &[Trace<'a>]) -> Result<(), TooComplex> {
        // All packets here are new ones: what looks at connections is not for them alone.
        let looks = |field: &Field| {
            rule.exprs.iter().any(|expr| match expr {
                Expr::Match(Match { key, .. }) | Expr::Choose { key, .. } => {
                    key.iter().any(|part| part.field == *field)
                }
                _ => false,
            })
        };
        if looks(&Field::CtState) || looks(&Field::CtStatus) {
            return Ok(());
        }
        let (mut asked, mut possible, mut exact) = (false, false, true);
        let mut takers: Vec<(RuleId, Option<u32>, f64)> = Vec::new();
        let mut outside = false;
        let mut witness = None;
        for trace in traces {
            exact &= !trace.doubts.contains(&id);
            for seen in trace.seen.iter().filter(|seen| seen.rule == id) {
                asked = true;
                possible |= !self.matched(trace, seen, rule, true)?.is_empty();
                let wanted = self.matched(trace, seen, rule, false)?;
                self.spend((wanted.len() * seen.after) as u64)?;
                for hit in trace.hits.iter().take(seen.after).filter(|hit| hit.hook == seen.hook) {
                    if !self.takes(hit, seen) {
                        continue;
                    }
                    let flags = |frag: &Frag| frag.flags & DNAT;
                    let same = wanted.iter().filter(|frag| flags(frag) == flags(&hit.piece));
                    let both: Vec<Space> =
                        same.filter_map(|frag| frag.now.meet(&hit.piece.now)).collect();
                    let Some(first) = both.first() else { continue };
                    witness.get_or_insert(first.witness());
                    let volume: f64 = both.iter().map(Space::volume).sum();
                    let place = place_in_chain(trace, hit, id);
                    outside |= place.is_none();
                    match takers.iter_mut().find(|(taker, ..)| *taker == hit.rule) {
                        Some((.., sum)) => *sum += volume,
                        None => takers.push((hit.rule, place, volume)),
                    }
                }
            }
        }
        if !asked || !exact {
            return Ok(());
        }
        if takers.is_empty() {
            self.note(id, if possible { Wrong::Unreached } else { Wrong::Empty });
            return Ok(());
        }
        let total: f64 = takers.iter().map(|(.., volume)| volume).sum();
        let mut all = Vec::with_capacity(takers.len());
        for (taker, _, volume) in &takers {
            let different = self.differs(rule, *taker);
            put(&mut all, Blocker { rule: *taker, share: volume / total, different });
        }
        let different = all.iter().any(|blocker| blocker.different);
        let places = || takers.iter().filter_map(|(_, place, _)| *place);
        let at = |place: Option<u32>| place.map(|rule| RuleId { rule, ..id });
        let (before, before_all) = (at(places().max()), at(places().min()));
        let mut blockers: Vec<Blocker> = all.iter().take(NAMED).copied().collect();
        blockers.extend(all.iter().skip(NAMED).find(|_| !blockers.iter().any(|b| b.different)));
        let finding = self.note(id, if different { Wrong::Shadowed } else { Wrong::Redundant });
        finding.blockers = blockers;
        finding.witness = witness;
        finding.before = before;
        finding.before_all = before_all.filter(|_| !outside);
        Ok(())
    }

    /// Whether a hit keeps packets from a rule asked later in the same hook.
    fn takes(&self, hit: &Hit, seen: &Seen) -> bool {
        let action = id_action(self.world.rules, hit);
        let nat = |base: (u32, u32)| {
            let table = self.world.rules.tables.get(base.0 as usize);
            let base = table.and_then(|table| table.chains.get(base.1 as usize)?.base.as_ref());
            base.is_some_and(|base| base.kind == "nat")
        };
        match action {
            Action::Drop | Action::Reject(_) => true,
            Action::Accept => hit.base == seen.base,
            Action::Dnat(_) | Action::Redirect(_) | Action::SourceNat => {
                hit.base == seen.base || (nat(hit.base) && nat(seen.base))
            }
            _ => false,
        }
    }

    fn differs(&self, rule: &Rule, other: RuleId) -> bool {
        let own = rule.exprs.iter().rev().find_map(decides);
        let other = other.find(self.world.rules);
        let theirs = other.and_then(|(.., rule)| rule.exprs.iter().rev().find_map(decides));
        match (own, theirs) {
            // What a jump would lead to is not known here.
            (Some(Action::Jump(_) | Action::Goto(_)), _) => true,
            (own, theirs) => own != theirs,
        }
    }

    /// A rule that takes something: does it make a difference, and is it cut short by another?
    fn alive(
        &mut self,
        id: RuleId,
        place: usize,
        rule: &'a Rule,
        hits: &[(usize, &Hit)],
        traces: &[Trace<'a>],
    ) -> Result<(), TooComplex> {
        let Some(own) = rule.exprs.iter().rev().find_map(decides) else { return Ok(()) };
        let settles = matches!(
            own,
            Action::Accept
                | Action::Drop
                | Action::Reject(_)
                | Action::Dnat(_)
                | Action::Redirect(_)
        );
        let doubted = hits.iter().any(|(_, hit)| hit.piece.doubt != 0)
            || traces.iter().any(|trace| trace.doubts.contains(&id));
        if !settles || doubted || hits.len() > PIECES {
            return Ok(());
        }
        // Of two that are alike the later is told of, not both.
        let without = self.same_without(id, own, hits, traces)?;
        let all_live =
            |list: &[Blocker]| list.iter().all(|one| self.living.binary_search(&one.rule).is_ok());
        if let Some(blockers) = without.filter(|list| all_live(list)) {
            let witness = hits.first().map(|(_, hit)| hit.piece.now.witness());
            let finding = self.note(id, Wrong::RedundantLater);
            finding.blockers = blockers;
            finding.witness = witness;
            return Ok(());
        }
        self.contradicts(id, place, rule, hits, traces)
    }

    /// The rules that would take its packets to the same end, if all of them would.
    fn same_without(
        &mut self,
        id: RuleId,
        own: &Action,
        hits: &[(usize, &Hit)],
        traces: &[Trace<'a>],
    ) -> Result<Option<Vec<Blocker>>, TooComplex> {
        let mut later: Vec<RuleId> = Vec::new();
        for (at, hit) in hits {
            let Some(trace) = traces.get(*at) else { continue };
            let mut walker = Walker::new(self.world, trace.device, trace.family, true, self.caps);
            walker.skip = Some(id);
            walker.out_device = hit.out_device.and_then(|at| {
                let place = usize::try_from(at).ok()?;
                self.world.routes.get(place).map(|route| route.device.as_str())
            });
            walker.hits = Some(Vec::new());
            let begun = Frag { doubt: 0, ..hit.piece };
            let through = walker.hook(hit.hook, vec![begun])?;
            self.spend(walker.answer.work + 1)?;
            let hits = walker.hits.take().unwrap_or_default();
            let unchanged =
                |frag: &Frag| frag.flags == begun.flags && begun.now.contains(&frag.now);
            // An Accept has to be one of the same base chain, or its policy: it all goes through.
            let ends = &walker.answer.ends;
            let same = match own {
                Action::Accept => ends.is_empty() && through.iter().all(unchanged),
                Action::Drop | Action::Reject(_) => through.is_empty(),
                _ => ends.is_empty(),
            };
            let certain =
                ends.iter().all(|end| end.doubt == 0) && through.iter().all(|frag| frag.doubt == 0);
            let mut whole = same && certain;
            let settled: Vec<&Hit> =
                hits.iter().filter(|hit| id_action(self.world.rules, hit) == own).collect();
            if !matches!(own, Action::Accept) {
                // Exactly the same must be done with every packet of it.
                let volume: f64 = settled.iter().map(|hit| hit.piece.now.volume()).sum();
                let missing = (volume - begun.now.volume()).abs() > begun.now.volume() * 1e-9;
                whole &= !missing;
            }
            if !whole {
                return Ok(None);
            }
            for hit in settled {
                if hit.rule != id && !later.contains(&hit.rule) {
                    later.push(hit.rule);
                }
            }
        }
        let share = 1.0 / later.len().max(1) as f64;
        let blocker = |rule| Blocker { rule, share, different: false };
        Ok(Some(later.into_iter().take(NAMED).map(blocker).collect()))
    }

    /// Earlier rules of its chain that take part of what it matches, to another end.
    fn contradicts(
        &mut self,
        id: RuleId,
        place: usize,
        rule: &'a Rule,
        hits: &[(usize, &Hit)],
        traces: &[Trace<'a>],
    ) -> Result<(), TooComplex> {
        let Some((at, _)) = hits.first() else { return Ok(()) };
        let Some(trace) = traces.get(*at) else { return Ok(()) };
        let Some(seen) = trace.seen.iter().find(|seen| seen.rule == id) else { return Ok(()) };
        let first = traces.len() * place;
        let own = self.known(first + at, trace, seen, rule)?;
        let (mut blockers, mut witness) = (Vec::new(), None);
        // Rules of a chain stand one after another among all.
        for back in 1..=id.rule {
            let other = RuleId { rule: id.rule - back, ..id };
            if self.living.binary_search(&other).is_err() {
                continue;
            }
            let Some((.., before)) = other.find(self.world.rules) else { continue };
            let decided = before.exprs.iter().rev().find_map(decides);
            let settles = !matches!(decided, None | Some(Action::Jump(_) | Action::Goto(_)));
            if !settles || !self.differs(rule, other) || trace.doubts.contains(&other) {
                continue;
            }
            let there = first.saturating_sub(traces.len() * back as usize) + at;
            let theirs = self.known(there, trace, &Seen { rule: other, ..*seen }, before)?;
            self.spend((own.len() * theirs.len()) as u64)?;
            if own.len() > PIECES || theirs.len() > PIECES {
                continue;
            }
            let both = |a: &[Frag], b: &[Frag]| {
                let pairs = a.iter().flat_map(|a| b.iter().map(move |b| (a, b)));
                let same = pairs.filter(|(a, b)| a.flags & DNAT == b.flags & DNAT);
                same.filter_map(|(a, b)| a.now.meet(&b.now)).collect::<Vec<Space>>()
            };
            let volume = |frags: &[Frag]| frags.iter().map(|f| f.now.volume()).sum::<f64>();
            let overlap = both(&own, &theirs);
            let shared: f64 = overlap.iter().map(Space::volume).sum();
            let less = |whole: f64| shared < whole * (1.0 - 1e-9);
            if let Some(first) = overlap.first()
                && less(volume(&own))
                && less(volume(&theirs))
            {
                witness.get_or_insert(first.witness());
                let share = shared / volume(&own);
                put(&mut blockers, Blocker { rule: other, share, different: true });
            }
        }
        if !blockers.is_empty() {
            blockers.truncate(NAMED);
            let finding = self.note(id, Wrong::Contradicts);
            finding.before = blockers.first().map(|blocker| blocker.rule);
            finding.blockers = blockers;
            finding.witness = witness;
        }
        Ok(())
    }
}

/// Adds a blocker, the greatest share first.
fn put(list: &mut Vec<Blocker>, one: Blocker) {
    let at = list.iter().position(|other| other.share < one.share).unwrap_or(list.len());
    list.insert(at, one);
}

/// The action of a rule that ends it.
fn decides(expr: &Expr) -> Option<&Action> {
    match expr {
        Expr::Do(action) => Some(action),
        _ => None,
    }
}

fn id_action<'r>(rules: &'r Ruleset, hit: &Hit) -> &'r Action {
    let found = hit.rule.find(rules).map(|(.., rule)| rule);
    found.and_then(|rule| rule.exprs.iter().rev().find_map(decides)).unwrap_or(&Action::Continue)
}

/// Which rule of the chain of `id` a hit came by: itself, or the jump to where it is.
fn place_in_chain(trace: &Trace, hit: &Hit, id: RuleId) -> Option<u32> {
    let here = |one: RuleId| (one.table, one.chain) == (id.table, id.chain) && one.rule < id.rule;
    if here(hit.rule) {
        return Some(hit.rule.rule);
    }
    let mut trail = hit.trail;
    while trail != 0 {
        let (jump, before) = *trace.trails.get(trail as usize)?;
        if here(jump) {
            return Some(jump.rule);
        }
        trail = before;
    }
    None
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
