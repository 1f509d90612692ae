//! One look for a report: files and a few programs, read and put into a [`Snapshot`], each part
//! known or with the reason why not. The same from a folder that stands for a router
//! (`--root DIR`, laid out like one; outputs of programs under `DIR/cmd/`). Judges nothing.

pub mod names;
pub mod passages;
pub mod targets;

use crate::decide;
use crate::folder::{self, Folder};
use crate::journal::{self, Journal, Moment, RecordKey};
use crate::last::{self, Said};
use crate::line;
use crate::model::answer::{Asked, UNASKED};
use crate::model::config::Config;
use crate::model::forward::Proto;
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::ruleset::Ruleset;
use crate::model::snapshot::{Firewall, LineOf, Mapping, Network, Record, Snapshot, Told, Upnpd};
use crate::model::target::{Try, UNTRIED};
use crate::observe;
use crate::parse::uci::{self, Package};
use crate::parse::{firewall, networks, nft, services, sockets, tables};
use crate::world::Sys;
use serde_json::Value;

/// Files of a router that a report reads, without the first slash.
pub const FILES: &[&str] = &[
    FIREWALL,
    NETWORK,
    DHCP,
    DROPBEAR,
    UPNPD,
    STATE,
    ARP,
    CONNTRACK,
    FORWARDING,
    HOSTNAME,
    "proc/net/tcp",
    "proc/net/tcp6",
    "proc/net/udp",
    "proc/net/udp6",
    LEASES,
    "var/run/miniupnpd.leases",
];

const FIREWALL: &str = "etc/config/firewall";
const NETWORK: &str = "etc/config/network";
const DHCP: &str = "etc/config/dhcp";
const DROPBEAR: &str = "etc/config/dropbear";
const UPNPD: &str = "etc/config/upnpd";
const STATE: &str = "var/run/fw4.state";
const ARP: &str = "proc/net/arp";
const CONNTRACK: &str = "proc/net/nf_conntrack";
const FORWARDING: &str = "proc/sys/net/ipv4/ip_forward";
const LEASES: &str = "tmp/dhcp.leases";
const HOSTNAME: &str = "proc/sys/kernel/hostname";

/// Where a folder lists the files that its router did not have.
pub const MISSING: &str = "cmd/missing.txt";

/// A program whose output is read: its file under `cmd/`, its argv, and which output.
pub struct Program {
    pub file: &'static str,
    pub argv: &'static [&'static str],
    pub stderr: bool,
}

pub const DUMP: Program = Program {
    file: folder::DUMP,
    argv: &["ubus", "call", "network.interface", "dump"],
    stderr: false,
};
pub const SERVICES: Program = Program {
    file: "ubus-service-firewall.json",
    argv: &["ubus", "call", "service", "get_data", r#"{"type":"firewall"}"#],
    stderr: false,
};
pub const RULESET: Program = Program {
    file: "nft-j-list-ruleset.json",
    argv: &["nft", "-j", "list", "ruleset"],
    stderr: false,
};
pub const FW4: Program =
    Program { file: "fw4-print.stderr.txt", argv: &["fw4", "print"], stderr: true };
/// When it wrote its state: that is when it makes the rules.
pub const LOADED: Program = Program {
    file: "fw4-loaded-at.txt",
    argv: &["date", "-r", "/var/run/fw4.state", "+%s"],
    stderr: false,
};
pub const DATE: Program = Program { file: "date.txt", argv: &["date", "+%s"], stderr: false };

pub const PROGRAMS: &[&Program] = &[&DUMP, &SERVICES, &RULESET, &FW4, &LOADED, &DATE];

/// Where to look: this machine, or a folder.
pub struct Place<'s> {
    pub sys: &'s mut dyn Sys,
    pub root: Option<&'s str>,
}

