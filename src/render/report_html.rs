//! `reachd report --format html`: one file without scripts, to be kept or sent on. Light and
//! dark, printable; the way of each forward as a drawing with a cross where it ends. Everything
//! foreign is escaped, and the page may load nothing (CSP).

use super::report_text::{plain, target};
use crate::line;
use crate::model::finding::{Evidence, Expose, Finding, Reach, Severity, Where};
use crate::model::forward::Forward;
use crate::model::name::Family;
use crate::model::utc::utc;
use crate::report::{Report, Verdict};
use std::fmt::Write;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
<meta name=\"color-scheme\" content=\"light dark\">\n<style>\
:root{--b:#fff;--f:#1c2126;--m:#5c6670;--l:#d5dbe1;--g:#1a7f37;--y:#8a6100;--r:#c2242e}\
@media(prefers-color-scheme:dark){:root{--b:#14181c;--f:#e3e8ed;--m:#98a3ae;--l:#333b43;--g:#4cc26a;--y:#e0b040;--r:#ff7b80}}\
body{font:15px/1.45 system-ui,sans-serif;margin:0 auto;max-width:56rem;padding:1rem;background:var(--b);color:var(--f)}\
h1{font-size:1.3rem;margin:0}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}\
p{margin:.3rem 0}.m{color:var(--m)}.g{color:var(--g)}.y{color:var(--y)}.r{color:var(--r)}\
details,section{border:1px solid var(--l);border-radius:6px;margin:.5rem 0;padding:.5rem .8rem}\
summary{cursor:pointer;display:flex;flex-wrap:wrap;gap:.2rem .8rem;font-variant-numeric:tabular-nums}\
summary b{min-width:10rem}summary i{font-style:normal;flex:1}\
pre{background:color-mix(in srgb,var(--l) 40%,transparent);padding:.4rem .6rem;border-radius:4px;overflow-x:auto;margin:.4rem 0;font-size:.85rem}\
.n{border-left:3px solid var(--l);padding-left:.7rem;margin:.7rem 0;overflow-wrap:anywhere}.n.r,.n.y{color:inherit}.n.r{border-color:var(--r)}.n.y{border-color:var(--y)}\
svg{width:100%;max-width:34rem;height:auto;display:block;margin:.4rem 0}svg text{font:12px system-ui,sans-serif;fill:var(--f);text-anchor:middle}\
svg rect{fill:none;stroke:var(--m)}svg path{stroke:var(--m);stroke-width:2;fill:none}svg .x{stroke:var(--r);stroke-width:3}\
@media print{details>*{display:block!important}}</style>\n<title>reachd report</title></head><body>\n";

/// `now`: seconds since 1970.
pub fn text(report: &Report, now: u64) -> String {
    let mut out = String::from(HEAD);
    let host = report.snapshot.host.known().map_or("(nameless)", String::as_str);
    let at = report.snapshot.at.known().copied().unwrap_or(now);
    let _ = writeln!(out, "<h1>reachd report: {}</h1><p class=m>{}</p>", escape(host), utc(at));
    if let Some(why) = &report.no_router {
        let _ = write!(
            out,
            "<p>This machine is no router: there are no port forwards to judge.</p><p class=m>{}</p>",
            escape(why)
        );
    } else {
        body(report, &mut out);
    }
    out.push_str("</body></html>\n");
    out
}

fn body(report: &Report, out: &mut String) {
    for one in report.snapshot.line.known().into_iter().flatten() {
        let family = if one.family == Family::Ipv4 { "IPv4" } else { "IPv6" };
        let _ = writeln!(
            out,
            "<p>{} {family}: {}</p>",
            escape(&one.network),
            escape(&line::summary(&one.verdict))
        );
    }
    for name in &report.names {
        let _ = writeln!(out, "<p>{}</p>", escape(&name.words()));
    }
    let whole: Vec<&Finding> = report.open().filter(|f| f.forwards.is_empty()).collect();
    if !whole.is_empty() {
        out.push_str("<h2>The whole router</h2>\n<section>");
        whole.iter().for_each(|one| finding(one, out));
        out.push_str("</section>\n");
    }
    out.push_str("<h2>Forwards</h2>\n");
    if report.forwards.is_empty() {
        out.push_str("<p>No forward lets the Internet in.</p>\n");
    }
    for (index, (forward, verdict)) in report.forwards.iter().zip(&report.verdicts).enumerate() {
        card(report, index, forward, verdict, out);
    }
    let missing = report.missing();
    if !missing.is_empty() {
        out.push_str("<h2>Not read</h2>\n<section class=m>");
        for (part, why) in missing {
            let _ = write!(out, "<p>{part}: {}</p>", escape(why));
        }
        out.push_str("</section>\n");
    }
    for one in report.accepted() {
        let until = one.until.as_deref().unwrap_or_default();
        let _ = write!(
            out,
            "<p class=m>Silent: {} of {}, accepted until {until}</p>",
            one.id,
            escape(&one.subject)
        );
    }
}

