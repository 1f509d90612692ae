//! One look at the router: which device is WAN for which name, and its addresses; the LANs of
//! names for LAN hosts; the wall clock.
//! Asks and arranges; decides nothing about what to publish.

mod lan;

use crate::model::config::Config;
use crate::model::known::Known;
use crate::model::name::Family;
use crate::model::utc::RELEASED;
use crate::model::wan::{Because, Link, Wan, WanView};
use crate::parse::netifd::{self, Interface};
use crate::world::Sys;

/// Looks at everything the config's names need.
pub fn observe(sys: &mut dyn Sys, config: &Config) -> WanView {
    let links = sys.links();
    let mut netifd = Netifd { answer: None };
    let mut view = WanView::default();
    let clock = sys.wall_clock();
    view.clock_unset = (clock < RELEASED).then_some(clock);
    for name in &config.names {
        for family in &name.families {
            if view.find(name.wan.as_deref(), *family).is_none() {
                let wan = match &links {
                    Ok(links) => look(sys, &mut netifd, links, name.wan.as_deref(), *family),
                    Err(why) => Wan {
                        asked: name.wan.clone(),
                        family: *family,
                        device: Known::unknown(why),
                        addresses: Vec::new(),
                    },
                };
                view.wans.push(wan);
            }
        }
    }
    lan::look(sys, &mut netifd, &links, config, &mut view);
    view
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
    let addresses = match &device {
        Known::Known(Some((device, _))) => links
            .iter()
            .find(|link| link.name == *device && link.up)
            .map(|link| link.addresses.iter().filter(|a| Family::of(a.ip) == family))
            .map(|addresses| addresses.cloned().collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    };
    Wan { asked: asked.map(str::to_string), family, device, addresses }
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
    if let Some(Ok(interfaces)) = netifd.ask(sys)
        && let Some(Interface { name, device: Some(device), .. }) = netifd::wan(interfaces, family)
    {
        return Known::Known(Some((device.clone(), Because::Netifd(name.clone()))));
    }
    // netifd knows nothing, or no way out: a route set by hand or by a VPN is the kernel's.
    match sys.route_device(family) {
        Err(why) => Known::unknown(why),
        Ok(None) => Known::Known(None),
        Ok(Some(index)) => match links.iter().find(|link| link.index == index) {
            Some(link) if link.loopback => Known::Known(None),
            Some(link) => Known::Known(Some((link.name.clone(), Because::KernelRoute))),
            None => Known::unknown("the default route is by a link that has just changed"),
        },
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
    use crate::model::wan::Address;
    use crate::parse::leases;
    use crate::world::{DnsTransport, Event, HttpReply, HttpRequest, Net, NetError, Via};
    use std::net::Ipv6Addr;
    use std::time::Duration;

    /// A router that shows what it is told to and can do nothing.
    struct Router {
        links: Result<Vec<Link>, String>,
        route: Result<Option<u32>, String>,
        netifd: Option<Result<serde_json::Value, String>>,
        asked_netifd: u32,
        neighbours: Result<Vec<(u32, Mac, Ipv6Addr)>, String>,
        leases: &'static str,
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
                neighbours: Ok(Vec::new()),
                leases: "",
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
            assert!(leases::FILES.contains(&path), "a look reads no {path}");
            Ok((path == leases::FILES[1]).then(|| self.leases.as_bytes().to_vec()))
        }
        fn replace_file(&mut self, _: &str, _: &[u8], _: u32) -> Result<(), String> {
            panic!("a look writes nothing")
        }
        fn wall_clock(&self) -> u64 {
            0
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
            Duration::ZERO
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
        assert_eq!(observe(&mut router, &config(None)).clock_unset, Some(0));
    }
}