impl Place<'_> {
    /// A file's bytes; `Known(None)`: there is none.
    pub fn file(&mut self, path: &str) -> Known<Option<Vec<u8>>> {
        let path = format!("{}/{path}", self.root.unwrap_or_default());
        self.sys.read_file(&path).into()
    }

    /// A file that must be there to tell anything.
    fn text(&mut self, path: &str) -> Known<String> {
        match self.file(path) {
            Known::Known(Some(bytes)) => Known::Known(String::from_utf8_lossy(&bytes).into_owned()),
            Known::Known(None) => Known::Unknown(format!("there is no /{path}")),
            Known::Unknown(why) => Known::Unknown(why),
        }
    }

    /// A table of the kernel's: never without its first line.
    fn table(&mut self, path: &str, head: &str) -> Known<String> {
        self.text(path).and_then(|text| match text.trim_start().starts_with(head) {
            true => Known::Known(text),
            false => Known::Unknown(format!("/{path} is not the table that the kernel has there")),
        })
    }

    /// The folder tells that the router had no such file.
    fn was_missing(&mut self, path: &str) -> bool {
        let list = self.file(MISSING);
        let list = list.known().and_then(Option::as_ref);
        list.is_some_and(|list| String::from_utf8_lossy(list).lines().any(|line| line == path))
    }

    /// What a program printed.
    pub fn program(&mut self, program: &Program) -> Known<Vec<u8>> {
        if self.root.is_some() {
            let path = format!("cmd/{}", program.file);
            return match self.file(&path) {
                Known::Known(Some(bytes)) => Known::Known(bytes),
                Known::Known(None) => Known::Unknown(format!("the folder has no {path}")),
                Known::Unknown(why) => Known::Unknown(why),
            };
        }
        match self.sys.run(program.argv) {
            Ok(ran) if program.stderr => Known::Known(ran.stderr),
            Ok(ran) if ran.fine => Known::Known(ran.stdout),
            Ok(ran) => {
                let said = String::from_utf8_lossy(&ran.stderr);
                let said: String =
                    said.lines().next().unwrap_or_default().chars().take(120).collect();
                Known::Unknown(format!("{} failed: {said}", program.argv.join(" ")))
            }
            Err(why) => Known::Unknown(why),
        }
    }

    /// Seconds since 1970 that a program prints.
    fn seconds(&mut self, program: &Program) -> Known<u64> {
        self.program(program).and_then(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            text.trim().parse().map_err(|_| format!("{} is no number", program.file)).into()
        })
    }

    fn json(&mut self, program: &Program) -> Known<Value> {
        self.program(program).and_then(|bytes| json(&bytes, program.file))
    }

    fn package(&mut self, path: &str) -> Known<Option<Package>> {
        self.file(path).and_then(|bytes| match bytes.map(|bytes| uci::parse(&bytes)) {
            None => Known::Known(None),
            Some(Ok(package)) => Known::Known(Some(package)),
            Some(Err(error)) => Known::Unknown(format!("/{path}: {error}")),
        })
    }
}

fn json(bytes: &[u8], what: &str) -> Known<Value> {
    serde_json::from_slice(bytes)
        .map_err(|error| format!("{what} is not whole JSON: {error}"))
        .into()
}

