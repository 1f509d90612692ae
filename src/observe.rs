//! One look at the router: which device is WAN for which name, its addresses, and what else tells
//! the kind of line; the LANs of names for LAN hosts; the wall clock. Asks and arranges; decides
//! nothing about what to publish.

mod access;
mod clock;
mod lan;
mod ways;

pub use ways::above;

use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::line::Access;
use crate::model::name::Family;
use crate::model::wan::{Because, Link, Wan, WanView};
use crate::parse::netifd::{self, Interface};
use crate::world::Sys;

/// Looks at everything the config's names need.
pub fn observe(sys: &mut dyn Sys, config: &Config) -> WanView {
    let links = sys.links();
    let mut netifd = Netifd { answer: None };
    let mut view = WanView { clock: clock::look(sys), ..WanView::default() };
    needed(sys, &links, &mut netifd, config, &mut view);
    lan::look(sys, &mut netifd, &links, config, &mut view);
    view
}

/// Looks at every WAN there is: those of the config's names, the one that would be found, all
/// other networks of netifd's with a default route, and links that packets from their own address
/// leave by.
pub fn observe_all(sys: &mut dyn Sys, config: &Config) -> WanView {
    let links = sys.links();
    let mut netifd = Netifd { answer: None };
    let mut view = WanView { clock: clock::look(sys), ..WanView::default() };
    needed(sys, &links, &mut netifd, config, &mut view);
    for family in Family::BOTH {
        let wan = any(sys, &mut netifd, &links, None, family);
        let (same, down) = (is_there(&view, &wan), matches!(wan.device, Known::Known(None)));
        let others = view.wans.iter().any(|other| other.family == family);
        if !(same || (down && others)) {
            view.wans.push(wan);
        }
    }
    let mut further: Vec<(String, Family, Because)> = Vec::new();
    for family in Family::BOTH {
        if let Some(Ok(networks)) = netifd.ask(sys) {
            for network in networks.iter().filter(|one| one.up && one.leads_out(family)) {
                further.push((network.name.clone(), family, Because::Netifd(network.name.clone())));
            }
        }
        for link in ways::by_source(sys, links.as_deref().unwrap_or_default(), family) {
            further.push((link.name.clone(), family, Because::KernelSource));
        }
    }
    for (asked, family, known) in further {
        let mut wan = any(sys, &mut netifd, &links, Some(&asked), family);
        match &mut wan.device {
            Known::Known(Some((_, because))) => *because = known,
            _ => continue,
        }
        if !is_there(&view, &wan) {
            view.wans.push(wan);
        }
    }
    view
}

/// The view shows this device and family already.
fn is_there(view: &WanView, wan: &Wan) -> bool {
    let device = |wan: &Wan| match &wan.device {
        Known::Known(Some((device, _))) => Some(device.clone()),
        _ => None,
    };
    let same = |other: &&Wan| other.family == wan.family && device(other) == device(wan);
    view.wans.iter().any(|other| same(&other))
}

fn needed(
    sys: &mut dyn Sys,
    links: &Result<Vec<Link>, String>,
    netifd: &mut Netifd,
    config: &Config,
    view: &mut WanView,
) {
    for name in &config.names {
        for family in &name.families {
            if view.find(name.wan.as_deref(), *family).is_none() {
                view.wans.push(any(sys, netifd, links, name.wan.as_deref(), *family));
            }
        }
    }
}

fn any(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &Result<Vec<Link>, String>,
    asked: Option<&str>,
    family: Family,
) -> Wan {
    match links {
        Ok(links) => look(sys, netifd, links, asked, family),
        Err(why) => Wan {
            asked: asked.map(str::to_string),
            family,
            device: Known::unknown(why),
            addresses: Vec::new(),
            access: Access::default(),
        },
    }
}

