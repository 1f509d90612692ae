//! docs/findings.md, lines.md, options.md and providers.md, written from what the program says of
//! itself: a finding, an option or a service that is added or changed makes this fail until
//! `docs/make` has written them anew.

use reachd::line;
use reachd::model::address::Prefix;
use reachd::model::known::Known;
use reachd::model::line::{Access, Certainty, Line, MapKind, PortSet, Upstream, Verdict};
use reachd::model::name::Family;
use reachd::model::wan::Wan;
use reachd::providers::custom::HOOK_OPTIONS;
use serde_json::Value;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

const MADE: &str =
    "<!-- Made by docs/make from the program's own words; change those, not this. -->\n";

fn says(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_reachd")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What Markdown would take for its own.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if "<*|`[".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if std::env::var_os("REACHD_WRITE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    let same = held.lines().zip(text.lines()).take_while(|(one, other)| one == other).count();
    assert!(
        held == text,
        "docs/{name} is not what the program says, from line {} on: run docs/make",
        same + 1
    );
}

#[test]
fn findings() {
    let groups = [
        ("path", "The line and what stands before this router"),
        ("rule", "Forwards and rules as they are written"),
        ("live", "The rules in force"),
        ("zone", "Zones and defaults of the firewall"),
        ("target", "The hosts behind the forwards"),
        ("acl", "What the rules in force do to packets"),
        ("expose", "What is open and should perhaps not be"),
        ("name", "The names"),
    ];
    let mut ids: Vec<String> = Vec::new();
    for line in says(&["explain"]).lines() {
        if !line.starts_with(' ') {
            ids.push(line.split(' ').next().unwrap().into());
        }
    }
    assert!(ids.len() > 40, "{ids:?}");
    let mut out = format!(
        "{MADE}# Findings of the report\n\n`reachd report` tells these; `reachd explain ID` shows \
         the same texts on the router. What you know and accept is silenced by a `config accept` \
         section (see the README).\n"
    );
    let mut group = "";
    for id in &ids {
        let begin = id.split('.').next().unwrap();
        if begin != group {
            group = begin;
            let title = groups.iter().find(|(known, _)| *known == group);
            let title = title.map_or(group, |(_, title)| title);
            write!(out, "\n## {title}\n").unwrap();
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in says(&["explain", id]).lines() {
            let label = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' '));
            match label.and_then(|rest| rest.split_once(':')) {
                Some((label, text)) => fields.push((label.into(), text.trim().into())),
                None => match fields.last_mut() {
                    Some((_, text)) => *text = format!("{text} {}", line.trim()),
                    None => fields.push((String::new(), line.trim().into())),
                },
            }
        }
        let title = fields[0].1.strip_prefix(&format!("{id}: ")).unwrap_or_else(|| panic!("{id}"));
        write!(out, "\n### `{id}`\n\n{}\n\n", plain(title)).unwrap();
        for (label, text) in &fields[1..] {
            writeln!(out, "- **{label}**: {}", plain(text)).unwrap();
        }
    }
    check("findings.md", &out);
}

#[test]
fn providers() {
    let told: Value = serde_json::from_str(&says(&["providers", "--json"])).unwrap();
    let every = told["providers"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
    let mut out = format!(
        "{MADE}# DNS services\n\nWhat `option provider` takes: {} services and protocols. `reachd \
         providers ID` shows the same on the router, with an example. Besides what is listed here \
         every account takes `enabled`, `wan`, `ca_file` and `allow_http` (see \
         [options.md](options.md)). A secret may stand in a file of its own: `option \
         token_file '/etc/reachd/cf.token'` in place of `option token`.\n\n| provider | service | \
         addresses | options (**needed**) | seconds between two calls |\n|---|---|---|---|---|\n",
        every.len()
    );
    for one in every {
        let families: Vec<String> = one["families"].as_array().unwrap().iter().map(text).collect();
        let options = one["options"].as_array().unwrap().iter().map(|option| {
            let name = format!("`{}`", text(&option["name"]));
            if option["required"] == true { format!("**{name}**") } else { name }
        });
        let options: Vec<String> = options.collect();
        writeln!(
            out,
            "| `{}` | {} | {} | {} | {} |",
            text(&one["id"]),
            plain(&text(&one["about"])),
            families.join(", "),
            options.join(" "),
            one["min_interval_seconds"]
        )
        .unwrap();
    }
    let tell = |out: &mut String, option: &Value| {
        let needed = if option["required"] == true { " (needed)" } else { "" };
        write!(out, "- `{}`{needed}: {}", text(&option["name"]), plain(&text(&option["help"])))
            .unwrap();
        if let Some(words) = option["words"].as_array() {
            let words: Vec<String> = words.iter().map(|w| format!("`{}`", text(w))).collect();
            write!(out, "; one of {}", words.join(", ")).unwrap();
        }
        if let Some(default) = option["default"].as_str() {
            write!(out, "; without it `{default}`").unwrap();
        }
        out.push('\n');
    };
    // Services that take their update as one URL share a few options.
    let shared = |one: &&Value| {
        let about = text(&one["about"]);
        !about.contains(' ') && one["ttl"].is_null()
    };
    out.push_str("\n## Options of those that are named by their site\n\n");
    let mut told: Vec<String> = Vec::new();
    for one in every.iter().filter(shared) {
        for option in one["options"].as_array().unwrap() {
            let mut option = option.clone();
            option["required"] = false.into();
            let mut line = String::new();
            tell(&mut line, &option);
            if !told.contains(&line) {
                told.push(line);
            }
        }
    }
    told.sort();
    assert!((5..20).contains(&told.len()), "{told:?}");
    out.push_str(&told.concat());
    out.push_str("\n## The others\n");
    for one in every.iter().filter(|one| !shared(one)) {
        write!(out, "\n### `{}`\n\n{}\n\n", text(&one["id"]), plain(&text(&one["about"]))).unwrap();
        if let Some(ttl) = one["ttl"].as_array() {
            writeln!(out, "- TTL: {} to {} s", ttl[0], ttl[1]).unwrap();
        }
        for option in one["options"].as_array().unwrap() {
            tell(&mut out, option);
        }
    }
    check("providers.md", &out);
}

/// From the shipped config, whose comments tell each option; that it holds every option there is,
/// tests/package.rs sees to.
#[test]
fn options() {
    let shipped = include_str!("../openwrt/files/etc/config/reachd");
    let mut out = format!(
        "{MADE}# Options\n\nEvery section and option of `/etc/config/reachd`. `reachd check-config` \
         tells what is wrong with yours. `config accept`, which silences findings of the report, is \
         told in the README.\n"
    );
    let mut words: Vec<&str> = Vec::new();
    let mut options: Vec<(String, Vec<&str>, String, bool)> = Vec::new();
    let mut first = true;
    let mut before: Vec<(String, String)> = Vec::new();
    let mut flush = |out: &mut String, options: &mut Vec<(String, Vec<&str>, String, bool)>| {
        for (name, values, mut about, commented) in options.drain(..) {
            let plain_name = name.split(' ').next_back().unwrap();
            let plain_name = plain_name.strip_suffix("_file").unwrap_or(plain_name);
            let hook = HOOK_OPTIONS.iter().find(|doc| doc.name == plain_name);
            // What another kind of section has said already, or the table that hooks are read by.
            if about.is_empty() {
                let told = before.iter().rev().find(|(known, _)| *known == name);
                about = match (hook, told) {
                    (Some(doc), _) => doc.help.into(),
                    (None, Some((_, told))) => told.clone(),
                    (None, None) => panic!("{name}: nothing tells what it is"),
                };
            }
            if !about.ends_with(['.', '?']) {
                about.push('.');
            }
            before.push((name.clone(), about.clone()));
            let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
            let usual = ["enabled", "allow_http", "shared_line", "lan", "method", "content_type"];
            let word = match usual.contains(&plain_name) || !commented {
                true => "Without it",
                false => "Like",
            };
            let word = if name == "option enabled" && !commented { "As shipped" } else { word };
            writeln!(out, "- `{name}`: {} {word}: {}.", plain(&about), values.join(" ")).unwrap();
        }
    };
    for line in shipped.lines() {
        let line = line.trim();
        if let Some(word) = line.strip_prefix("# ") {
            words.push(word);
            continue;
        }
        let commented = line.starts_with('#');
        let parts: Vec<&str> = line.trim_start_matches('#').splitn(3, ' ').collect();
        let about = words.join(" ");
        match parts[..] {
            ["config", kind, ..] => {
                flush(&mut out, &mut options);
                write!(out, "\n## `config {kind}`\n\n").unwrap();
                // Above the first stands what is said of the whole file.
                if !first && !about.is_empty() {
                    write!(out, "{}\n\n", plain(&about)).unwrap();
                }
                first = false;
            }
            [word, name, value] => {
                let name = format!("{word} {name}");
                let value = value.trim_matches('\'');
                match options.iter_mut().find(|option| option.0 == name) {
                    Some(option) => option.1.push(value),
                    None => options.push((name, vec![value], about, commented)),
                }
            }
            _ => {}
        }
        words.clear();
    }
    flush(&mut out, &mut options);
    check("options.md", &out);
}

#[test]
fn lines() {
    let upstream = Upstream {
        address: Some("192.168.178.1".parse().unwrap()),
        outside: Some("198.51.100.7".parse().unwrap()),
        name: Some("the box of the ISP".into()),
    };
    let map =
        |kind| Line::Map { kind, ports: Known::Known(PortSet(vec![(1296, 1311), (2320, 2335)])) };
    let every = [
        Line::Public,
        Line::Cgnat { behind: None },
        Line::Cgnat { behind: Some(upstream.clone()) },
        Line::DoubleNat { upstream },
        Line::DsLite,
        map(MapKind::MapE),
        map(MapKind::MapT),
        map(MapKind::Lw4o6),
        Line::Xlat464,
        Line::MobileCarrier,
        Line::VpnEgress,
        Line::Down,
        Line::Unknown,
    ];
    let mut out = format!(
        "{MADE}# Lines\n\nWhat your ISP gives on a WAN, as `reachd line` tells it, with the evidence \
         it has: *proved*, *likely*, or *not known*. An example of what it says to each (yours \
         names your addresses); where a line is shared, `option shared_line` of a name says what \
         is published (see the README).\n\n| in JSON | line | IPv4 is published |\n|---|---|---|\n"
    );
    for one in &every {
        // A kind of line that is new must be told of, here and above.
        let published = match one {
            Line::Public => "at once",
            Line::Map { .. } => "at once; only some ports are yours",
            Line::Cgnat { .. }
            | Line::DoubleNat { .. }
            | Line::DsLite
            | Line::Xlat464
            | Line::MobileCarrier => "as `option shared_line` says",
            Line::VpnEgress => "only for names with `option wan`",
            Line::Down | Line::Unknown => "nothing; what was published stays",
        };
        writeln!(out, "| `{}` | {} | {published} |", line::key(one), plain(line::title(one)))
            .unwrap();
    }
    let wan = Wan {
        asked: None,
        family: Family::Ipv4,
        device: Known::Known(None),
        addresses: Vec::new(),
        access: Access::default(),
    };
    let prefix = Prefix::parse("2001:db8:7::/48").unwrap();
    for one in every {
        let verdict = Verdict {
            line: one,
            certainty: Certainty::Likely,
            evidence: Vec::new(),
            delegated: Vec::new(),
        };
        let meaning = line::meaning(&verdict, &wan, &[prefix]);
        write!(out, "\n## {}\n\n{}\n", plain(line::title(&verdict.line)), plain(&meaning)).unwrap();
    }
    check("lines.md", &out);
}