/// Looks at everything.
pub fn collect(place: &mut Place, config: &Config) -> Snapshot {
    let dump = match place.root {
        Some(_) => place.json(&DUMP),
        None => match place.sys.netifd() {
            Some(answer) => answer.into(),
            None => Known::Unknown("there is no ubus here".into()),
        },
    };
    let mut now = dump.as_known().and_then(|dump| networks::netifd(dump).into());
    // Without netifd the kernel's links stand for networks.
    let written = place.package(NETWORK);
    if place.root.is_none() && place.sys.netifd().is_none() {
        let named = written.known().and_then(Option::as_ref).map(services::networks);
        now = kernel(place, &named.unwrap_or_default());
    }
    let loaded = loaded(place);
    // Best of three: how it is, how it was when the firewall was loaded, what is configured.
    let known = match (&now, &loaded, &written) {
        (Known::Known(now), ..) => now.clone(),
        (_, Known::Known(Some(loaded)), _) => loaded.clone(),
        (.., Known::Known(Some(written))) => services::networks(written),
        _ => Vec::new(),
    };
    let services = place.json(&SERVICES);
    let mut rules = dump.known().map(firewall::netifd_rules).unwrap_or_default();
    rules.extend(services.known().map(firewall::service_rules).unwrap_or_default());
    let read = |package: Package| firewall::read(&package, &known, &rules);
    let firewall: Known<Firewall> = place.package(FIREWALL).and_then(|package| match package {
        Some(package) => Known::Known(read(package)),
        None => Known::Unknown(format!("there is no /{FIREWALL}")),
    });
    let upnpd = place.package(UPNPD).map(|package| package.as_ref().and_then(services::upnpd));
    let leases = match &upnpd {
        Known::Known(Some(upnpd)) => upnpd.leases.trim_start_matches('/').to_string(),
        _ => "var/run/miniupnpd.leases".into(),
    };
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let live = ruleset(place);
    // Who may not list the rules may stand in a jail, where a file that cannot be seen may be
    // there all the same.
    let blind = place.root.is_none() && live.known().is_none();
    let loaded = match loaded {
        Known::Known(None) if blind => Known::Unknown(unseen(STATE)),
        loaded => loaded,
    };
    let mappings = mappings(place, &leases, &upnpd, &live);
    let journal = journal(place, config);
    let mut snapshot = Snapshot {
        host: place.text(HOSTNAME).map(|name| name.trim().to_string()),
        at: match place.root {
            None => Known::Known(place.sys.wall_clock()),
            Some(_) => place.seconds(&DATE),
        },
        forwarding: place.text(FORWARDING).map(|text| text.trim() != "0"),
        firewall,
        networks: now,
        loaded,
        warnings: place.program(&FW4).map(|bytes| tables::fw4_warnings(&text(bytes))),
        live,
        upnpd,
        mappings,
        dhcp: place.package(DHCP).and_then(|package| match package {
            Some(package) => Known::Known(services::dhcp(&package)),
            None => Known::Unknown(format!("there is no /{DHCP}")),
        }),
        // No lease file: nobody has asked dnsmasq for an address.
        leases: place.file(LEASES).map(|bytes| tables::leases(&text(bytes.unwrap_or_default()))),
        neighbours: place.table(ARP, "IP address").map(|text| tables::arp(&text)),
        listeners: listeners(place),
        flows: place.text(CONNTRACK).map(|text| tables::conntrack(&text)),
        ssh: place
            .package(DROPBEAR)
            .map(|p| p.as_ref().map(services::dropbear).unwrap_or_default()),
        line: lines(place, config, &journal),
        records: journal.as_known().and_then(|(journal, now)| {
            let record = |((name, family, _), record): (&RecordKey, &journal::Record)| Record {
                name: name.clone(),
                family: *family,
                addresses: record.confirmed.clone(),
                age: now.saturating_sub(record.confirmed_at),
            };
            Known::Known(journal.records.iter().map(record).collect())
        }),
        passed: Known::unknown("nobody asked"),
        loaded_at: place.seconds(&LOADED),
        targets: kept(place),
        names: told(place, config),
        seen: seen(place, config).unwrap_or_default(),
    };
    snapshot.passed = passages::look(place, &snapshot);
    snapshot
}

/// Each link as a network of its own, or as those that the config gives its device.
fn kernel(place: &mut Place, named: &[Network]) -> Known<Vec<Network>> {
    let out = Family::BOTH.map(|family| place.sys.route_device(family).ok().flatten());
    Known::from(place.sys.links()).map(|links| {
        let all: Vec<String> = links.iter().map(|link| link.name.clone()).collect();
        let mut networks = Vec::new();
        for link in links {
            let network = Network {
                default_route: out.contains(&Some(link.index)) && !link.loopback,
                addresses: link.addresses.iter().map(|one| (one.ip, one.prefix_len)).collect(),
                up: link.up,
                device: Some(link.name.clone()),
                ..Network::default()
            };
            let before = networks.len();
            for one in named.iter().filter(|one| carrier(one, named, &all) == link.name) {
                let (name, proto) = (one.name.clone(), one.proto.clone());
                networks.push(Network { name, proto, ..network.clone() });
            }
            if networks.len() == before {
                networks.push(Network { name: link.name, ..network });
            }
        }
        networks
    })
}

