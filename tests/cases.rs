//! Routers with their oddities, each a folder in `tests/cases`: what the router shows and what
//! the outside says go in; the verdict on the line, what it means, and what becomes of the records
//! under each policy come out, and are compared with what stands there.
//!
//! `REACHD_BLESS=1 cargo test --test cases` writes what comes out into the folders.
//!
//! ```text
//! router       # comment: what is odd here
//!              netifd FILE               a dump of tests/data/netifd, else netifd.json here, else no ubus
//!              link INDEX NAME [ADDRESS/LEN ...] [down]
//!              route FAMILY INDEX [via GATEWAY]          the kernel's way to the Internet
//!              bound INDEX FAMILY via GATEWAY            the same for a socket bound to a link
//!              from ADDRESS INDEX                        the same for packets with this source
//!              mark MARK INDEX                           the same for packets with this mark
//!              says SERVICE ADDRESS | says SERVICE ! WHY what a lookup answers; in both families
//!                                                        by two lines, one after the other
//!              natpmp CODE ADDRESS                       what the gateway says of itself
//!              hop TTL ADDRESS | hop TTL *               who answers there
//!              wan NAME                                  option wan of the names
//!              assume_public PREFIX
//! router.later  the links, routes and lookups after a change
//! tmp/..., sys/...  files as they lie on the router
//! line.txt, line.json, names.txt   what is to come out
//! ```

use reachd::agent::Agent;
use reachd::config;
use reachd::model::config::Config;
use reachd::model::known::Known;
use reachd::model::lan::Mac;
use reachd::model::line::Hop;
use reachd::model::name::Family;
use reachd::model::wan::{Address, Link, Route};
use reachd::render;
use reachd::world::{
    Answer, Ask, Datagram, DnsTransport, Event, HttpReply, HttpRequest, Net, NetError,
    NetErrorKind, RouteQuery, Sys, Via,
};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a folder says.
#[derive(Clone, Default)]
struct Case {
    name: String,
    dir: PathBuf,
    netifd: Option<serde_json::Value>,
    links: Vec<Link>,
    routes: Vec<(Family, Route)>,
    bound: Vec<(u32, Family, IpAddr)>,
    from: Vec<(IpAddr, u32)>,
    marks: Vec<(u32, u32)>,
    natpmp: Option<(u16, Ipv4Addr)>,
    hops: Vec<Hop>,
    says: Vec<(String, Result<IpAddr, String>)>,
    wan: Option<String>,
    assume_public: Vec<String>,
}

/// A router that shows what its folder says, and keeps what is written.
struct Router {
    case: Case,
    /// Nobody answers; or each answers another address; or all is as the folder says.
    mood: Mood,
    written: BTreeMap<String, Vec<u8>>,
    now: Duration,
    asked: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    AsItIs,
    NobodyAnswers,
    AllDisagree,
    OneVoice,
    NetifdIsSilent,
    KernelIsSilent,
    NoRouteIsTold,
}

impl Router {
    /// RFC 8489 6.3: a success with XOR-MAPPED-ADDRESS.
    fn stun(&mut self, asked: &Datagram, via: &Via) -> Option<Vec<u8>> {
        let request = HttpRequest::new("GET", format!("stun:{}", asked.to));
        let ip: IpAddr =
            String::from_utf8(self.http(&request, via).ok()?.body).unwrap().parse().unwrap();
        let IpAddr::V4(ip) = ip else { return None };
        let mut reply = vec![1, 1, 0, 12];
        reply.extend(&asked.payload[4..20]);
        reply.extend([0, 0x20, 0, 8, 0, 1, 0x21 ^ 0x12, 0x12 ^ 0x34]);
        reply.extend((ip.to_bits() ^ 0x2112_a442).to_be_bytes());
        Some(reply)
    }

    /// RFC 6886 3.2.
    fn natpmp(&self) -> Option<Vec<u8>> {
        let (code, ip) = self.case.natpmp.filter(|_| self.mood == Mood::AsItIs)?;
        let mut reply = vec![0, 128];
        reply.extend(code.to_be_bytes());
        reply.extend([0, 0, 0, 9]);
        reply.extend(ip.octets());
        Some(reply)
    }
}

