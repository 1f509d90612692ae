//! Our own memory: what was last confirmed, what failed, and whom not to call before when.
//!
//! Pure: text to values and back. Who reads and writes the file is `agent`. Times are moments
//! since boot; a journal from another boot is read as if time had stood still in between, so
//! that no wait gets shorter by restarting. Text that is torn, foreign or from a later version
//! is refused whole: that costs one re-check at the provider, nothing else.

use crate::model::line::{Means, Seen};
use crate::model::map::Map;
use crate::model::name::Family;
use crate::model::outcome::Outcome;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

/// Time since boot (CLOCK_BOOTTIME).
pub type Moment = Duration;

const HEAD: &str = "reachd-journal 1";

/// Longest wait we choose by ourselves.
const LONGEST_BACKOFF: Duration = Duration::from_secs(3600);

/// A provider that asks for less than this is not taken at its word.
const SHORTEST_WAIT: Duration = Duration::from_secs(30);

const MOVES: usize = 8;

/// First wait after a failure; doubles with each further one. Short, because the most common
/// failure is our own: an address that is there a moment before its route.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// What we know of one record (name, family, account).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Fingerprint of the sections it was written for; another one voids all below.
    pub fingerprint: u64,
    /// What the provider last confirmed, and when. Empty: nothing yet.
    pub confirmed: Vec<IpAddr>,
    pub confirmed_at: Moment,
    /// What was last tried, whatever came of it.
    pub tried: Vec<IpAddr>,
    /// A permanent error: not tried again until the fingerprint changes.
    pub latch: Option<String>,
    /// The last passing trouble, for people; empty after success.
    pub trouble: String,
}

/// What we know of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Beginning of the last call, noted before it is made.
    pub last: Option<Moment>,
    /// Calls in a row that brought a passing error.
    pub failures: u32,
    /// The provider's own word: not before. Never shortened.
    pub not_before: Moment,
    /// Our own patience; a changed address may shorten it.
    pub backoff_until: Moment,
}

/// What lookups said of one WAN and family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// The WAN's own addresses when we asked: others make the answer stale at once.
    pub seen_from: Vec<IpAddr>,
    pub answer: Option<IpAddr>,
    /// Why there is no answer, or empty.
    pub trouble: String,
    pub asked_at: Moment,
    /// Not to be asked again before.
    pub next: Moment,
    pub failures: u32,
    /// Who said what when they last agreed; kept while later lookups from the same addresses
    /// bring nothing.
    pub seen: Vec<Seen>,
}

/// The address of one WAN, and when it got another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    pub address: Option<IpAddr>,
    /// Of the last day, and no more than [`MOVES`].
    pub at: Vec<Moment>,
}

impl Moves {
    /// How often within a day.
    pub fn today(&self, now: Moment) -> usize {
        self.at.iter().filter(|at| now.saturating_sub(**at) < DAY).count()
    }
}

/// The key of a record: fqdn, family, account id.
pub type RecordKey = (String, Family, String);
/// The key of an outside answer: the WAN asked for (empty: found) and the family.
pub type OutsideKey = (String, Family);

/// The key of what was told: hook, topic's word, subject.
pub type ToldKey = (String, String, String);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    pub records: Map<RecordKey, Record>,
    pub calls: Map<String, Calls>,
    pub outside: Map<OutsideKey, Outside>,
    pub moves: Map<OutsideKey, Moves>,
    /// From when on a lookup service may be asked again, by URL and family.
    pub services: Map<(String, Family), Moment>,
    /// What each hook was told last: hook, topic and subject; the fact.
    pub told: Map<ToldKey, String>,
}

impl Journal {
    /// The record's memory, if it belongs to these very sections.
    pub fn record(&self, key: &RecordKey, fingerprint: u64) -> Option<&Record> {
        self.records.get(key).filter(|record| record.fingerprint == fingerprint)
    }

    /// Notes which address a WAN sends from. That it has none is no other one.
    pub fn saw(&mut self, wan: OutsideKey, address: Option<IpAddr>, now: Moment) {
        if address.is_none() {
            return;
        }
        let known = self.moves.entry(wan).or_default();
        known.at.retain(|at| now.saturating_sub(*at) < DAY);
        if known.address == address {
            return;
        }
        if known.address.is_some() {
            known.at.push(now);
            let many = known.at.len().saturating_sub(MOVES);
            known.at.drain(..many);
        }
        known.address = address;
    }

