//! `reachd line`: what the ISP gives on each WAN, for people at 80 columns and for programs.
//! Foreign words (a router's name, netifd's complaints) come without control characters.

use super::text::push;
use super::{object, texts};
use crate::agent::{How, Lines, OneLine, Told};
use crate::line;
use crate::model::address::{class, is_global};
use crate::model::known::Known;
use crate::model::line::{Line, Upstream};
use crate::model::name::Family;
use crate::model::wan::Wan;
use crate::model::words::span;
use serde_json::{Map, Value};
use std::net::IpAddr;

/// One screen for an SSH prompt.
pub fn text(lines: &Lines) -> String {
    let mut out = String::new();
    for one in &lines.wans {
        let family = if one.wan.family == Family::Ipv4 { "IPv4" } else { "IPv6" };
        let gap = if out.is_empty() { "" } else { "\n" };
        out.push_str(gap);
        let summary = match (&one.wan.device, &one.wan.asked, one.wan.family) {
            // Most often the ISP has none.
            (Known::Known(None), None, Family::Ipv6) => "none".into(),
            _ => line::summary(&one.verdict),
        };
        row(&mut out, "", &format!("{} {family}: {summary}", name(&one.wan)));
        let there = matches!(one.wan.device, Known::Known(Some(_)));
        if there {
            row(&mut out, "  outside ", &outside(&one.told));
        }
        for sentence in &one.verdict.evidence {
            row(&mut out, "  because ", sentence);
        }
        if there {
            row(&mut out, "  so      ", &line::meaning(&one.verdict, &one.wan, &lines.prefixes));
        }
    }
    out
}

fn row(out: &mut String, lead: &str, text: &str) {
    push(out, lead, &text.replace(char::is_control, " "));
}

/// `wan (pppoe-wan)`, `eth1`, or what it would be called.
fn name(wan: &Wan) -> String {
    let network = wan.access.network.as_ref().or(wan.asked.as_ref());
    match (&wan.device, network) {
        (Known::Known(Some((device, _))), Some(network)) if network != device => {
            format!("{network} ({device})")
        }
        (Known::Known(Some((device, _))), _) => device.clone(),
        (_, Some(network)) => network.clone(),
        _ => "WAN".into(),
    }
}

fn outside(told: &Told) -> String {
    let ago = match &told.how {
        How::Not(why) => return format!("nobody was asked: {why}"),
        How::Before(ago) => format!(", asked {} ago", span(*ago)),
        How::Now => String::new(),
    };
    let mut text = match told.outside {
        Some(ip) => format!("lookups agree on {ip}{ago}"),
        None => format!("lookups brought no agreement{ago}"),
    };
    for seen in &told.seen {
        if let Err(why) = &seen.answer {
            text.push_str(&format!("; {}: {why}", line::host(&seen.service)));
        }
    }
    text
}

/// `reachd line --json`. Keys are stable; absent means not known.
pub fn json(lines: &Lines) -> String {
    let wans = lines.wans.iter().map(|one| wan(one, lines)).collect();
    let v6 = object(&mut [("prefixes", texts(&lines.prefixes))]);
    let line = object(&mut [("wans", wans), ("v6", v6)]);
    let all = object(&mut [("schema_version", "1".into()), ("line", line)]);
    format!("{all:#}\n")
}

fn wan(one: &OneLine, lines: &Lines) -> Value {
    let OneLine { wan, verdict, told } = one;
    let access = &wan.access;
    let own: Vec<IpAddr> = wan.addresses.iter().map(|address| address.ip).collect();
    let public = own.iter().find(|ip| is_global(**ip, &lines.assume_public));
    let main = public.or(own.first()).copied();
    let device = match &wan.device {
        Known::Known(Some((device, _))) => Some(device.clone()),
        _ => None,
    };
    let (lookups, ago) = match told.how {
        How::Now => ("asked_now", None),
        How::Before(ago) => ("remembered", Some(ago.as_secs())),
        How::Not(_) => ("not_asked", None),
    };
    let seen = told.seen.iter().map(|seen| {
        let (key, value) = match &seen.answer {
            Ok(ip) => ("address", ip.to_string()),
            Err(why) => ("error", why.clone()),
        };
        object(&mut [
            ("service", seen.service[..].into()),
            ("means", seen.means.to_string().into()),
            (key, value.into()),
        ])
    });
    let mut out = Map::new();
    put(&mut out, "iface", access.network.clone().or(wan.asked.clone()));
    put(&mut out, "dev", device);
    put(&mut out, "proto", access.proto.clone());
    put(&mut out, "addr", main.map(text_of));
    put(&mut out, "class", main.map(|ip| class(ip).name.into()));
    put(&mut out, "gateway", access.gateway.map(text_of));
    put(&mut out, "external", told.outside.map(text_of));
    put(&mut out, "egress", access.egress.clone());
    if let Some(astray) = &access.astray {
        put(&mut out, "astray", Some(astray.device.clone()));
        let mark = astray.back_by.known().copied().flatten();
        put(&mut out, "back_by_mark", mark.map(|mark| format!("{mark:#x}")));
    }
    let mut add = |key: &str, value: Value| drop(out.insert(key.into(), value));
    add("family", wan.family.to_string().into());
    add("addrs", texts(&own));
    add("lookups", lookups.into());
    if let Some(ago) = ago {
        add("asked_seconds_ago", ago.into());
    }
    add("seen", seen.collect());
    let certainty = verdict.certainty.to_string();
    let kind = line::key(&verdict.line).into();
    add("nat", object(&mut [("kind", kind), ("certainty", certainty.into())]));
    match &verdict.line {
        Line::Map { ports: Known::Known(ports), .. } => {
            add(
                "portset",
                ports.0.iter().map(|(low, high)| Value::from(vec![*low, *high])).collect(),
            );
        }
        Line::Cgnat { behind: Some(above) } | Line::DoubleNat { upstream: above } => {
            add("upstream", upstream(above));
        }
        _ => {}
    }
    add("evidence", verdict.evidence.clone().into());
    add("meaning", line::meaning(verdict, wan, &lines.prefixes).into());
    Value::Object(out)
}

fn upstream(above: &Upstream) -> Value {
    let mut out = Map::new();
    put(&mut out, "address", above.address.map(text_of));
    put(&mut out, "outside", above.outside.map(text_of));
    put(&mut out, "name", above.name.clone());
    Value::Object(out)
}

fn text_of(ip: IpAddr) -> String {
    ip.to_string()
}

fn put(out: &mut Map<String, Value>, key: &str, value: Option<String>) {
    if let Some(value) = value {
        out.insert(key.into(), value.into());
    }
}
