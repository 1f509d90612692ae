//! Learning the address that the Internet sees: which services there are, which of them may be
//! asked now, and asking them until enough independent ones agree. Whether anybody needs to
//! know is decided elsewhere (`decide`), and so is what to do with the answer.

use crate::model::address::Prefix;
use crate::model::config::{Lookup, Service};
use crate::model::known::Known;
use crate::model::line::{Means, Seen};
use crate::model::name::Family;
use crate::world::{Answer, Ask, Net, NetErrorKind, Via};
use std::net::IpAddr;
use std::time::Duration;

pub mod credible;
pub mod gateway;
pub mod http;
pub mod quorum;
pub mod service;

/// Longest time for all services together. They are asked in two waves at most, each in flight
/// together and each with half of it, so that silent services cost their time once.
pub const DEADLINE: Duration = Duration::from_secs(8);

/// In the second wave so many are asked beyond those that must agree: the way out has shown that
/// it is not at its best, and there is no third wave.
const SPARE: usize = 1;

/// A service that is asked when the owner named none. How an answer looks is not written here,
/// see [`http::read_answer`].
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    pub url: &'static str,
    pub operator: &'static str,
    pub families: &'static [Family],
    /// Seconds between two questions: the operator's wish where there is one, else a modest
    /// guess.
    pub min_interval: u64,
}

/// The line of the config that means the router above ours.
pub const GATEWAY: &str = "gateway:";

const V4: &[Family] = &[Family::Ipv4];
const V6: &[Family] = &[Family::Ipv6];

/// In order of preference. Services that answer inside China stand second, so that two voices
/// are found early on either side. The last ones are second voices of an operator above, for
/// when its first service fails.
pub const DEFAULTS: &[BuiltIn] = &[
    built_in("https://api.ipify.org", "ipify", V4, 60),
    built_in("https://api6.ipify.org", "ipify", V6, 60),
    built_in("https://4.ipw.cn", "ipw.cn", V4, 60),
    built_in("https://6.ipw.cn", "ipw.cn", V6, 60),
    built_in("https://api.cloudflare.com/cdn-cgi/trace", "Cloudflare", &Family::BOTH, 60),
    built_in("stun:stun.miwifi.com", "Xiaomi", V4, 60),
    built_in("https://myip.ipip.net", "ipip.net", V4, 60),
    built_in("https://speed.neu6.edu.cn/getIP.php", "neu6.edu.cn", V6, 60),
    built_in("stun:stun.l.google.com:19302", "Google", &Family::BOTH, 60),
    built_in("https://checkip.amazonaws.com", "Amazon", V4, 60),
    built_in("stun:stun.chat.bilibili.com", "Bilibili", V4, 60),
    // The server itself is asked, so that it sees us and no resolver.
    built_in("dns:myip.opendns.com@resolver1.opendns.com/A", "OpenDNS", V4, 60),
    built_in("dns:myip.opendns.com@resolver1.opendns.com/AAAA", "OpenDNS", V6, 60),
    built_in("https://v4.ident.me", "ident.me", V4, 60),
    built_in("https://v6.ident.me", "ident.me", V6, 60),
    // Three a minute.
    built_in("https://checkipv4.dedyn.io", "deSEC", V4, 60),
    built_in("https://checkipv6.dedyn.io", "deSEC", V6, 60),
    // As for checkip.dyndns.org, whose form it has: one in ten minutes.
    built_in("https://ddns.oray.com/checkip", "Oray", V4, 600),
    built_in("https://ipv4.icanhazip.com", "Cloudflare", V4, 60),
    built_in("https://ipv6.icanhazip.com", "Cloudflare", V6, 60),
    built_in("stun:stun.cloudflare.com", "Cloudflare", &Family::BOTH, 60),
    built_in("dns:whoami.cloudflare@1.1.1.1/CH-TXT", "Cloudflare", V4, 60),
    built_in("dns:whoami.cloudflare@[2606:4700:4700::1111]/CH-TXT", "Cloudflare", V6, 60),
    built_in("dns:o-o.myaddr.l.google.com@ns1.google.com/TXT", "Google", &Family::BOTH, 60),
];

