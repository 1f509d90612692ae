//! Real rulesets of OpenWrt's firewall4, and what they mean for each redirect in them
//! (tests/data/nft; bad-redirects.json is fw4.json with the dnat chains that fw4 made of 23 odd
//! redirects).

use super::forward::{Forward, Judged, broad, judge, surface};
use super::rules::{self, Wrong};
use super::space::{Dim, Space, bits};
use super::walk::{Answer, Caps, Fate, Question, Route, World, ask};
use super::words;
use crate::model::address::Prefix;
use crate::model::name::Family;
use crate::model::ruleset::Ruleset;
use crate::parse::nft;
use std::net::IpAddr;

const WAN: &str = "198.51.100.100";
const WAN6: &str = "2001:db8:ff::2";
const NAS: &str = "192.168.1.50";
const NAS6: &str = "2001:db8:1::50";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn text(name: &str) -> &'static [u8] {
    match name {
        "fw4" => include_bytes!("../../tests/data/nft/fw4.json"),
        "fw4-miniupnpd" => include_bytes!("../../tests/data/nft/fw4-miniupnpd.json"),
        "bad-redirects" => include_bytes!("../../tests/data/nft/bad-redirects.json"),
        other => panic!("{other}"),
    }
}

fn read(name: &str) -> Ruleset {
    let (rules, complaints) = nft::ruleset(text(name));
    assert_eq!((rules.cut, complaints), (false, vec![]), "{name}");
    rules
}

struct House {
    rules: Ruleset,
    local: Vec<IpAddr>,
    routes: Vec<Route>,
    first: Vec<(String, IpAddr)>,
}

impl House {
    fn new(name: &str) -> House {
        let route = |to: &str, device: &str| Route {
            to: Prefix::parse(to).unwrap(),
            device: device.to_string(),
        };
        House {
            rules: read(name),
            local: [WAN, WAN6, "192.168.1.1", "2001:db8:1::1", "fd00::1"].map(ip).to_vec(),
            routes: vec![
                route("192.168.1.0/24", "br-lan"),
                route("2001:db8:1::/64", "br-lan"),
                route("fd00::/64", "br-lan"),
                route("0.0.0.0/0", "wan0"),
                route("::/0", "wan0"),
            ],
            first: vec![("wan0".to_string(), ip(WAN)), ("wan0".to_string(), ip(WAN6))],
        }
    }

    fn world(&self) -> World<'_> {
        World { rules: &self.rules, local: &self.local, routes: &self.routes, first: &self.first }
    }

    fn judge(&self, forward: Forward) -> Judged {
        judge(self.world(), &forward, true, Caps::default()).unwrap()
    }

    /// `tcp 8443 192.168.1.50:443`, as its owner means it.
    fn forward(&self, protocol: u8, ports: (u16, u16), target: &str, to: (u16, u16)) -> Judged {
        let target = ip(target);
        let wan = if target.is_ipv4() { ip(WAN) } else { ip(WAN6) };
        self.judge(Forward {
            device: "wan0",
            protocol,
            ports,
            dest: &[wan],
            source: None,
            target,
            target_ports: Some(to),
        })
    }

    fn ask(&self, family: Family, spaces: Vec<Space>, calm: bool) -> Answer {
        let question = Question { device: "wan0", family, spaces, calm };
        ask(self.world(), &question, Caps::default()).unwrap()
    }

    /// The sentence for one packet.
    fn packet(&self, protocol: u8, dest: &str, port: u16) -> String {
        let dest = ip(dest);
        let from = if dest.is_ipv4() { ip("203.0.114.9") } else { ip("2003::9") };
        let space = Space {
            protocol: (protocol, protocol),
            source: (bits(from), bits(from)),
            dest: (bits(dest), bits(dest)),
            source_port: (40_000, 40_000),
            dest_port: (port, port),
        };
        let answer = self.ask(Family::of(dest), vec![space], true);
        assert_eq!(answer.ends.len(), 1, "{:?}", answer.ends);
        words::sentence(&self.rules, &answer, &answer.ends[0])
    }
}

