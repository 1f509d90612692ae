//! `config accept`: a finding of the report that its owner knows and wants silent until a day.

use super::part::Part;
use crate::model::config::Accept;
use crate::parse::uci::quoted;

/// `None` if anything in it is wrong, which is said.
pub(super) fn read(part: &mut Part) -> Option<Accept> {
    part.only(&["id", "subject", "until"]);
    let id = part.text("id");
    let until = part.text("until");
    if id.is_none() {
        part.missing("id", "is missing: the finding's id, as the report shows it: rule.dmz");
    }
    match until {
        None => part.missing("until", "is missing: the day it is silent until, like 2027-06-30"),
        Some(text) if !is_day(text) => {
            let text = ["must be a day like 2027-06-30, not ", &quoted(text.as_bytes())].concat();
            part.error(part.line_of("until"), Some("until"), text);
            return None;
        }
        Some(_) => {}
    }
    Some(Accept {
        id: id?.into(),
        subject: part.text("subject").unwrap_or("*").into(),
        until: until?.into(),
    })
}

fn is_day(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}
