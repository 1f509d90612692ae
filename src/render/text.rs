//! Plain text for an SSH prompt of 80 columns: what was seen, what was decided, and why.

use crate::act::Happened;
use crate::agent::{Agent, Round};
use crate::decide::{self, Decision, Step};
use crate::journal::Moment;
use crate::line;
use crate::model::address::{class, is_global};
use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::outcome::Outcome;
use crate::model::wan::Address;
use crate::model::words::{list, span};
use crate::providers::{self, Kind, Provider};
use std::fmt::Write;

const WIDTH: usize = 80;

/// What one round saw and did. `only` limits it to names with this FQDN or section.
pub fn round(config: &Config, round: &Round, now: Moment, only: Option<&str>) -> String {
    let mut out = String::from("Seen on this machine\n");
    for (at, wan) in round.view.wans.iter().enumerate() {
        let family = format!("  {:<5} ", wan.family.to_string());
        let text = match &wan.device {
            Known::Unknown(why) => format!("could not tell: {why}"),
            Known::Known(None) => match &wan.asked {
                Some(asked) => format!("'{asked}' is down or does not exist"),
                None => "no way to the Internet".into(),
            },
            Known::Known(Some((device, because))) => {
                format!("{device}: {}", decide::because(because))
            }
        };
        push(&mut out, &family, &text);
        for address in &wan.addresses {
            let class = class(address.ip);
            let reach = match (class.global, is_global(address.ip, &config.assume_public)) {
                (true, _) => "globally reachable",
                (false, true) => "taken as public by option assume_public",
                (false, false) => "not globally reachable",
            };
            let rfc = match class.rfc {
                "" => String::new(),
                rfc => format!(", {rfc}"),
            };
            let text = format!("{} {}{rfc}, {reach}", address.ip, class.name);
            push(&mut out, "        ", &text);
        }
        if let Some(verdict) = round.verdicts.get(at) {
            push(&mut out, "        line: ", &line::summary(verdict));
        }
    }
    for lan in &round.view.lans {
        let text = match &lan.device {
            Known::Unknown(why) => format!("could not tell: {why}"),
            Known::Known(None) => format!("'{}' is down or does not exist", lan.asked),
            Known::Known(Some(device)) => {
                let of = lan.wan.as_ref().map(|wan| format!(" of {wan}")).unwrap_or_default();
                format!("{device}: LAN of the hosts, prefixes{of}")
            }
        };
        push(&mut out, "  hosts ", &text);
        for prefix in &lan.prefixes {
            let left = match prefix.preferred {
                _ if prefix.has(Address::DEPRECATED) => "deprecated".into(),
                None => "for ever".into(),
                Some(left) => format!("preferred for {}", span(left)),
            };
            let text = format!("{}/64 {}, {left}", prefix.ip, class(prefix.ip).name);
            push(&mut out, "        ", &text);
        }
    }
    if let Some(doubt) = decide::doubt(round.view.clock) {
        push(&mut out, "  clock ", &doubt);
    }
    out.push_str("\nDecided\n");
    for decision in &round.decisions {
        let name = &config.names[decision.name];
        if only.is_some_and(|only| name.fqdn != only && name.section != only) {
            continue;
        }
        let happened = round
            .happened
            .iter()
            .find(|event| event.name == decision.name && event.family == decision.family);
        let record = format!("  {} {}: ", name.fqdn, decision.family.record_type());
        push(&mut out, &record, &what(config, decision, happened, now));
        push(&mut out, "      why: ", &decision.why);
        if let Some(trouble) = happened.map(|event| event.outcome.text()).filter(|t| !t.is_empty())
        {
            let text = format!("account '{}': {trouble}", name.account);
            push(&mut out, "      but: ", &text);
        }
    }
    out
}

