//! Group `rule`, as written: is each forward what its owner thinks?

use super::{Answers, Check, Facts, known, translates};
use crate::model::finding::{Axis, Effect, Means, Severity, Where};
use crate::model::forward::{Forward, Origin, Proto, State, Target};
use crate::model::line::Way;
use crate::model::snapshot::Zone;

pub const CHECKS: &[Check] = &[
    Check {
        id: "rule.disabled",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "switched off",
        what: "The section has enabled 0, so the firewall passes it over.",
        next: "Remove the section if nobody misses it; set enabled 1 if somebody does.",
        trap: "",
        source: "firewall4",
        after: &[],
        run: disabled,
    },
    Check {
        id: "rule.skipped",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the firewall ignores it",
        what: "firewall4 passes over a whole section when one option has a value it cannot read, \
               when it has no source, or when its families contradict. It says so on stderr only \
               and exits with 0; LuCI shows the section as if it worked.",
        next: "Correct the named option, then run: fw4 check",
        trap: "",
        source: "firewall4, run on 23 odd redirects",
        after: &[],
        run: skipped,
    },
    Check {
        id: "rule.unknown_option",
        severity: Severity::Medium,
        axis: Axis::Hygiene,
        title: "an option has no effect",
        what: "firewall4 only warns of an option it does not know and applies the rest. dst_ip \
               instead of dest_ip leaves the forward without a target: it then opens the router \
               itself. src_ip mistyped opens it to everybody.",
        next: "Correct the option's name, or remove it.",
        trap: "",
        source: "firewall4",
        after: &["rule.skipped", "rule.disabled"],
        run: unknown_option,
    },
    Check {
        id: "rule.to_router",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "opens the router itself",
        what: "A redirect without dest_ip, or to an address of the router, ends at the router's \
               own programs. With another port, or with its LAN address, it goes past the WAN's \
               input policy: LuCI and SSH answer the Internet. With the same port and no dest_ip \
               it does nothing at all.",
        next: "Set dest_ip to the host that is meant. For the router's own pages use a VPN.",
        trap: "Harmless if a VPN server is meant and only its port was changed.",
        source: "measured with nftables, Linux 6.18",
        after: &["rule.unknown_option"],
        run: to_router,
    },
    Check {
        id: "rule.dmz",
        severity: Severity::High,
        axis: Axis::Expose,
        title: "forwards every port",
        what: "Without src_dport, with a thousand ports or more, or with proto all (which drops \
               the port match without a word) the Internet meets every service of the host, also \
               those that will be installed later.",
        next: "Name the ports that are needed, one redirect for each service.",
        trap: "An own firewall on the host may be meant to sort it out.",
        source: "firewall4, run with proto all",
        after: &["rule.to_router"],
        run: dmz,
    },
    Check {
        id: "rule.dmz.steals",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "another forward takes its packets",
        what: "A redirect of every port also takes the packets for services that the router \
               itself offers to the Internet, such as a VPN: they never reach it.",
        next: "Name the needed ports in the wide redirect.",
        trap: "",
        source: "measured with nftables, Linux 6.18",
        after: &[],
        run: steals,
    },
    Check {
        id: "rule.listener",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "a forward takes this port from the router",
        what: "A rule opens the port on the router, and a redirect of the same port sends its \
               packets elsewhere. The redirect comes first.",
        next: "Use another external port for one of the two.",
        trap: "",
        source: "hook order of nftables",
        after: &["rule.dmz.steals"],
        run: listener,
    },
    Check {
        id: "rule.proto_default",
        severity: Severity::Low,
        axis: Axis::Hygiene,
        title: "opens TCP and UDP",
        what: "No proto is written, so firewall4 takes both. Most services use one.",
        next: "Write option proto 'tcp' or 'udp'.",
        trap: "DNS, SIP and some games use both.",
        source: "firewall4",
        after: &["rule.dmz"],
        run: proto_default,
    },
    Check {
        id: "rule.proto_mismatch",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "the wrong protocol",
        what: "The router's program listens on this port, but with the other protocol.",
        next: "Change option proto.",
        trap: "Told for the router's own programs only: other hosts were not asked.",
        source: "/proc/net",
        after: &[],
        run: proto_mismatch,
    },
    Check {
        id: "rule.family",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "IPv4 only",
        what: "A redirect without family and without any address is made for IPv4 alone.",
        next: "Write option family 'any' if IPv6 is meant too.",
        trap: "",
        source: "firewall4",
        after: &["rule.to_router"],
        run: family,
    },
    Check {
        id: "rule.range_mismatch",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "ports of the range do not map one to one",
        what: "The kernel maps a range one to one only onto the same numbers. Otherwise every \
               port arrives at the first port of the target range.",
        next: "Leave dest_port out to keep the numbers, or write one redirect for each port.",
        trap: "",
        source: "measured with nftables, Linux 6.18",
        after: &[],
        run: range_mismatch,
    },
    Check {
        id: "rule.src_zone",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "no packet comes from its zone",
        what: "A redirect works on packets from the devices of its source zone. A zone without a \
               device is never entered, and a second WAN outside the zone is not served.",
        next: "Add the WAN's network to the zone: list network 'wan'.",
        trap: "A network that is down now has no device now.",
        source: "firewall4",
        after: &["path.wan.down"],
        run: src_zone,
    },
    Check {
        id: "rule.src_dip",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "waits for an address that is not ours",
        what: "src_dip limits the redirect to packets sent to that address. The WAN has another \
               one now.",
        next: "Remove src_dip on a line whose address changes.",
        trap: "Behind an upstream 1:1 NAT the WAN's own address counts, not the public one.",
        source: "firewall4",
        after: &[],
        run: src_dip,
    },
    Check {
        id: "rule.src_port",
        severity: Severity::High,
        axis: Axis::Reach,
        title: "asks for the client's port",
        what: "src_port is the port of the client, which picks it at random. Nearly no visitor \
               matches. The port they connect to is src_dport.",
        next: "Remove src_port; write src_dport.",
        trap: "A few old protocols do use a fixed client port.",
        source: "firewall4",
        after: &[],
        run: src_port,
    },
    Check {
        id: "rule.time",
        severity: Severity::Info,
        axis: Axis::Hygiene,
        title: "works under conditions",
        what: "Times, marks, limits or sets narrow it: what is told here holds while they match.",
        next: "Nothing, if that is meant.",
        trap: "Until the clock is set by NTP, times mean little.",
        source: "firewall4",
        after: &[],
        run: time,
    },
];