impl Net for Router {
    fn http(&mut self, request: &HttpRequest, via: &Via) -> Result<HttpReply, NetError> {
        assert!(via.device.is_some() && via.family.is_some(), "lookups are bound to the WAN");
        self.asked += 1;
        let of = |(service, answer): &(String, Result<IpAddr, String>)| {
            let six = via.family == Some(Family::Ipv6);
            *service == request.url && answer.as_ref().map_or(true, |ip| ip.is_ipv6() == six)
        };
        let Some(at) = self.case.says.iter().position(of) else {
            let text = format!("could not connect to {}", request.url);
            return Err(NetError { kind: NetErrorKind::Connect, text, sent: false });
        };
        let answer = &self.case.says[at].1;
        let other = |last: usize| match via.family {
            Some(Family::Ipv6) => format!("2a00:77::{last}"),
            _ => format!("8.77.7.{last}"),
        };
        let answer = match self.mood {
            Mood::NobodyAnswers => Err("no answer within 8 s".to_string()),
            Mood::AllDisagree => Ok(other(at + 1)),
            Mood::OneVoice if at == 0 => Ok(other(1)),
            Mood::OneVoice => Err("no answer within 8 s".to_string()),
            _ => answer.clone().map(|ip| ip.to_string()),
        };
        let fail = |text| NetError { kind: NetErrorKind::Deadline, text, sent: true };
        answer
            .map(|ip| HttpReply { status: 200, headers: Vec::new(), body: ip.into_bytes() })
            .map_err(fail)
    }

    fn dns(&mut self, _: &str, _: &[u8], _: DnsTransport, _: &Via) -> Result<Vec<u8>, NetError> {
        panic!("lookups ask together")
    }

    fn together(&mut self, asks: &[Ask], via: &Via) -> Vec<Result<Answer, NetError>> {
        let silence = || NetError {
            kind: NetErrorKind::Deadline,
            text: "no answer in time".into(),
            sent: true,
        };
        let one = |ask: &Ask| match ask {
            Ask::Http(request) => self.http(request, via).map(Answer::Http),
            Ask::Datagram(asked) => {
                assert!(via.device.is_some(), "datagrams are bound to the WAN");
                let reply = match asked.port {
                    3478 => self.stun(asked, via),
                    5351 if asked.payload.len() == 2 => self.natpmp(),
                    _ => None,
                };
                let reply = reply.filter(|reply| (asked.is_reply)(&asked.payload, reply));
                reply.map(Answer::Datagram).ok_or_else(silence)
            }
        };
        asks.iter().map(one).collect()
    }

    fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
        if let Some(bytes) = self.written.get(path) {
            return Ok(Some(bytes.clone()));
        }
        Ok(fs::read(self.case.dir.join(path.trim_start_matches('/'))).ok())
    }

    fn replace_file(&mut self, path: &str, content: &[u8], _: u32) -> Result<(), String> {
        self.written.insert(path.to_string(), content.to_vec());
        Ok(())
    }

    fn wall_clock(&self) -> u64 {
        1_795_000_000
    }

    fn chance(&mut self) -> u64 {
        0
    }

    fn done(&mut self) {}
}

impl Sys for Router {
    fn links(&mut self) -> Result<Vec<Link>, String> {
        match self.mood {
            Mood::KernelIsSilent => Err("the kernel does not answer".into()),
            _ => Ok(self.case.links.clone()),
        }
    }

    fn route_device(&mut self, family: Family) -> Result<Option<u32>, String> {
        let query = RouteQuery { family, to: None, device: None, source: None, mark: 0 };
        Ok(self.route(&query)?.map(|route| route.device))
    }

    fn route(&mut self, query: &RouteQuery) -> Result<Option<Route>, String> {
        if matches!(self.mood, Mood::KernelIsSilent | Mood::NoRouteIsTold) {
            return Err("the kernel does not answer".into());
        }
        let family = query.family;
        let own = |device: u32| {
            let link = self.case.links.iter().find(|link| link.index == device)?;
            link.addresses.iter().map(|address| address.ip).find(|ip| Family::of(*ip) == family)
        };
        let default = self.case.routes.iter().find(|(of, _)| *of == family);
        let default = default.map(|(_, way)| Route { source: own(way.device), ..way.clone() });
        if let Some(device) = query.device {
            let bound = self.case.bound.iter().find(|(at, of, _)| (*at, *of) == (device, family));
            let gateway = bound.map(|(_, _, gateway)| *gateway);
            let same = default.filter(|way| way.device == device).and_then(|way| way.gateway);
            return Ok(Some(Route { device, gateway: gateway.or(same), source: own(device) }));
        }
        let marked = self.case.marks.iter().find(|(mark, _)| *mark == query.mark);
        let marked = marked.map(|(_, device)| *device);
        let ruled = query.source.and_then(|from| self.case.from.iter().find(|(ip, _)| *ip == from));
        let ruled = ruled.map(|(_, device)| *device).or(marked);
        let ruled = ruled.map(|device| Route { device, gateway: None, source: None });
        Ok(ruled.or(default))
    }

