//! `/etc/config/firewall` and the firewall data of services, as firewall4 means them: zones,
//! forwardings, and every forward with its family, target and state. What firewall4 would say on
//! stderr is said here too, in its words (checked against the real one), so that a report can be
//! made where it cannot be run. Options that only narrow a rule (times, limits, marks) are
//! noted, not checked: of those, firewall4's own warnings tell.

mod part;
mod redirect;
mod rule;
mod value;

use crate::model::address::class;
use crate::model::snapshot::{Firewall, Forwarding, Network, Policy, Zone};
use crate::parse::uci::Package;
use part::{Part, Raw, Where};
use serde_json::Value;

/// Reads the package. `services`: what [`netifd_rules`] and [`service_rules`] found.
pub fn read(package: &Package, networks: &[Network], services: &[Raw]) -> Firewall {
    let sections: Vec<Raw> =
        (0..package.sections.len()).filter_map(|index| Raw::of_uci(package, index)).collect();
    let kind = |kind: &'static str| sections.iter().filter(move |raw| raw.kind == kind);
    let service = |kind: &'static str| services.iter().filter(move |raw| raw.kind == kind);
    let mut firewall = Firewall::default();
    let mut policies = [Policy::Drop; 2];
    // The first section counts.
    if let Some(raw) = kind("defaults").next() {
        let mut part = Part::new(raw, networks);
        policies = ["input", "forward"].map(|name| policy(&mut part, name, Policy::Drop));
        firewall.defaults_line = raw.line;
        firewall.flow_offloading = part.boolean("flow_offloading", false);
        part.finish(&mut firewall);
    }
    firewall.input_accept = policies[0] == Policy::Accept;
    firewall.forward_accept = policies[1] == Policy::Accept;
    for raw in kind("zone") {
        let mut part = Part::new(raw, networks);
        let zone = zone(&mut part, policies);
        part.finish(&mut firewall);
        firewall.zones.extend(zone);
    }
    let sets: Vec<&str> =
        kind("ipset").chain(service("ipset")).filter_map(|raw| raw.text("name")).collect();
    for raw in kind("forwarding") {
        let mut part = Part::new(raw, networks);
        let forwarding = forwarding(&mut part, &firewall.zones);
        part.finish(&mut firewall);
        firewall.forwardings.extend(forwarding);
    }
    let redirects = service("redirect").chain(kind("redirect"));
    for raw in redirects {
        let forward = redirect::read(raw, networks, &firewall.zones, &sets);
        firewall.forwards.extend(forward);
    }
    for raw in service("rule").chain(kind("rule")) {
        let forwards = rule::read(raw, networks, &firewall.zones, &sets);
        firewall.forwards.extend(forwards);
    }
    firewall
}

/// `data.firewall[]` of netifd's networks, as sections.
pub fn netifd_rules(dump: &Value) -> Vec<Raw> {
    let mut found = Vec::new();
    for one in dump.get("interface").and_then(Value::as_array).into_iter().flatten() {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let rules = one.get("data").and_then(|data| data.get("firewall"));
        collect(rules, &format!("{}[{}]", text("interface"), text("proto")), &mut found);
    }
    found
}

/// `ubus call service get_data {"type":"firewall"}`, as sections.
pub fn service_rules(data: &Value) -> Vec<Raw> {
    let mut found = Vec::new();
    for (service, value) in data.as_object().into_iter().flatten() {
        collect(value.get("firewall"), service, &mut found);
        for (instance, value) in value.as_object().into_iter().flatten() {
            collect(value.get("firewall"), &format!("{service}[{instance}]"), &mut found);
        }
    }
    found
}

fn collect(rules: Option<&Value>, by: &str, found: &mut Vec<Raw>) {
    for (index, rule) in rules.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let kind = rule.get("type").and_then(Value::as_str).unwrap_or("rule");
        let name = match (kind, rule.get("name").and_then(Value::as_str)) {
            ("ipset", Some(name)) => name.to_string(),
            _ => format!("ubus:{by} {kind} {index}"),
        };
        found.extend(Raw::of_json(rule, name));
    }
}