fn disabled(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.forwards.iter().enumerate() {
        if !out.pass_if(forward.state != State::Disabled) {
            out.forward(
                facts,
                index,
                "It is switched off (enabled 0).",
                "Remove it if nobody misses it.",
            )
            .effect(Effect::Blocked(Where::Rule));
        }
    }
}

/// Parts of firewall4's warnings after which it has not made a rule.
const FATAL: [&str; 6] =
    ["skipp", "ignoring section", "has no source", "must not", "references unknown", "is disabled"];

fn skipped(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.forwards.iter().enumerate() {
        let real = warnings(facts, forward);
        let fatal = FATAL.iter().any(|fatal| real.contains(fatal));
        let said = match &forward.state {
            State::Skipped(_) if real.is_empty() => forward.said.join("; "),
            State::Skipped(_) => real.clone(),
            State::Active if fatal => real.clone(),
            _ => {
                out.pass();
                continue;
            }
        };
        let text = format!("firewall4 makes no rule of it: {said}.");
        let finding = out.forward(facts, index, text, remedy(&said));
        finding.effect(Effect::Blocked(Where::Rule));
        if !real.is_empty() {
            finding.seen(Means::State, "fw4 print", real);
        }
    }
}

/// What the real firewall4 said of a section, without its lead.
fn warnings(facts: &Facts, forward: &Forward) -> String {
    let lead = format!("Section {} ", forward.section);
    let named = format!("({}) ", forward.name);
    let mut said = String::new();
    for line in facts.snapshot.warnings.known().into_iter().flatten() {
        if let Some(rest) = line.strip_prefix(&lead[..]) {
            let between = if said.is_empty() { "" } else { "; " };
            said.extend([between, rest.strip_prefix(&named[..]).unwrap_or(rest)]);
        }
    }
    said
}

