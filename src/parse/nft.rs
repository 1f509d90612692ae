//! `nft -j list ruleset` as a [`Ruleset`]: tables, chains, rules, sets and maps. What a rule's
//! expressions mean is in `expr`, the words of nft in `names`. What the whole does to a packet is
//! left to `acl`.
//!
//! The text may be huge, torn, hostile, or of another version of nft. It is read object by object,
//! each bounded; nothing fails as a whole, and what is missing or not understood is said and kept
//! as such, so that nobody takes half a firewall for all of it.

mod expr;
mod names;

use crate::model::ruleset::{Base, Chain, Marks, Rule, Ruleset, Set, Table, Values};
use serde_json::{Map, Value};

/// One object of the list, longer than any rule of an owner; of a longer one only the beginning is
/// read, and its elements count as unknown.
const OBJECT: usize = 256 * 1024;
const RULES: usize = 10_000;
const CHAINS: usize = 4_000;
const TABLES: usize = 250;
const SETS: usize = 1_000;
/// Elements of one named set or map beyond which it is not looked into.
pub const SET_ELEMENTS: usize = 4_096;
/// Numbers in all sets and matches together.
const SPANS: usize = 200_000;
const COMPLAINTS: usize = 20;
/// A name or comment that is longer is nobody's.
const NAME: usize = 1_024;

/// Reads what `nft -j list ruleset` printed. The complaints are sentences for the owner.
pub fn ruleset(text: &[u8]) -> (Ruleset, Vec<String>) {
    let mut reader = Reader::default();
    reader.read(text);
    (reader.ruleset, reader.complaints)
}

#[derive(Default)]
struct Reader {
    ruleset: Ruleset,
    complaints: Vec<String>,
    rules: usize,
    chains: usize,
    sets: usize,
    spans: usize,
}

impl Reader {
    fn read(&mut self, text: &[u8]) {
        let start = text.iter().position(|byte| *byte == b'[');
        let head = text.get(..start.unwrap_or(0)).unwrap_or_default();
        let Some(start) = start.filter(|_| head.windows(10).any(|w| w == b"\"nftables\"")) else {
            self.cut("the ruleset is not what `nft -j list ruleset` prints");
            return;
        };
        let mut objects = Objects { text, at: start + 1 };
        loop {
            match objects.next() {
                Piece::Whole(piece) => self.object(piece, false),
                Piece::Long(piece) => {
                    let mut closed = piece.to_vec();
                    closed.extend_from_slice(b"}}");
                    self.object(&closed, true);
                }
                Piece::End => return,
                Piece::Torn => {
                    self.cut("the ruleset ends in the middle: what follows is unknown");
                    return;
                }
            }
        }
    }

    fn complain(&mut self, what: &str) {
        if self.complaints.len() < COMPLAINTS && !self.complaints.iter().any(|one| one == what) {
            self.complaints.push(what.to_string());
        }
    }

    fn cut(&mut self, what: &str) {
        self.ruleset.cut = true;
        self.complain(what);
    }

    fn object(&mut self, piece: &[u8], long: bool) {
        let Ok(Value::Object(outer)) = serde_json::from_slice(piece) else {
            self.cut("part of the ruleset could not be read");
            return;
        };
        let Some((kind, Value::Object(inner))) = outer.into_iter().next() else { return };
        let kept = match kind.as_str() {
            "metainfo" => {
                // Counted up when old words get another meaning (libnftables-json(5)).
                if inner.get("json_schema_version").and_then(Value::as_u64) != Some(1) {
                    self.cut("this nft writes another version of its JSON than we know");
                }
                true
            }
            "table" => self.table(&inner),
            "chain" => self.chain(&inner),
            "rule" => self.rule(&inner, long),
            "set" | "map" | "element" => self.set(&inner, long),
            // Counters, helpers, flowtables: what a rule names and we do not look into.
            _ => true,
        };
        if !kept {
            self.cut("the ruleset is larger than we can read, or in an order we do not know");
        }
    }

    fn table(&mut self, object: &Map<String, Value>) -> bool {
        let (Some(family), Some(name)) = (name(object, "family"), name(object, "name")) else {
            return false;
        };
        if self.ruleset.tables.len() >= TABLES {
            return false;
        }
        let dormant = strings(object.get("flags")).iter().any(|flag| flag == "dormant");
        self.ruleset.tables.push(Table { family, name, dormant, chains: vec![], sets: vec![] });
        true
    }

    /// The table that an object says it is in.
    fn home(&mut self, object: &Map<String, Value>) -> Option<&mut Table> {
        let (family, table) = (object.get("family")?.as_str()?, object.get("table")?.as_str()?);
        let found = |one: &&mut Table| one.family == family && one.name == table;
        self.ruleset.tables.iter_mut().rev().find(found)
    }

    fn chain(&mut self, object: &Map<String, Value>) -> bool {
        let Some(chain) = chain(object) else { return false };
        self.chains += 1;
        if self.chains > CHAINS {
            return false;
        }
        self.home(object).map(|table| table.chains.push(chain)).is_some()
    }

