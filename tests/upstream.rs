//! The router above ours, its routes and the hops behind it, with a real miniupnpd and the real
//! kernel, in network namespaces of its own: us - box (miniupnpd, NAT) - isp (NAT) - inet, which
//! is 1.0.0.1. Needs root; without it, or without a program, it is skipped, and says so.

use reachd::lookup::gateway::{self, Router};
use reachd::model::known::Known;
use reachd::model::line::{Gateway, Hop};
use reachd::model::name::Family;
use reachd::sys::World;
use reachd::world::{RouteQuery, Sys};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Each of the scenes below, in a namespace of its own.
const SCENES: [&str; 3] = ["public_box", "box_behind_cgnat", "silent_box"];

/// Set for a scene's own process: without it none of them touches anything.
const INSIDE: &str = "REACHD_UPSTREAM_SCENE";

#[test]
fn scenes_in_their_own_namespaces() {
    let missing: Vec<&str> = ["ip", "nft", "miniupnpd", "nsenter", "setpriv", "sysctl", "unshare"]
        .into_iter()
        .filter(|program| {
            !["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
                .iter()
                .any(|dir| std::path::Path::new(dir).join(program).exists())
        })
        .collect();
    if !missing.is_empty() {
        eprintln!("SKIPPED: not installed: {}", missing.join(", "));
        return;
    }
    let net = Command::new("unshare").args(["--net", "true"]).stderr(Stdio::null()).status();
    if !net.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no network namespaces here (root is needed)");
        return;
    }
    for scene in SCENES {
        let inside = Command::new("unshare")
            .arg("--net")
            .arg(std::env::current_exe().unwrap())
            .env(INSIDE, scene)
            .args([scene, "--exact", "--ignored", "--test-threads=1", "--nocapture"])
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
        assert!(inside.status.success() && text.contains("1 passed"), "{scene}:\n{text}");
    }
}

/// A namespace, kept by a process that sleeps in it.
struct Space(Child);

impl Space {
    fn new() -> Space {
        let sleeper = ["--net", "setpriv", "--pdeathsig", "KILL", "sleep", "60"];
        let child = Command::new("unshare").args(sleeper).spawn().unwrap();
        let space = Space(child);
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let path = format!("/proc/{}/ns/net", space.0.id());
        let begin = Instant::now();
        while std::fs::read_link(&path).is_ok_and(|theirs| theirs == own) {
            assert!(begin.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(2));
        }
        space
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.0.id().to_string(), "-n", program]);
        command
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(mut command: Command, text: &str) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{command:?} {text}");
}

/// Lines for ip(8).
fn ip(space: Option<&Space>, lines: &str) {
    let mut command = space.map_or_else(|| Command::new("ip"), |space| space.command("ip"));
    command.args(["-batch", "-"]);
    run(command, lines);
}

struct House {
    boxed: Space,
    _isp: Space,
    _inet: Space,
    dir: PathBuf,
    daemon: Option<Child>,
}