#[test]
fn the_six_redirects_of_a_real_router() {
    let house = House::new("fw4");
    assert!(house.forward(6, (8443, 8443), NAS, (443, 443)).open());
    assert!(house.forward(17, (27000, 27015), "192.168.1.60", (27000, 27015)).open());
    assert!(house.forward(6, (8080, 8080), "fd00::50", (8080, 8080)).open());
    // The office gets in, nobody else does.
    for protocol in [6, 17] {
        let anybody = house.forward(protocol, (2222, 2222), NAS, (22, 22));
        assert!(!anybody.open() && !anybody.closed());
        let office = Some(Prefix::parse("203.0.113.0/24").unwrap());
        let office = house.judge(Forward {
            device: "wan0",
            protocol,
            ports: (2222, 2222),
            dest: &[ip(WAN)],
            source: office,
            target: ip(NAS),
            target_ports: Some((22, 22)),
        });
        assert!(office.open());
        let refused = &anybody.answer.ends[anybody.lost[0].end];
        assert!(matches!(refused.fate, Fate::Rejected(_)));
    }
    // To the router itself, and open there whatever zone wan says of input.
    assert!(house.forward(6, (9000, 9000), WAN, (80, 80)).open());
    // The disabled one is not there.
    assert!(house.forward(6, (5000, 5000), NAS, (5000, 5000)).closed());
    // Its port is not open without the redirect.
    assert!(house.forward(6, (80, 80), WAN, (80, 80)).closed());
}

#[test]
fn each_fate_has_its_words() {
    let house = House::new("fw4");
    assert_eq!(
        house.packet(6, WAN, 8443),
        "reaches 192.168.1.50 port 443, sent there by section \"https to NAS\""
    );
    assert_eq!(
        house.packet(6, WAN, 9000),
        "reaches the router itself port 80, sent there by section \"to router itself\""
    );
    assert_eq!(
        house.packet(6, WAN, 22),
        "is refused (tcp reset): no rule takes it, and zone wan will reject what is left"
    );
    assert_eq!(
        house.packet(17, WAN, 22),
        "is refused (port-unreachable): no rule takes it, and zone wan will reject what is left"
    );
    assert_eq!(
        house.packet(17, WAN, 68),
        "reaches the router itself port 68, decided by section \"Allow-DHCP-Renew\""
    );
    assert_eq!(
        house.packet(17, NAS6, 500),
        "reaches 2001:db8:1::50 port 500, decided by section \"Allow-ISAKMP\""
    );
    assert_eq!(
        house.packet(6, NAS6, 443),
        "reaches 2001:db8:1::50 port 443, decided by section \"v6 https to NAS\""
    );
    assert_eq!(
        house.packet(6, NAS6, 80),
        "is refused (tcp reset): no rule takes it, and the firewall refuses what is left"
    );
}

#[test]
fn a_pinhole_for_a_suffix() {
    let house = House::new("fw4");
    let pinhole = |host: &str, port| {
        house.judge(Forward {
            device: "wan0",
            protocol: 6,
            ports: (port, port),
            dest: &[ip(host)],
            source: None,
            target: ip(host),
            target_ports: None,
        })
    };
    assert!(pinhole(NAS6, 443).open());
    assert!(pinhole(NAS6, 80).closed());
    assert!(pinhole("2001:db8:1::51", 443).closed());
}

