//! One sentence for what becomes of packets, naming the rule by the words its owner knows: fw4
//! writes a section's name into its rules' comments (`!fw4: NAME`). What it writes there for its
//! own zones is told as the zone's default.

use super::walk::{Answer, By, End, Fate, RuleId};
use crate::model::ruleset::Ruleset;

/// Comments of fw4's own rules, that no section of the owner stands for.
const OWN: &[&str] = &[
    "Accept traffic ",
    "Accept port ",
    "Accept SYN ",
    "Accept lan ",
    "Accept wan ",
    "Handle ",
    "Rate limit TCP syn",
    "Drop excess ",
    "Drop flows ",
    "Reject TCP traffic",
    "Reject any other",
    "Prevent NAT leakage",
    "Masquerade ",
    "Zone ",
    "accept ",
    "reject ",
    "drop ",
];

/// How a rule is called: its section, or its comment and where it stands. Free of what a terminal
/// would obey.
pub fn rule(rules: &Ruleset, id: RuleId) -> String {
    let Some((table, chain, found)) = id.find(rules) else { return "a rule".to_string() };
    let place = format!("chain {} of table {} {}", chain.name, table.family, table.name);
    clean(&match (section(rules, id), &found.comment) {
        (Some(name), _) => format!("section \"{name}\""),
        (None, Some(comment)) => format!("the rule \"{comment}\" in {place}"),
        (None, None) => format!("rule {} in {place}", found.handle),
    })
}

/// The name of the owner's section that a rule was made from.
pub fn section(rules: &Ruleset, id: RuleId) -> Option<&str> {
    let name = id.find(rules)?.2.comment.as_deref()?.strip_prefix("!fw4: ")?;
    (!OWN.iter().any(|own| name.starts_with(own))).then_some(name)
}

/// The rule that its owner would name: the one that decided or, if that is the firewall's own, the
/// nearest jump to it that is not.
pub fn owner(rules: &Ruleset, answer: &Answer, by: By) -> Option<RuleId> {
    let By::Rule(id, mut trail) = by else { return None };
    let own = |id: RuleId| {
        let comment = id.find(rules).and_then(|(.., rule)| rule.comment.as_deref());
        section(rules, id).is_some() || comment.is_some_and(|text| !text.starts_with("!fw4: "))
    };
    let mut found = id;
    while !own(found) {
        let (jump, before) = *answer.trails.get(trail as usize).filter(|_| trail != 0)?;
        // A hook for included rules is no rule of anybody.
        if !jump
            .find(rules)?
            .2
            .exprs
            .iter()
            .any(|expr| matches!(expr, crate::model::ruleset::Expr::Match(_)))
        {
            return None;
        }
        (found, trail) = (jump, before);
    }
    Some(found)
}

/// What becomes of the packets of an end, in one sentence without a full stop.
pub fn sentence(rules: &Ruleset, answer: &Answer, end: &End) -> String {
    let to = end.now.witness();
    let ports = end.now.dest_port;
    let ported = matches!(end.now.protocol, (6, 6) | (17, 17));
    let port = match ported {
        true if ports.0 == ports.1 => format!(" port {}", ports.0),
        true => format!(" ports {}-{}", ports.0, ports.1),
        false => String::new(),
    };
    let mut said = match &end.fate {
        Fate::Router => format!("reaches the router itself{port}"),
        Fate::Forwarded(_) if end.now.dest.0 == end.now.dest.1 => {
            format!("reaches {}{port}", to.dest)
        }
        Fate::Forwarded(_) => format!("reaches hosts behind the router{port}"),
        Fate::Dropped => "is dropped without an answer".to_string(),
        Fate::Rejected(how) => format!("is refused ({how})"),
        Fate::Unknown(why) => format!("ends in a way that cannot be told ({why})"),
    };
    if let Some((nat, trail)) = answer.nats.get(end.nat as usize).filter(|_| end.nat != 0) {
        let named = owner(rules, answer, By::Rule(*nat, *trail)).unwrap_or(*nat);
        said += &format!(", sent there by {}", rule(rules, named));
    }
    said += &match end.by {
        By::Rule(id, _) => match owner(rules, answer, end.by) {
            Some(named) => format!(", decided by {}", rule(rules, named)),
            None => default(rules, answer, end, id),
        },
        By::Policy(table, chain) => {
            let id = RuleId { table, chain, rule: 0 };
            let found = rules.tables.get(id.table as usize);
            let name = found.and_then(|found| found.chains.get(id.chain as usize));
            let name = name.map_or("", |chain| &chain.name);
            format!(": no rule takes it, and that is the policy of chain {name}")
        }
        By::Routing => ": no such address may come from outside".to_string(),
        By::Nothing => String::new(),
    };
    if let Some((id, why)) = answer.doubts.get(end.doubt as usize).filter(|_| end.doubt != 0) {
        let what = id.map_or(String::new(), |id| format!("{}: ", rule(rules, id)));
        said += &format!("; perhaps, for it depends on {what}{why}");
    }
    clean(&said)
}

/// The firewall's own rules decided: the permission for port forwards, or a zone's default.
fn default(rules: &Ruleset, answer: &Answer, end: &End, id: RuleId) -> String {
    let comment = |id: RuleId| id.find(rules).and_then(|(.., rule)| rule.comment.as_deref());
    if comment(id).is_some_and(|text| text.starts_with("!fw4: Accept port ")) {
        return String::new();
    }
    // `reject wan IPv4/IPv6 traffic`: what is left over of a zone.
    let mut at = Some(id);
    let By::Rule(_, mut trail) = end.by else { return String::new() };
    while let Some(one) = at {
        let text = comment(one).and_then(|text| text.strip_prefix("!fw4: ")).unwrap_or("");
        let mut words = text.split(' ');
        if let (Some(verb @ ("accept" | "reject" | "drop")), Some(zone)) =
            (words.next(), words.next())
        {
            return format!(": no rule takes it, and zone {zone} will {verb} what is left");
        }
        at = answer.trails.get(trail as usize).filter(|_| trail != 0).map(|(jump, before)| {
            trail = *before;
            *jump
        });
    }
    match end.fate {
        Fate::Rejected(_) | Fate::Dropped => {
            ": no rule takes it, and the firewall refuses what is left".to_string()
        }
        _ => format!(", decided by {}", rule(rules, id)),
    }
}

/// Without control characters, and of a bearable length.
fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(400).collect()
}