    fn marks(&mut self, _: Family) -> Result<Vec<u32>, String> {
        Ok(self.case.marks.iter().map(|(mark, _)| *mark).collect())
    }

    fn hops(&mut self, device: &str, source: IpAddr, most: u8) -> Known<Vec<Hop>> {
        let link = self.case.links.iter().find(|link| link.name == device).unwrap();
        assert!(link.addresses.iter().any(|address| address.ip == source), "from the WAN");
        match self.mood {
            Mood::AsItIs => {
                Known::Known(self.case.hops.iter().filter(|hop| hop.ttl <= most).cloned().collect())
            }
            _ => Known::unknown("no packets here"),
        }
    }

    fn netifd(&mut self) -> Option<Result<serde_json::Value, String>> {
        let dump = self.case.netifd.clone()?;
        match self.mood {
            Mood::NetifdIsSilent => Some(Err("could not ask netifd: no answer in time".into())),
            _ => Some(Ok(dump)),
        }
    }

    fn neighbours(&mut self) -> Result<Vec<(u32, Mac, Ipv6Addr)>, String> {
        Ok(Vec::new())
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
        self.now
    }

    fn boot_id(&self) -> String {
        "a-boot".into()
    }
}

fn read(dir: &Path) -> Case {
    let name = dir.file_name().unwrap().to_str().unwrap().to_string();
    let text = fs::read_to_string(dir.join("router")).unwrap();
    assert!(text.starts_with("# "), "{name}/router does not say what is odd");
    let mut case = Case { name, dir: dir.to_path_buf(), ..Case::default() };
    read_router(&mut case, &text);
    case
}

/// What happens later: the lines that differ replace all of their kind.
fn later(case: &Case) -> Option<Case> {
    let text = fs::read_to_string(case.dir.join("router.later")).ok()?;
    let mut later = case.clone();
    (later.links, later.routes, later.says) = Default::default();
    read_router(&mut later, &text);
    Some(later)
}

fn read_router(case: &mut Case, text: &str) {
    let dir = case.dir.clone();
    let json = |path: PathBuf| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    if dir.join("netifd.json").exists() {
        case.netifd = Some(json(dir.join("netifd.json")));
    }
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match &words[..] {
            ["netifd", file] => {
                let file = format!("tests/data/netifd/{file}.json");
                case.netifd = Some(json(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)));
            }
            ["link", index, name, rest @ ..] => case.links.push(Link {
                index: index.parse().unwrap(),
                name: name.to_string(),
                up: !rest.contains(&"down"),
                loopback: *name == "lo",
                addresses: rest.iter().filter(|word| **word != "down").map(address).collect(),
            }),
            ["route", of, index] => {
                case.routes.push((
                    family(of),
                    Route { device: index.parse().unwrap(), gateway: None, source: None },
                ));
            }
            ["route", of, index, "via", gateway] => {
                let gateway = Some(gateway.parse().unwrap());
                case.routes.push((
                    family(of),
                    Route { device: index.parse().unwrap(), gateway, source: None },
                ));
            }
            ["bound", index, of, "via", gateway] => {
                case.bound.push((index.parse().unwrap(), family(of), gateway.parse().unwrap()));
            }
            ["from", ip, index] => {
                case.from.push((ip.parse().unwrap(), index.parse().unwrap()));
            }
            ["mark", mark, index] => {
                let mark = u32::from_str_radix(mark.trim_start_matches("0x"), 16).unwrap();
                case.marks.push((mark, index.parse().unwrap()));
            }
            ["says", service, "!", why @ ..] => {
                case.says.push((service.to_string(), Err(why.join(" "))));
            }
            ["natpmp", code, ip] => {
                case.natpmp = Some((code.parse().unwrap(), ip.parse().unwrap()));
            }
            ["hop", ttl, from] => {
                case.hops.push(Hop { ttl: ttl.parse().unwrap(), from: from.parse().ok() });
            }
            ["says", service, ip] => {
                case.says.push((service.to_string(), Ok(ip.parse().unwrap())));
            }
            ["wan", wan] => case.wan = Some(wan.to_string()),
            ["assume_public", prefix] => case.assume_public.push(prefix.to_string()),
            _ => panic!("{}/router: {line}", case.name),
        }
    }
}