impl House {
    /// `outside`: the box's address towards the ISP. `says`: what miniupnpd is told it is.
    fn new(outside: &str, says: Option<&str>) -> House {
        assert!(std::env::var_os(INSIDE).is_some(), "run scenes_in_their_own_namespaces");
        let (boxed, isp, inet) = (Space::new(), Space::new(), Space::new());
        let dir = std::env::temp_dir().join(format!("reachd-upstream-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let ids = [&boxed, &isp, &inet].map(|space| space.0.id());
        // Link-local addresses are good at once: routers ask for their neighbours by them.
        let quick = "net.ipv6.conf.default.accept_dad=0";
        for space in [None, Some(&boxed), Some(&isp), Some(&inet)] {
            let mut sysctl = space.map_or_else(|| Command::new("sysctl"), |s| s.command("sysctl"));
            sysctl.args(["-qw", quick]);
            run(sysctl, "");
        }
        let link = |device, peer, pid| {
            format!("link add {device} type veth peer name {peer} netns {pid}\n")
        };
        ip(
            None,
            &(link("wan0", "lan0", ids[0])
                + "link set lo up\naddress add 192.168.77.2/24 dev wan0\nlink set wan0 up\n"),
        );
        ip(
            Some(&boxed),
            &(link("ext0", "cust0", ids[1])
                + &format!(
                    "link set lo up\naddress add 192.168.77.1/24 dev lan0\nlink set lan0 up\n\
                        address add {outside}/24 dev ext0\nlink set ext0 up\n"
                )),
        );
        let router = outside.rsplit_once('.').unwrap().0.to_string() + ".1";
        ip(
            Some(&isp),
            &(link("up0", "inet0", ids[2])
                + &format!(
                    "link set lo up\naddress add {router}/24 dev cust0\nlink set cust0 up\n\
                        address add 198.51.100.1/24 dev up0\nlink set up0 up\n\
                        route add default via 198.51.100.2\n"
                )),
        );
        ip(
            Some(&inet),
            "link set lo up\naddress add 198.51.100.2/24 dev inet0\n\
             link set inet0 up\naddress add 1.0.0.1/32 dev lo\n",
        );
        ip(Some(&boxed), &format!("route add default via {router}\n"));
        ip(None, "route add default via 192.168.77.1\n");
        let v6 = |addresses: &[(&str, &str)], routes: &[(&str, &str)]| -> String {
            let addresses = addresses
                .iter()
                .map(|(ip, device)| format!("address add {ip} dev {device} nodad\n"));
            let routes = routes.iter().map(|(to, via)| format!("route add {to} via {via}\n"));
            addresses.chain(routes).collect()
        };
        ip(None, &v6(&[("fd00:77::2/64", "wan0")], &[("default", "fd00:77::1")]));
        let at = [("fd00:77::1/64", "lan0"), ("fd00:64::9/64", "ext0")];
        ip(Some(&boxed), &v6(&at, &[("default", "fd00:64::1")]));
        let at = [("fd00:64::1/64", "cust0"), ("fd00:198::1/64", "up0")];
        ip(Some(&isp), &v6(&at, &[("default", "fd00:198::2"), ("fd00:77::/64", "fd00:64::9")]));
        let at = [("fd00:198::2/64", "inet0"), ("2606:4700:4700::1001/128", "lo")];
        ip(Some(&inet), &v6(&at, &[("default", "fd00:198::1")]));
        let nat = |device: &str| {
            format!(
                "table ip nat {{ chain out {{ type nat hook postrouting priority 100; \
                     oifname {device} masquerade; }}; }}\n"
            )
        };
        let own = "table inet miniupnpd {\n\
            chain forward { type filter hook forward priority 0; policy accept; }\n\
            chain prerouting { type nat hook prerouting priority -100; policy accept; }\n\
            chain postrouting { type nat hook postrouting priority 100; policy accept; }\n}\n";
        for (space, rules) in [(&boxed, nat("ext0") + own), (&isp, nat("up0"))] {
            let mut nft = space.command("nft");
            nft.args(["-f", "-"]);
            run(nft, &rules);
            let mut forward = space.command("sysctl");
            forward.args(["-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
            run(forward, "");
        }
        let mut house = House { boxed, _isp: isp, _inet: inet, dir, daemon: None };
        if let Some(says) = says {
            house.daemon(says);
        }
        house
    }

    fn daemon(&mut self, ext_ip: &str) {
        let dir = self.dir.display();
        let ext_ip = match ext_ip {
            "" => String::new(),
            ip => format!("ext_ip={ip}\n"),
        };
        let config = format!(
            "ext_ifname=ext0\n{ext_ip}listening_ip=lan0\nhttp_port=5431\nenable_natpmp=yes\n\
             enable_upnp=yes\nsecure_mode=yes\nlease_file={dir}/leases\n\
             uuid=00000000-0000-0000-0000-000000000001\nfriendly_name=The upstairs box\n\
             upnp_table_name=miniupnpd\nupnp_nat_table_name=miniupnpd\n\
             upnp_forward_chain=forward\nupnp_nat_chain=prerouting\n\
             upnp_nat_postrouting_chain=postrouting\n\
             allow 1024-65535 192.168.77.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
        );
        let path = self.dir.join("miniupnpd.conf");
        std::fs::write(&path, config).unwrap();
        std::fs::write(self.dir.join("leases"), "").unwrap();
        let log = std::fs::File::create(self.dir.join("log")).unwrap();
        let mut command = self.boxed.command("setpriv");
        command.args(["--pdeathsig", "KILL", "miniupnpd", "-d", "-f"]).arg(&path);
        command.arg("-P").arg(self.dir.join("pid"));
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(command.spawn().unwrap());
    }

    /// What the box has in its NAT rules.
    fn rules(&self) -> String {
        let mut nft = self.boxed.command("nft");
        let out = nft.args(["list", "table", "inet", "miniupnpd"]).output().unwrap();
        String::from_utf8_lossy(&out.stdout).into_owned()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// As `act` does it: by the route of the device.
fn router(world: &mut World) -> Router {
    let links = world.links().unwrap();
    let device = links.iter().find(|link| link.name == "wan0").map(|link| link.index);
    let query = RouteQuery { family: Family::Ipv4, to: None, device, source: None, mark: 0 };
    let route = world.route(&query).unwrap().unwrap();
    let Some(IpAddr::V4(address)) = route.gateway else { panic!("{route:?}") };
    Router { address, own: route.source.unwrap() }
}

/// Asks until the box is up.
fn gateway(map: bool) -> Gateway {
    let mut world = World::new();
    let router = router(&mut world);
    let told = (IpAddr::V4(router.address), router.own);
    assert_eq!(told, (addr("192.168.77.1"), addr("192.168.77.2")));
    let begin = Instant::now();
    loop {
        let told = gateway::ask(&mut world, router, Some("wan0"), false);
        if told.upnp.known().is_some() || begin.elapsed() > Duration::from_secs(10) {
            let begin = Instant::now();
            let told = gateway::ask(&mut world, router, Some("wan0"), map);
            assert!(begin.elapsed() < Duration::from_millis(900), "{:?}", begin.elapsed());
            return told;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "runs inside scenes_in_their_own_namespaces"]
fn public_box() {
    let house = House::new("100.64.0.9", Some("5.5.5.5"));
    let told = gateway(true);
    let outside = addr("5.5.5.5");
    assert_eq!(told.natpmp, Known::Known((0, "5.5.5.5".parse().ok())));
    assert_eq!(told.pcp_announce, Known::Known(0));
    assert_eq!(told.pcp_map, Known::Known((0, Some(outside))));
    assert_eq!(told.upnp, Known::Known(("The upstairs box".into(), Some(outside))));
    assert_eq!(gateway::outside(&told), Ok(outside));
    // No mapping is left behind.
    assert!(!house.rules().contains("dnat"), "{}", house.rules());
    let leases = std::fs::read_to_string(house.dir.join("leases")).unwrap();
    assert_eq!(leases, "");
    let log = std::fs::read_to_string(house.dir.join("log")).unwrap();
    assert!(!log.is_empty());
    hops_and_routes();
}

fn hops_and_routes() {
    let mut world = World::new();
    let begin = Instant::now();
    let hops = world.hops("wan0", addr("192.168.77.2"), 8);
    let hop = |ttl, ip| Hop { ttl, from: Some(addr(ip)) };
    // Through two NATs, up to the destination itself.
    let want = vec![hop(1, "192.168.77.1"), hop(2, "100.64.0.1"), hop(3, "1.0.0.1")];
    assert_eq!(hops, Known::Known(want));
    assert!(begin.elapsed() < Duration::from_millis(600), "{:?}", begin.elapsed());
    let hops = world.hops("wan0", addr("fd00:77::2"), 8);
    let want = [hop(1, "fd00:77::1"), hop(2, "fd00:64::1"), hop(3, "2606:4700:4700::1001")];
    assert_eq!(hops, Known::Known(want.to_vec()));
    assert!(matches!(world.hops("no-such-dev", addr("192.168.77.2"), 8), Known::Unknown(_)));

    // Another table for marked packets, and for those of another address.
    ip(
        None,
        "address add 192.168.77.3/24 dev wan0\nroute add default via 192.168.77.9 table 7\n\
              rule add fwmark 0x100 lookup 7\nrule add from 192.168.77.3 lookup 7\n",
    );
    let mut by = |source: Option<&str>, mark| {
        let source = source.map(addr);
        let query = RouteQuery { family: Family::Ipv4, to: None, device: None, source, mark };
        world.route(&query).unwrap().and_then(|route| route.gateway)
    };
    assert_eq!(by(None, 0), Some(addr("192.168.77.1")));
    assert_eq!(by(None, 0x100), Some(addr("192.168.77.9")));
    assert_eq!(by(Some("192.168.77.3"), 0), Some(addr("192.168.77.9")));
    assert_eq!(by(Some("192.168.77.2"), 0), Some(addr("192.168.77.1")));
    assert_eq!(by(Some("203.0.113.66"), 0), None, "not an address of ours");
    let v6 = RouteQuery { family: Family::Ipv6, to: None, device: None, source: None, mark: 0 };
    let route = world.route(&v6).unwrap().unwrap();
    let own = Some(addr("fd00:77::2"));
    assert_eq!((route.gateway, route.source), (Some(addr("fd00:77::1")), own));
    ip(None, "route delete default via fd00:77::1\n");
    assert_eq!(world.route(&v6), Ok(None));
}

#[test]
#[ignore = "runs inside scenes_in_their_own_namespaces"]
fn box_behind_cgnat() {
    let house = House::new("100.64.0.9", Some(""));
    let told = gateway(true);
    // Each as `sanity.md` has it for miniupnpd 2.3.1.
    assert_eq!(told.natpmp, Known::Known((3, None)));
    assert_eq!(told.pcp_announce, Known::Known(0));
    assert_eq!(told.pcp_map, Known::Known((8, None)));
    assert_eq!(told.upnp, Known::Known(("The upstairs box".into(), None)));
    assert_eq!(gateway::outside(&told), Err("192.168.77.1 has no outside address".into()));
    assert!(!house.rules().contains("dnat"));
}

#[test]
#[ignore = "runs inside scenes_in_their_own_namespaces"]
fn silent_box() {
    let house = House::new("100.64.0.9", None);
    let mut world = World::new();
    let router = router(&mut world);
    // Nobody listens: told at once.
    let begin = Instant::now();
    let told = gateway::ask(&mut world, router, Some("wan0"), true);
    assert!(begin.elapsed() < Duration::from_millis(300), "{:?}", begin.elapsed());
    let said = |why: &Known<u8>| format!("{why:?}").contains("nobody listens");
    assert!(said(&told.pcp_announce), "{told:?}");
    // Dropped: one deadline for all, and hops are silent but for the last.
    let mut nft = house.boxed.command("nft");
    nft.args(["-f", "-"]);
    run(
        nft,
        "table ip quiet { chain in { type filter hook input priority 0; drop; };\n\
              chain out { type filter hook output priority 0; drop; };\n}\n",
    );
    let begin = Instant::now();
    let told = gateway::ask(&mut world, router, Some("wan0"), false);
    let took = begin.elapsed();
    assert_eq!(told.natpmp, Known::unknown("no answer"));
    assert_eq!(told.upnp, Known::unknown("no answer"));
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1300), "{took:?}");
    let begin = Instant::now();
    let hops = world.hops("wan0", addr("192.168.77.2"), 8);
    let froms: Vec<_> = hops.known().unwrap().iter().map(|hop| hop.from).collect();
    assert_eq!(froms, [None, Some(addr("100.64.0.1")), Some(addr("1.0.0.1"))]);
    assert!(begin.elapsed() < Duration::from_millis(700), "{:?}", begin.elapsed());
}