    /// Notes that an account is about to be called, for these records. Saved before the call:
    /// whatever kills us then, the next run knows that it happened.
    pub fn before<'a>(
        &mut self,
        account: &str,
        now: Moment,
        wants: impl IntoIterator<Item = (RecordKey, u64, &'a [IpAddr])>,
    ) {
        self.calls.entry(account.to_string()).or_default().last = Some(now);
        for (key, fingerprint, addresses) in wants {
            let record = self.records.entry(key).or_default();
            if record.fingerprint != fingerprint {
                *record = Record { fingerprint, ..Record::default() };
            }
            record.tried = addresses.to_vec();
        }
    }

    /// Notes what became of a call to an account. `chance` spreads the retries of many routers.
    pub fn after<'a>(
        &mut self,
        account: &str,
        now: Moment,
        chance: u64,
        outcomes: impl IntoIterator<Item = (&'a RecordKey, &'a Outcome)>,
    ) {
        let mut passing = false;
        let mut wait: Option<Duration> = None;
        for (key, outcome) in outcomes {
            let record = self.records.entry(key.clone()).or_default();
            record.trouble.clear();
            match outcome {
                Outcome::Updated | Outcome::AlreadyRight => {
                    record.confirmed = record.tried.clone();
                    record.confirmed_at = now;
                    record.latch = None;
                }
                Outcome::FixConfig(why) | Outcome::Bug(why) => record.latch = Some(why.clone()),
                Outcome::WaitUntil { after, why } => {
                    wait = wait.max(Some((*after).max(SHORTEST_WAIT)));
                    record.trouble = why.clone();
                }
                Outcome::TryLater(why) => {
                    passing = true;
                    record.trouble = why.clone();
                }
                Outcome::NotConfirmed(why) => {
                    passing = true;
                    record.trouble = why.clone();
                    // It may hold either now; only the provider can tell.
                    record.confirmed.clear();
                }
            }
        }
        let calls = self.calls.entry(account.to_string()).or_default();
        if let Some(wait) = wait {
            calls.not_before = now + wait;
        }
        if passing {
            calls.backoff_until = now + backoff(calls.failures, FIRST_BACKOFF, chance);
            calls.failures = calls.failures.saturating_add(1);
        } else if wait.is_none() {
            calls.failures = 0;
            calls.backoff_until = Duration::ZERO;
        }
    }

    /// Forgets what the config no longer names, so that the file cannot grow for ever.
    pub fn keep_only(
        &mut self,
        keep: &dyn Fn(&RecordKey) -> bool,
        account: &dyn Fn(&str) -> bool,
        told: &dyn Fn(&ToldKey) -> bool,
    ) {
        self.records.retain(|key, _| keep(key));
        self.calls.retain(|id, _| account(id));
        self.told.retain(|key, _| told(key));
    }

    /// What would be a loss after a reboot: confirmed addresses and latches. The copy on flash
    /// is written only when this changes.
    pub fn essence(&self) -> Vec<(&RecordKey, &[IpAddr], Option<&str>)> {
        self.records
            .iter()
            .map(|(key, record)| (key, &record.confirmed[..], record.latch.as_deref()))
            .collect()
    }

    /// The file's text.
    pub fn to_text(&self, boot: &str, now: Moment) -> String {
        let mut out = format!("{HEAD}\nboot {boot}\nsaved {}\n", millis(now));
        // Writing into a String cannot fail.
        for (id, calls) in &self.calls {
            let last = calls.last.map(|at| millis(at).to_string()).unwrap_or_default();
            let _ = writeln!(
                out,
                "calls {}\tlast={last}\tfailures={}\tnot_before={}\tbackoff_until={}",
                escape(id),
                calls.failures,
                millis(calls.not_before),
                millis(calls.backoff_until)
            );
        }
        for ((fqdn, family, account), record) in &self.records {
            let _ = write!(
                out,
                "record {}\t{family}\t{}\tfingerprint={:016x}\tconfirmed={}\tconfirmed_at={}\ttried={}",
                escape(fqdn),
                escape(account),
                record.fingerprint,
                list(&record.confirmed),
                millis(record.confirmed_at),
                list(&record.tried)
            );
            if let Some(latch) = &record.latch {
                let _ = write!(out, "\tlatch={}", escape(latch));
            }
            let _ = writeln!(out, "\ttrouble={}", escape(&record.trouble));
        }
        for ((wan, family), outside) in &self.outside {
            let answer = outside.answer.map(|ip| ip.to_string()).unwrap_or_default();
            let _ = writeln!(
                out,
                "outside {}\t{family}\tfrom={}\tanswer={answer}\tasked_at={}\tnext={}\tfailures={}\ttrouble={}",
                escape(wan),
                list(&outside.seen_from),
                millis(outside.asked_at),
                millis(outside.next),
                outside.failures,
                escape(&outside.trouble)
            );
            for Seen { service, means, answer } in &outside.seen {
                let Ok(ip) = answer else { continue };
                let (wan, service) = (escape(wan), escape(service));
                let _ = writeln!(out, "seen {wan}\t{family}\t{service}\t{means}\t{ip}");
            }
        }
        for ((wan, family), moves) in &self.moves {
            let at: Vec<String> = moves.at.iter().map(|at| millis(*at).to_string()).collect();
            let (wan, from, at) = (escape(wan), list(moves.address.as_slice()), at.join(","));
            let _ = writeln!(out, "moves {wan}\t{family}\tfrom={from}\tat={at}");
        }
        for ((url, family), free) in &self.services {
            let _ = writeln!(out, "service {}\t{family}\tfree={}", escape(url), millis(*free));
        }
        for ((hook, topic, subject), fact) in &self.told {
            let _ = writeln!(
                out,
                "told {}\t{topic}\t{}\tfact={}",
                escape(hook),
                escape(subject),
                escape(fact)
            );
        }
        seal(out)
    }

    /// What a report reads of it and others may see: no names, no accounts, no services.
    pub fn shown(&self) -> Journal {
        let mut shown = Journal::default();
        for (wan, outside) in &self.outside {
            let mut outside = outside.clone();
            outside.trouble.clear();
            for (at, seen) in outside.seen.iter_mut().enumerate() {
                seen.service = format!("lookup {}", at + 1);
            }
            shown.outside.insert(wan.clone(), outside);
        }
        for (wan, moves) in &self.moves {
            shown.moves.insert(wan.clone(), moves.clone());
        }
        shown
    }

    /// Reads a file's text. `Err` says why it is not used; the caller starts afresh.
    pub fn from_text(text: &[u8], boot: &str, now: Moment) -> Result<Journal, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not text")?;
        if !text.starts_with("reachd-journal ") {
            return Err("it is not a reachd journal".into());
        }
        if text.lines().next() != Some(HEAD) {
            return Err("it was written by another version of reachd".into());
        }
        let at = text.rfind("end ").ok_or("its end is missing")?;
        let (body, end) = text.split_at(at);
        let sum = end.strip_prefix("end ").map(str::trim_end).unwrap_or_default();
        if u64::from_str_radix(sum, 16) != Ok(checksum(body.as_bytes())) {
            return Err("it is torn or was edited".into());
        }
        let mut journal = Journal::default();
        let mut clock = Clock { same: false, saved: Duration::ZERO, now };
        for line in body.lines().skip(1) {
            let (word, rest) = line.split_once(' ').ok_or("it has a line that is none")?;
            match word {
                "boot" => clock.same = rest == boot,
                "saved" => clock.saved = moment(rest),
                _ => journal.line(word, rest, &clock).ok_or("it has a line that is none")?,
            }
        }
        Ok(journal)
    }

    fn line(&mut self, word: &str, rest: &str, clock: &Clock) -> Option<()> {
        let mut plain = Vec::new();
        let mut fields = Map::new();
        for field in rest.split('\t') {
            match field.split_once('=') {
                // A key is never escaped; an escaped plain field holds no '='.
                Some((key, value)) => drop(fields.insert(key, value)),
                None => plain.push(unescape(field)?),
            }
        }
        let field = |key: &str| fields.get(key).copied().unwrap_or_default();
        let number = |key: &str| field(key).parse::<u32>().unwrap_or(0);
        match (word, &plain[..]) {
            ("calls", [id]) => {
                let last = field("last");
                let calls = Calls {
                    last: (!last.is_empty()).then(|| clock.past(last)),
                    failures: number("failures"),
                    not_before: clock.future(field("not_before")),
                    backoff_until: clock.future(field("backoff_until")),
                };
                self.calls.insert(id.clone(), calls);
            }
            ("record", [fqdn, family, account]) => {
                let record = Record {
                    fingerprint: u64::from_str_radix(field("fingerprint"), 16).ok()?,
                    confirmed: addresses(field("confirmed"))?,
                    confirmed_at: clock.past(field("confirmed_at")),
                    tried: addresses(field("tried"))?,
                    latch: fields.get("latch").and_then(|text| unescape(text)),
                    trouble: unescape(field("trouble"))?,
                };
                self.records.insert((fqdn.clone(), parse_family(family)?, account.clone()), record);
            }
            ("outside", [wan, family]) => {
                let outside = Outside {
                    seen_from: addresses(field("from"))?,
                    answer: field("answer").parse().ok(),
                    asked_at: clock.past(field("asked_at")),
                    next: clock.future(field("next")),
                    failures: number("failures"),
                    trouble: unescape(field("trouble"))?,
                    seen: Vec::new(),
                };
                self.outside.insert((wan.clone(), parse_family(family)?), outside);
            }
            ("seen", [wan, family, service, means, ip]) => {
                let outside = self.outside.get_mut(&(wan.clone(), parse_family(family)?))?;
                let means = Means::ALL.into_iter().find(|one| one.to_string() == *means)?;
                let answer = Ok(ip.parse().ok()?);
                outside.seen.push(Seen { service: service.clone(), means, answer });
            }
            ("moves", [wan, family]) => {
                let at = field("at").split(',').filter(|at| !at.is_empty());
                let at = at.map(|at| clock.past(at)).collect();
                let moves = Moves { address: field("from").parse().ok(), at };
                self.moves.insert((wan.clone(), parse_family(family)?), moves);
            }
            ("service", [url, family]) => {
                let key = (url.clone(), parse_family(family)?);
                self.services.insert(key, clock.future(field("free")));
            }
            ("told", [hook, topic, subject]) => {
                let key = (hook.clone(), topic.clone(), subject.clone());
                self.told.insert(key, unescape(field("fact"))?);
            }
            _ => return None,
        }
        Some(())
    }
}