#[test]
fn a_syn_flood_limit_is_a_doubt_unless_we_are_calm() {
    let house = House::new("fw4");
    let space = Space {
        protocol: (6, 6),
        dest: (bits(ip(WAN)), bits(ip(WAN))),
        dest_port: (9000, 9000),
        ..Space::ALL
    };
    let answer = house.ask(Family::Ipv4, vec![space], false);
    let router = |end: &super::walk::End| end.fate == Fate::Router;
    let (sure, maybe) = answer.parts(Caps::default(), router).unwrap();
    assert!(sure.is_empty() && !maybe.is_empty());
    let said: Vec<String> =
        answer.ends.iter().map(|end| words::sentence(&house.rules, &answer, end)).collect();
    assert!(said.iter().any(|one| one.contains("depends on") && one.contains("a rate limit")));
    let calm = house.ask(Family::Ipv4, vec![space], true);
    assert!(calm.parts(Caps::default(), router).unwrap().1.is_empty());
}

#[test]
fn mappings_of_miniupnpd() {
    let house = House::new("fw4-miniupnpd");
    assert!(house.forward(6, (18123, 18123), NAS, (8123, 8123)).open());
    assert!(house.forward(17, (51413, 51413), NAS, (51413, 51413)).open());
    assert!(house.forward(17, (18123, 18123), NAS, (8123, 8123)).closed());
    // Without the mapping the host's port is closed.
    assert!(house.forward(6, (8123, 8123), NAS, (8123, 8123)).closed());
}

#[test]
fn odd_redirects() {
    let house = House::new("bad-redirects");
    for (ports, target, to) in [(1005, NAS, 1005), (1007, NAS, 1007), (1008, NAS, 1008)] {
        assert!(house.forward(6, (ports, ports), target, (to, to)).open(), "{ports}");
    }
    assert!(house.forward(17, (1008, 1008), NAS, (1008, 1008)).open());
    // Out of every LAN: it goes out again by wan, and the zone lets that be, since `ct status dnat`.
    let off = house.forward(6, (1006, 1006), "10.9.9.9", (1006, 1006));
    let fates: Vec<_> = off.answer.ends.iter().map(|end| end.fate.clone()).collect();
    assert_eq!(fates, [Fate::Forwarded(Some("wan0".to_string()))]);
    // `proto all` drops the ports: everything that is not taken before goes there.
    assert!(house.forward(6, (443, 443), NAS, (443, 443)).open());
    assert!(house.forward(47, (0, 0), NAS, (0, 0)).open(), "GRE too");
    // What stands behind it gets nothing.
    for (port, target) in [(2000, NAS), (2110, NAS), (5001, NAS), (5002, NAS), (5004, WAN)] {
        let judged = house.forward(6, (port, port), target, (3000, 3105));
        assert!(judged.closed(), "{port}");
    }
    assert!(house.forward(6, (81, 81), "192.168.1.99", (81, 81)).closed());
    // What takes their packets is named.
    let (found, _) = rules::judge(house.world(), &["wan0", "br-lan"], Caps::default()).unwrap();
    let named = |name: &str| {
        found
            .iter()
            .filter(|one| words::section(&house.rules, one.rule) == Some(name))
            .map(|one| {
                let by: Vec<&str> = one
                    .blockers
                    .iter()
                    .filter_map(|blocker| words::section(&house.rules, blocker.rule))
                    .collect();
                (one.wrong, by.join(", "))
            })
            .collect::<Vec<_>>()
    };
    let all = "proto_all_ports".to_string();
    assert_eq!(named("dmz_all")[0].0, Wrong::Shadowed);
    assert!(named("dmz_all")[0].1.starts_with("proto_all_ports"));
    for name in ["range_to_single", "range_mismatch", "src_dip_set", "target_accept"] {
        assert_eq!(named(name), [(Wrong::Shadowed, all.clone())], "{name}");
    }
    // Its ports were taken by the same: nothing would change without them.
    for name in ["no_dest", "typo_opt"] {
        assert_eq!(named(name), [], "{name}: it gives the port's number anew");
    }
    assert_eq!(named("dup"), [(Wrong::Shadowed, all.clone()), (Wrong::Shadowed, all)]);
    // For IPv6 nothing takes it, so it lives.
    assert_eq!(named("any_family_no_ip"), []);
    // In front of the rule that takes everything, a rule gets its packets.
    let ranged = found
        .iter()
        .find(|one| words::section(&house.rules, one.rule) == Some("range_to_single"))
        .unwrap();
    let before = ranged.before.map(|id| words::rule(&house.rules, id));
    assert_eq!(before.as_deref(), Some("section \"proto_all_ports\""));
    assert_eq!(ranged.before, ranged.before_all);
    assert_eq!(ranged.witness.map(|packet| packet.dest_port), Some(2000));
}

