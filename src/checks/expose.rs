//! Group `expose`: should it be open? From port, rule and source alone; nobody is asked. What is
//! meant for nobody on the Internet is weighed by who can reach it.

use super::ports::{For, Service, services};
use super::{Answers, Check, Facts, translates};
use crate::model::finding::{Axis, Finding, Means, Severity};
use crate::model::forward::{Forward, Origin, Ports, Proto, Target};

pub const CHECKS: &[Check] = &[
    risk(
        "expose.smb",
        Severity::Critical,
        "file sharing is open",
        "Windows file sharing, NFS and their kin were made for one house. Their ports are scanned day and night; ransomware comes in here.",
        "Close it; reach the files by a VPN.",
    ),
    risk(
        "expose.rdp",
        Severity::High,
        "remote desktop is open",
        "A login screen for the whole machine, tried with stolen passwords within hours.",
        "Close it and use a VPN, or at least limit who may come.",
    ),
    risk(
        "expose.telnet",
        Severity::Critical,
        "Telnet is open",
        "It sends passwords in clear and is the first door that worms try.",
        "Close it; use SSH by a VPN.",
    ),
    risk(
        "expose.ftp",
        Severity::Medium,
        "FTP is open",
        "Names, passwords and files go over the line in clear.",
        "Use SFTP or HTTPS; limit who may come.",
    ),
    risk(
        "expose.vnc",
        Severity::High,
        "VNC is open",
        "A screen for everybody who guesses eight letters, or none.",
        "Close it and use a VPN.",
    ),
    risk(
        "expose.database",
        Severity::Critical,
        "a database is open",
        "Databases, caches, brokers and copies of files trust their own network. Open ones are emptied and held to ransom.",
        "Close it; programs elsewhere can come by a VPN.",
    ),
    risk(
        "expose.docker",
        Severity::Critical,
        "a container host is open",
        "Whoever reaches this port may run programs as root.",
        "Close it.",
    ),
    risk(
        "expose.camera",
        Severity::High,
        "a camera or recorder is open",
        "Cameras have known passwords and old software; a stream is watched by others first.",
        "Close it; watch by a VPN.",
    ),
    risk(
        "expose.industrial",
        Severity::Critical,
        "a control system is open",
        "Modbus, S7 and BACnet know no passwords: whoever comes may switch.",
        "Close it.",
    ),
    risk(
        "expose.ipmi",
        Severity::Critical,
        "remote management is open",
        "IPMI hands out password hashes to everybody and controls the machine below its system.",
        "Close it.",
    ),
    risk(
        "expose.reflector",
        Severity::High,
        "may be used against others",
        "A small question with a forged sender makes a large answer to somebody else. The provider may cut the line off for it.",
        "Close it, or limit who may come.",
    ),
    Check {
        id: "expose.router_ui",
        severity: Severity::Critical,
        axis: Axis::Expose,
        title: "the router's pages are open",
        what: "Rules or redirects let the Internet to the router's web pages. One guessed \
               password or one hole there, and the house is theirs.",
        next: "Close it; reach the pages by a VPN.",
        trap: "A web site of yours may live on the router.",
        source: "the rule and the port",
        after: &["rule.to_router", "zone.wan_input"],
        run: router_ui,
    },
    Check {
        id: "expose.router_ssh_pw",
        severity: Severity::High,
        axis: Axis::Expose,
        title: "the router's SSH takes passwords from the Internet",
        what: "dropbear takes passwords unless told otherwise, and the port is open to the \
               Internet: it is tried thousands of times a day.",
        next: "Write option PasswordAuth 'off' and option RootPasswordAuth 'off' in \
               /etc/config/dropbear and use keys; better, a VPN.",
        trap: "",
        source: "/etc/config/dropbear",
        after: &[],
        run: router_ssh,
    },
    Check {
        id: "rule.src_open",
        severity: Severity::Low,
        axis: Axis::Expose,
        title: "a service for few is open to everybody",
        what: "Pages to control something, SSH, home automation: a handful of people use them, \
               and the whole Internet may try.",
        next: "Limit the source (src_ip, or an ipset for a country), or use a VPN.",
        trap: "From mobile networks one comes with a new address each day.",
        source: "the port",
        after: &["expose.router_ui", "expose.router_ssh_pw", "rule.to_router", "rule.dmz"],
        run: few,
    },
    Check {
        id: "expose.unknown",
        severity: Severity::Low,
        axis: Axis::Expose,
        title: "open to everybody, for an unknown service",
        what: "The port is none that we know, and everybody may come.",
        next: "If nobody needs it, remove it; if few do, limit the source.",
        trap: "",
        source: "the port",
        after: &[
            "rule.dmz",
            "rule.to_router",
            "rule.src_zone",
            "rule.src_dip",
            "rule.dest.offnet",
            "rule.shadowed",
        ],
        run: unknown,
    },
];