impl Part<'_> {
    /// Hands on what was said of a section that is no forward.
    fn finish(self, firewall: &mut Firewall) {
        let lead = self.raw.lead();
        firewall.said.extend(self.said.iter().map(|text| format!("{lead} {text}")));
    }

    /// The last words on a section that is not taken: true if it is.
    fn is_taken(&mut self) -> bool {
        let enabled = self.boolean("enabled", true);
        if self.refused {
            self.said.push("skipped due to invalid options".into());
        } else if !enabled {
            self.said.push("is disabled, ignoring section".into());
        }
        !self.refused && enabled
    }
}

fn policy(part: &mut Part, name: &str, default: Policy) -> Policy {
    let word = part.one(name, &|text| value::choice(text, &["accept", "reject", "drop"]));
    match word {
        Some("accept") => Policy::Accept,
        Some("reject") => Policy::Reject,
        Some(_) => Policy::Drop,
        None => default,
    }
}

fn zone(part: &mut Part, defaults: [Policy; 2]) -> Option<Zone> {
    let networks = part.networks;
    part.boolean("enabled", true);
    let name = part.one("name", &|text| Some(text.to_string()));
    if name.is_none() && !part.refused {
        part.said.push("option 'name' is mandatory but not set".into());
        part.refused = true;
    }
    let family = part.one("family", &value::family);
    let listed = part.list("network", &|text| value::negated(text).map(owned));
    let device = part.list("device", &|text| value::negated(text).map(owned));
    let subnets = part.list("subnet", &|text| Part::network(networks, text));
    let input = policy(part, "input", defaults[0]);
    let forward = policy(part, "forward", defaults[1]);
    let masq = part.boolean("masq", false);
    let masq6 = part.boolean("masq6", false);
    if !part.is_taken() {
        return None;
    }
    let name = name?;
    let mut zone = Zone {
        section: part.raw.id.clone(),
        line: part.raw.line,
        networks: positive(listed),
        devices: Vec::new(),
        subnets: Vec::new(),
        input,
        forward,
        masq,
        masq_limited: ["masq_src", "masq_dest"].iter().any(|o| part.raw.option(o).is_some()),
        masq6,
        v4: family != Some(6),
        v6: family != Some(4),
        wan: name.starts_with("wan"),
        name,
    };
    // A network may ask to be in a zone that does not list it.
    let asking = networks.iter().filter(|network| network.zone.as_ref() == Some(&zone.name));
    zone.networks.extend(asking.map(|network| network.name.clone()));
    for network in networks.iter().filter(|network| zone.networks.contains(&network.name)) {
        zone.devices.extend(network.device.clone());
        zone.subnets.extend(&network.addresses);
        zone.wan |= network.default_route;
    }
    zone.devices.extend(positive(device));
    zone.devices.sort();
    zone.devices.dedup();
    // A zone may be given by addresses instead.
    if !subnets.is_empty() && zone.devices.is_empty() {
        zone.devices.push("(by address)".into());
    }
    Some(zone)
}

fn owned((negated, text): (bool, &str)) -> (bool, String) {
    (negated, text.to_string())
}

fn positive(list: Vec<(bool, String)>) -> Vec<String> {
    list.into_iter().filter(|(negated, _)| !negated).map(|(_, text)| text).collect()
}

fn forwarding(part: &mut Part, zones: &[Zone]) -> Option<Forwarding> {
    part.boolean("enabled", true);
    let [src, dest] = ["src", "dest"].map(|name| {
        let zone = part.one(name, &|text| zone_ref(zones, text));
        if zone.is_none() && !part.refused {
            part.said.push(format!("option '{name}' is mandatory but not set"));
            part.refused = true;
        }
        zone
    });
    if !part.is_taken() {
        return None;
    }
    let (section, line) = (part.raw.id.clone(), part.raw.line);
    Some(Forwarding { section, line, src: src?, dest: dest? })
}

/// A zone's name, or `*`.
fn zone_ref(zones: &[Zone], text: &str) -> Option<String> {
    (text == "*" || zones.iter().any(|zone| zone.name == text)).then(|| text.to_string())
}

