//! The longer `--json` answers, made for forms and pages (LuCI's): `why`, `check-config`,
//! `providers`. Keys as in `json`. No value of a secret is among them.

use super::{object, text, texts};
use crate::agent::Round;
use crate::config::{self, Complaint, Severity};
use crate::decide::{self, Step};
use crate::journal::Moment;
use crate::line;
use crate::model::address::class;
use crate::model::config::Config;
use crate::model::known::Known;
use crate::parse::uci::{self, Value as Uci};
use crate::providers::{Kind, Provider};
use serde_json::{Map, Value};

/// `reachd why --json`: what was seen, and what would be done with each record, and why.
pub fn why(config: &Config, round: &Round, now: Moment, only: Option<&str>) -> String {
    let mut wans = Vec::new();
    for (at, wan) in round.view.wans.iter().enumerate() {
        let mut one = object(&mut [("family", wan.family.to_string().into())]);
        match &wan.device {
            Known::Unknown(why) => one["unknown"] = why.as_str().into(),
            Known::Known(None) => one["device"] = Value::Null,
            Known::Known(Some((device, because))) => {
                one["device"] = device.to_string().into();
                one["because"] = decide::because(because).into();
            }
        }
        let addresses = wan.addresses.iter().map(|address| {
            let class = class(address.ip);
            object(&mut [
                ("ip", address.ip.to_string().into()),
                ("class", class.name.into()),
                ("global", class.global.into()),
            ])
        });
        one["addresses"] = addresses.collect();
        if let Some(verdict) = round.verdicts.get(at) {
            one["line"] = object(&mut [
                ("kind", line::key(&verdict.line).into()),
                ("certainty", verdict.certainty.to_string().into()),
                ("evidence", texts(&verdict.evidence)),
            ]);
        }
        wans.push(one);
    }
    let mut names = Vec::new();
    for decision in &round.decisions {
        let name = &config.names[decision.name];
        if only.is_some_and(|only| name.fqdn != only && name.section != only) {
            continue;
        }
        let step = match decision.step {
            Step::Publish(_) => "publish",
            Step::Right(_) | Step::Check(..) => "right",
            Step::Wait(_) => "wait",
            Step::Clock(_) => "clock",
            Step::Latched => "fix_config",
            Step::Ask(_) => "ask",
            Step::Skip => "skip",
            Step::Absent => "absent",
            Step::Unknown => "unknown",
        };
        let mut one = object(&mut [
            ("fqdn", name.fqdn[..].into()),
            ("type", decision.family.record_type().into()),
            ("section", name.section[..].into()),
            ("step", step.into()),
            ("decision", text::what(config, decision, None, now).into()),
            ("why", decision.why[..].into()),
        ]);
        if let Some(at) = decision.again {
            one["next_look_in_seconds"] = at.saturating_sub(now).as_secs().into();
        }
        names.push(one);
    }
    whole(&mut [("wans", wans.into()), ("names", names.into())])
}

/// `reachd check-config --json`: the complaints, and the sections as they are written. A secret
/// that stands in the file is only named.
pub fn config(bytes: &[u8], complaints: &[Complaint], usable: bool) -> String {
    let complaints = complaints.iter().map(|complaint| {
        let severity = match complaint.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let text = complaint.text[..].into();
        let mut one = object(&mut [("severity", severity.into()), ("text", text)]);
        if complaint.line > 0 {
            one["line"] = complaint.line.into();
        }
        if let Some(section) = &complaint.section {
            one["section"] = section.as_str().into();
        }
        if let Some(option) = &complaint.option {
            one["option"] = option.as_str().into();
        }
        one
    });
    let complaints: Value = complaints.collect();
    // A file that uci cannot read has no sections, and a complaint that says so.
    let package = uci::parse(bytes).unwrap_or_default();
    let mut sections = Vec::new();
    for (index, section) in package.sections.iter().enumerate() {
        let (mut options, mut secrets) = (Map::new(), Vec::new());
        for option in &section.options {
            if !config::may_show(section, option) {
                secrets.push(option.name.as_str());
                continue;
            }
            let text = |bytes: &[u8]| Value::from(String::from_utf8_lossy(bytes));
            let value = match &option.value {
                Uci::One(bytes) => text(bytes),
                Uci::List(items) => items.iter().map(|item| text(&item.bytes)).collect(),
            };
            options.insert(option.name.clone(), value);
        }
        sections.push(object(&mut [
            ("type", section.kind[..].into()),
            ("section", package.id(index).into()),
            ("options", options.into()),
            ("secrets", secrets.into()),
        ]));
    }
    whole(&mut [
        ("usable", usable.into()),
        ("complaints", complaints),
        ("sections", sections.into()),
    ])
}