fn family(text: &str) -> Family {
    Family::BOTH.into_iter().find(|family| family.to_string() == text).unwrap()
}

fn address(text: &&str) -> Address {
    let (ip, len) = text.split_once('/').unwrap();
    let (ip, prefix_len) = (ip.parse().unwrap(), len.parse().unwrap());
    Address { ip, prefix_len, flags: Address::PERMANENT, preferred: None, valid: None }
}

const POLICIES: [&str; 3] = ["skip", "outside", "wan"];

/// One name for each policy, all kept in hosts files.
fn config_of(case: &Case) -> Config {
    let mut text = String::from("config reachd 'main'\n\toption journal '/journal'\n");
    for prefix in &case.assume_public {
        text += &format!("\tlist assume_public '{prefix}'\n");
    }
    text += "config lookup 'lookups'\n\toption agree '2'\n\toption allow_http '1'\n";
    let mut services: Vec<&String> = case.says.iter().map(|(service, _)| service).collect();
    services.dedup();
    for service in services {
        text += &format!("\tlist url '{service}'\n");
    }
    for policy in POLICIES {
        text += &format!(
            "config account '{policy}_at'\n\toption provider 'hosts'\n\toption path '/{policy}'\n\
             config name '{policy}'\n\toption fqdn '{policy}.example.test'\n\
             \toption account '{policy}_at'\n\toption shared_line '{policy}'\n\
             \tlist family 'ipv4'\n\tlist family 'ipv6'\n"
        );
        if let Some(wan) = &case.wan {
            text += &format!("\toption wan '{wan}'\n");
        }
    }
    let (config, complaints) =
        config::read("case", text.as_bytes(), 0o600, &mut |_| Err("no files".into()));
    config.unwrap_or_else(|| panic!("{}: {complaints:?}", case.name))
}

fn router(case: &Case) -> Router {
    Router {
        case: case.clone(),
        mood: Mood::AsItIs,
        written: BTreeMap::new(),
        now: Duration::from_secs(1000),
        asked: 0,
    }
}

/// The names' files, by policy, without comments.
fn held(router: &Router) -> Vec<String> {
    let hosts = |policy: &&str| {
        let bytes = router.written.get(&format!("/{policy}")).cloned().unwrap_or_default();
        let text = String::from_utf8(bytes).unwrap();
        let mut lines: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        lines.sort_unstable();
        format!("{policy}: {}", if lines.is_empty() { "-".into() } else { lines.join(", ") })
    };
    POLICIES.iter().map(hosts).collect()
}

fn cases() -> Vec<Case> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut dirs: Vec<PathBuf> =
        fs::read_dir(dir).unwrap().map(|one| one.unwrap().path()).collect();
    dirs.sort();
    assert!(dirs.len() >= 20, "the folders are gone");
    dirs.iter().map(|dir| read(dir)).collect()
}

fn compare(case: &Case, file: &str, is: &str, wrong: &mut Vec<String>) {
    let path = case.dir.join(file);
    if std::env::var_os("REACHD_BLESS").is_some() {
        fs::write(&path, is).unwrap();
    }
    let want = fs::read_to_string(&path).unwrap_or_default();
    if want != is {
        wrong.push(format!("{}/{file} is to be:\n{want}\nbut is:\n{is}", case.name));
    }
}

