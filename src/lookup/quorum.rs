//! Whom to believe. Pure: what each service said goes in; the address that enough independent
//! operators agree on, or why there is none, comes out.

use crate::model::known::Known;
use crate::model::name::Family;
use std::fmt::Write;
use std::net::IpAddr;

/// What one service said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Host (and port) of the service, for messages.
    pub who: String,
    /// Answers of one operator count once.
    pub operator: String,
    /// By plain HTTP: anybody on the way may have answered. It counts for nothing against one who
    /// cannot be deceived so.
    pub weak: bool,
    pub answer: Result<IpAddr, String>,
}

/// Every address that was said, with the number of operators that vouch for it, most first.
/// An operator that said two different things vouches for nothing.
fn votes(said: &[Said]) -> Vec<(IpAddr, usize)> {
    let mut votes: Vec<(IpAddr, usize)> = Vec::new();
    for (index, one) in said.iter().enumerate() {
        let Ok(ip) = one.answer else { continue };
        let same = |other: &&Said| other.operator == one.operator;
        let others = |other: &Said| other.answer.as_ref().is_ok_and(|answer| *answer != ip);
        let voted = said.iter().take(index).filter(same).any(|other| other.answer.is_ok());
        let contradicts = said.iter().filter(same).any(others);
        let outweighed = one.weak && said.iter().filter(|other| !other.weak).any(others);
        let counts = usize::from(!voted && !contradicts && !outweighed);
        match votes.iter_mut().find(|(address, _)| *address == ip) {
            Some((_, count)) => *count += counts,
            None => votes.push((ip, counts)),
        }
    }
    votes.sort_by_key(|(ip, count)| (std::cmp::Reverse(*count), *ip));
    votes
}

/// The address that at least `agree` operators gave, and more than gave any other.
pub fn winner(said: &[Said], agree: usize) -> Option<IpAddr> {
    let votes = votes(said);
    let (ip, count) = *votes.first()?;
    let second = votes.get(1).map_or(0, |(_, count)| *count);
    (count >= agree.max(1) && count > second).then_some(ip)
}

/// How many more operators must say what most have said, for a winner; at least 1.
pub fn missing(said: &[Said], agree: usize) -> usize {
    let most = votes(said).first().map_or(0, |(_, count)| *count);
    agree.max(1).saturating_sub(most).max(1)
}

/// Whether `waiting` more operators could still bring a winner about.
pub fn open(said: &[Said], waiting: usize, agree: usize) -> bool {
    let most = votes(said).first().map_or(0, |(_, count)| *count);
    waiting > 0 && most + waiting >= agree.max(1)
}

/// The winner, or who said what, worded for the owner.
pub fn verdict(said: &[Said], agree: usize, family: Family) -> Known<IpAddr> {
    if let Some(ip) = winner(said, agree) {
        return Known::Known(ip);
    }
    let label = label(family);
    let mut text = match votes(said).len() {
        0 if said.is_empty() => {
            return Known::Unknown(format!("there is no lookup service to ask for {label}"));
        }
        0 => format!("could not learn our {label} address from outside: "),
        1 => format!("{agree} independent services must agree on our {label} address: "),
        _ => {
            let mut text = String::from("services disagree: ");
            list(&mut text, ", ", said.iter().filter(|one| one.answer.is_ok()));
            return Known::Unknown(text);
        }
    };
    list(&mut text, "; ", said.iter());
    Known::Unknown(text)
}

/// `IPv4`, `IPv6`: the family in a sentence.
pub(super) fn label(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    }
}

