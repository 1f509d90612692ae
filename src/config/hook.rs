//! `config hook`: a request to send when something changed.

use super::account::{Wanted, fingerprint, settings};
use super::part::Part;
use super::{Files, value};
use crate::model::hook::{Hook, Topic};
use crate::parse::uci::{Opt, quoted};
use crate::providers::custom::{HOOK_FILLED, HOOK_OPTIONS};

/// Options of every hook.
const COMMON: [&str; 5] = ["enabled", "on", "wan", "ca_file", "allow_http"];

/// An option that is known to hold no secret. Where a message goes to may be one: whoever knows a
/// topic can read it.
pub(super) fn may_show(option: &Opt) -> bool {
    let open = ["method", "content_type", "success", "username"];
    let name = option.name.as_str();
    COMMON.contains(&name) || open.contains(&name)
}

/// A disabled one is not looked at further.
pub(super) fn read(part: &mut Part, mode: u32, files: Files) -> Option<Hook> {
    if !part.boolean("enabled", true) {
        return None;
    }
    let id = part.section.name.clone().unwrap_or_default();
    if id.is_empty() {
        part.error(part.section.line, None, "needs a name: config hook 'phone'");
    }
    let wanted =
        Wanted { who: "a hook".into(), docs: HOOK_OPTIONS, common: &COMMON, filled: HOOK_FILLED };
    let mut service = settings(part, &wanted, mode, files);
    service.id = id;
    service.fingerprint = fingerprint(&service);
    let words = Topic::ALL.map(Topic::word);
    let mut on = Vec::new();
    for (line, text) in part.texts("on") {
        match Topic::ALL.into_iter().find(|topic| topic.word() == text) {
            Some(topic) if on.contains(&topic) => {}
            Some(topic) => on.push(topic),
            None => {
                let shown = quoted(text.as_bytes());
                let hint = value::hint(text, &words);
                let what = [&shown, " is nothing that is told", &hint];
                part.error(line, Some("on"), what.concat());
            }
        }
    }
    if on.is_empty() {
        on = Topic::USUAL.to_vec();
    }
    Some(Hook { service, on })
}