/// Exponential, at most an hour, with up to a quarter more by chance.
pub fn backoff(failures: u32, first: Duration, chance: u64) -> Duration {
    let wait = first.saturating_mul(1 << failures.min(12)).min(LONGEST_BACKOFF);
    wait + wait * (chance % 1024) as u32 / 4096
}

/// Turns a saved moment into one of this boot.
struct Clock {
    same: bool,
    saved: Moment,
    now: Moment,
}

impl Clock {
    fn past(&self, text: &str) -> Moment {
        let at = moment(text);
        match self.same {
            true => at.min(self.now),
            false => self.now.saturating_sub(self.saved.saturating_sub(at)),
        }
    }

    fn future(&self, text: &str) -> Moment {
        let at = moment(text);
        match (at.is_zero(), self.same) {
            (true, _) => at,
            // No wait of ours or of a provider is longer than a day: a foreign number is cut.
            (_, true) => at.min(self.now + DAY),
            (_, false) => self.now + at.saturating_sub(self.saved).min(DAY),
        }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

fn millis(at: Duration) -> u64 {
    at.as_secs().saturating_mul(1000).saturating_add(at.subsec_millis().into())
}

fn moment(text: &str) -> Moment {
    // Capped so that adding to it cannot overflow.
    Duration::from_millis(text.parse::<u64>().unwrap_or(0).min(1 << 50))
}

fn list(addresses: &[IpAddr]) -> String {
    let texts: Vec<String> = addresses.iter().map(IpAddr::to_string).collect();
    texts.join(",")
}

fn addresses(text: &str) -> Option<Vec<IpAddr>> {
    text.split(',').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

fn parse_family(text: &str) -> Option<Family> {
    Family::BOTH.into_iter().find(|family| family.to_string() == text)
}

/// Percent-encodes what would end a field, a line, or look like a key.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' => out.push_str("%25"),
            '=' => out.push_str("%3d"),
            c if c.is_control() => out.push_str(if c == '\t' { "%09" } else { "%0a" }),
            c => out.push(c),
        }
    }
    out
}