/// `reachd providers [ID] --json`: what a form needs to ask for an account.
pub fn providers(every: &[Provider]) -> String {
    let every = every.iter().map(|provider| {
        let mut one = object(&mut [
            ("id", provider.id.into()),
            ("about", provider.about.into()),
            ("families", texts(provider.families)),
            ("min_interval_seconds", provider.min_interval.as_secs().into()),
            ("options", provider.options.iter().map(option).collect()),
        ]);
        if let Some((least, most)) = provider.ttl {
            one["ttl"] = vec![least, most].into();
        }
        one
    });
    let every: Value = every.collect();
    // On one line: it is long, and no one reads it.
    format!("{}\n", answer(&mut [("providers", every)]))
}

fn option(doc: &crate::providers::OptionDoc) -> Value {
    let kind = match doc.kind {
        Kind::Text => "text",
        Kind::Secret => "secret",
        Kind::Url => "url",
        Kind::HostPort => "host_port",
        Kind::Domain => "domain",
        Kind::Path => "path",
        Kind::OneOf(_) => "one_of",
        Kind::Template => "template",
        Kind::List => "list",
        Kind::Tests => "tests",
    };
    let mut one =
        object(&mut [("name", doc.name.into()), ("kind", kind.into()), ("help", doc.help.into())]);
    if doc.required {
        one["required"] = true.into();
    }
    if let Some(default) = doc.default {
        one["default"] = default.into();
    }
    if let Kind::OneOf(words) = doc.kind {
        one["words"] = words.iter().map(|word| Value::from(*word)).collect();
    }
    one
}

fn whole(parts: &mut [(&str, Value)]) -> String {
    format!("{:#}\n", answer(parts))
}

fn answer(parts: &mut [(&str, Value)]) -> Value {
    let mut answer = object(parts);
    answer["schema_version"] = "1".into();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_secret_is_shown_wherever_it_stands() {
        let text = b"config account cf\n option provider cloudflare\n option token s3cret\n\
                     config account two\n option provider cloudflare\n option tokn s3cret\n\
                     config account file\n option provider cloudflare\n option token_file s3cret\n\
                     config account none\n option password s3cret\n list token s3cret\n\
                     config account good\n option provider cloudflare\n \
                     option token_file /etc/reachd/cf\n option zone_id 7\n";
        let (config, complaints) = config::read("x", text, 0, &mut |_| Err("no file".into()));
        let shown = super::config(text, &complaints, config.is_some());
        assert!(!shown.contains("s3cret"), "{shown}");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["usable"], false);
        let secrets: Vec<&Value> =
            shown["sections"].as_array().unwrap().iter().map(|one| &one["secrets"]).collect();
        let named = json!([["token"], ["tokn"], ["token_file"], ["password", "token"], []]);
        assert_eq!(json!(secrets), named);
        assert_eq!(
            shown["sections"][4]["options"],
            json!({ "provider": "cloudflare", "token_file": "/etc/reachd/cf", "zone_id": "7" })
        );
    }

    #[test]
    fn a_file_that_uci_cannot_read_has_complaints_alone() {
        let text = b"config name 'x\n option token s3cret\n";
        let (config, complaints) = config::read("x", text, 0, &mut |_| Err("no file".into()));
        let shown: Value =
            serde_json::from_str(&super::config(text, &complaints, config.is_some())).unwrap();
        assert_eq!(shown["sections"], json!([]));
        assert_eq!(shown["complaints"][0]["severity"], "error");
    }
}