const fn built_in(
    url: &'static str,
    operator: &'static str,
    families: &'static [Family],
    min_interval: u64,
) -> BuiltIn {
    BuiltIn { url, operator, families, min_interval }
}

/// The services for one family: the owner's list, or the defaults if it is empty. A service of
/// the owner's list that we know keeps the operator and at least the interval that we know, so
/// that two hosts of one operator are not taken for two voices.
pub fn services(lookup: &Lookup, family: Family) -> Vec<Service> {
    if lookup.services.is_empty() {
        let fits = DEFAULTS.iter().filter(|one| one.families.contains(&family));
        return fits
            .map(|one| Service {
                url: one.url.to_string(),
                operator: one.operator.to_string(),
                families: one.families.to_vec(),
                min_interval: Duration::from_secs(one.min_interval),
            })
            .collect();
    }
    let mut services = lookup.services.clone();
    services.retain(|one| one.families.contains(&family));
    // Those whom a proxy on the way can speak for come last.
    services.sort_by_key(|one| service::means(&one.url) == Means::Http);
    for service in &mut services {
        let place = service::place(&service.url);
        if let Some(known) = DEFAULTS.iter().find(|one| service::place(one.url) == place) {
            service.operator = known.operator.to_string();
            service.min_interval =
                service.min_interval.max(Duration::from_secs(known.min_interval));
        }
    }
    services
}

/// Whom to ask now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pick {
    /// In the order to ask: one for each operator first, then their second services. Empty if
    /// too few operators are free for an agreement.
    pub ask: Vec<Service>,
    /// With an empty `ask`: when enough are free again, since boot. `None` then means never:
    /// the list has too few operators.
    pub earliest: Option<Duration>,
}

/// Picks from `services` (all of one family) those that may be asked at `now` (since boot).
/// `free` tells from when on an URL may be asked again, since boot; `None`: it never was asked.
pub fn pick(
    services: &[Service],
    free: &dyn Fn(&str) -> Option<Duration>,
    now: Duration,
    agree: usize,
) -> Pick {
    let agree = agree.max(1);
    // When each operator is free first, in the order of the list.
    let mut operators: Vec<(&str, Duration)> = Vec::new();
    let mut first = Vec::new();
    let mut second = Vec::new();
    for service in services {
        let free = free(&service.url).unwrap_or_default();
        let seen = operators.iter_mut().find(|(operator, _)| *operator == service.operator);
        let has_voice = seen.as_ref().is_some_and(|(_, earlier)| *earlier <= now);
        match seen {
            Some((_, earlier)) => *earlier = free.min(*earlier),
            None => operators.push((&service.operator, free)),
        }
        if free <= now {
            if has_voice { &mut second } else { &mut first }.push(service.clone());
        }
    }
    if first.len() >= agree {
        first.append(&mut second);
        return Pick { ask: first, earliest: None };
    }
    let mut times: Vec<Duration> = operators.into_iter().map(|(_, free)| free).collect();
    times.sort_unstable();
    Pick { ask: Vec::new(), earliest: times.get(agree - 1).copied() }
}

/// What is asked, and how the questions leave the router.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Of the transport, and so of the answer.
    pub family: Family,
    /// The WAN's device; `None`: the default route.
    pub device: Option<&'a str>,
    pub ca_file: Option<&'a str>,
    pub allow_http: bool,
    /// How many operators must say the same; 0 is taken as 1.
    pub agree: usize,
    /// Asks every service at once, also when fewer would do: for evidence of each kind.
    pub all: bool,
    /// Whom `gateway:` asks; `None`: it has nobody to ask.
    pub router: Option<gateway::Router>,
    pub assume_public: &'a [Prefix],
}