fn remedy(said: &str) -> &'static str {
    let known = [
        ("must not be a list", "Write it as one option; several values need a redirect each."),
        ("'enabled' specifies", "Write enabled as 1 or 0."),
        (
            "_dport' specifies",
            "Write one port or one range (80 or 80-90); 80 and 443 need a redirect each.",
        ),
        ("specifies invalid value", "Correct that value, then run: fw4 check"),
        ("no source", "Add: option src 'wan'"),
        ("source '*'", "Write: option src 'wan'"),
        ("unknown set", "Add the ipset section, or correct its name."),
        ("restricted to", "Make family and addresses agree."),
    ];
    let found = known.iter().find(|(part, _)| said.contains(part));
    found.map_or("Correct the section, then run: fw4 check", |(_, fix)| fix)
}

/// Options whose loss opens or kills a forward.
const WEIGHTY: [&str; 4] = ["dest_ip", "src_ip", "src_dport", "dest_port"];

fn unknown_option(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.forwards.iter().enumerate() {
        out.pass_if(forward.unknown.is_empty());
        for (option, line) in &forward.unknown {
            let meant = WEIGHTY.iter().find(|known| near(option, known));
            let (text, fix) = match meant {
                Some(known) => (
                    format!(
                        "firewall4 does not know option '{option}', so the forward works without {known}."
                    ),
                    format!("Write it as: option {known} '...'"),
                ),
                None => (
                    format!("firewall4 does not know option '{option}' and works without it."),
                    format!("Correct or remove line {line}."),
                ),
            };
            let finding = out.forward(facts, index, text, fix);
            finding.evidence[0].source = format!("/etc/config/firewall:{line}");
            if meant.is_some() {
                finding.severity(Severity::Critical).axis(Axis::Expose);
            }
        }
    }
}

/// At most two letters apart.
fn near(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len().abs_diff(b.len()) > 2 || a.len() > 16 {
        return false;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let change = corner + usize::from(x != y);
            corner = *cell;
            left = change.min(*cell + 1).min(left + 1);
            *cell = left;
        }
        row[0] = i + 1;
    }
    row.last().is_some_and(|distance| *distance <= 2)
}

fn to_router(facts: &Facts, out: &mut Answers) {
    // The router's own addresses are known by its zones' networks.
    let own = facts.zones().iter().any(|zone| !zone.subnets.is_empty());
    for (index, forward) in facts.redirects().filter(|(_, f)| f.origin != Origin::Upnp) {
        if !facts.to_router(forward) {
            match forward.target {
                Target::Host(_) if !own => out.untold(),
                _ => out.pass(),
            }
            continue;
        }
        let moved = forward.to_port.is_some_and(|to| forward.ext.first() != Some(&to));
        let own_wan = match forward.target {
            Target::Host(ip) => facts
                .zone_of(forward)
                .is_some_and(|zone| zone.subnets.iter().any(|(own, _)| *own == ip)),
            _ => true,
        };
        let port = forward.inside_ports().first().copied();
        let at = port.map(|port| format!("port {port}")).unwrap_or_default();
        if own_wan && !moved {
            let text = format!(
                "It leads to {at} of the router itself without changing anything: the WAN's input policy still decides."
            );
            out.forward(facts, index, text, "Set dest_ip to the host that is meant, or remove it.")
                .severity(Severity::Medium)
                .axis(Axis::Reach)
                .effect(Effect::Blocked(Where::Rule));
            continue;
        }
        if super::expose::is_vpn(forward) {
            out.pass();
            continue;
        }
        let why = match (&forward.target_named, &forward.target) {
            (Some(name), _) => {
                format!("dest_ip '{name}' stands for the router's own address there")
            }
            (_, Target::Router) => "there is no dest_ip".into(),
            (_, target) => format!("{target} is the router's own address"),
        };
        let text = format!(
            "It opens {at} of the router itself to {}, past the WAN's input policy: {why}.",
            forward.source
        );
        let severity = Severity::Critical.lower(super::expose::weight(forward));
        out.forward(
            facts,
            index,
            text,
            "Set dest_ip to the host that is meant; for the router's own pages use a VPN.",
        )
        .severity(severity);
    }
}

fn is_wide(forward: &Forward) -> bool {
    let ports: u32 = forward.ports().iter().map(|ports| ports.count()).sum();
    forward.every_port() || ports >= 1000
}

