//! `reachd report` for an SSH prompt: 80 columns, one verdict for each forward first, what to do
//! below. Names and comments come from strangers: control characters never reach the terminal.

use super::text::push;
use crate::checks::Check;
use crate::line;
use crate::model::finding::{Axis, Expose, Finding, Reach, Severity, Status};
use crate::model::forward::{Forward, Origin};
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::utc::utc;
pub use crate::model::words::plain;
use crate::report::{Report, Verdict};
use std::fmt::Write;

/// `all`: also findings that are notes only. `now`: seconds since 1970.
pub fn text(report: &Report, now: u64, all: bool, colour: bool) -> String {
    let mut out = String::new();
    let at = report.snapshot.at.known().copied().unwrap_or(now);
    let host = report.snapshot.host.known().map_or("(nameless)", String::as_str);
    let _ = writeln!(out, "reachd report   {}   {}", plain(host), utc(at));
    if let Some(why) = &report.no_router {
        out.push_str("This machine is no router: there are no port forwards to judge.\n");
        push(&mut out, "Because ", &plain(why));
        return out;
    }
    wan(report, &mut out);
    if let Known::Unknown(why) = &report.snapshot.names {
        push(&mut out, "NAME  ", &plain(&format!("not looked up: {why}")));
    }
    for name in &report.names {
        push(&mut out, "NAME  ", &plain(&name.words()));
    }
    table(report, &mut out);
    let mut notes: Vec<&str> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for finding in report.open() {
        if finding.severity == Severity::Info && !all {
            notes.push(finding.id);
            continue;
        }
        // Small ones that say the same are told together.
        let small = |f: &&Finding| f.id == finding.id && f.severity <= Severity::Low;
        let alike: Vec<&Finding> =
            report.open().filter(|f| small(f) && !f.forwards.is_empty()).collect();
        if alike.len() > 1 && small(&finding) {
            if !told.contains(&finding.id) {
                told.push(finding.id);
                out.push('\n');
                several(&alike, &mut out);
            }
            continue;
        }
        out.push('\n');
        one(report, finding, &mut out);
    }
    tail(report, &notes, &mut out);
    if colour { paint(&out) } else { out }
}

fn wan(report: &Report, out: &mut String) {
    match &report.snapshot.line {
        Known::Unknown(why) => push(out, "LINE  ", &plain(&format!("could not tell: {why}"))),
        Known::Known(lines) => {
            for one in lines {
                let mut text = one.network.clone();
                if let Some(device) = one.device.as_ref().filter(|d| **d != one.network) {
                    let _ = write!(text, " ({device})");
                }
                for ip in &one.addresses {
                    let _ = write!(text, " {ip}");
                }
                let family = if one.family == Family::Ipv4 { "IPv4" } else { "IPv6" };
                let _ = write!(text, " {family}: {}", line::summary(&one.verdict));
                push(out, "LINE  ", &plain(&text));
            }
        }
    }
}

fn table(report: &Report, out: &mut String) {
    out.push('\n');
    if report.forwards.is_empty() {
        out.push_str("No forward lets the Internet in.\n");
        return;
    }
    out.push_str(" #  EXTERNAL           TO                             REACH           EXPOSE\n");
    for (at, (forward, verdict)) in report.forwards.iter().zip(&report.verdicts).enumerate() {
        let from = fit(&forward.external_words(), 18);
        let to = fit(&target(forward, verdict), 30);
        let expose = match verdict.expose {
            Expose::Ok => "ok",
            Expose::Review => "review",
            Expose::Danger => "DANGER",
        };
        let _ = writeln!(out, "{:>2}  {from:<18} {to:<30} {:<15} {expose}", at + 1, verdict.reach);
    }
}

pub fn target(forward: &Forward, verdict: &Verdict) -> String {
    match &verdict.host {
        Some(host) => format!("{host} {}", forward.target_words()),
        None => forward.target_words(),
    }
}

/// At most this wide; what is too long loses its beginning, as the port stands at the end.
fn fit(text: &str, width: usize) -> String {
    let text = plain(text);
    let len = text.chars().count();
    if len <= width {
        return text;
    }
    let rest: String = text.chars().skip(len - width + 2).collect();
    format!("..{rest}")
}

fn one(report: &Report, finding: &Finding, out: &mut String) {
    let mark = match (finding.status, finding.axis, finding.severity) {
        (Status::Unknown, ..) => "[?]",
        (_, Axis::Reach, Severity::High | Severity::Critical) => "[X]",
        (_, Axis::Expose, Severity::High | Severity::Critical) => "[!]",
        _ => "[-]",
    };
    let numbers: Vec<String> = finding.forwards.iter().map(|i| format!("#{}", i + 1)).collect();
    let whom = whom(report, finding);
    // Many are one word, so that the line stays within the screen.
    let numbers = match numbers.len() {
        0..=8 => numbers.join(","),
        many => format!("({many} forwards)"),
    };
    let lead = [mark, &numbers].join(" ");
    let head = format!("{}  {}  {whom}", finding.id, finding.severity.word());
    push(out, &format!("{} ", lead.trim_end()), &plain(&head));
    push(out, "    ", &plain(&finding.text));
    if !finding.fix.is_empty() {
        push(out, "    Next: ", &plain(&finding.fix));
    }
    for line in finding.snippet.lines() {
        let _ = writeln!(out, "      | {}", plain(&line.replace('\t', "    ")));
    }
    for evidence in &finding.evidence {
        let text = format!("{} ({})", evidence.summary, evidence.source);
        push(out, "    seen: ", &plain(&text));
    }
}

