//! The reader on real, odd, torn, huge and hostile listings (tests/data/nft).

use super::*;
use crate::model::name::Family;
use crate::model::ruleset::{Action, Expr, Field, Mark, Match, Op, Target};

fn of(rules: &str) -> (Ruleset, Vec<String>) {
    ruleset(format!("{{\"nftables\": [{rules}]}}").as_bytes())
}

const HOME: &str = r#"{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},
    {"table": {"family": "inet", "name": "t", "handle": 1}},
    {"chain": {"family": "inet", "table": "t", "name": "c", "handle": 1, "type": "filter",
     "hook": "input", "prio": 0, "policy": "drop"}}"#;

/// The expressions of one rule of an otherwise empty chain.
fn exprs(expr: &str) -> Vec<Expr> {
    let rule = r#"{"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 7, "expr": "#;
    let (rules, complaints) = of(&format!("{HOME}, {rule}{expr}}}}}"));
    assert_eq!((rules.cut, complaints), (false, vec![]), "{expr}");
    rules.tables[0].chains[0].rules[0].exprs.clone()
}

fn matched(expr: &str) -> Match {
    match exprs(&format!("[{{\"match\": {expr}}}]")).as_slice() {
        [Expr::Match(found)] => found.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_real_router() {
    let text = include_bytes!("../../../tests/data/nft/fw4-miniupnpd.json");
    let (rules, complaints) = ruleset(text);
    assert_eq!((rules.cut, complaints), (false, vec![]));
    let [table] = rules.tables.as_slice() else { panic!("{}", rules.tables.len()) };
    assert!(table.sees(Family::Ipv4) && table.sees(Family::Ipv6) && !table.dormant);
    let chain = |name: &str| table.chains.iter().find(|one| one.name == name).unwrap();
    let base = chain("input").base.as_ref().unwrap();
    assert_eq!((&base.hook[..], base.priority, base.policy_drop), ("input", 0, true));
    assert!(chain("input_wan").base.is_none());
    let nas = &chain("dstnat_wan").rules[0];
    assert_eq!(nas.comment.as_deref(), Some("!fw4: https to NAS"));
    assert_eq!(nas.packets, Some(0));
    let target = Target {
        family: Some(Family::Ipv4),
        addr: Some(("192.168.1.50".parse().unwrap(), "192.168.1.50".parse().unwrap())),
        port: Some((443, 443)),
    };
    assert_eq!(nas.exprs.last(), Some(&Expr::Do(Action::Dnat(target))));
    let upnp = &chain("upnp_prerouting").rules[0].exprs;
    let Expr::Match(protocol) = &upnp[1] else { panic!("{upnp:?}") };
    assert_eq!(protocol.key[0].field, Field::NetworkHeader { offset: 72, len: 8 });
    // Nothing in it is beyond us but what cannot be told: the rewrite of the MSS is harmless.
    let odd = |rule: &&Rule| rule.exprs.iter().any(|expr| matches!(expr, Expr::Unknown(_)));
    assert_eq!(table.chains.iter().flat_map(|chain| &chain.rules).filter(odd).count(), 0);
}

#[test]
fn each_expression_is_understood_or_said_not_to_be() {
    let (rules, complaints) = ruleset(include_bytes!("../../../tests/data/nft/expressions.json"));
    assert_eq!((rules.cut, complaints), (false, vec![]));
    assert_eq!(
        rules.tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["t", "a", "nd"]
    );
    let mut unclear = Vec::new();
    for rule in rules.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        for expr in &rule.exprs {
            match expr {
                Expr::Unknown(what) | Expr::Sometimes(what) => unclear.push(what.clone()),
                Expr::Do(Action::Unknown(what)) => unclear.push(what.clone()),
                Expr::Match(found) => {
                    assert!(found.values.unknown.is_none() || unclear_field(found), "{found:?}");
                    unclear.extend(found.key.iter().filter_map(|part| match &part.field {
                        Field::Unknown(what) => Some(what.clone()),
                        _ => None,
                    }));
                }
                _ => {}
            }
        }
    }
    assert_eq!(
        unclear,
        [
            "meta mark",
            "a rewrite of the packet",
            "meta hour",
            "meta day",
            "ether saddr",
            "meta pkttype",
            "quota",
            "a meter by @dyn",
            "udp length",
            "ct",
            "ct direction",
            "ip dscp",
            "meta length",
            "numgen",
            "meta cpu",
            "exthdr",
            "ip version",
            "dnat to a place that is picked anew each time",
        ]
    );
    let set = |name: &str| rules.tables[0].sets.iter().find(|set| set.name == name).unwrap();
    assert_eq!(set("s").values.spans, [(0x01020304, 0x01020309), (0x0a000000, 0x0affffff)]);
    assert_eq!(set("d").values.spans, [(0x01020304, 0x01020304), (80, 80)]);
    assert_eq!(set("m").actions, [Action::Accept, Action::Jump("x".to_string())]);
    assert!(set("dyn").changing && !set("s").changing, "rules write to it");
    let Action::Dnat(target) = &set("tgt").actions[0] else { panic!() };
    assert_eq!((target.family, target.port), (Some(Family::Ipv4), Some((2222, 2222))));
}

fn unclear_field(found: &Match) -> bool {
    found.key.iter().any(|part| matches!(part.field, Field::Unknown(_)))
}

#[test]
fn comparisons() {
    let port = r#"{"payload": {"protocol": "tcp", "field": "dport"}}"#;
    for (op, right, spans) in [
        ("==", "80", vec![(80, 80)]),
        ("==", r#"{"range": [1, 5]}"#, vec![(1, 5)]),
        (
            "==",
            r#"{"set": [9, {"range": [1, 5]}, 6, {"elem": {"val": 8, "comment": "x"}}]}"#,
            vec![(1, 6), (8, 9)],
        ),
        ("<", "80", vec![(0, 79)]),
        ("<", "0", vec![]),
        ("<=", "80", vec![(0, 80)]),
        (">", "80", vec![(81, u128::MAX)]),
        (">=", "80", vec![(80, u128::MAX)]),
    ] {
        let text = format!(r#"{{"op": "{op}", "left": {port}, "right": {right}}}"#);
        let found = matched(&text);
        assert_eq!((found.values.spans, found.values.unknown), (spans, None), "{op} {right}");
        assert_eq!((found.op, found.key[0].protocol), (Op::Is, Some(6)));
    }
    let not = matched(&format!(r#"{{"op": "!=", "left": {port}, "right": 80}}"#));
    assert_eq!(not.op, Op::IsNot);
    // A word of nft that we do not know makes the value unknown, not absent.
    for right in ["\"https\"", "{\"tomorrow\": 1}", "[1, 2]", "null", "{\"range\": [5, 1]}"] {
        let found = matched(&format!(r#"{{"op": "==", "left": {port}, "right": {right}}}"#));
        assert!(found.values.unknown.is_some(), "{right}");
    }
    let state = r#"{"ct": {"key": "state"}}"#;
    let any = matched(&format!(r#"{{"op": "in", "left": {state}, "right": ["new", "related"]}}"#));
    assert_eq!((any.op, any.values.spans), (Op::AnyBit, vec![(12, 12)]));
    let odd = matched(&format!(r#"{{"op": "~", "left": {port}, "right": 80}}"#));
    assert!(odd.values.unknown.is_some());
}

#[test]
fn what_is_not_understood_is_never_dropped() {
    for odd in [
        r#"[{"xt": null}]"#,
        r#"[{"quantum": {"a": 1}}]"#,
        r#"[{}]"#,
        r#"[7]"#,
        r#"[{"tproxy": {"port": 1}}]"#,
        r#"[{"mangle": {"key": {"payload": {"protocol": "tcp", "field": "dport"}}, "value": 1}}]"#,
    ] {
        assert!(matches!(exprs(odd).as_slice(), [Expr::Unknown(_)]), "{odd}");
    }
    assert_eq!(
        exprs(r#"[{"xt": {"type": "match", "name": "geoip"}}, {"drop": null}]"#),
        [Expr::Sometimes("xt geoip".to_string()), Expr::Do(Action::Drop)]
    );
    assert_eq!(
        exprs(r#"[{"counter": "named"}, {"log": null}, {"accept": null}]"#),
        [Expr::Do(Action::Accept)]
    );
    // No expressions at all where there should be some.
    let (rules, _) = of(&format!(
        "{HOME}, {{\"rule\": {{\"family\": \"inet\", \"table\": \"t\", \"chain\": \"c\"}}}}"
    ));
    assert!(matches!(rules.tables[0].chains[0].rules[0].exprs[..], [Expr::Unknown(_)]));
}

#[test]
fn what_is_torn_or_foreign_says_so_and_keeps_the_rest() {
    let text = include_bytes!("../../../tests/data/nft/fw4.json");
    let whole = ruleset(text).0;
    let rules = |found: &Ruleset| -> usize {
        found.tables.iter().flat_map(|t| &t.chains).map(|chain| chain.rules.len()).sum()
    };
    for cut in (0..text.len() - 2).step_by(251) {
        let (found, complaints) = ruleset(&text[..cut]);
        assert!(found.cut && complaints.len() == 1, "{cut}: {complaints:?}");
        assert!(rules(&found) <= rules(&whole));
    }
    for foreign in ["", "[]", "{}", "null", "Error: syntax error", "{\"nftables\": 7}"] {
        let (found, complaints) = ruleset(foreign.as_bytes());
        assert!(found.cut && found.tables.is_empty() && complaints.len() == 1, "{foreign}");
    }
    let (found, complaints) = of(r#"{"metainfo": {"json_schema_version": 2}}"#);
    assert!(found.cut && complaints[0].contains("another version"));
    // A rule in a chain that was never told of, an object that is none.
    for odd in [
        r#"{"rule": {"family": "inet", "table": "t", "chain": "lost", "expr": []}}"#,
        r#"{"chain": {"family": "inet", "table": "u", "name": "c"}}"#,
        r#"{"rule": {"chain": 5}}"#,
        r#"{"table": }"#,
    ] {
        let (found, complaints) = of(&format!("{HOME}, {odd}"));
        assert!(found.cut && complaints.len() == 1, "{odd}");
        assert_eq!(found.tables[0].chains.len(), 1);
    }
}

#[test]
fn a_huge_listing_is_bounded() {
    // One set of a million addresses: its name is kept, its elements are one unknown.
    let mut big = String::from(
        r#"{"set": {"family": "inet", "name": "big", "table": "t", "type": "ipv4_addr",
        "handle": 2, "flags": ["interval"], "elem": ["10.0.0.0""#,
    );
    for n in 0..1_000_000u32 {
        big += &format!(", \"{}\"", std::net::Ipv4Addr::from_bits(0x0b00_0000 + 2 * n));
    }
    big += "]}}";
    let rule = r#"{"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 3, "expr":
        [{"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}},
        "right": "@big"}}, {"drop": null}]}}"#;
    let (found, complaints) = of(&format!("{HOME}, {big}, {rule}"));
    assert_eq!((found.cut, complaints), (false, vec![]));
    let set = &found.tables[0].sets[0];
    assert_eq!((set.name.as_str(), set.values.spans.len()), ("big", 0));
    assert!(set.values.unknown.is_some());
    assert_eq!(found.tables[0].chains[0].rules.len(), 1);
    // More rules than anybody has.
    let many = format!("{HOME}{}", format!(", {rule}").repeat(RULES + 5));
    let (found, complaints) = of(&many);
    assert!(found.cut && complaints.len() == 1);
    assert_eq!(found.tables[0].chains[0].rules.len(), RULES);
    // A rule with all of it inside.
    let inside = big
        .replace("{\"set\":", "{\"rule\":")
        .replace("\"elem\": [", "\"expr\": [")
        .replace("\"handle\": 2", "\"handle\": 2, \"chain\": \"c\"");
    let (found, _) = of(&format!("{HOME}, {inside}"));
    let rule = &found.tables[0].chains[0].rules[0];
    assert_eq!(rule.exprs, [expr::unknown("a rule too long to read")]);
}

#[test]
fn a_hostile_comment_is_kept_as_it_is() {
    let rule = r#"{"rule": {"family": "inet", "table": "t", "chain": "c", "handle": 7,
        "comment": "!fw4: \u001b[2J<script>\"}]}", "expr": [{"accept": null}]}}"#;
    let (rules, complaints) = of(&format!("{HOME}, {rule}"));
    assert_eq!((rules.cut, complaints), (false, vec![]));
    let comment = rules.tables[0].chains[0].rules[0].comment.as_deref();
    assert_eq!(comment, Some("!fw4: \u{1b}[2J<script>\"}]}"));
}

#[test]
fn marks_that_are_set_and_given_back() {
    let rule = |chain: &str, expr: &str| {
        format!(
            r#", {{"rule": {{"family": "inet", "table": "t", "chain": "{chain}", "expr": [{expr}]}}}}"#
        )
    };
    let chains = r#", {"chain": {"family": "inet", "table": "t", "name": "pre", "type": "filter",
        "hook": "prerouting", "prio": -150, "policy": "accept"}}"#;
    let marks = |chain: &str, expr: &str| {
        let (rules, _) = of(&format!("{HOME}{chains}{}", rule(chain, expr)));
        let set = |mark: &Mark| {
            let on = if mark.packet { "packet" } else { "connection" };
            format!("{} on {on} by {}", mark.value, mark.by.join(","))
        };
        let set: Vec<String> = rules.marks.set.iter().map(set).collect();
        (set.join("; "), rules.marks.restored, rules.marks.unread)
    };
    let is = |set: &str, restored, unread| (set.to_string(), restored, unread);
    // As nft 1.0.6 prints them.
    let restore =
        r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"ct": {"key": "mark"}}}}"#;
    assert_eq!(marks("pre", restore), is("", true, false));
    // Behind the route it is too late.
    assert_eq!(marks("c", restore), is("", false, false));
    let masked = r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value":
        {"&": [{"ct": {"key": "mark"}}, 65280]}}}"#;
    assert_eq!(marks("pre", masked), is("", true, false));
    let save = r#"{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right":
        {"set": ["wanc", "wanb"]}}}, {"mangle": {"key": {"ct": {"key": "mark"}}, "value": 2}}"#;
    assert_eq!(marks("pre", save), is("2 on connection by wanc,wanb", false, false));
    let part = r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value":
        {"|": [{"&": [{"meta": {"key": "mark"}}, 4294902271]}, 256]}}}"#;
    assert_eq!(marks("pre", part), is("256 on packet by ", false, false));
    let saved =
        r#"{"mangle": {"key": {"ct": {"key": "mark"}}, "value": {"meta": {"key": "mark"}}}}"#;
    assert_eq!(marks("pre", saved), is("", false, false));
    for odd in [
        r#"{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"map": {"data": "@m"}}}}"#,
        r#"{"mangle": {"key": {"ct": {"key": "mark"}}, "value": {"numgen": {"mod": 2}}}}"#,
        r#"{"xt": {"type": "target", "name": "CONNMARK"}}"#,
        r#"{"xt": null}"#,
    ] {
        assert_eq!(marks("pre", odd), is("", false, true), "{odd}");
    }
    assert_eq!(marks("pre", r#"{"xt": {"type": "target", "name": "LOG"}}"#), is("", false, false));
}