fn dmz(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        // Whole zones are zone.v6_open's.
        let whole = matches!(forward.target, Target::Zone(_));
        if !out.pass_if(!is_wide(forward) || whole) {
            let why = match forward.protos.contains(&Proto::Any) && !forward.ext.is_empty() {
                true => " (proto all drops the port match)",
                false => "",
            };
            let text = format!(
                "It opens {} of {} to {}{why}.",
                forward.ext_words_wide(),
                forward.target,
                forward.source
            );
            let severity = Severity::High.lower(super::expose::weight(forward));
            out.forward(
                facts,
                index,
                text,
                "Name the ports that are needed, one redirect for each service.",
            )
            .severity(severity);
        }
    }
}

impl Forward {
    fn ext_words_wide(&self) -> String {
        if self.every_port() { "every port".into() } else { format!("ports {}", self.ext_words()) }
    }
}

/// Redirects that take the packets of what a rule opens on the router.
fn takers<'a>(
    facts: &'a Facts<'_>,
    rule: &'a Forward,
    wide: bool,
) -> impl Iterator<Item = &'a Forward> + 'a {
    facts.redirects().map(|(_, forward)| forward).filter(move |forward| {
        is_wide(forward) == wide
            && forward.zone == rule.zone
            && (forward.v4 && rule.v4)
            && forward.source.is_anybody()
            && forward.conditions.is_empty()
            && rule.protos.iter().any(|proto| forward.protos.iter().any(|f| f.covers(proto)))
            && rule.ports().iter().any(|ports| forward.ports().iter().any(|f| f.meets(*ports)))
    })
}

fn opened_on_router<'a>(facts: &Facts<'a>) -> impl Iterator<Item = (usize, &'a Forward)> + use<'a> {
    facts.active().filter(|(_, f)| f.target == Target::Router && !translates(f))
}

fn steals(facts: &Facts, out: &mut Answers) {
    taken(facts, out, true);
}

fn listener(facts: &Facts, out: &mut Answers) {
    taken(facts, out, false);
}

fn taken(facts: &Facts, out: &mut Answers, wide: bool) {
    for (index, rule) in opened_on_router(facts) {
        let Some(taker) = takers(facts, rule, wide).next() else {
            out.pass();
            continue;
        };
        let text = format!(
            "Its IPv4 packets go to {} by section {}, which comes first.",
            taker.target, taker.section
        );
        let fix = match wide {
            true => format!("Name the needed ports in section {}.", taker.section),
            false => "Use another external port for one of the two.".into(),
        };
        let effect = if rule.v6 { Effect::Partial } else { Effect::Blocked(Where::Rule) };
        out.forward(facts, index, text, fix).effect(effect);
    }
}

fn proto_default(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        if !out.pass_if(!forward.proto_default) {
            out.forward(
                facts,
                index,
                "No proto is written, so it opens TCP and UDP.",
                "Write option proto 'tcp' or 'udp'.",
            );
        }
    }
}

fn proto_mismatch(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active().filter(|(_, f)| facts.to_router(f)) {
        let [proto @ (Proto::Tcp | Proto::Udp)] = &forward.protos[..] else { continue };
        let Some(all) = known(&facts.snapshot.listeners, out) else { return };
        let [port] = forward.inside_ports()[..] else { continue };
        let on = |with: &Proto| all.iter().any(|l| l.proto == *with && port.has(l.port));
        let other = if *proto == Proto::Tcp { Proto::Udp } else { Proto::Tcp };
        if !out.pass_if(on(proto) || !on(&other)) {
            let text =
                format!("The router listens on {} {port}, not on {}.", other.word(), proto.word());
            out.forward(facts, index, text, format!("Write option proto '{}'.", other.word()))
                .effect(Effect::Blocked(Where::Service))
                .seen(
                    Means::Kernel,
                    "/proc/net",
                    format!("{} {port} is listened on", other.word()),
                );
        }
    }
}

fn family(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.redirects().filter(|(_, f)| f.origin == Origin::Redirect) {
        let bare = forward.target == Target::Router && forward.source.nets.is_empty();
        if !out.pass_if(!(forward.family_default && bare && !forward.v6)) {
            out.forward(
                facts,
                index,
                "It is for IPv4 alone.",
                "Write option family 'any' if IPv6 is meant too.",
            );
        }
    }
}