/// fw4's inference: the family asked for, or that of the first thing that has one; an error where
/// two disagree. `None`: not said at all.
fn infer(asked: Option<u8>, of: &[(Option<u8>, &str)]) -> Result<Option<u8>, String> {
    let mut result = asked;
    for (family, what) in of {
        match (family, result) {
            (None, _) => {}
            (Some(_), None | Some(0)) => result = *family,
            (Some(family), Some(have)) if *family != have => {
                return Err(format!(
                    "is restricted to IPv{have} but referenced {what} is IPv{family} only"
                ));
            }
            _ => {}
        }
    }
    Ok(result)
}

fn family_of_zone(zones: &[Zone], name: Option<&str>) -> Option<u8> {
    let zone = zones.iter().find(|zone| Some(&zone.name[..]) == name)?;
    match (zone.v4, zone.v6) {
        (true, false) => Some(4),
        (false, true) => Some(6),
        _ => None,
    }
}

/// Sorts addresses of a source option into what a prefix can say and what it can't.
fn sources(all: &[Where]) -> (Vec<crate::model::address::Prefix>, Vec<String>) {
    let (mut nets, mut odd) = (Vec::new(), Vec::new());
    for one in all {
        for addresses in &one.all {
            let mut text = match addresses {
                value::Addresses::Range(first, last) => format!("{first}-{last}"),
                value::Addresses::Masked(ip, mask) => format!("{ip}/{mask}"),
                value::Addresses::Net(ip, len) => format!("{ip}/{len}"),
            };
            match addresses.prefix().filter(|_| !one.negated) {
                Some(net) => nets.push(net),
                None => {
                    if one.negated {
                        text.insert_str(0, "all but ");
                    }
                    odd.push(text);
                }
            }
        }
    }
    (nets, odd)
}

/// Options that narrow a forward to some packets; their names are shown.
const CONDITIONS: [&str; 10] = [
    "start_date",
    "stop_date",
    "start_time",
    "stop_time",
    "weekdays",
    "monthdays",
    "mark",
    "limit",
    "helper",
    "dscp",
];

fn conditions(raw: &Raw) -> Vec<String> {
    let set = |name: &&str| raw.option(name).is_some();
    CONDITIONS.into_iter().filter(set).map(str::to_string).collect()
}