const fn risk(
    id: &'static str,
    severity: Severity,
    title: &'static str,
    what: &'static str,
    next: &'static str,
) -> Check {
    Check {
        id,
        severity,
        axis: Axis::Expose,
        title,
        what,
        next,
        trap: "Told from the port alone: another service may wait there.",
        source: "the port; lists of what is scanned for",
        after: &["rule.dmz"],
        run: by_port,
    }
}

/// How many steps less bad by who may come: a set or a small network one, one address two.
pub fn weight(forward: &Forward) -> usize {
    let source = &forward.source;
    if source.is_anybody() {
        return 0;
    }
    let single = |len: u8, v4: bool| len == if v4 { 32 } else { 128 };
    let small = |len: u8, v4: bool| len >= if v4 { 24 } else { 56 };
    let all = |test: &dyn Fn(u8, bool) -> bool| {
        source.odd.is_empty()
            && !source.nets.is_empty()
            && source.nets.iter().all(|net| test(net.len, net.ip.is_ipv4()))
    };
    match (all(&single), source.set.is_some() || source.macs || all(&small)) {
        (true, _) => 2,
        (false, true) => 1,
        _ => 0,
    }
}

/// It leads to a VPN server, which has its own lock.
pub fn is_vpn(forward: &Forward) -> bool {
    let found = of(forward);
    !found.is_empty() && found.iter().all(|service| service.meant == For::Vpn)
}

fn of(forward: &Forward) -> Vec<Service> {
    services(&forward.protos, &forward.inside_ports())
}

/// All forwards that lead to a service of this check's, meant for nobody on the Internet.
fn by_port(facts: &Facts, out: &mut Answers) {
    let Some(check) = out.check else { return };
    for (index, forward) in facts.active() {
        // Every port, or a whole zone, has its own check.
        if forward.every_port() {
            continue;
        }
        let found = of(forward).into_iter().find(|s| s.meant == For::Nobody(check.id));
        let Some(service) = found else {
            out.pass();
            continue;
        };
        let text = format!(
            "{} ({} {}) is open to {}.",
            upper(service.name),
            forward.proto_words(),
            service.port,
            forward.source
        );
        let severity = check.severity.lower(weight(forward));
        out.forward(facts, index, text, check.next).severity(severity).snippet = snippet(forward);
    }
}

fn upper(text: &str) -> String {
    let mut text = text.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// The least that lets the owner in: the same section with a source. Anonymous sections are
/// best found by their name.
fn snippet(forward: &Forward) -> String {
    let section = matches!(forward.origin, Origin::Redirect | Origin::Rule);
    if !forward.source.is_anybody() || !section {
        return String::new();
    }
    format!(
        "# in section {}: let only these in\n\toption src_ip '{}'\n\
         # better: close it and use a VPN (WireGuard, udp 51820)",
        forward.section,
        if forward.v4 { "198.51.100.7" } else { "2001:db8:1234::/56" }
    )
}

fn router_ui(facts: &Facts, out: &mut Answers) {
    for (index, forward) in to_router(facts) {
        let Some(port) = [80, 443, 8080, 8443].into_iter().find(|port| leads_to(forward, *port))
        else {
            out.pass();
            continue;
        };
        let text = format!("Port {port} of the router is open to {}.", forward.source);
        let severity = Severity::Critical.lower(weight(forward));
        listening(
            facts,
            out.forward(facts, index, text, "Close it; reach the pages by a VPN."),
            port,
        )
        .severity(severity)
        .snippet = snippet(forward);
    }
}

/// Whether the router's list of sockets agrees.
fn listening<'f>(facts: &Facts, finding: &'f mut Finding, port: u16) -> &'f mut Finding {
    if let Some(all) = facts.snapshot.listeners.known()
        && all.iter().any(|listener| listener.port == port && listener.proto == Proto::Tcp)
    {
        finding.seen(Means::Kernel, "/proc/net/tcp", format!("the router listens on tcp {port}"));
    }
    finding
}