fn unescape(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut out = parts.next()?.to_string();
    for part in parts {
        let code = u8::from_str_radix(part.get(..2)?, 16).ok()?;
        out.push(char::from(code));
        out.push_str(part.get(2..)?);
    }
    Some(out)
}

/// Without its end: to be changed, and sealed again.
pub fn body(text: &str) -> &str {
    text.rfind("end ").and_then(|at| text.get(..at)).unwrap_or(text)
}

/// Puts the end to a file's text.
pub fn seal(mut body: String) -> String {
    let sum = checksum(body.as_bytes());
    let _ = writeln!(body, "end {sum:016x}");
    body
}

/// FNV-1a, 64 bits: against torn files, not against anybody.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Duration::from_secs(1000);

    fn key() -> RecordKey {
        ("home.example.test".into(), Family::Ipv4, "lab".into())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn full() -> Journal {
        let mut journal = Journal::default();
        let outcome = Outcome::Updated;
        journal.before("lab", NOW, [(key(), 7, &[ip("203.0.113.7")][..])]);
        journal.after("lab", NOW, 0, [(&key(), &outcome)]);
        let other = ("b=\t%.test".to_string(), Family::Ipv6, "lab".to_string());
        let bad = Outcome::FixConfig("bad\nkey = 100%".into());
        journal.before("lab", NOW, [(other.clone(), 9, &[ip("2001:db8::1")][..])]);
        journal.after("lab", NOW, 0, [(&other, &bad)]);
        journal.calls.get_mut("lab").unwrap().not_before = NOW + Duration::from_secs(60);
        journal.services.insert(("https://a.example/ip?x=1".into(), Family::Ipv4), NOW);
        for (address, at) in [("203.0.113.7", 1), ("203.0.113.8", 2), ("203.0.113.9", 3)] {
            journal.saw(("wan".into(), Family::Ipv4), Some(ip(address)), NOW / 4 * at);
        }
        journal.outside.insert(
            (String::new(), Family::Ipv4),
            Outside {
                answer: Some(ip("198.51.100.1")),
                next: NOW * 2,
                seen: vec![Seen {
                    service: "https://a.example/ip?x=1\t%".into(),
                    means: Means::Https,
                    answer: Ok(ip("198.51.100.1")),
                }],
                ..Outside::default()
            },
        );
        journal
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = full().to_text("boot-a", NOW);
        let mut read = Journal::from_text(text.as_bytes(), "boot-a", NOW).unwrap();
        let latch = read.records.values_mut().find_map(|r| r.latch.as_mut()).unwrap();
        assert_eq!(latch, "bad\nkey = 100%");
        assert_eq!(read, full());
    }

    #[test]
    fn every_torn_file_is_refused() {
        let text = full().to_text("boot-a", NOW);
        for len in 0..text.len() - 1 {
            assert!(Journal::from_text(&text.as_bytes()[..len], "boot-a", NOW).is_err(), "{len}");
        }
    }

    #[test]
    fn foreign_and_future_files_say_what_they_are() {
        let refused = |text: &[u8]| Journal::from_text(text, "b", NOW).unwrap_err();
        assert_eq!(refused(b""), "it is not a reachd journal");
        assert_eq!(refused(b"\xff\xfe"), "it is not text");
        assert_eq!(refused(b"reachd-journal 2\n"), "it was written by another version of reachd");
        let edited = full().to_text("b", NOW).replace("203.0.113.7", "203.0.113.8");
        assert_eq!(refused(edited.as_bytes()), "it is torn or was edited");
    }

    #[test]
    fn no_mutation_panics() {
        let good = full().to_text("b", NOW).into_bytes();
        let mut seed = 42u64;
        for _ in 0..20_000 {
            let mut text = good.clone();
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let at = (seed >> 33) as usize % text.len();
            text[at] = (seed >> 20) as u8;
            // With a right checksum, so that the lines themselves are read.
            let body = text.len() - 21;
            let sum = checksum(&text[..body]);
            text.truncate(body);
            text.extend(format!("end {sum:016x}\n").bytes());
            let _ = Journal::from_text(&text, "b", NOW);
        }
    }

    #[test]
    fn a_reboot_shortens_no_wait() {
        let text = full().to_text("boot-a", NOW);
        let early = Duration::from_secs(5);
        let read = Journal::from_text(text.as_bytes(), "boot-b", early).unwrap();
        assert_eq!(read.calls["lab"].not_before, early + Duration::from_secs(60));
        assert_eq!(read.calls["lab"].last, Some(early));
        let service = ("https://a.example/ip?x=1".to_string(), Family::Ipv4);
        assert_eq!(read.services[&service], early);
    }

    #[test]
    fn a_moment_from_the_far_future_is_cut_to_a_day() {
        let mut journal = full();
        journal.calls.get_mut("lab").unwrap().not_before = Duration::from_secs(1 << 40);
        let text = journal.to_text("b", NOW);
        let read = Journal::from_text(text.as_bytes(), "b", NOW).unwrap();
        assert_eq!(read.calls["lab"].not_before, NOW + DAY);
    }

    #[test]
    fn backoff_doubles_to_an_hour_and_starts_again_after_success() {
        let mut journal = Journal::default();
        let later = Outcome::TryLater("down".into());
        let mut waits = Vec::new();
        for _ in 0..12 {
            journal.before("lab", NOW, [(key(), 7, &[ip("203.0.113.7")][..])]);
            journal.after("lab", NOW, 0, [(&key(), &later)]);
            waits.push((journal.calls["lab"].backoff_until - NOW).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048]);
        journal.after("lab", NOW, 0, [(&key(), &Outcome::Updated)]);
        assert_eq!(
            (journal.calls["lab"].failures, journal.calls["lab"].backoff_until),
            (0, Duration::ZERO)
        );
        assert_eq!(backoff(0, FIRST_BACKOFF, 1023).as_millis(), 1249);
        assert_eq!(backoff(40, FIRST_BACKOFF, 0), LONGEST_BACKOFF);
    }

    #[test]
    fn another_fingerprint_voids_a_latch() {
        let mut journal = Journal::default();
        journal.before("lab", NOW, [(key(), 7, &[ip("203.0.113.7")][..])]);
        journal.after("lab", NOW, 0, [(&key(), &Outcome::FixConfig("bad key".into()))]);
        assert!(journal.record(&key(), 7).unwrap().latch.is_some());
        assert!(journal.record(&key(), 8).is_none());
    }

    #[test]
    fn moves_of_a_day_are_counted() {
        let wan = || (String::new(), Family::Ipv4);
        let mut journal = Journal::default();
        let mut saw = |address: &str, hour: u64| {
            journal.saw(wan(), address.parse().ok(), Duration::from_secs(hour * 3600));
            journal.moves.get(&wan()).map_or(0, |moves| moves.at.len())
        };
        assert_eq!(saw("203.0.113.7", 1), 0);
        // Down, and up again with the same one.
        assert_eq!(saw("", 2), 0);
        assert_eq!(saw("203.0.113.7", 3), 0);
        assert_eq!(saw("203.0.113.8", 4), 1);
        assert_eq!(saw("203.0.113.7", 10), 2);
        assert_eq!(saw("203.0.113.7", 29), 1);
        for hour in 30..44 {
            saw(if hour % 2 == 0 { "203.0.113.8" } else { "203.0.113.7" }, hour);
        }
        assert_eq!(saw("203.0.113.9", 44), MOVES);
    }

    #[test]
    fn not_confirmed_forgets_what_was_there() {
        let mut journal = full();
        journal.before("lab", NOW, [(key(), 7, &[ip("203.0.113.8")][..])]);
        journal.after("lab", NOW, 0, [(&key(), &Outcome::NotConfirmed("cut".into()))]);
        assert!(journal.record(&key(), 7).unwrap().confirmed.is_empty());
    }
}