fn card(report: &Report, index: usize, one: &Forward, verdict: &Verdict, out: &mut String) {
    let reach = match verdict.reach {
        Reach::Proved | Reach::Likely => "g",
        Reach::Blocked(_) | Reach::Down => "r",
        _ => "y",
    };
    let (expose, word) = match verdict.expose {
        Expose::Ok => ("g", "ok"),
        Expose::Review => ("y", "review"),
        Expose::Danger => ("r", "DANGER"),
    };
    let _ = write!(
        out,
        "<details><summary><b>{}. {}</b><i>{}</i><span class={reach}>{}</span><span class={expose}>{word}</span></summary>",
        index + 1,
        escape(&one.external_words()),
        escape(&target(one, verdict)),
        verdict.reach,
    );
    drawing(one, verdict, out);
    let name = if one.name == one.section { String::new() } else { format!(" ({})", one.name) };
    let _ = write!(
        out,
        "<p>{}</p><p class=m>section {}, from {}</p>",
        escape(&verdict.why),
        escape(&format!("{}{name}", one.section)),
        escape(&one.source.to_string())
    );
    let about: Vec<&Finding> = report.open().filter(|f| f.forwards.contains(&index)).collect();
    for found in &about {
        finding(found, out);
    }
    if about.is_empty() {
        seen(&verdict.evidence, out);
    }
    out.push_str("</details>\n");
}

fn finding(one: &Finding, out: &mut String) {
    let class = match one.severity {
        Severity::High | Severity::Critical => "r",
        Severity::Medium => "y",
        _ => "m",
    };
    let _ = write!(
        out,
        "<div class=\"n {class}\"><p><b>{}</b> <span class=m>{} {}</span></p><p>{}</p>",
        escape(one.title),
        one.id,
        one.severity.word(),
        escape(&one.text)
    );
    if !one.fix.is_empty() {
        let _ = write!(out, "<p>Next: {}</p>", escape(&one.fix));
    }
    if !one.snippet.is_empty() {
        let _ = write!(out, "<pre>{}</pre>", lines(&one.snippet));
    }
    seen(&one.evidence, out);
    out.push_str("</div>");
}

fn seen(all: &[Evidence], out: &mut String) {
    for one in all {
        let _ =
            write!(out, "<p class=m>seen: {} ({})</p>", escape(&one.summary), escape(&one.source));
    }
}

/// Internet, line, router, host; a cross where it ends.
fn drawing(one: &Forward, verdict: &Verdict, out: &mut String) {
    let end = match verdict.reach {
        Reach::Blocked(Where::Line | Where::Name) => Some(118),
        Reach::Blocked(Where::Rule | Where::Acl) => Some(258),
        Reach::Blocked(Where::Host | Where::Service) | Reach::Down => Some(398),
        _ => None,
    };
    let host = match &verdict.host {
        Some(host) => host.clone(),
        None => one.target.to_string(),
    };
    // An IPv4 address fits; a part of a longer one would be another.
    let mut name: String = host.chars().take(15).collect();
    if name.len() < host.len() {
        name.pop();
        name.push('\u{2026}');
    }
    out.push_str("<svg viewBox=\"0 0 546 44\" role=img aria-label=\"the way\">");
    for (at, word) in [(6, "Internet"), (146, "line"), (286, "router"), (426, &name[..])] {
        let width = if at == 426 { 114 } else { 90 };
        let middle = at + width / 2;
        let _ = write!(
            out,
            "<rect x={at} y=4 width={width} height=26 rx=4 /><text x={middle} y=21>{}</text>",
            escape(word)
        );
    }
    for at in [96, 236, 376] {
        let _ = write!(out, "<path d=\"M{at} 17h50\"/>");
    }
    if let Some(at) = end {
        let _ = write!(out, "<path class=x d=\"M{at} 8l18 18m0-18l-18 18\"/>");
    }
    out.push_str("</svg>");
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in plain(text).chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

fn lines(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| escape(&line.replace('\t', "    "))).collect();
    lines.join("\n")
}