/// The device that a network of the config is on: `pppoe-wan` where there is one, `@wan` by that.
fn carrier(network: &Network, named: &[Network], links: &[String]) -> String {
    let own = [&network.proto, "-", &network.name].concat();
    if links.contains(&own) {
        return own;
    }
    let device = network.device.clone().unwrap_or_default();
    let Some(other) = device.strip_prefix('@') else { return device };
    let other = named.iter().find(|one| one.name == other);
    let chained = |one: &&Network| one.device.as_ref().is_some_and(|name| name.starts_with('@'));
    other.filter(|one| !chained(one)).map(|one| carrier(one, named, links)).unwrap_or(device)
}

/// The daemon's, and the moment it is read at.
fn journal(place: &mut Place, config: &Config) -> Known<(Journal, Moment)> {
    let (boot, now) = match place.root {
        None => (place.sys.boot_id(), place.sys.now()),
        // As if it had been saved just now, long after the router was started.
        Some(_) => (String::new(), Moment::from_secs(1 << 32)),
    };
    place.file(config.journal.trim_start_matches('/')).and_then(|bytes| match bytes {
        Some(bytes) => Known::from(Journal::from_text(&bytes, &boot, now)).map(|it| (it, now)),
        None => Known::unknown("there is no journal of the daemon's"),
    })
}

/// The line of each WAN, by what this router shows and remembers: nobody outside is asked.
fn lines(
    place: &mut Place,
    config: &Config,
    journal: &Known<(Journal, Moment)>,
) -> Known<Vec<LineOf>> {
    let nothing = (Journal::default(), Moment::ZERO);
    let (known, now) = journal.known().unwrap_or(&nothing);
    let view = match place.root {
        Some(root) => observe::observe_all(&mut Folder { inner: place.sys, root }, config),
        None => observe::observe_all(place.sys, config),
    };
    let mut lines = Vec::new();
    for wan in &view.wans {
        let device = match &wan.device {
            Known::Unknown(why) => return Known::Unknown(why.clone()),
            Known::Known(device) => device.as_ref().map(|(device, _)| device.clone()),
        };
        let seen = decide::remembered(known, wan).map(|one| &one.seen[..]).unwrap_or_default();
        let moves = known.moves.get(&(wan.asked.clone().unwrap_or_default(), wan.family));
        let told = Told {
            seen: seen.to_vec(),
            another: line::sees_another(wan, seen, &config.assume_public),
            moves: moves.map_or(0, |moves| moves.today(*now)),
        };
        let network = wan.access.network.clone().or_else(|| device.clone());
        lines.push(LineOf {
            network: network.unwrap_or_else(|| "wan".into()),
            device,
            family: wan.family,
            addresses: wan.addresses.iter().map(|address| address.ip).collect(),
            verdict: decide::verdict(known, config, wan),
            told: journal.as_known().and_then(|_| Known::Known(told)),
        });
    }
    Known::Known(lines)
}

/// What a folder tells of targets; on a router that is a step of its own ([`targets::knock`]).
fn kept(place: &mut Place) -> Known<Vec<Try>> {
    if place.root.is_none() {
        return Known::unknown(UNTRIED);
    }
    place.file(targets::FILE).and_then(|bytes| match bytes {
        Some(bytes) => json(&bytes, targets::FILE).and_then(|value| targets::read(&value).into()),
        None => Known::unknown(UNTRIED),
    })
}

/// What the daemon's last report saw somebody outside make use of.
fn seen(place: &mut Place, config: &Config) -> Option<Vec<(String, u64)>> {
    let bytes = place.file(last::kept(&config.journal).trim_start_matches('/'));
    Some(Said::from_text(bytes.known()?.as_ref()?)?.seen)
}