fn several(alike: &[&Finding], out: &mut String) {
    let Some(first) = alike.first() else { return };
    let mut numbers: Vec<usize> =
        alike.iter().flat_map(|finding| &finding.forwards).copied().collect();
    numbers.sort_unstable();
    let numbers: Vec<String> = numbers.iter().map(|index| format!("#{}", index + 1)).collect();
    let head = format!("{}  {}  {}", numbers.join(" "), first.id, first.severity.word());
    let mark = if first.status == Status::Unknown { "[?] " } else { "[-] " };
    push(out, mark, &head);
    for finding in alike {
        let number = finding.forwards.first().map_or(0, |index| index + 1);
        push(out, &format!("    #{number}: "), &plain(&finding.text));
    }
    push(out, "    Next: ", &plain(&first.fix));
}

/// What it is about, in the owner's words.
fn whom(report: &Report, finding: &Finding) -> String {
    let first = finding.forwards.first().and_then(|index| report.forwards.get(*index));
    match first {
        Some(forward) if forward.section == finding.subject => {
            let what = if forward.origin == Origin::Upnp { "" } else { "section " };
            let name = if forward.name == forward.section || forward.name.is_empty() {
                String::new()
            } else {
                format!(" ({})", forward.name)
            };
            format!("{what}{}{name}", forward.section)
        }
        _ => finding.subject.clone(),
    }
}

fn tail(report: &Report, notes: &[&str], out: &mut String) {
    out.push('\n');
    if !notes.is_empty() {
        let mut words: Vec<String> = Vec::new();
        let mut ids: Vec<&str> = notes.to_vec();
        ids.dedup();
        for id in ids {
            let times = notes.iter().filter(|note| **note == id).count();
            let word = if times > 1 { format!("{id} x{times}") } else { id.to_string() };
            if !words.contains(&word) {
                words.push(word);
            }
        }
        push(out, "Notes: ", &format!("{} (shown with -v)", words.join(", ")));
    }
    for (reach, head) in [(Reach::Proved, "Proved: "), (Reach::Unknown, "Unknown: ")] {
        let mut whys: Vec<(&str, String)> = Vec::new();
        for (at, verdict) in report.verdicts.iter().enumerate() {
            if verdict.reach == reach {
                let number = format!("#{} ", at + 1);
                match whys.iter_mut().find(|(why, _)| *why == verdict.why) {
                    Some((_, numbers)) => numbers.push_str(&number),
                    None => whys.push((&verdict.why, number)),
                }
            }
        }
        for (why, numbers) in whys {
            push(out, head, &plain(&format!("{}: {why}", numbers.trim_end())));
        }
    }
    for finding in report.accepted() {
        let until = finding.until.as_deref().unwrap_or_default();
        let text = format!("{} of {}, accepted until {until}", finding.id, finding.subject);
        push(out, "Silent: ", &plain(&text));
    }
    for text in &report.idle_accepts {
        push(out, "Accept: ", &plain(text));
    }
    let missing = report.missing();
    if !missing.is_empty() {
        let words: Vec<String> =
            missing.iter().map(|(part, why)| format!("{part} ({why})")).collect();
        push(out, "Not read: ", &plain(&words.join("; ")));
    }
    let reach =
        |test: &dyn Fn(&Reach) -> bool| report.verdicts.iter().filter(|v| test(&v.reach)).count();
    let blocked = reach(&|reach| matches!(reach, Reach::Blocked(_) | Reach::Down | Reach::Partial));
    let unknown = reach(&|reach| *reach == Reach::Unknown);
    let danger = report.verdicts.iter().filter(|v| v.expose == Expose::Danger).count();
    let count = report.forwards.len();
    let text = format!(
        "{count} forward{}: {blocked} blocked or partly so, {danger} in danger, {unknown} unknown. \
         reachd explain ID tells more.",
        if count == 1 { "" } else { "s" }
    );
    push(out, "", &text);
}

/// `reachd explain ID`.
pub fn explain(check: &Check) -> String {
    let mut out = String::new();
    let axis = match check.axis {
        Axis::Reach => "can they get in",
        Axis::Expose => "should they",
        Axis::Hygiene => "is it tidy",
    };
    push(&mut out, &format!("{}: ", check.id), check.title);
    let most = format!("{}, unless weighed otherwise; it asks: {axis}?", check.severity.word());
    push(&mut out, "  severity: ", &most);
    push(&mut out, "  what:     ", check.what);
    push(&mut out, "  next:     ", check.next);
    if !check.trap.is_empty() {
        push(&mut out, "  but:      ", check.trap);
    }
    push(&mut out, "  from:     ", check.source);
    if !check.after.is_empty() {
        let text = format!("{} on the same forward", check.after.join(", "));
        push(&mut out, "  silent after: ", &text);
    }
    out
}

/// `reachd explain`: all ids.
pub fn explain_all() -> String {
    let mut out = String::new();
    for check in crate::checks::ALL.iter().copied().flatten() {
        push(&mut out, &format!("{:<22} {:<9} ", check.id, check.severity.word()), check.title);
    }
    out
}

/// In the table, all but open.
const NOT_OPEN: [&str; 4] = ["  BLOCKED ", "  DOWN ", "  PARTIAL ", "  UNKNOWN "];

/// Colours by line: red for what is bad, yellow for what to look at.
fn paint(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let colour = match line {
            _ if line.starts_with("[X]") || line.starts_with("[!]") => "31",
            _ if line.starts_with("[-]") || line.starts_with("[?]") => "33",
            _ if line.ends_with(" DANGER") => "31",
            _ if NOT_OPEN.iter().any(|word| line.contains(word)) => "33",
            _ if line.starts_with(" #") || line.starts_with("reachd report") => "1",
            _ => "",
        };
        match colour {
            "" => out.push_str(line),
            colour => {
                let _ = write!(out, "\x1b[{colour}m{line}\x1b[0m");
            }
        }
        out.push('\n');
    }
    out
}