#[test]
fn every_line_is_told_as_it_is() {
    let mut wrong = Vec::new();
    for case in cases() {
        let mut router = router(&case);
        let mut agent = Agent::new(&mut router, config_of(&case));
        let lines = agent.lines(&mut router);
        let text = render::line::text(&lines);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(!text.replace('\n', "").contains(char::is_control), "{text}");
        compare(&case, "line.txt", &text, &mut wrong);
        compare(&case, "line.json", &render::line::json(&lines), &mut wrong);

        // The records: by an agent that starts afresh and asks only what it needs.
        let mut router = self::router(&case);
        let mut agent = Agent::new(&mut router, config_of(&case));
        let mut names = settled(&mut agent, &mut router);
        if let Some(later) = later(&case) {
            router.case = later;
            names += "\nLater\n\n";
            names += &settled(&mut agent, &mut router);
        }
        compare(&case, "names.txt", &names, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}\n(REACHD_BLESS=1 takes it as right)", wrong.join("\n"));
}

/// Rounds until nothing more is to be asked: what is held then, and why.
fn settled(agent: &mut Agent, router: &mut Router) -> String {
    agent.round(router, true);
    router.now += Duration::from_secs(2);
    let round = agent.round(router, true);
    held(router).join("\n") + "\n\n" + &render::text::round(&agent.config, &round, router.now, None)
}

/// Whatever fails or contradicts itself afterwards, what was published stays.
#[test]
fn no_failed_or_disagreeing_look_changes_a_record() {
    for case in cases() {
        for mood in [
            Mood::NobodyAnswers,
            Mood::AllDisagree,
            Mood::OneVoice,
            Mood::NetifdIsSilent,
            Mood::KernelIsSilent,
            Mood::NoRouteIsTold,
        ] {
            let mut router = router(&case);
            let mut agent = Agent::new(&mut router, config_of(&case));
            // With `reachd line` before, more is known than the daemon asks for.
            for ask in [false, true] {
                router.mood = Mood::AsItIs;
                router.now += Duration::from_secs(3600);
                if ask {
                    agent.lines(&mut router);
                }
                settled(&mut agent, &mut router);
                let before = held(&router);
                router.mood = mood;
                for _ in 0..3 {
                    router.now += Duration::from_secs(700);
                    let round = agent.round(&mut router, true);
                    assert_eq!(held(&router), before, "{} {mood:?} {round:?}", case.name);
                    if ask {
                        agent.lines(&mut router);
                    }
                }
            }
        }
    }
}

/// The verdict is judged again at every look, and nobody is asked for that.
#[test]
fn nobody_is_asked_again_while_nothing_changes() {
    for case in cases() {
        let mut router = router(&case);
        let mut agent = Agent::new(&mut router, config_of(&case));
        let lines = render::line::json(&agent.lines(&mut router));
        let asked = router.asked;
        agent.round(&mut router, true);
        router.now += Duration::from_secs(10);
        let first = agent.round(&mut router, true).verdicts;
        let again = agent.round(&mut router, true).verdicts;
        assert_eq!(first, again);
        if lines.contains("\"external\"") {
            // All that could be agreed on was agreed on before.
            let more = router.asked - asked;
            let unanswered =
                lines.matches("\"family\"").count() - lines.matches("\"external\"").count();
            assert!(unanswered > 0 || more == 0, "{}: {more} asked again", case.name);
        }
    }
}

/// What changes beside the line changes the verdict's evidence, and the outside is not asked for
/// it; another address of the line is another question.
#[test]
fn a_change_beside_the_line_is_judged_without_asking() {
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "cgnat").unwrap();
    let mut router = router(case);
    let mut agent = Agent::new(&mut router, config_of(case));
    settled(&mut agent, &mut router);
    let published = held(&router);
    let asked = router.asked;
    assert!(asked > 0 && published[1].contains("93.184.7.20"), "{asked} {published:?}");
    let evidence = |agent: &mut Agent, router: &mut Router| {
        router.now += Duration::from_secs(2);
        let round = agent.round(router, true);
        round.verdicts.into_iter().map(|verdict| verdict.evidence.join("\n")).collect::<String>()
    };
    let before = evidence(&mut agent, &mut router);
    assert!(before.contains("the Internet sees 93.184.7.20"), "{before}");
    // A VPN comes, on another link, and takes the router's own packets.
    let vpn: Vec<Link> = vec![Link {
        index: 30,
        name: "wg0".into(),
        up: true,
        loopback: false,
        addresses: vec![address(&"10.2.0.2/32")],
    }];
    router.case.links.extend(vpn);
    router.case.routes[0].1.device = 30;
    router.case.bound.push((2, Family::Ipv4, "100.64.0.1".parse().unwrap()));
    let after = evidence(&mut agent, &mut router);
    assert!(after.contains("the router's own packets leave by wg0"), "{after}");
    assert!(after.contains("the Internet sees 93.184.7.20"), "{after}");
    assert_eq!((router.asked, held(&router)), (asked, published.clone()));
    // Another address on the LAN.
    router.case.links[0].addresses.push(address(&"192.168.78.1/24"));
    assert_eq!(evidence(&mut agent, &mut router), after);
    assert_eq!(router.asked, asked);
    // Another address on the WAN: what was said of the first one counts no more.
    let wan = router.case.links.iter_mut().find(|link| link.name == "eth1").unwrap();
    wan.addresses[0] = address(&"100.64.7.10/24");
    router.now += Duration::from_secs(3600);
    evidence(&mut agent, &mut router);
    assert!(router.asked > asked, "it was asked again");
}