#[test]
fn what_is_open_and_declared_by_nobody() {
    let house = House::new("fw4");
    let to = |text: &str| bits(ip(text));
    let wan = Space { dest: (to(WAN), to(WAN)), ..Space::ALL };
    let answer = house.ask(Family::Ipv4, vec![wan], true);
    let port = |protocol: u8, low: u16, high: u16| Space {
        protocol: (protocol, protocol),
        dest_port: (low, high),
        ..wan
    };
    let declared =
        [port(6, 8443, 8443), port(17, 27000, 27015), port(6, 2222, 2222), port(17, 2222, 2222)];
    let open = surface(&answer, &declared, Caps::default()).unwrap();
    let said: Vec<String> = open
        .iter()
        .map(|one| {
            assert!(one.sure);
            words::sentence(&house.rules, &answer, &answer.ends[one.end])
        })
        .collect();
    let has = |what: &str| said.iter().any(|one| one.contains(what));
    assert_eq!(open.len(), 4, "{said:?}");
    assert!(has("to router itself") && has("Allow-DHCP-Renew"));
    assert!(has("Allow-Ping") && has("Allow-IGMP"));
    assert!(open.iter().all(|one| one.spaces.iter().any(|s| s.contains(&one.witness.space()))));
    // The whole LAN by IPv6: ESP and ISAKMP are open to all hosts, as OpenWrt ships it.
    let lan = Space { dest: (to("2001:db8:1::"), to("2001:db8:1::ffff:ffff:ffff:ffff")), ..wan };
    let answer = house.ask(Family::Ipv6, vec![lan], true);
    let wide: Vec<String> = broad(&answer)
        .iter()
        .filter(|one| one.hosts)
        .map(|one| words::sentence(&house.rules, &answer, &answer.ends[one.end]))
        .collect();
    assert!(wide.iter().any(|one| one.contains("Allow-ISAKMP")), "{wide:?}");
    assert!(wide.iter().all(|one| !one.contains("v6 https")), "{wide:?}");
    // Only 16 bits of its suffix are fixed: which hosts that are, no range can say.
    let open = surface(&answer, &[], Caps::default()).unwrap();
    let pinhole = open.iter().find(|one| {
        words::sentence(&house.rules, &answer, &answer.ends[one.end]).contains("v6 https")
    });
    assert!(!pinhole.unwrap().sure);
}

#[test]
fn a_torn_listing_is_a_doubt_everywhere() {
    let text = text("fw4");
    let (rules, complaints) = nft::ruleset(&text[..text.len() - 2_000]);
    assert!(rules.cut && complaints.len() == 1, "{complaints:?}");
    let house = House { rules, ..House::new("fw4") };
    let judged = house.forward(6, (8443, 8443), NAS, (443, 443));
    assert!(!judged.open());
    assert!(judged.arrives.is_empty() && judged.lost.is_empty() && !judged.unsure.is_empty());
}

#[test]
fn too_much_is_said_to_be_too_much() {
    let house = House::new("fw4");
    let all = vec![Space::ALL.with(Dim::Protocol, (6, 6))];
    let question = Question { device: "wan0", family: Family::Ipv4, spaces: all, calm: true };
    for caps in [Caps { pieces: 3, ..Caps::default() }, Caps { work: 20, ..Caps::default() }] {
        assert!(ask(house.world(), &question, caps).is_err());
    }
    let answer = ask(house.world(), &question, Caps::default()).unwrap();
    assert!(answer.work < 4_000 && answer.pieces < 200, "{} {}", answer.work, answer.pieces);
}