/// What leads to the router's own tcp: rules, and redirects that change something. A redirect
/// that changes nothing leads nowhere.
fn to_router<'a>(facts: &'a Facts) -> impl Iterator<Item = (usize, &'a Forward)> + 'a {
    facts.active().filter(|(_, forward)| {
        let nothing =
            translates(forward) && forward.target == Target::Router && forward.to_port.is_none();
        let tcp = forward.protos.iter().any(|proto| proto.covers(&Proto::Tcp));
        facts.to_router(forward) && tcp && !nothing && !forward.every_port()
    })
}

fn leads_to(forward: &Forward, port: u16) -> bool {
    forward.inside_ports().iter().any(|ports| ports.has(port))
}

fn router_ssh(facts: &Facts, out: &mut Answers) {
    for (index, forward) in to_router(facts) {
        let Some(all) = facts.snapshot.ssh.known() else {
            if leads_to(forward, 22) {
                out.untold();
            }
            continue;
        };
        let Some(ssh) = all.iter().find(|ssh| leads_to(forward, ssh.port)) else {
            // Another server than dropbear, maybe, whose config nobody read.
            if all.is_empty() && leads_to(forward, 22) {
                out.untold();
            }
            continue;
        };
        if !out.pass_if(!ssh.passwords) {
            let text =
                format!("SSH on the router takes passwords and is open to {}.", forward.source);
            let fix = "Write PasswordAuth 'off' and RootPasswordAuth 'off' in /etc/config/dropbear and use keys; better, a VPN.";
            out.forward(facts, index, text, fix)
                .severity(Severity::High.lower(weight(forward)))
                .seen(
                    Means::Config,
                    "/etc/config/dropbear",
                    format!("section {}: PasswordAuth is on", ssh.section),
                );
        }
    }
}

/// Where the forward stands when no other check speaks for it.
fn plain(forward: &Forward) -> (bool, Option<Service>) {
    let found = of(forward);
    let bad = found.iter().any(|service| matches!(service.meant, For::Nobody(_)));
    (bad || forward.every_port(), found.into_iter().next())
}

fn few(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        let (other, service) = plain(forward);
        let Some(service) = service.filter(|service| service.meant == For::Few && !other) else {
            continue;
        };
        if !out.pass_if(!forward.source.is_anybody()) {
            let text = format!(
                "{} (port {}) is open to the whole Internet.",
                upper(service.name),
                service.port
            );
            let finding = out.forward(facts, index, text, "Limit the source, or use a VPN.");
            finding.snippet = snippet(forward);
        }
    }
}

fn unknown(facts: &Facts, out: &mut Answers) {
    for (index, forward) in facts.active() {
        let (other, service) = plain(forward);
        let named = [80u16, 443].iter().any(|port| leads_to(forward, *port));
        if !out.pass_if(other || service.is_some() || named || !forward.source.is_anybody()) {
            let ports: Vec<String> = forward.inside_ports().iter().map(Ports::to_string).collect();
            let text = format!(
                "{} {} is open to the whole Internet.",
                forward.proto_words(),
                ports.join(",")
            );
            let fix = "If nobody needs it, remove it; if few do, limit the source.";
            out.forward(facts, index, text, fix);
        }
    }
}