/// A decision in one sentence, with what came of it.
pub(super) fn what(
    config: &Config,
    decision: &Decision,
    happened: Option<&Happened>,
    now: Moment,
) -> String {
    let name = &config.names[decision.name];
    let at = config.account(&name.account).map_or("", |account| &account.provider);
    let later = decision.again.map(|at| span(at.saturating_sub(now))).unwrap_or_default();
    match (&decision.step, happened.map(|event| &event.outcome)) {
        (Step::Publish(to), Some(Outcome::Updated)) => format!("now {} ({at})", list(to)),
        (Step::Publish(to), Some(Outcome::AlreadyRight)) => {
            format!("{}, already right ({at})", list(to))
        }
        (Step::Publish(to), Some(Outcome::NotConfirmed(_))) => {
            format!("{} was sent, but could not be confirmed ({at})", list(to))
        }
        (Step::Publish(to), Some(_)) => format!("{} was not taken ({at})", list(to)),
        (Step::Publish(to), None) => format!("{} is to be published ({at})", list(to)),
        (Step::Right(to), _) => format!("{}, confirmed before; nothing to do", list(to)),
        (Step::Check(to, _), _) => {
            format!("{}, confirmed before; lookups are to say if it is seen", list(to))
        }
        (Step::Wait(to), _) => format!("{} waits {later} ({at})", list(to)),
        (Step::Clock(to), _) => format!("{} waits for the clock ({at})", list(to)),
        (Step::Latched, _) => "not tried again until the config changes".into(),
        (Step::Ask(_), _) => "the outside is to be asked first".into(),
        (Step::Skip, _) => "nothing is published".into(),
        (Step::Absent, _) => "stays as it is".into(),
        (Step::Unknown, _) if later.is_empty() => "stays as it is".into(),
        (Step::Unknown, _) => format!("stays as it is, next look in {later}"),
    }
}

/// `reachd status`: the journal, for people.
pub fn status(agent: &Agent, now: Moment) -> String {
    let mut out = String::new();
    for name in &agent.config.names {
        for family in &name.families {
            let record = format!("{} {}: ", name.fqdn, family.record_type());
            let fingerprint = decide::fingerprint(&agent.config, name);
            let known = agent.journal.record(&decide::key(name, *family), fingerprint);
            let text = match known {
                None => "nothing published yet".into(),
                Some(known) => match &known.latch {
                    Some(latch) => {
                        format!(
                            "section '{}': {latch}; not tried again until the config changes",
                            name.section
                        )
                    }
                    None if known.confirmed.is_empty() && known.trouble.is_empty() => {
                        "not confirmed yet".into()
                    }
                    None if known.confirmed.is_empty() => {
                        format!("section '{}': {}", name.section, known.trouble)
                    }
                    None => {
                        let ago = span(now.saturating_sub(known.confirmed_at));
                        let but = match &known.trouble[..] {
                            "" => String::new(),
                            trouble => format!("; since then: {trouble}"),
                        };
                        format!("{}, confirmed {ago} ago{but}", list(&known.confirmed))
                    }
                },
            };
            push(&mut out, &record, &text);
            let calls = agent.journal.calls.get(&name.account);
            let next = match known {
                Some(known) if !known.trouble.is_empty() => agent.next_call(&name.account),
                _ => calls.map(|calls| calls.not_before.max(calls.backoff_until)),
            };
            if let Some(next) = next.filter(|next| *next > now) {
                push(&mut out, "    ", &format!("next try in {}", span(next - now)));
            }
        }
    }
    if out.is_empty() {
        out.push_str("no names in the config\n");
    }
    out
}

/// `reachd providers`: for each its families and what an account must say.
pub fn providers() -> String {
    let every = providers::all();
    let mut out = format!("{:<16}{:<9}{}\n", "provider", "families", "service; required options");
    for provider in every {
        let families = match provider.families {
            [one] => one.to_string(),
            _ => "both".into(),
        };
        let required = provider.options.iter().filter(|option| option.required);
        let required: Vec<&str> = required.map(|option| option.name).collect();
        let line = match required.join(" ") {
            none if none.is_empty() => provider.about.to_string(),
            names => format!("{}; {names}", provider.about),
        };
        push(&mut out, &format!("{:<16}{families:<9}", provider.id), &line);
    }
    let _ = writeln!(out, "{} in all; reachd providers ID shows the options of one", every.len());
    out
}

