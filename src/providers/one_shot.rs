//! Requests that say everything at once, "this name is there now", and are answered in a word or
//! two. Puts wanted records together into as few requests as the service takes, sends them, and
//! makes outcomes of the answers. What is sent, and what an answer means, comes from the caller.
//!
//! Nothing can be read before: the journal knows what was confirmed, and a service that is told
//! the same twice says so.

use super::*;
use crate::providers::template::hush;
use crate::world::HttpRequest;
use std::net::IpAddr;

/// How many records one request may be about.
#[derive(Clone, Copy)]
pub struct Shape {
    /// Both addresses of a name.
    pub together: bool,
    /// Names with the same addresses.
    pub batch: usize,
    /// The request says which name it is for; otherwise the account has but one.
    pub named: bool,
}

/// One request.
pub struct Call<'a> {
    /// Not empty.
    pub names: Vec<&'a str>,
    /// What to publish for all of them: IPv4, IPv6.
    pub addresses: [Option<IpAddr>; 2],
    /// For each name its places among the wants.
    at: Vec<[Option<usize>; 2]>,
}

/// What was said of one name.
#[derive(Clone)]
pub enum Says {
    /// It holds what was sent.
    Yes {
        changed: bool,
        /// Addresses in the answer.
        heard: Vec<IpAddr>,
        /// They are what was published, not just some in a text.
        sure: bool,
    },
    No(Outcome),
}

/// What was said in one answer.
pub struct Said {
    /// For each name of the call; where there are fewer, nothing was said of the rest.
    pub each: Vec<Says>,
    /// It would be said of every further request too.
    pub stop: bool,
}

impl Call<'_> {
    /// About no address.
    pub fn about(name: &str) -> Call<'_> {
        Call { names: vec![name], addresses: [None, None], at: Vec::new() }
    }

    /// For tests of answers.
    #[cfg(test)]
    pub fn one(name: &str, ip: IpAddr) -> Call<'_> {
        Call { names: vec![name], addresses: [Some(ip), None], at: vec![[Some(0), None]] }
    }
}

impl Said {
    pub fn all(outcome: Outcome, names: usize, stop: bool) -> Said {
        Said { each: vec![Says::No(outcome); names], stop }
    }
}

type Asks<'a> = &'a dyn Fn(&Call<'_>) -> Result<HttpRequest, String>;
type Judges<'a> = &'a dyn Fn(&Call<'_>, &HttpReply) -> Said;

pub fn run(
    net: &mut dyn Net,
    account: &Account,
    wants: &[Want],
    shape: Shape,
    request: Asks<'_>,
    judge: Judges<'_>,
) -> Vec<Outcome> {
    let mut outcomes = vec![None; wants.len()];
    let end = all(net, account, wants, shape, request, judge, &mut outcomes);
    settle(outcomes, end)
}

fn all(
    net: &mut dyn Net,
    account: &Account,
    wants: &[Want],
    shape: Shape,
    request: Asks<'_>,
    judge: Judges<'_>,
    outcomes: &mut [Option<Outcome>],
) -> Result<(), Outcome> {
    let first = wants.first().map_or("", |want| &want.fqdn);
    if !shape.named && wants.iter().any(|want| want.fqdn != first) {
        return Err(Outcome::FixConfig(format!(
            "{} does not say which name it is for, so each name needs a section config account \
             of its own",
            account.provider
        )));
    }
    let via = via(account);
    for call in calls(wants, shape, outcomes) {
        let request = match request(&call) {
            Ok(request) => request,
            Err(why) => {
                for at in call.at.iter().flatten().flatten() {
                    outcomes[*at] = Some(Outcome::FixConfig(why.clone()));
                }
                continue;
            }
        };
        let reply = match net.http(&request, &via) {
            Ok(reply) => reply,
            Err(error) => {
                let outcome = failed(&error, true);
                for at in call.at.iter().flatten().flatten() {
                    outcomes[*at] = Some(outcome.clone());
                }
                return Err(outcome);
            }
        };
        let said = judge(&call, &reply);
        let mut last = None;
        for (place, at) in call.at.iter().enumerate() {
            for (at, sent) in at.iter().zip(call.addresses) {
                let (Some(at), Some(sent)) = (at, sent) else { continue };
                let outcome = match said.each.get(place) {
                    Some(Says::No(outcome)) => outcome.clone(),
                    Some(Says::Yes { changed, heard, sure }) => {
                        agrees(*changed, heard, *sure, sent)
                    }
                    None => Outcome::NotConfirmed(format!(
                        "could not confirm the change: the answer is about {} of {} names; if \
                         the server takes one name at a time, set option batch '1'",
                        said.each.len(),
                        call.names.len()
                    )),
                };
                last = Some(outcome.clone());
                outcomes[*at] = Some(outcome);
            }
        }
        if let (true, Some(outcome)) = (said.stop, last) {
            return Err(outcome);
        }
    }
    Ok(())
}

/// The answer is yes: also to what was asked?
fn agrees(changed: bool, heard: &[IpAddr], sure: bool, sent: IpAddr) -> Outcome {
    if heard.is_empty() || heard.contains(&sent) {
        return if changed { Outcome::Updated } else { Outcome::AlreadyRight };
    }
    if let Some(ip) = heard.iter().find(|ip| ip.is_loopback()) {
        return Outcome::FixConfig(format!(
            "the service says yes with {ip}, which means that it ignores this program or account"
        ));
    }
    match heard.iter().find(|ip| ip.is_ipv4() == sent.is_ipv4()) {
        Some(other) if sure => Outcome::FixConfig(format!(
            "the service published {other} instead of {sent}: it takes the address that the \
             request comes from; see option wan of the account"
        )),
        other => Outcome::NotConfirmed(format!(
            "could not confirm the change to {sent}: the answer is about {}",
            other.or(heard.first()).map(IpAddr::to_string).unwrap_or_default()
        )),
    }
}

/// Puts wants together into requests, in their order.
fn calls<'w>(wants: &'w [Want], shape: Shape, outcomes: &mut [Option<Outcome>]) -> Vec<Call<'w>> {
    type Both<T> = [Option<T>; 2];
    let mut names: Vec<(&str, Both<IpAddr>, Both<usize>)> = Vec::new();
    for (at, want) in wants.iter().enumerate() {
        let &[address] = &want.addresses[..] else {
            outcomes[at] = Some(Outcome::FixConfig(format!(
                "{}: this service holds one {} address for a name, not {}",
                want.fqdn,
                want.family,
                want.addresses.len()
            )));
            continue;
        };
        let family = usize::from(want.family == Family::Ipv6);
        let known = names.iter().position(|(name, addresses, _)| {
            shape.together && *name == want.fqdn && addresses[family].is_none()
        });
        let known = known.unwrap_or_else(|| {
            names.push((&want.fqdn, [None; 2], [None; 2]));
            names.len() - 1
        });
        names[known].1[family] = Some(address);
        names[known].2[family] = Some(at);
    }
    let mut calls: Vec<Call<'w>> = Vec::new();
    for (name, addresses, at) in names {
        let fits =
            |call: &&mut Call<'_>| call.addresses == addresses && call.names.len() < shape.batch;
        match calls.iter_mut().find(fits) {
            Some(call) => {
                call.names.push(name);
                call.at.push(at);
            }
            None => calls.push(Call { names: vec![name], addresses, at: vec![at] }),
        }
    }
    calls
}