/// What asking brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What each service said that was asked, in order; without one that a signal cut.
    pub answers: Vec<Seen>,
    /// URLs that named a time to wait (Retry-After).
    pub wait: Vec<(String, Duration)>,
    pub verdict: Known<IpAddr>,
}

/// Asks `services` (see [`pick`]): as many at once as must agree, and where that did not settle
/// it, some more at once. `on_asked` is called before each question, so that a crash does not
/// forget it. The caller calls [`Net::done`].
pub fn ask(
    net: &mut dyn Net,
    services: &[Service],
    question: &Question,
    on_asked: &mut dyn FnMut(&str),
) -> Asked {
    let mut left: Vec<&Service> = services.iter().collect();
    let mut said: Vec<quorum::Said> = Vec::new();
    let mut asked = Asked {
        answers: Vec::new(),
        wait: Vec::new(),
        verdict: Known::unknown("stopped before enough services had answered"),
    };
    for spare in [0, SPARE] {
        let wave = wave(&mut left, &said, question, spare);
        if wave.is_empty() {
            break;
        }
        for service in &wave {
            on_asked(&service.url);
        }
        if !fly(net, &wave, question, &mut asked, &mut said) {
            return asked;
        }
    }
    asked.verdict = quorum::verdict(&said, question.agree, question.family);
    asked
}

/// Takes out of `left` whom to ask next; nobody if it is settled, or cannot be any more.
fn wave<'s>(
    left: &mut Vec<&'s Service>,
    said: &[quorum::Said],
    question: &Question,
    spare: usize,
) -> Vec<&'s Service> {
    if question.all {
        return std::mem::take(left);
    }
    left.retain(|one| !has_answered(said, &one.operator));
    if quorum::winner(said, question.agree).is_some()
        || !quorum::open(said, operators(left), question.agree)
    {
        return Vec::new();
    }
    let most = quorum::missing(said, question.agree) + spare;
    let mut wave: Vec<&Service> = Vec::new();
    left.retain(|one| {
        let next = wave.len() < most && !wave.iter().any(|other| other.operator == one.operator);
        if next {
            wave.push(one);
        }
        !next
    });
    wave
}

/// Asks these at once and notes what they say; false if a signal ended it.
fn fly(
    net: &mut dyn Net,
    wave: &[&Service],
    question: &Question,
    asked: &mut Asked,
    said: &mut Vec<quorum::Said>,
) -> bool {
    let family = question.family;
    let via = Via {
        device: question.device.map(str::to_string),
        family: Some(family),
        deadline: DEADLINE / 2,
        max_body: http::MAX_BODY,
        ca_file: question.ca_file.map(str::to_string),
        allow_http: question.allow_http,
    };
    let mut asks: Vec<Ask> = Vec::new();
    // How many of them belong to each service.
    let mut counts = Vec::new();
    for service in wave {
        let before = asks.len();
        match service::question(&service.url, &mut || net.chance()) {
            Some(ask) => asks.push(ask),
            None => asks.extend(question.router.map(gateway::questions).unwrap_or_default()),
        }
        counts.push(asks.len() - before);
    }
    let mut replies = net.together(&asks, &via);
    let mut alive = true;
    for (service, count) in wave.iter().zip(counts) {
        let rest = replies.split_off(count.min(replies.len()));
        let own = std::mem::replace(&mut replies, rest);
        let answer = match (own.first(), question.router) {
            (Some(Err(why)), _) if why.kind == NetErrorKind::Interrupted => {
                alive = false;
                continue;
            }
            (Some(_), Some(router)) if service.url == GATEWAY => {
                let told = gateway::read(net, router, question.device, &own);
                gateway::outside(&told).and_then(|ip| credible::check(ip, question.assume_public))
            }
            (Some(Ok(reply)), _) => {
                if let Answer::Http(reply) = reply
                    && let Some(after) = reply.retry_after()
                {
                    asked.wait.push((service.url.clone(), after));
                }
                service::read(&service.url, reply, family, question.assume_public)
            }
            (Some(Err(why)), _) => Err(why.text.clone()),
            (None, _) => Err("there is no router above ours on this line".into()),
        };
        asked.answers.push(Seen {
            service: service.url.clone(),
            means: service::means(&service.url),
            answer: answer.clone(),
        });
        let who = service::place(&service.url);
        let weak = service::means(&service.url) == Means::Http;
        said.push(quorum::Said { who, operator: service.operator.clone(), weak, answer });
    }
    alive
}