fn range_mismatch(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.redirects() {
        let (Some(to), [ext]) = (forward.to_port, &forward.ext[..]) else { continue };
        if forward.every_port() || (ext.count() == 1 && to.count() == 1) {
            continue;
        }
        if !out.pass_if(to == *ext) {
            let text = match ext.count() {
                1 => format!("Port {ext} always arrives at {}, the first of {to}.", to.first),
                _ => format!("All ports of {ext} arrive at {}.", forward.inside(ext.first)),
            };
            let finding = out.forward(
                facts,
                index,
                text,
                "Leave dest_port out to keep the numbers, or write one redirect for each port.",
            );
            match ext.count() {
                1 => finding.severity(Severity::Low),
                _ => finding.effect(Effect::Partial),
            };
        }
    }
}

fn src_zone(facts: &Facts, out: &mut Answers) {
    for forward in facts.inner.iter().filter(|forward| forward.is_active()) {
        let text = format!(
            "It takes packets from zone {}, which does not face the Internet: it is no forward from outside.",
            forward.zone
        );
        out.about(
            &forward.section,
            text,
            "Nothing, if that is meant; else write option src 'wan'.",
        )
        .severity(Severity::Info);
    }
    for (index, forward) in facts.active().filter(|(_, f)| f.origin != Origin::Upnp) {
        let Some(zone) = facts.zone_of(forward) else { continue };
        let Some(networks) = known(&facts.snapshot.networks, out) else { return };
        if zone.devices.is_empty() {
            let text = format!("Zone {} has no device now, so no packet comes from it.", zone.name);
            let fix = "Add the WAN's network to the zone, or bring it up.";
            out.forward(facts, index, text, fix).effect(Effect::Blocked(Where::Rule));
            continue;
        }
        let left = networks.iter().find(|network| {
            let outside = |device: &String| !served(zone, device);
            // What is not forwarded over a VPN is not missed there.
            let vpn = Way::of(&network.proto) == Some(Way::Vpn);
            let faces = network.up && network.default_route && !vpn;
            faces && network.device.as_ref().is_some_and(outside)
        });
        match left {
            Some(network) => {
                let device = network.device.as_deref().unwrap_or_default();
                let text = format!(
                    "It does not work on {device}: network {} is not in zone {}.",
                    network.name, zone.name
                );
                out.forward(
                    facts,
                    index,
                    text,
                    format!("Add to the zone: list network '{}'", network.name),
                )
                .severity(Severity::Medium);
            }
            None => out.pass(),
        }
    }
}

/// By name, or by fw4's wildcard `ppp+`.
fn served(zone: &Zone, device: &str) -> bool {
    zone.devices.iter().any(|own| match own.strip_suffix(['+', '*']) {
        Some(start) => device.starts_with(start),
        None => own == device,
    })
}

fn src_dip(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.redirects().filter(|(_, f)| !f.src_dip.is_empty()) {
        let Some(networks) = known(&facts.snapshot.networks, out) else { return };
        let own = networks.iter().flat_map(|network| &network.addresses);
        let ours = own.clone().any(|(ip, _)| forward.src_dip.iter().any(|net| net.contains(*ip)));
        if !out.pass_if(ours) {
            let wanted: Vec<String> =
                forward.src_dip.iter().map(|net| net.ip.to_string()).collect();
            let text = format!(
                "It waits for packets to {}, which is no address of this router now.",
                wanted.join(", ")
            );
            out.forward(facts, index, text, "Remove src_dip if the line's address changes.")
                .effect(Effect::Blocked(Where::Rule))
                .seen(Means::Kernel, "netifd", "the networks have other addresses");
        }
    }
}

fn src_port(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        match &forward.source.port {
            None => out.pass(),
            Some(port) => {
                let text = format!(
                    "It takes only clients that send from port {port}; clients pick theirs at random."
                );
                out.forward(
                    facts,
                    index,
                    text,
                    "Remove src_port; the port to connect to is src_dport.",
                )
                .effect(Effect::Partial);
            }
        }
    }
}

fn time(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        let mut all = forward.conditions.clone();
        all.extend(forward.source.set.iter().map(|set| format!("ipset {set}")));
        if !out.pass_if(all.is_empty()) {
            let text = format!("It works only while this holds: {}.", all.join(", "));
            out.forward(facts, index, text, "Nothing, if that is meant.");
        }
    }
}