/// Addresses anywhere in a text.
pub fn heard(text: &str) -> Vec<IpAddr> {
    let part = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    text.split(|c: char| !part(c))
        .map(|word| word.trim_end_matches('.'))
        .filter_map(|word| word.parse().ok().or_else(|| word.trim_matches(':').parse().ok()))
        .collect()
}

/// What to make of an answer that says nothing else we know. `site`: who answered.
pub fn by_status(
    reply: &HttpReply,
    site: &str,
    rest: Duration,
    account: &Account,
) -> (Outcome, bool) {
    let status = reply.status;
    let words = shown(&reply.body, account);
    let why = match &words[..] {
        "" => format!("{site} answers with status {status} and no words"),
        words => format!("{site} answers with status {status}: {words}"),
    };
    let outcome = match status {
        200..=299 => {
            return (Outcome::NotConfirmed(format!("could not confirm the change: {why}")), false);
        }
        301 | 308 => Outcome::FixConfig(format!("{site} has moved (status {status})")),
        401 => Outcome::FixConfig(format!("{why}; check user and password, or the token")),
        429 => wait(reply, rest, why),
        503 if reply.retry_after().is_some() => wait(reply, rest, why),
        400 | 402..=407 | 410..=424 | 426..=499 => Outcome::FixConfig(why),
        _ => Outcome::TryLater(why),
    };
    (outcome, !matches!(status, 400 | 404 | 410 | 422))
}

/// Foreign words for a message: without markup, in one short line, without secrets.
pub fn shown(body: &[u8], account: &Account) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(4096)).unwrap_or_default());
    let mut plain = String::with_capacity(text.len());
    let mut depth = false;
    for c in text.chars() {
        match c {
            '<' => depth = true,
            '>' if depth => {
                depth = false;
                plain.push(' ');
            }
            _ if !depth => plain.push(c),
            _ => {}
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    quote(&hush(&words.join(" "), account), "")
}

#[cfg(test)]
mod tests {
    use super::fake::want;
    use super::*;

    #[test]
    fn few_requests() {
        let mut wants: Vec<Want> = Vec::new();
        for i in 0..45 {
            wants.push(want(&format!("h{i}.test 192.0.2.1")));
            wants.push(want(&format!("h{i}.test 2001:db8::1")));
        }
        wants.push(want("other.test 192.0.2.9"));
        wants.push(want("two.test 192.0.2.8 192.0.2.9"));
        let mut outcomes = vec![None; wants.len()];
        let mut count = |together, batch| {
            let shape = Shape { together, batch, named: true };
            calls(&wants, shape, &mut outcomes)
                .iter()
                .map(|call| call.names.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(count(true, 20), [20, 20, 5, 1]);
        assert_eq!(count(false, 20), [20, 20, 20, 20, 5, 5, 1]);
        assert_eq!(count(true, 1).len(), 46);
        assert!(matches!(outcomes[91], Some(Outcome::FixConfig(_))));
    }

    #[test]
    fn addresses_in_texts() {
        let heard = |text| heard(text).iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ");
        assert_eq!(heard("good 192.0.2.1"), "192.0.2.1");
        assert_eq!(heard("Updated x.test from 192.0.2.1 to 192.0.2.7."), "192.0.2.1 192.0.2.7");
        assert_eq!(
            heard("{\"A\":\"192.0.2.1\",\"AAAA\":\"2001:DB8::1\"}"),
            "192.0.2.1 2001:db8::1"
        );
        assert_eq!(heard("ip:192.0.2.1, at 12:30:45, version 1.2.3"), "192.0.2.1");
        assert_eq!(heard("dead beef face"), "");
    }
}