fn has_answered(said: &[quorum::Said], operator: &str) -> bool {
    said.iter().any(|one| one.operator == operator && one.answer.is_ok())
}

/// How many operators these services have.
fn operators(services: &[&Service]) -> usize {
    let first = |(index, one): &(usize, &&Service)| {
        !services.iter().take(*index).any(|earlier| earlier.operator == one.operator)
    };
    services.iter().enumerate().filter(first).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{DnsTransport, HttpReply, HttpRequest, NetError};

    const SECOND: Duration = Duration::from_secs(1);

    fn service(url: &str, operator: &str) -> Service {
        Service {
            url: url.to_string(),
            operator: operator.to_string(),
            families: V4.to_vec(),
            min_interval: 60 * SECOND,
        }
    }

    fn lookup(services: Vec<Service>) -> Lookup {
        Lookup {
            services,
            agree: 2,
            interval: 300 * SECOND,
            ca_file: None,
            allow_http: false,
            gateway_map: false,
            resolvers: Vec::new(),
        }
    }

    fn urls(services: &[Service]) -> Vec<&str> {
        services.iter().map(|one| one.url.as_str()).collect()
    }

    #[test]
    fn built_in_services_are_independent_enough() {
        for family in Family::BOTH {
            let services = services(&lookup(Vec::new()), family);
            let mut operators: Vec<_> = services.iter().map(|one| &one.operator).collect();
            operators.sort();
            operators.dedup();
            assert!(operators.len() >= 5, "{family}: {operators:?}");
            for one in &services {
                let how = service::how(&one.url).unwrap();
                assert!(one.url.starts_with("https://") || how != service::How::Http);
                assert!(how.tells(family), "{}", one.url);
                assert!(one.families.contains(&family));
                assert!(one.min_interval >= 60 * SECOND);
            }
            // The first two voices, and two that answer inside China.
            assert_ne!(services[0].operator, services[1].operator);
            assert!(services[..2].iter().all(|one| one.url.starts_with("https://")));
            let china = ["ipw.cn", "ipip.net", "neu6.edu.cn", "Oray", "Xiaomi", "Bilibili"];
            let chinese = services.iter().filter(|one| china.contains(&one.operator.as_str()));
            assert!(chinese.count() >= 2, "{family}");
        }
        for (index, one) in DEFAULTS.iter().enumerate() {
            assert!(!DEFAULTS[..index].iter().any(|other| other.url == one.url), "{}", one.url);
        }
    }

    #[test]
    fn the_owners_list_replaces_the_built_in_one() {
        let mut six = service("https://v6.example", "v6.example");
        six.families = V6.to_vec();
        let list = lookup(vec![service("https://v4.example/ip", "v4.example"), six]);
        assert_eq!(urls(&services(&list, Family::Ipv4)), ["https://v4.example/ip"]);
        assert_eq!(urls(&services(&list, Family::Ipv6)), ["https://v6.example"]);
        // Two hosts of one operator are known as such, and a wish for an interval is kept.
        let mut oray = service("https://ddns.oray.com/checkip", "ddns.oray.com");
        oray.min_interval = SECOND;
        let list = lookup(vec![
            service("https://IPv4.icanhazip.com/", "ipv4.icanhazip.com"),
            service("https://api.cloudflare.com/cdn-cgi/trace", "api.cloudflare.com"),
            oray,
        ]);
        let services = services(&list, Family::Ipv4);
        assert_eq!(services[0].operator, services[1].operator);
        assert_eq!(services[2].min_interval, 600 * SECOND);
    }

    #[test]
    fn who_may_be_asked_now() {
        let list = [
            service("https://a1", "a"),
            service("https://a2", "a"),
            service("https://b1", "b"),
            service("https://c1", "c"),
        ];
        // Seconds of the last question to each, now, agree; whom to ask, or when.
        type Case<'a> = ([Option<u64>; 4], u64, usize, &'a [&'a str], Option<u64>);
        let cases: &[Case] = &[
            ([None; 4], 0, 2, &["a1", "b1", "c1", "a2"], None),
            ([Some(100), None, None, None], 130, 2, &["a2", "b1", "c1"], None),
            ([Some(100), None, None, None], 160, 2, &["a1", "b1", "c1", "a2"], None),
            ([Some(100), Some(100), None, None], 159, 2, &["b1", "c1"], None),
            // Three must agree, and one operator is not free before 160.
            ([Some(100), Some(110), None, None], 130, 3, &[], Some(160)),
            ([Some(100), Some(100), Some(130), Some(120)], 140, 2, &[], Some(180)),
            ([Some(100), Some(100), Some(130), None], 140, 2, &[], Some(160)),
            ([Some(100), Some(100), Some(130), None], 140, 1, &["c1"], None),
            ([None; 4], 0, 4, &[], None),
            ([None; 4], 0, 0, &["a1", "b1", "c1", "a2"], None),
        ];
        for (last, now, agree, want, earliest) in cases {
            let free = |url: &str| {
                let index = list.iter().position(|one| one.url == url).unwrap();
                last[index].map(|last| Duration::from_secs(last) + list[index].min_interval)
            };
            let pick = pick(&list, &free, Duration::from_secs(*now), *agree);
            let want: Vec<_> = want.iter().map(|one| format!("https://{one}")).collect();
            assert_eq!(urls(&pick.ask), want, "{last:?} at {now}");
            assert_eq!(pick.earliest, earliest.map(Duration::from_secs), "{last:?} at {now}");
        }
        assert_eq!(pick(&[], &|_| None, SECOND, 1), Pick { ask: Vec::new(), earliest: None });
    }

    /// Answers by URL; knows no others.
    struct Fake {
        answers: Vec<(&'static str, Result<HttpReply, NetError>)>,
        via: Vec<Via>,
    }

    impl Net for Fake {
        fn http(&mut self, request: &HttpRequest, via: &Via) -> Result<HttpReply, NetError> {
            assert_eq!(request.method, "GET");
            self.via.push(via.clone());
            let known = self.answers.iter().find(|(url, _)| *url == request.url);
            known.unwrap_or_else(|| panic!("nobody answers at {}", request.url)).1.clone()
        }
        fn dns(
            &mut self,
            _: &str,
            _: &[u8],
            _: DnsTransport,
            _: &Via,
        ) -> Result<Vec<u8>, NetError> {
            panic!("no DNS here")
        }
        fn read_file(&mut self, path: &str) -> Result<Option<Vec<u8>>, String> {
            panic!("{path}")
        }
        fn replace_file(&mut self, path: &str, _: &[u8], _: u32) -> Result<(), String> {
            panic!("{path}")
        }
        fn wall_clock(&self) -> u64 {
            panic!("no clock here")
        }
        fn chance(&mut self) -> u64 {
            panic!("no chance here")
        }
        fn done(&mut self) {
            panic!("that is for the caller")
        }
    }

    fn says(body: &str) -> Result<HttpReply, NetError> {
        Ok(HttpReply { status: 200, headers: Vec::new(), body: body.into() })
    }

    fn fails(kind: NetErrorKind, text: &str) -> Result<HttpReply, NetError> {
        Err(NetError { kind, text: text.to_string(), sent: false })
    }

    /// Asks services named by URL, each of its own operator (its first letter), on a fake net.
    fn asking(
        answers: Vec<(&'static str, Result<HttpReply, NetError>)>,
        agree: usize,
    ) -> (Asked, Vec<String>, Vec<Via>) {
        let list: Vec<_> = answers.iter().map(|(url, _)| service(url, &url[8..9])).collect();
        let lab = [Prefix::parse("203.0.113.0/24").unwrap()];
        let question = Question {
            family: Family::Ipv4,
            device: Some("pppoe-wan"),
            ca_file: Some("/etc/lab.pem"),
            allow_http: false,
            agree,
            all: false,
            router: None,
            assume_public: &lab,
        };
        let mut net = Fake { answers, via: Vec::new() };
        let mut noted = Vec::new();
        let asked = ask(&mut net, &list, &question, &mut |url| noted.push(url.to_string()));
        (asked, noted, net.via)
    }

    fn ip(text: &str) -> Known<IpAddr> {
        Known::Known(text.parse().unwrap())
    }

    #[test]
    fn two_that_agree_are_enough() {
        let (asked, noted, via) = asking(
            vec![
                ("https://a", says("203.0.113.9\n")),
                ("https://b", says("{\"ip\":\"203.0.113.9\"}")),
                ("https://c", fails(NetErrorKind::Tls, "never asked")),
            ],
            2,
        );
        assert_eq!(asked.verdict, ip("203.0.113.9"));
        assert_eq!(noted, ["https://a", "https://b"]);
        assert_eq!(asked.answers.len(), 2);
        let want = Via {
            device: Some("pppoe-wan".into()),
            family: Some(Family::Ipv4),
            deadline: 4 * SECOND,
            max_body: 4096,
            ca_file: Some("/etc/lab.pem".into()),
            allow_http: false,
        };
        assert!(via.iter().all(|via| *via == want));
    }

    #[test]
    fn all_are_asked_where_evidence_is_wanted() {
        let urls = ["https://a", "https://b", "https://c", "https://d"];
        let answers = urls.into_iter().map(|url| (url, says("203.0.113.9"))).collect();
        let mut net = Fake { answers, via: Vec::new() };
        let mut list: Vec<_> = urls.iter().map(|url| service(url, &url[8..])).collect();
        // Also a second one of an operator, and a router that is not there.
        list[1].operator = "a".into();
        list.push(service(GATEWAY, "gateway"));
        let lab = [Prefix::parse("203.0.113.0/24").unwrap()];
        let question = Question {
            family: Family::Ipv4,
            device: None,
            ca_file: None,
            allow_http: false,
            agree: 2,
            all: true,
            router: None,
            assume_public: &lab,
        };
        let asked = ask(&mut net, &list, &question, &mut |_| {});
        assert_eq!(asked.verdict, ip("203.0.113.9"));
        assert_eq!((asked.answers.len(), net.via.len()), (5, 4));
        assert_eq!(asked.answers[3].means, crate::model::line::Means::Https);
        assert!(asked.answers[4].answer.as_ref().is_err_and(|why| why.contains("no router")));
    }

    #[test]
    fn a_liar_is_outvoted_and_named_otherwise() {
        let (asked, noted, _) = asking(
            vec![
                ("https://a", says("203.0.113.9")),
                ("https://b", says("203.0.113.77")),
                ("https://c", says("203.0.113.9")),
                ("https://d", says("203.0.113.9")),
            ],
            2,
        );
        assert_eq!(asked.verdict, ip("203.0.113.9"));
        assert_eq!(noted.len(), 4, "one more than must agree");
        let (asked, ..) = asking(
            vec![("https://a", says("203.0.113.9")), ("https://b", says("203.0.113.77"))],
            2,
        );
        assert_eq!(
            asked.verdict,
            Known::unknown("services disagree: a says 203.0.113.9, b says 203.0.113.77")
        );
    }

    #[test]
    fn asking_goes_on_past_failures_and_ends_when_hopeless() {
        let (asked, noted, _) = asking(
            vec![
                ("https://a", fails(NetErrorKind::Resolve, "could not resolve a: no answer")),
                ("https://b", says("203.0.113.9")),
                ("https://c", says("10.0.0.1")),
                ("https://d", says("203.0.113.9")),
            ],
            2,
        );
        assert_eq!(asked.verdict, ip("203.0.113.9"));
        assert_eq!(noted.len(), 4);
        let said = |index: usize| &asked.answers[index].answer;
        assert!(said(2).as_ref().is_err_and(|why| why.contains("Private-Use")));
        let (asked, noted, _) = asking(
            vec![
                ("https://a", fails(NetErrorKind::Deadline, "no answer within 8 s")),
                ("https://b", fails(NetErrorKind::Deadline, "no answer within 8 s")),
                ("https://c", says("203.0.113.9")),
            ],
            2,
        );
        assert_eq!(noted.len(), 2, "one voice cannot be two");
        assert_eq!(
            asked.verdict,
            Known::unknown(
                "could not learn our IPv4 address from outside: \
                 a: no answer within 8 s; b: no answer within 8 s"
            )
        );
    }

    #[test]
    fn a_dead_line_is_not_asked_for_ever() {
        let dead = || fails(NetErrorKind::Resolve, "no answer from 192.0.2.53");
        let good = || says("203.0.113.9");
        let urls = ["https://a", "https://b", "https://c", "https://d", "https://e", "https://f"];
        let line = [dead(), dead(), dead(), dead(), dead(), good()];
        let (asked, noted, _) = asking(urls.into_iter().zip(line).collect(), 2);
        assert_eq!(noted.len(), 5, "two waves, no more");
        assert!(matches!(asked.verdict, Known::Unknown(_)));
        let line = [dead(), dead(), dead(), good(), good(), good()];
        let (asked, ..) = asking(urls.into_iter().zip(line).collect(), 2);
        assert_eq!(asked.verdict, ip("203.0.113.9"));
    }

    #[test]
    fn a_second_service_speaks_only_for_a_silent_first() {
        let (asked, noted, _) = asking(
            vec![
                ("https://a1", fails(NetErrorKind::Connect, "refused")),
                ("https://b1", says("203.0.113.9")),
                ("https://b2", says("203.0.113.9")),
                ("https://a2", says("203.0.113.9")),
            ],
            2,
        );
        assert_eq!(asked.verdict, ip("203.0.113.9"));
        assert_eq!(noted, ["https://a1", "https://b1", "https://a2"]);
    }

    #[test]
    fn a_signal_ends_it_and_blames_nobody() {
        let (asked, noted, _) = asking(
            vec![
                ("https://a", says("203.0.113.9")),
                ("https://b", fails(NetErrorKind::Interrupted, "interrupted")),
                ("https://c", says("203.0.113.9")),
            ],
            2,
        );
        assert!(matches!(asked.verdict, Known::Unknown(_)));
        assert_eq!(asked.answers.len(), 1);
        assert_eq!(noted, ["https://a", "https://b"]);
    }

    #[test]
    fn a_wish_to_wait_is_passed_on() {
        let busy = HttpReply {
            status: 429,
            headers: vec![("retry-after".into(), "3600".into())],
            body: Vec::new(),
        };
        let (asked, ..) = asking(vec![("https://a", Ok(busy)), ("https://b", says("x"))], 1);
        assert_eq!(asked.wait, [("https://a".to_string(), 3600 * SECOND)]);
        assert_eq!(
            asked.verdict,
            Known::unknown(
                "could not learn our IPv4 address from outside: \
                 a: it was asked too often (status 429), wait 3600 s; \
                 b: there is no IPv4 address in its answer"
            )
        );
    }

    #[test]
    fn nobody_to_ask_is_said() {
        let (asked, noted, via) = asking(Vec::new(), 2);
        assert!(noted.is_empty() && via.is_empty() && asked.answers.is_empty());
        assert_eq!(asked.verdict, Known::unknown("there is no lookup service to ask for IPv4"));
    }
}