    /// With what is left of the bound.
    fn reader(&self) -> expr::Reader {
        expr::Reader {
            spans: 0,
            budget: SPANS.saturating_sub(self.spans),
            written: vec![],
            packets: None,
            marks: Marks::default(),
        }
    }

    fn rule(&mut self, object: &Map<String, Value>, long: bool) -> bool {
        self.rules += 1;
        let Some(chain) = name(object, "chain").filter(|_| self.rules <= RULES) else {
            return false;
        };
        let mut reader = self.reader();
        let exprs = match object.get("expr").and_then(Value::as_array) {
            Some(list) if !long => reader.exprs(list),
            _ => vec![expr::unknown("a rule too long to read")],
        };
        self.spans += reader.spans;
        self.ruleset.marks.unread |= long || reader.marks.unread;
        self.ruleset.marks.set.append(&mut reader.marks.set);
        let rule = Rule {
            handle: object.get("handle").and_then(Value::as_u64).unwrap_or(0),
            comment: name(object, "comment"),
            packets: reader.packets,
            exprs,
        };
        let Some(home) = self.home(object) else { return false };
        for set in home.sets.iter_mut().filter(|set| reader.written.contains(&set.name)) {
            set.changing = true;
        }
        let Some(chain) = home.chains.iter_mut().find(|one| one.name == chain) else {
            return false;
        };
        chain.rules.push(rule);
        // Elsewhere it comes too late for the route of a packet that came in.
        let early = chain.base.as_ref().is_none_or(|base| base.hook == "prerouting");
        self.ruleset.marks.restored |= early && reader.marks.restored;
        true
    }

    fn set(&mut self, object: &Map<String, Value>, long: bool) -> bool {
        let Some(name) = name(object, "name") else { return false };
        let elements = object.get("elem").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let mut reader = self.reader();
        let (values, actions) = if long || elements.len() > SET_ELEMENTS {
            let why = format!("the set @{name} has too many elements to look into");
            (Values { unknown: Some(why), ..Values::default() }, vec![])
        } else {
            reader.elements(&strings(object.get("type")), object.get("map"), elements)
        };
        self.spans += reader.spans;
        self.sets += 1;
        if self.sets > SETS {
            return false;
        }
        let flags = strings(object.get("flags"));
        let changing = flags.iter().any(|flag| flag == "dynamic");
        let set = Set { name, values, actions, changing };
        self.home(object).map(|table| table.sets.push(set)).is_some()
    }
}

fn chain(object: &Map<String, Value>) -> Option<Chain> {
    let base = match name(object, "hook") {
        None => None,
        Some(hook) => Some(Base {
            kind: name(object, "type")?,
            hook,
            priority: i32::try_from(object.get("prio")?.as_i64()?).ok()?,
            policy_drop: object.get("policy").and_then(Value::as_str) == Some("drop"),
            devices: strings(object.get("dev")),
        }),
    };
    Some(Chain { name: name(object, "name")?, base, rules: vec![] })
}

fn name(object: &Map<String, Value>, key: &str) -> Option<String> {
    let text = object.get(key)?.as_str()?;
    Some(text.chars().take(NAME).collect())
}

/// One string, or a list of them: versions of nft differ in where they write a list.
fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_string).collect()
        }
        _ => vec![],
    }
}

/// The objects of a JSON array, cut out without reading into them.
struct Objects<'a> {
    text: &'a [u8],
    at: usize,
}

enum Piece<'a> {
    Whole(&'a [u8]),
    /// Longer than [`OBJECT`]: up to the last comma between its own keys, to be closed with `}}`.
    Long(&'a [u8]),
    End,
    Torn,
}

impl<'a> Objects<'a> {
    fn next(&mut self) -> Piece<'a> {
        loop {
            match self.text.get(self.at) {
                None => return Piece::Torn,
                Some(b'{') => break,
                Some(b']') => return Piece::End,
                Some(_) => self.at += 1,
            }
        }
        let start = self.at;
        let (mut depth, mut quoted, mut comma) = (0usize, false, None);
        while let Some(byte) = self.text.get(self.at) {
            self.at += 1;
            match byte {
                b'\\' if quoted => self.at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' | b'[' => depth += 1,
                b',' if depth == 2 && self.at - start <= OBJECT => comma = Some(self.at - 1),
                b'}' | b']' => {
                    depth -= 1;
                    if depth == 0 {
                        let whole = self.text.get(start..self.at).unwrap_or_default();
                        return match comma {
                            _ if whole.len() <= OBJECT => Piece::Whole(whole),
                            Some(end) => Piece::Long(self.text.get(start..end).unwrap_or_default()),
                            None => Piece::Whole(b"too long"),
                        };
                    }
                }
                _ => {}
            }
        }
        Piece::Torn
    }
}

#[cfg(test)]
#[path = "nft/tests.rs"]
mod tests;