/// An address that the Internet could send to by itself, without translation.
fn is_routable(zone: &Zone) -> bool {
    zone.subnets.iter().any(|(ip, _)| ip.is_ipv4() && class(*ip).global)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::forward::{Forward, Ports, Proto, State, Target};
    use crate::parse::{networks, uci};

    fn data(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn firewall(text: &[u8]) -> Firewall {
        let dump = serde_json::from_slice(&data("netifd/static.json")).unwrap();
        let package = uci::parse(text).unwrap();
        read(&package, &networks::netifd(&dump).unwrap(), &netifd_rules(&dump))
    }

    /// All that is said, as it would stand on stderr.
    fn said(firewall: &Firewall, text: &[u8]) -> Vec<String> {
        let package = uci::parse(text).unwrap();
        let raws: Vec<Raw> =
            (0..package.sections.len()).filter_map(|i| Raw::of_uci(&package, i)).collect();
        let lead =
            |forward: &Forward| raws.iter().find(|r| r.id == forward.section).unwrap().lead();
        let mut all = firewall.said.clone();
        for forward in &firewall.forwards {
            all.extend(forward.said.iter().map(|text| format!("{} {text}", lead(forward))));
        }
        all
    }

    fn real(name: &str) -> Vec<String> {
        String::from_utf8(data(name))
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("[!] "))
            .filter(|line| line.starts_with("Section"))
            // SNAT is no forward.
            .filter(|line| !line.contains("snat_no_dip"))
            .map(str::to_string)
            .collect()
    }

    #[test]
    fn it_says_what_the_real_fw4_said() {
        let text = data("report/etc-config-firewall.bad-redirects.txt");
        assert_eq!(said(&firewall(&text), &text), real("report/fw4-bad-redirects.result.txt"));
        let text = data("report/etc-config-firewall.txt");
        let want = "Section @redirect[4] (disabled one) is disabled, ignoring section";
        assert_eq!(said(&firewall(&text), &text), [want]);
    }

    /// The rules that the real fw4 made of the odd redirects.
    #[test]
    fn the_odd_redirects_mean_what_fw4_made_of_them() {
        let firewall = firewall(&data("report/etc-config-firewall.bad-redirects.txt"));
        let shown: Vec<String> = firewall
            .forwards
            .iter()
            .filter(|forward| forward.is_active())
            .map(|f| {
                let families = [(f.v4, "4"), (f.v6, "6")].map(|(is, n)| if is { n } else { "" });
                let words = f.proto_words();
                format!(
                    "{} v{} {words} {} > {}",
                    f.section,
                    families.concat(),
                    f.ext_words(),
                    f.target_words()
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                "no_dest v4 tcp 1005 > 192.168.1.50:1005",
                "off_subnet v4 tcp 1006 > 10.9.9.9:1006",
                "typo_opt v4 tcp 1007 > 192.168.1.50:1007",
                "no_proto v4 tcp+udp 1008 > 192.168.1.50:1008",
                "proto_all_ports v4 all all ports > 192.168.1.50",
                "dmz_all v4 all all ports > 192.168.1.99",
                "range_to_single v4 tcp 2000-2010 > 192.168.1.50:3000",
                "range_mismatch v4 tcp 2100-2110 > 192.168.1.50:3100",
                "dup_a v4 tcp 4000 > 192.168.1.50:4000",
                "dup_b v4 tcp 4000 > 192.168.1.51:4000",
                "src_dip_set v4 tcp 5001 > 192.168.1.50:5001",
                "target_accept v4 tcp 5002 > 192.168.1.50:5002",
                "any_family_no_ip v46 tcp 5004 > (router itself):80",
            ]
        );
        let skipped = |f: &&Forward| matches!(f.state, State::Skipped(_));
        assert_eq!(firewall.forwards.iter().filter(skipped).count(), 9);
    }

    #[test]
    fn the_real_config() {
        let firewall = firewall(&data("report/etc-config-firewall.txt"));
        let ids: Vec<&str> = firewall.forwards.iter().map(|f| &f.section[..]).collect();
        assert_eq!(
            ids,
            [
                "https_nas",
                "@redirect[1]",
                "@redirect[2]",
                "@redirect[3]",
                "@redirect[4]",
                "@redirect[5]",
                "v6open"
            ]
        );
        let wan = firewall.zone("wan").unwrap();
        assert!(wan.wan && wan.masq && !firewall.zone("lan").unwrap().wan);
        assert_eq!(wan.devices, ["wan0"]);
        assert!(firewall.is_router("2001:db8:cafe::1".parse().unwrap()));
        assert!(matches!(firewall.forwards[6].target, Target::Suffix(..)));
        assert!(!firewall.forwards[6].v4 && firewall.forwards[6].v6);
        assert_eq!(firewall.forwards[4].state, State::Disabled);
        assert_eq!(firewall.forwards[2].source.to_string(), "203.0.113.0/24");
    }

    #[test]
    fn rules_of_services_are_forwards_too() {
        let data = serde_json::json!({"umdns": {"instance1": {"firewall": [
            {"type": "rule", "src": "wan", "proto": "udp", "dest_port": "5353", "target": "ACCEPT"},
            {"type": "redirect", "src": "wan", "proto": "tcp", "src_dport": "80", "dest_ip": "192.168.1.9"},
        ]}}});
        let text = b"config zone\n option name wan\n list network wan\n";
        let firewall = read(&uci::parse(text).unwrap(), &[], &service_rules(&data));
        let shown: Vec<&str> = firewall.forwards.iter().map(|f| &f.uid[..]).collect();
        assert_eq!(shown, ["ubus:umdns[instance1] redirect 1", "ubus:umdns[instance1] rule 0"]);
        assert_eq!(firewall.forwards[1].protos, [Proto::Udp]);
        assert_eq!(firewall.forwards[1].ext, [Ports::one(5353)]);
    }
}