/// Who said what, addresses first, the first few: it has to fit a log line.
fn list<'a>(text: &mut String, between: &str, said: impl Iterator<Item = &'a Said>) {
    const SHOWN: usize = 4;
    let mut said: Vec<&Said> = said.collect();
    said.sort_by_key(|one| one.answer.is_err());
    for (index, one) in said.iter().take(SHOWN).enumerate() {
        if index > 0 {
            text.push_str(between);
        }
        let _ = match &one.answer {
            Ok(ip) => write!(text, "{} says {ip}", one.who),
            Err(why) => write!(text, "{}: {why}", one.who),
        };
    }
    if said.len() > SHOWN {
        let _ = write!(text, "{between}and {} more", said.len() - SHOWN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `OPERATOR=ADDRESS`, or `OPERATOR!reason`; `http-...` operators speak plain HTTP.
    fn said(rows: &[&str]) -> Vec<Said> {
        let one = |row: &&str| {
            let (operator, answer) = match row.split_once('=') {
                Some((operator, ip)) => (operator, Ok(ip.parse().unwrap())),
                None => {
                    let (operator, why) = row.split_once('!').unwrap();
                    (operator, Err(why.to_string()))
                }
            };
            Said {
                who: format!("ip.{operator}.example"),
                operator: operator.into(),
                weak: operator.starts_with("http-"),
                answer,
            }
        };
        rows.iter().map(one).collect()
    }

    #[test]
    fn enough_independent_voices() {
        let cases: &[(&[&str], usize, Option<&str>)] = &[
            (&[], 2, None),
            (&["a=8.1.1.1"], 1, Some("8.1.1.1")),
            (&["a=8.1.1.1"], 0, Some("8.1.1.1")),
            (&["a=8.1.1.1"], 2, None),
            (&["a=8.1.1.1", "b=8.1.1.1"], 2, Some("8.1.1.1")),
            (&["a=8.1.1.1", "b=8.1.1.2"], 2, None),
            // One lies, wherever it stands.
            (&["a=8.1.1.9", "b=8.1.1.1", "c=8.1.1.1"], 2, Some("8.1.1.1")),
            (&["a=8.1.1.1", "b=8.1.1.9", "c=8.1.1.1"], 2, Some("8.1.1.1")),
            // One voice for one operator.
            (&["a=8.1.1.1", "a=8.1.1.1"], 2, None),
            (&["a=8.1.1.9", "a=8.1.1.9", "b=8.1.1.1", "c=8.1.1.1"], 2, Some("8.1.1.1")),
            // None for one that contradicts itself.
            (&["a=8.1.1.1", "a=8.1.1.2"], 1, None),
            (&["a=8.1.1.1", "a=8.1.1.2", "b=8.1.1.1"], 2, None),
            (&["a=8.1.1.1", "a=8.1.1.2", "b=8.1.1.1", "c=8.1.1.1"], 2, Some("8.1.1.1")),
            // A tie of different answers.
            (&["a=8.1.1.1", "b=8.1.1.2"], 1, None),
            (&["a=8.1.1.1", "b=8.1.1.2", "c=8.1.1.1", "d=8.1.1.2"], 2, None),
            // Failures count for nothing.
            (&["a!down", "b=8.1.1.1", "c!down", "d=8.1.1.1"], 2, Some("8.1.1.1")),
            (&["a!down", "a=8.1.1.1"], 1, Some("8.1.1.1")),
            (&["a=2a00::1", "b=2a00:0::1"], 2, Some("2a00::1")),
            // A transparent proxy speaks for every HTTP service, but for no other.
            (&["http-a=8.9.9.9", "http-b=8.9.9.9"], 2, Some("8.9.9.9")),
            (&["http-a=8.9.9.9", "http-b=8.9.9.9", "c=8.1.1.1"], 2, None),
            (&["http-a=8.9.9.9", "http-b=8.9.9.9", "c=8.1.1.1"], 1, Some("8.1.1.1")),
            (&["http-a=8.9.9.9", "http-b=8.9.9.9", "c=8.1.1.1", "d=8.1.1.1"], 2, Some("8.1.1.1")),
            (&["http-a=8.1.1.1", "c=8.1.1.1"], 2, Some("8.1.1.1")),
        ];
        for (rows, agree, want) in cases {
            let want = want.map(|ip| ip.parse().unwrap());
            assert_eq!(winner(&said(rows), *agree), want, "{rows:?} agree {agree}");
        }
    }

    #[test]
    fn asking_ends_when_it_cannot_help() {
        assert!(open(&said(&[]), 2, 2));
        assert!(!open(&said(&[]), 1, 2));
        assert!(open(&said(&["a=8.1.1.1"]), 1, 2));
        assert!(!open(&said(&["a=8.1.1.1"]), 0, 2));
        assert!(open(&said(&["a=8.1.1.1", "b=8.1.1.2"]), 1, 2));
        assert!(!open(&said(&["a=8.1.1.1", "b=8.1.1.2"]), 1, 3));
        assert!(open(&said(&["a!down", "b!down"]), 2, 2));
        assert!(!open(&said(&["a!down", "b!down"]), 1, 2));
        // A tie can still be broken.
        assert!(open(&said(&["a=8.1.1.1", "b=8.1.1.2"]), 1, 1));
    }

    #[test]
    fn unknown_names_who_said_what() {
        let text = |rows: &[&str], agree| match verdict(&said(rows), agree, Family::Ipv4) {
            Known::Unknown(text) => text,
            Known::Known(ip) => panic!("{ip}"),
        };
        assert_eq!(
            text(&["a=203.0.113.9", "x!timed out", "b=203.0.113.77"], 2),
            "services disagree: ip.a.example says 203.0.113.9, ip.b.example says 203.0.113.77"
        );
        assert_eq!(
            text(&["x!could not resolve it", "a=203.0.113.9", "y!status 500"], 2),
            "2 independent services must agree on our IPv4 address: \
             ip.a.example says 203.0.113.9; ip.x.example: could not resolve it; \
             ip.y.example: status 500"
        );
        assert_eq!(
            text(&["a!1", "b!2", "c!3", "d!4", "e!5", "f!6"], 2),
            "could not learn our IPv4 address from outside: ip.a.example: 1; ip.b.example: 2; \
             ip.c.example: 3; ip.d.example: 4; and 2 more"
        );
        assert_eq!(text(&[], 2), "there is no lookup service to ask for IPv4");
    }
}