/// `reachd providers ID`: its manners, its options, and one example section.
pub fn provider(provider: &Provider) -> String {
    let mut out = String::new();
    push(&mut out, &format!("{}: ", provider.id), provider.about);
    let families: Vec<String> = provider.families.iter().map(|f| f.to_string()).collect();
    push(&mut out, "  families: ", &families.join(" "));
    let mut calls = match provider.min_interval.as_secs() {
        0 => "no limit".into(),
        _ => format!("at most one call in {}", span(provider.min_interval)),
    };
    calls.push_str(&match provider.batch {
        1 => ", one request for each name".into(),
        usize::MAX => ", any number of names in one request".into(),
        names => format!(", up to {names} names in one request"),
    });
    push(&mut out, "  calls:    ", &calls);
    let ttl = match provider.ttl {
        Some((least, most)) => format!("{least} to {most} seconds"),
        None => "not told, the service has its own".into(),
    };
    push(&mut out, "  ttl:      ", &ttl);
    if let Some(agent) = providers::agent(provider) {
        push(&mut out, "  as:       ", &agent);
    }
    out.push_str("  options:\n");
    for option in provider.options {
        let kind = match (option.required, option.instead, option.default) {
            (true, ..) => "required; ".to_string(),
            (_, other, _) if !other.is_empty() => format!("required unless {other} is given; "),
            (.., Some(default)) => format!("default {default}; "),
            _ => String::new(),
        };
        let also = match option.kind {
            Kind::Secret => format!(" (or {}_file)", option.name),
            Kind::OneOf(words) => format!(" (one of: {})", words.join(" ")),
            Kind::List | Kind::Tests => " (list)".into(),
            _ => String::new(),
        };
        push(
            &mut out,
            &format!("    {:<14} ", option.name),
            &format!("{kind}{}{also}", option.help),
        );
    }
    out.push_str("  example:\n");
    for line in example(provider).lines() {
        out.push_str("    ");
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// A section that `check-config` takes: what is needed, and options that go together.
pub fn example(provider: &Provider) -> String {
    let mut out = format!("config account 'mine'\n        option provider '{}'\n", provider.id);
    for option in provider.options {
        let first = !option.instead.is_empty() && option.name < option.instead;
        if !(option.required || first || !option.with.is_empty()) {
            continue;
        }
        let mut name = String::from(option.name);
        let value = match option.kind {
            Kind::Secret => {
                name.push_str("_file");
                ["/etc/reachd/", option.name].concat()
            }
            kind => match kind {
                Kind::HostPort => "192.0.2.53",
                Kind::Domain => "example.org",
                Kind::Url => "https://dns.example/api",
                Kind::Path => "/tmp/hosts/reachd",
                Kind::Template => "https://dns.example/{fqdn}?to={ip}",
                Kind::Tests => "text good",
                Kind::OneOf([first, ..]) => first,
                _ => match option.name {
                    "key_name" => "ddns-key",
                    "service" => "dyn.com",
                    _ => "...",
                },
            }
            .into(),
        };
        let kind = if matches!(option.kind, Kind::List | Kind::Tests) { "list" } else { "option" };
        out.push_str(&["        ", kind, " ", &name, " '", &value, "'\n"].concat());
    }
    out
}

/// Appends `lead` and `text`, wrapped at word borders, further lines indented below the text.
pub(super) fn push(out: &mut String, lead: &str, text: &str) {
    let indent = lead.chars().count().min(10);
    let mut column = lead.chars().count();
    out.push_str(lead);
    let mut first = true;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if !first && column + 1 + len > WIDTH {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if !first {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += len;
        first = false;
    }
    while out.ends_with(' ') {
        out.pop();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn long_lines_are_wrapped_at_80() {
        let mut out = String::new();
        push(&mut out, "      why: ", &"twelve chars ".repeat(20));
        assert!(out.lines().all(|line| line.chars().count() <= WIDTH), "{out}");
        assert!(out.lines().nth(1).is_some_and(|line| line.starts_with("          t")), "{out}");
    }

    #[test]
    fn every_provider_shows_its_options() {
        for one in providers::all() {
            let text = provider(one);
            for option in one.options {
                assert!(text.contains(option.name), "{text}");
            }
            for word in ["families: ", "calls: ", "ttl: ", "example:"] {
                assert!(text.contains(word), "{text}");
            }
            assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        }
    }

    /// An owner starts from the example: the config reader must have nothing against it.
    #[test]
    fn every_example_is_a_config() {
        for one in providers::all() {
            let name =
                "config name 'home'\n\toption fqdn 'home.example.org'\n\toption account 'mine'\n";
            let text = [&example(one), name].concat();
            let (config, complaints) = config::read("x", text.as_bytes(), 0o600, &mut |_| {
                Ok(config::SecretFile { bytes: b"c2VjcmV0".into(), mode: 0o600 })
            });
            assert!(complaints.is_empty() && config.is_some(), "{text}: {complaints:?}");
            for option in one.options.iter().filter(|option| option.required) {
                assert!(text.contains(&[" ", option.name].concat()), "{text}");
            }
        }
    }

    /// What the vendors ask of every client is told to the owner.
    #[test]
    fn manners_are_shown() {
        for (id, words) in [
            ("noip", "at most one call in 60 s, up to 20 names in one request"),
            ("noip", "as:       reachd reachd/Linux-"),
            ("cloudflare", "up to 200 names in one request"),
            ("hetzner", "ttl:      60 to 2147483647 seconds"),
            ("freedns", "at most one call in 5 min"),
            ("dyndns2", "required unless url is given"),
        ] {
            let text = provider(providers::find(id).unwrap());
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