/// What a folder tells of names; on a router that is a step of its own ([`names::ask`]).
fn told(place: &mut Place, config: &Config) -> Known<Vec<Asked>> {
    let file = place.root.map(|_| place.file(names::FILE));
    match file.unwrap_or(Known::Known(None)) {
        Known::Known(Some(bytes)) => {
            let read = names::from_file(&String::from_utf8_lossy(&bytes));
            read.map_err(|why| [names::FILE, ": ", &why].concat()).into()
        }
        // There is nothing to ask.
        Known::Known(None) if names::wanted(config).is_empty() => Known::Known(Vec::new()),
        Known::Known(None) => Known::unknown(UNASKED),
        Known::Unknown(why) => Known::Unknown(why),
    }
}

/// Half a ruleset proves nothing.
fn ruleset(place: &mut Place) -> Known<Ruleset> {
    place.program(&RULESET).and_then(|bytes| match nft::ruleset(&bytes) {
        (ruleset, said) if ruleset.cut => {
            Known::Unknown(said.into_iter().next().unwrap_or_else(|| "it is cut off".into()))
        }
        (ruleset, _) => Known::Known(ruleset),
    })
}

fn unseen(path: &str) -> String {
    ["/", path, " cannot be seen from here, if it is there"].concat()
}

/// miniupnpd's leases. No file: nobody asked for one, unless something else tells of them.
fn mappings(
    place: &mut Place,
    path: &str,
    upnpd: &Known<Option<Upnpd>>,
    live: &Known<Ruleset>,
) -> Known<Vec<Mapping>> {
    let bytes = match place.file(path) {
        Known::Known(Some(bytes)) => bytes,
        Known::Known(None) => {
            let rules = live.known().is_some_and(|live| {
                let chains = live.tables.iter().flat_map(|table| &table.chains);
                let mut upnp = chains.filter(|chain| chain.name.starts_with("upnp_"));
                upnp.any(|chain| !chain.rules.is_empty())
            });
            if place.root.is_none()
                && live.known().is_none()
                && matches!(upnpd, Known::Known(Some(_)))
            {
                return Known::Unknown(unseen(path));
            }
            let lost = place.root.is_some()
                && !place.was_missing(path)
                && upnpd.known().is_some_and(|upnpd| upnpd.as_ref().is_some_and(|one| one.enabled));
            if rules || lost {
                return Known::Unknown(format!("there is no /{path}, but miniupnpd is in use"));
            }
            return Known::Known(Vec::new());
        }
        Known::Unknown(why) => return Known::Unknown(why),
    };
    let text = String::from_utf8_lossy(&bytes);
    let all = tables::mappings(&text);
    if all.is_empty() && !text.trim().is_empty() {
        return Known::Unknown(format!("/{path} holds no leases that we can read"));
    }
    Known::Known(all)
}

/// What the firewall wrote down when it was loaded.
fn loaded(place: &mut Place) -> Known<Option<Vec<Network>>> {
    match place.file(STATE) {
        Known::Known(Some(bytes)) => {
            json(&bytes, STATE).and_then(|state| Known::from(networks::fw4_state(&state))).map(Some)
        }
        // A folder may be incomplete; a router with fw4 is not, nor is a folder that says so.
        Known::Known(None) if place.root.is_none() || place.was_missing(STATE) => {
            Known::Known(None)
        }
        Known::Known(None) => Known::Unknown(format!("the folder has no {STATE}")),
        Known::Unknown(why) => Known::Unknown(why),
    }
}

fn listeners(place: &mut Place) -> Known<Vec<crate::model::snapshot::Listener>> {
    let mut all = Vec::new();
    let mut missing = None;
    for (path, proto) in [
        ("proc/net/tcp", Proto::Tcp),
        ("proc/net/udp", Proto::Udp),
        ("proc/net/tcp6", Proto::Tcp),
        ("proc/net/udp6", Proto::Udp),
    ] {
        match place.table(path, "sl ") {
            Known::Known(text) => all.extend(sockets::listeners(&text, proto)),
            // A kernel without IPv6 has the first two only.
            Known::Unknown(_) if path.ends_with('6') => {}
            Known::Unknown(why) => missing = Some(why),
        }
    }
    match missing {
        Some(why) => Known::Unknown(why),
        None => Known::Known(all),
    }
}