fn look(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    asked: Option<&str>,
    family: Family,
) -> Wan {
    let device = match asked {
        Some(asked) => named(sys, netifd, links, asked),
        None => found(sys, netifd, links, family),
    };
    let link = match &device {
        Known::Known(Some((device, _))) => links.iter().find(|link| link.name == *device),
        _ => None,
    };
    let addresses = link
        .filter(|link| link.up)
        .map(|link| link.addresses.iter().filter(|a| Family::of(a.ip) == family))
        .map(|addresses| addresses.cloned().collect())
        .unwrap_or_default();
    let mut wan = Wan {
        asked: asked.map(str::to_string),
        family,
        device,
        addresses,
        access: Access::default(),
    };
    if let Some(Ok(interfaces)) = netifd.ask(sys) {
        wan.access = access::by_netifd(&wan, interfaces);
    }
    if let Some(link) = link {
        access::by_kernel(sys, &mut wan, link);
        ways::look(sys, &mut wan, links, link);
    }
    wan
}

/// The device for `option wan`: a device of that name, else netifd's network of that name.
fn named(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    asked: &str,
) -> Known<Option<(String, Because)>> {
    if links.iter().any(|link| link.name == asked) {
        return Known::Known(Some((asked.to_string(), Because::Config)));
    }
    match netifd.ask(sys) {
        // No netifd here: the device may come later (a PPP link, a VPN).
        None => Known::Known(None),
        Some(Err(why)) => Known::unknown(why),
        Some(Ok(interfaces)) => match interfaces.iter().find(|i| i.name == asked) {
            Some(Interface { up: true, device: Some(device), .. }) => {
                Known::Known(Some((device.clone(), Because::Config)))
            }
            _ => Known::Known(None),
        },
    }
}

/// The device when the owner left it to us: netifd's default route, else the kernel's.
fn found(
    sys: &mut dyn Sys,
    netifd: &mut Netifd,
    links: &[Link],
    family: Family,
) -> Known<Option<(String, Because)>> {
    let silent = match netifd.ask(sys) {
        Some(Ok(interfaces)) => {
            let wan = netifd::wan(interfaces, family);
            if let Some(Interface { name, device: Some(device), .. }) = wan {
                return Known::Known(Some((device.clone(), Because::Netifd(name.clone()))));
            }
            None
        }
        Some(Err(why)) => Some(why.to_string()),
        None => None,
    };
    // netifd knows nothing, or no way out: a route set by hand or by a VPN is the kernel's.
    match sys.route_device(family) {
        Err(why) => Known::unknown(why),
        Ok(None) => found_by_source(sys, links, family),
        Ok(Some(index)) => match links.iter().find(|link| link.index == index) {
            Some(link) if link.loopback => Known::Known(None),
            Some(link) => match silent {
                // netifd would tell which network is below the VPN.
                Some(why) if access::is_vpn(sys, &link.name) => Known::Unknown(why),
                _ => Known::Known(Some((link.name.clone(), Because::KernelRoute))),
            },
            None => Known::unknown("the default route is by a link that has just changed"),
        },
    }
}

/// Where there is no way out for just any packet: the one link that packets from its own address
/// leave by. A VPN runs over one of the others.
fn found_by_source(
    sys: &mut dyn Sys,
    links: &[Link],
    family: Family,
) -> Known<Option<(String, Because)>> {
    let mut found = ways::by_source(sys, links, family);
    if found.len() > 1 {
        found.retain(|link| !access::is_vpn(sys, &link.name));
    }
    match &found[..] {
        [] => Known::Known(None),
        [one] => Known::Known(Some((one.name.clone(), Because::KernelSource))),
        [one, other, ..] => Known::Unknown(format!(
            "{} and {} each lead to the Internet, but only from their own addresses, and nothing \
             tells which is meant: name one with option wan",
            one.name, other.name
        )),
    }
}

/// netifd's answer, asked for at most once in a look.
struct Netifd {
    answer: Option<Option<Result<Vec<Interface>, String>>>,
}

impl Netifd {
    fn ask(&mut self, sys: &mut dyn Sys) -> Option<Result<&[Interface], &str>> {
        self.answer
            .get_or_insert_with(|| {
                sys.netifd().map(|dump| dump.and_then(|dump| netifd::interfaces(&dump)))
            })
            .as_ref()
            .map(|answer| answer.as_deref().map_err(String::as_str))
    }
}

/// The device for an account's `option wan`, for requests that must leave by it. Fails closed.
pub fn account_device(sys: &mut dyn Sys, asked: Option<&str>) -> Result<Option<String>, String> {
    let Some(asked) = asked else { return Ok(None) };
    let links = sys.links()?;
    match named(sys, &mut Netifd { answer: None }, &links, asked) {
        Known::Known(Some((device, _))) => Ok(Some(device)),
        Known::Known(None) => Err(format!("'{asked}' is down or does not exist now")),
        Known::Unknown(why) => Err(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::model::lan::{Lan, Mac};
    use crate::model::wan::{Address, Clock, Route};
    use crate::parse::leases;
    use crate::world::{
        DnsTransport, Event, HttpReply, HttpRequest, Net, NetError, RouteQuery, Via,
    };
    use std::net::Ipv6Addr;
    use std::time::Duration;

    /// A router that shows what it is told to and can do nothing.
    struct Router {
        links: Result<Vec<Link>, String>,
        route: Result<Option<u32>, String>,
        netifd: Option<Result<serde_json::Value, String>>,
        asked_netifd: u32,
        files: Vec<(&'static str, &'static [u8])>,
        /// The link by which packets from the WAN's own address leave.
        answers_by: Option<u32>,
        neighbours: Result<Vec<(u32, Mac, Ipv6Addr)>, String>,
        leases: &'static str,
        clock: u64,
        up: Duration,
        unsynchronised: bool,
        /// When the one file of /etc/config was.
        written: u64,
    }

    impl Router {
        fn new(devices: &[(&str, &str)]) -> Router {
            let link = |(index, (name, ip)): (usize, &(&str, &str))| Link {
                index: index as u32 + 1,
                name: name.to_string(),
                up: true,
                loopback: *name == "lo",
                addresses: vec![Address {
                    ip: ip.parse().unwrap(),
                    prefix_len: 24,
                    flags: Address::PERMANENT,
                    preferred: None,
                    valid: None,
                }],
            };
            Router {
                links: Ok(devices.iter().enumerate().map(link).collect()),
                route: Ok(None),
                netifd: None,
                asked_netifd: 0,
                files: Vec::new(),
                answers_by: None,
                neighbours: Ok(Vec::new()),
                leases: "",
                clock: 0,
                up: Duration::ZERO,
                unsynchronised: true,
                written: 0,
            }
        }

        fn with_netifd(mut self, dump: &str) -> Router {
            let path = format!("{}/tests/data/netifd/{dump}.json", env!("CARGO_MANIFEST_DIR"));
            let dump = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            self.netifd = Some(Ok(dump));
            self
        }
    }

    impl Net for Router {
        fn http(&mut self, _: &HttpRequest, _: &Via) -> Result<HttpReply, NetError> {
            panic!("a look asks nobody")
        }
        fn dns(
            &mut self,
            _: &str,
            _: &[u8],
            _: DnsTransport,
            _: &Via,
        ) -> Result<Vec<u8>, NetError> {
            panic!("a look asks nobody")
        }
        fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
            if let Some((_, text)) = self.files.iter().find(|(name, _)| *name == path) {
                return Ok(Some(text.to_vec()));
            }
            Ok((path == leases::FILES[1]).then(|| self.leases.as_bytes().to_vec()))
        }
        fn replace_file(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
            panic!("a look writes nothing")
        }
        fn wall_clock(&self) -> u64 {
            self.clock
        }
        fn chance(&mut self) -> u64 {
            0
        }
        fn done(&mut self) {}
    }

    impl Sys for Router {
        fn links(&mut self) -> Result<Vec<Link>, String> {
            self.links.clone()
        }
        fn route_device(&mut self, _: Family) -> Result<Option<u32>, String> {
            self.route.clone()
        }
        fn route(&mut self, query: &RouteQuery) -> Result<Option<Route>, String> {
            let route = |device| Route { device, gateway: None, source: None };
            match (query.source, query.device) {
                (None, None) => Ok(self.route.clone()?.map(route)),
                (Some(_), _) => Ok(self.answers_by.map(route)),
                (_, Some(device)) => {
                    let gateway = Some("192.0.2.1".parse().unwrap());
                    Ok(Some(Route { gateway, ..route(device) }))
                }
            }
        }
        fn netifd(&mut self) -> Option<Result<serde_json::Value, String>> {
            self.asked_netifd += 1;
            self.netifd.clone()
        }
        fn neighbours(&mut self) -> Result<Vec<(u32, Mac, Ipv6Addr)>, String> {
            self.neighbours.clone()
        }
        fn ipv6_leases(&mut self) -> Option<serde_json::Value> {
            None
        }
        fn file_mode(&mut self, _: &str) -> Option<u32> {
            None
        }
        fn progress(&mut self, _: &str) {}
        fn wait(&mut self, _: Option<Duration>) -> Event {
            Event::Stop
        }
        fn stopping(&self) -> bool {
            false
        }
        fn now(&self) -> Duration {
            self.up
        }
        fn unsynchronised(&self) -> bool {
            self.unsynchronised
        }
        fn written(&self, folder: &str) -> Vec<u64> {
            if folder == "/etc/config" { vec![self.written] } else { Vec::new() }
        }
        fn boot_id(&self) -> String {
            String::new()
        }
    }

    /// A name in each family, with `option wan` if given.
    fn config(wan: Option<&str>) -> Config {
        let wan = wan.map(|wan| format!("\toption wan '{wan}'\n")).unwrap_or_default();
        with(&wan)
    }

    /// A name with more options.
    fn with(more: &str) -> Config {
        let text = format!(
            "config account 'a'\n\toption provider 'hosts'\n\toption path '/x'\n\
             config name 'n'\n\toption fqdn 'n.example.test'\n\toption account 'a'\n{more}"
        );
        let (config, complaints) =
            config::read("test", text.as_bytes(), 0o600, &mut |_| Err("no files".into()));
        config.unwrap_or_else(|| panic!("{complaints:?}"))
    }

    fn device(view: &WanView, family: Family) -> &Known<Option<(String, Because)>> {
        &view.wans.iter().find(|wan| wan.family == family).unwrap().device
    }

    fn is(device: &str, because: Because) -> Known<Option<(String, Because)>> {
        Known::Known(Some((device.to_string(), because)))
    }

    #[test]
    fn netifd_knows_the_wan_by_its_metric() {
        let mut router = Router::new(&[("wan0", "198.51.100.9"), ("wanb0", "100.64.7.9")])
            .with_netifd("multiwan");
        router.route = Ok(Some(2));
        let view = observe(&mut router, &config(None));
        assert_eq!(*device(&view, Family::Ipv4), is("wan0", Because::Netifd("wan".into())));
        assert_eq!(view.wans[0].addresses[0].ip.to_string(), "198.51.100.9");
        assert_eq!(*device(&view, Family::Ipv6), is("wan0", Because::Netifd("wan6".into())));
        assert_eq!(router.asked_netifd, 1, "once in a look, however many ask");
    }

    #[test]
    fn a_named_network_is_netifds_and_its_device_the_kernels() {
        let mut router = Router::new(&[("wan0", "198.51.100.9"), ("wanb0", "100.64.7.9")])
            .with_netifd("multiwan");
        let view = observe(&mut router, &config(Some("wanb")));
        assert_eq!(*device(&view, Family::Ipv4), is("wanb0", Because::Config));
        let view = observe(&mut router, &config(Some("wanb0")));
        assert_eq!(*device(&view, Family::Ipv4), is("wanb0", Because::Config));
        let view = observe(&mut router, &config(Some("nowhere")));
        assert_eq!(*device(&view, Family::Ipv4), Known::Known(None), "not another one instead");
    }

    #[test]
    fn without_netifd_the_kernels_route_counts() {
        let mut router = Router::new(&[("lo", "127.0.0.1"), ("ppp0", "203.0.113.9")]);
        router.route = Ok(Some(2));
        let view = observe(&mut router, &config(None));
        assert_eq!(*device(&view, Family::Ipv4), is("ppp0", Because::KernelRoute));
        assert_eq!(view.wans[1].addresses, [], "an IPv4 address is none for AAAA");
        router.route = Ok(None);
        assert_eq!(*device(&observe(&mut router, &config(None)), Family::Ipv4), Known::Known(None));
        router.route = Ok(Some(1));
        let view = observe(&mut router, &config(None));
        assert_eq!(*device(&view, Family::Ipv4), Known::Known(None), "loopback leads nowhere");
    }

    #[test]
    fn what_could_not_be_told_is_unknown_not_absent() {
        let mut router = Router::new(&[("ppp0", "203.0.113.9")]);
        router.route = Err("no answer".into());
        let view = observe(&mut router, &config(None));
        assert_eq!(*device(&view, Family::Ipv4), Known::unknown("no answer"));
        router.links = Err("no links".into());
        let view = observe(&mut router, &config(None));
        assert_eq!(*device(&view, Family::Ipv4), Known::unknown("no links"));
        // netifd is silent: a logical name cannot be turned into a device, so nothing is known.
        let mut router = Router::new(&[("ppp0", "203.0.113.9")]);
        router.netifd = Some(Err("netifd did not answer in time".into()));
        let view = observe(&mut router, &config(Some("wan")));
        assert!(matches!(device(&view, Family::Ipv4), Known::Unknown(_)));
    }

    #[test]
    fn a_link_that_is_down_has_no_addresses_to_publish() {
        let mut router = Router::new(&[("ppp0", "203.0.113.9")]);
        if let Ok(links) = &mut router.links {
            links[0].up = false;
        }
        let view = observe(&mut router, &config(Some("ppp0")));
        assert_eq!(view.wans[0].addresses, []);
    }

    #[test]
    fn what_tells_the_kind_of_line() {
        let mut router = Router::new(&[("map-wan4", "192.0.2.0"), ("wan0", "2001:db8:0:23::5")])
            .with_netifd("mape");
        let access = |router: &mut Router, family| {
            let view = observe(router, &config(None));
            view.wans.into_iter().find(|wan| wan.family == family).unwrap().access
        };
        let told = access(&mut router, Family::Ipv4);
        assert_eq!((told.network.as_deref(), told.proto.as_deref()), (Some("wan4"), Some("map")));
        let rule = told.map.unwrap();
        assert_eq!((rule.kind, rule.ports.known().unwrap().count()), (None, 240), "by netifd");
        let rules = include_bytes!("../tests/data/map-wan4.rules");
        router.files = vec![("/tmp/map-wan4.rules", rules)];
        let rule = access(&mut router, Family::Ipv4).map.unwrap();
        assert_eq!(rule.kind, Some(crate::model::line::MapKind::MapE));
        router.files = vec![("/tmp/map-wan4.rules", b"RULE_BMR=1\n")];
        let rule = access(&mut router, Family::Ipv4).map.unwrap();
        assert_eq!(rule.ports.known().unwrap().count(), 240, "torn: netifd knows the ports");
        let six = access(&mut router, Family::Ipv6);
        assert_eq!(six.network.as_deref(), Some("wan6"));
        assert_eq!(six.delegated[0].to_string(), "2001:db8:ca00:ff00::/56");
        assert_eq!(six.gateway, Some("fe80::7849:97ff:fe5d:2a44".parse().unwrap()));
    }

    #[test]
    fn without_netifd_the_kernel_tells_the_kind() {
        let mut router = Router::new(&[("eth0", "8.1.1.9"), ("wg0", "10.2.0.2")]);
        router.route = Ok(Some(2));
        router.files = vec![("/sys/class/net/wg0/uevent", b"DEVTYPE=wireguard\nINTERFACE=wg0\n")];
        let wan = observe(&mut router, &config(None)).wans.remove(0);
        assert_eq!(wan.access.proto.as_deref(), Some("wireguard"));
        assert_eq!((wan.access.egress, wan.access.astray), (None, None));
        router.answers_by = Some(2);
        let wan = observe(&mut router, &config(Some("eth0"))).wans.remove(0);
        assert_eq!(wan.access.proto, None);
        assert_eq!(wan.access.egress.as_deref(), Some("wg0"));
        assert_eq!(wan.access.astray.unwrap().device, "wg0", "answers go astray");
        assert_eq!(wan.access.gateway, Some("192.0.2.1".parse().unwrap()));
        for (file, text, want) in [
            ("/sys/class/net/wg0/type", &b"769\n"[..], Some("ip6tnl")),
            ("/sys/class/net/wg0/tun_flags", b"0x1001\n", Some("tun")),
            ("/sys/class/net/wg0/uevent", b"DEVTYPE=wlan\n", None),
        ] {
            router.files = vec![(file, text)];
            let wan = observe(&mut router, &config(None)).wans.remove(0);
            assert_eq!(wan.access.proto.as_deref(), want, "{file}");
        }
    }

    #[test]
    fn every_wan_is_seen_once() {
        let mut router = Router::new(&[("wan0", "198.51.100.9"), ("wanb0", "100.64.7.9")])
            .with_netifd("multiwan");
        router.route = Ok(Some(1));
        let all = |router: &mut Router, wan: Option<&str>| -> Vec<String> {
            let view = observe_all(router, &config(wan));
            let device = |wan: &Wan| match &wan.device {
                Known::Known(Some((device, _))) => device.clone(),
                _ => "-".into(),
            };
            let wans = view.wans.iter();
            wans.map(|wan| format!("{} {}", device(wan), wan.family)).collect()
        };
        let want = ["wan0 ipv4", "wan0 ipv6", "wanb0 ipv4"];
        assert_eq!(all(&mut router, None), want);
        let named = ["wanb0 ipv4", "wanb0 ipv6", "wan0 ipv4", "wan0 ipv6"];
        assert_eq!(all(&mut router, Some("wanb")), named);
    }

    fn lan(router: &mut Router, more: &str) -> Lan {
        let view = observe(router, &with(more));
        assert_eq!(view.lans.len(), 1);
        view.lans[0].clone()
    }

    fn networks(lan: &Lan) -> Vec<String> {
        lan.prefixes.iter().map(|prefix| prefix.ip.to_string()).collect()
    }

    #[test]
    fn the_lan_and_its_prefixes() {
        let devices = [("wan0", "2001:db8:0:23::1d3d"), ("br-lan", "2001:db8:ca00:ff00::1")];
        let mut router = Router::new(&devices).with_netifd("dhcp-dhcpv6pd");
        let br_lan = &mut router.links.as_mut().unwrap()[1].addresses;
        br_lan[0].prefix_len = 60;
        br_lan[0].preferred = Some(Duration::from_secs(1700));
        for (ip, len) in [("fe80::1", 64), ("192.168.1.1", 24), ("2001:db8:9::1", 128)] {
            let address = Address { ip: ip.parse().unwrap(), prefix_len: len, ..br_lan[0].clone() };
            br_lan.push(address);
        }
        let found = lan(&mut router, "\toption host '::10'\n");
        assert_eq!(found.device, Known::Known(Some("br-lan".into())));
        // The kernel's, then what netifd assigned and the kernel does not have yet.
        assert_eq!(networks(&found), ["2001:db8:ca00:ff00::", "fd2c:6b1e:77a0::"]);
        assert_eq!(found.prefixes[0].preferred, Some(Duration::from_secs(1700)));
        assert_eq!(found.prefixes[0].prefix_len, 64, "also where the LAN was given a /60");
        // The names of another WAN get none of this one's prefixes.
        let found = lan(&mut router, "\toption host '::10'\n\toption wan 'wan6'\n");
        assert_eq!(networks(&found), ["2001:db8:ca00:ff00::", "fd2c:6b1e:77a0::"]);
        let found = lan(&mut router, "\toption host '::10'\n\toption wan 'wanb'\n");
        assert_eq!(networks(&found), ["fd2c:6b1e:77a0::"]);
        let found = lan(&mut router, "\toption host '::10'\n\toption lan 'dmz'\n");
        assert_eq!((found.device, &found.prefixes[..]), (Known::Known(None), &[][..]));
        let none = observe(&mut router, &with("\toption host '::10'\n\toption family 'ipv4'\n"));
        assert_eq!(none.lans, []);
    }

    #[test]
    fn neighbours_and_leases_are_asked_for_where_a_host_must_be_found() {
        let mut router = Router::new(&[("eth0", "2001:db8:1::1"), ("eth1", "2001:db8:2::1")]);
        let mac = Mac([2, 0, 0, 0, 0, 1]);
        let ip: Ipv6Addr = "2001:db8:2::7".parse().unwrap();
        router.neighbours = Ok(vec![(1, mac, "2001:db8:1::7".parse().unwrap()), (2, mac, ip)]);
        router.leases = "# eth1 0003000102000000000a 1 nas 1795459035 21a 128 2001:db8:2::21a/128";
        let suffix = observe(&mut router, &with("\toption host '::7'\n\toption lan 'eth1'\n"));
        assert_eq!(
            (&suffix.lans[0].neighbours, &suffix.leases[..]),
            (&Known::Known(vec![]), &[][..])
        );
        let named = observe(&mut router, &with("\toption host 'nas'\n\toption lan 'eth1'\n"));
        assert_eq!(named.lans[0].neighbours, Known::Known(vec![(mac, ip)]));
        assert_eq!(named.leases[0].name, "nas");
        router.neighbours = Err("no answer".into());
        let found = lan(&mut router, "\toption host 'nas'\n\toption lan 'eth1'\n");
        assert_eq!(found.neighbours, Known::unknown("no answer"));
    }

    #[test]
    fn a_clock_before_this_version_is_wrong() {
        let mut router = Router::new(&[]);
        assert_eq!(observe(&mut router, &config(None)).clock, Clock::Unset(0));
    }

    #[test]
    fn a_clock_that_stands_where_a_file_was_written_is_stale_for_a_while() {
        const OLD: u64 = 1_795_000_000;
        // Seconds since the boot, what the kernel says of its clock, when a file was written (in
        // seconds after the boot by this clock), and what follows.
        for (up, unsynchronised, written, stale) in [
            (40, true, 12, true),
            (299, true, 12, true),
            (300, true, 12, false),
            (40, false, 12, false),
            (40, true, 0, false),
            (40, true, 70, false),
            (40, true, -86_400, false),
        ] {
            let mut router = Router::new(&[]);
            router.clock = OLD;
            router.up = Duration::from_secs(up);
            router.unsynchronised = unsynchronised;
            router.written = OLD.saturating_sub(up).saturating_add_signed(written);
            let want = if stale { Clock::Stale(OLD) } else { Clock::Right };
            assert_eq!(observe(&mut router, &config(None)).clock, want, "{up} {written}");
        }
    }
}
