//! The router above ours, asked for its own outside address: NAT-PMP, PCP and UPnP at once.
//! What its answers prove is for others; that a mapping was granted proves nothing of being
//! reachable, and none is left behind.
//!
//! An IPv6 router is not asked. It translates nothing, so there is no outside address to learn; PCP
//! there opens its firewall, and its ANNOUNCE says no more than that somebody is there. Who
//! translates IPv6 all the same is behind that router, where only lookups see it (`line`).

use crate::model::known::Known;
use crate::model::line::Gateway;
use crate::model::name::Family;
use crate::wire::{igd, natpmp};
use crate::world::{Answer, Ask, Datagram, HttpRequest, Net, NetError, NetErrorKind, Via};
use log::warn;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// The router is on the link: it answers at once or not at all. Time for one resend.
const DEADLINE: Duration = Duration::from_secs(1);

/// For each of UPnP's two HTTP requests; small routers are slow at that.
const HTTP_DEADLINE: Duration = Duration::from_millis(1500);

/// How long a mapping for the question would live if nobody took it back: RFC 6887 15 has no
/// router grant less.
const MAP_SECONDS: u32 = 120;

/// Where it is, and who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Router {
    /// The default gateway.
    pub address: Ipv4Addr,
    /// Our own address towards it: PCP compares it with where the question came from.
    pub own: IpAddr,
}

/// Asks the router by every means. `map`: also for a PCP mapping, taken back at once.
pub fn ask(net: &mut dyn Net, router: Router, device: Option<&str>, map: bool) -> Gateway {
    let mut asks = questions(router);
    let mapping = natpmp::Mapping {
        own: router.own,
        // Of the dynamic ports (RFC 6335 6); nobody listens there for the moment it exists.
        port: 0xc000 | net.chance() as u16 & 0x3fff,
        nonce: nonce(net.chance(), net.chance()),
    };
    if map {
        asks.push(pcp(router, mapping.request(MAP_SECONDS)));
    }
    let via = via(device, DEADLINE);
    let mut replies = net.together(&asks, &via);
    let pcp_map = match replies.get(asks.len() - usize::from(map)) {
        Some(reply) if map => {
            let granted = reply_bytes(reply).and_then(natpmp::map_answer);
            // Also if no answer came: the request may have arrived.
            if reply.as_ref().map_or_else(|why| why.sent, |_| true) {
                let end = net.together(&[pcp(router, mapping.request(0))], &via);
                let ended = end.first().map(reply_bytes).and_then(Result::ok);
                let ended = ended.is_some_and(|end| natpmp::pcp_result(end) == Ok(0));
                if granted.as_ref().is_ok_and(|(code, _)| *code == 0) && !ended {
                    warn!(
                        "the router {} did not confirm that it took back the mapping of UDP \
                         port {}; it ends by itself within {MAP_SECONDS} s",
                        router.address, mapping.port
                    );
                }
            }
            granted.into()
        }
        _ => Known::unknown("not asked; option gateway_map '1' allows it"),
    };
    replies.truncate(3);
    Gateway { pcp_map, ..read(net, router, device, &replies) }
}

/// NAT-PMP, PCP ANNOUNCE and the search for UPnP, to be asked together.
pub fn questions(router: Router) -> Vec<Ask> {
    let address = router.address;
    let to = |port, payload, is_reply| {
        let source = Some(router.own);
        Ask::Datagram(Datagram { to: address.to_string(), port, source, payload, is_reply })
    };
    vec![
        to(natpmp::PORT, natpmp::NATPMP_QUESTION.to_vec(), natpmp::is_natpmp_reply),
        pcp(router, natpmp::announce(router.own)),
        to(igd::PORT, igd::search(address), igd::is_reply),
    ]
}

fn pcp(router: Router, payload: Vec<u8>) -> Ask {
    Ask::Datagram(Datagram {
        to: router.address.to_string(),
        port: natpmp::PORT,
        source: Some(router.own),
        payload,
        is_reply: natpmp::is_pcp_reply,
    })
}

/// Reads the answers to [`questions`], and goes on with UPnP where it was found.
pub fn read(
    net: &mut dyn Net,
    router: Router,
    device: Option<&str>,
    replies: &[Result<Answer, NetError>],
) -> Gateway {
    let reply = |at: usize| replies.get(at).map_or(Err("not asked".into()), reply_bytes);
    let upnp = reply(2).and_then(|found| {
        let url = igd::location(found).ok_or("its answer names no description")?;
        upnp(net, router.address, device, url)
    });
    Gateway {
        address: IpAddr::V4(router.address),
        natpmp: reply(0).and_then(natpmp::natpmp_answer).into(),
        pcp_announce: reply(1).and_then(natpmp::pcp_result).into(),
        pcp_map: Known::unknown("not asked"),
        upnp: upnp.into(),
    }
}

/// The outside address that the router named, by whichever means.
pub fn outside(gateway: &Gateway) -> Result<IpAddr, String> {
    let natpmp = gateway.natpmp.known();
    let upnp = gateway.upnp.known().and_then(|(_, ip)| *ip);
    match (natpmp.and_then(|(_, ip)| *ip).map(IpAddr::V4), upnp) {
        (Some(natpmp), Some(upnp)) if natpmp != upnp => {
            Err(format!("it contradicts itself: NAT-PMP says {natpmp}, UPnP says {upnp}"))
        }
        (Some(ip), _) | (None, Some(ip)) => Ok(ip),
        (None, None) => Err(match (natpmp, &gateway.upnp) {
            (None, Known::Unknown(why)) => {
                format!("{} told nothing by NAT-PMP or UPnP ({why})", gateway.address)
            }
            _ => format!("{} has no outside address", gateway.address),
        }),
    }
}

/// The device's name and its outside address, from where its description is.
fn upnp(
    net: &mut dyn Net,
    gateway: Ipv4Addr,
    device: Option<&str>,
    url: &str,
) -> Result<(String, Option<IpAddr>), String> {
    if !igd::is_at(url, gateway) {
        return Err("its UPnP description is on another machine".into());
    }
    let via = Via { allow_http: true, max_body: igd::MAX_BODY, ..via(device, HTTP_DEADLINE) };
    let mut http = |request: &HttpRequest| match net.http(request, &via) {
        Err(why) => Err(why.text),
        // A fault comes with status 500 and tells more than that.
        Ok(reply) if matches!(reply.status, 200 | 500) => Ok(reply.body),
        Ok(reply) => Err(format!("it answered with status {}", reply.status)),
    };
    let device = igd::device(&http(&HttpRequest::new("GET", url))?, url, gateway)?;
    let mut last = Err("its description names no WAN connection".into());
    for (control, service) in &device.services {
        let (action, body) = igd::question(service);
        let mut request = HttpRequest::new("POST", control)
            .header("content-type", "text/xml; charset=\"utf-8\"")
            .header("soapaction", action);
        request.body = Some(body.into_bytes());
        last = http(&request).and_then(|body| igd::answer(&body));
        // One of several connections may be the one that is up.
        if matches!(last, Ok(Some(_))) {
            break;
        }
    }
    last.map(|ip| (device.name, ip))
}

fn via(device: Option<&str>, deadline: Duration) -> Via {
    Via {
        device: device.map(str::to_string),
        family: Some(Family::Ipv4),
        deadline,
        ..Via::default()
    }
}

fn reply_bytes(reply: &Result<Answer, NetError>) -> Result<&[u8], String> {
    match reply {
        Ok(Answer::Datagram(bytes)) => Ok(bytes),
        Ok(Answer::Http(_)) => Err("its answer is of another kind".into()),
        Err(why) if why.kind == NetErrorKind::Deadline => Err("no answer".into()),
        Err(why) => Err(why.text.clone()),
    }
}

fn nonce(a: u64, b: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    let chance = a.to_be_bytes().into_iter().chain(b.to_be_bytes());
    nonce.iter_mut().zip(chance).for_each(|(to, from)| *to = from);
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{DnsTransport, HttpReply};

    const ROUTER: Router = Router {
        address: Ipv4Addr::new(192, 168, 77, 1),
        own: IpAddr::V4(Ipv4Addr::new(192, 168, 77, 2)),
    };

    /// A router with these replies: NAT-PMP, ANNOUNCE, MAP, SOAP's address. Notes the mappings.
    #[derive(Default)]
    struct Fake {
        natpmp: Option<Vec<u8>>,
        announce: Option<u8>,
        map: Option<u8>,
        ip: Option<&'static str>,
        /// Lifetimes of the MAP requests.
        mapped: Vec<u32>,
        location: Option<&'static str>,
        asked: Vec<String>,
    }

    fn silent<T>() -> Result<T, NetError> {
        Err(NetError { kind: NetErrorKind::Deadline, text: "no answer in time".into(), sent: true })
    }

    impl Net for Fake {
        fn http(&mut self, request: &HttpRequest, via: &Via) -> Result<HttpReply, NetError> {
            assert!(via.allow_http && via.device.as_deref() == Some("wan0"));
            self.asked.push(format!("{} {}", request.method, request.url));
            let kind = "urn:schemas-upnp-org:service:WANIPConnection:1";
            let body = match request.method {
                "GET" => format!(
                    "<root><device><friendlyName>Box</friendlyName><service><serviceType>{kind}\
                     </serviceType><controlURL>/ctl</controlURL></service></device></root>"
                ),
                _ => match self.ip {
                    Some(ip) => format!("<a><NewExternalIPAddress>{ip}</NewExternalIPAddress></a>"),
                    None => "<a><errorCode>501</errorCode></a>".into(),
                },
            };
            Ok(HttpReply { status: 200, headers: Vec::new(), body: body.into() })
        }
        fn together(&mut self, asks: &[Ask], _: &Via) -> Vec<Result<Answer, NetError>> {
            asks.iter()
                .map(|ask| {
                    let Ask::Datagram(one) = ask else { panic!("no HTTP together") };
                    assert_eq!((&one.to[..], one.source), ("192.168.77.1", Some(ROUTER.own)));
                    let reply = match (one.port, one.payload.get(..2)) {
                        (5351, Some([0, 0])) => self.natpmp.clone(),
                        (5351, Some([2, 0])) => self.announce.map(|code| {
                            let mut reply = vec![2, 0x80, 0, code];
                            reply.resize(24, 0);
                            reply
                        }),
                        (5351, Some([2, 1])) => {
                            let seconds = &one.payload[4..8];
                            self.mapped.push(u32::from_be_bytes(seconds.try_into().unwrap()));
                            self.map.map(|code| {
                                let mut reply = vec![2, 0x81, 0, code];
                                reply.resize(24, 0);
                                reply.extend(&one.payload[24..44]);
                                reply.extend([0; 10]);
                                reply.extend([0xff, 0xff, 5, 5, 5, 5]);
                                reply
                            })
                        }
                        (1900, _) => self.location.map(|url| {
                            format!("HTTP/1.1 200 OK\r\nLOCATION: {url}\r\n\r\n").into_bytes()
                        }),
                        _ => panic!("{one:?}"),
                    };
                    match reply {
                        Some(reply) => {
                            assert!((one.is_reply)(&one.payload, &reply));
                            Ok(Answer::Datagram(reply))
                        }
                        None => silent(),
                    }
                })
                .collect()
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
            0x0102_0304_0506_0708
        }
        fn done(&mut self) {}
    }

    const URL: &str = "http://192.168.77.1:5431/rootDesc.xml";

    #[test]
    fn a_router_with_a_public_address() {
        let mut net = Fake {
            natpmp: Some(vec![0, 128, 0, 0, 0, 0, 0, 9, 5, 5, 5, 5]),
            announce: Some(0),
            location: Some(URL),
            ip: Some("5.5.5.5"),
            ..Fake::default()
        };
        let gateway = ask(&mut net, ROUTER, Some("wan0"), false);
        let ip: IpAddr = "5.5.5.5".parse().unwrap();
        assert_eq!(gateway.natpmp, Known::Known((0, Some(Ipv4Addr::new(5, 5, 5, 5)))));
        assert_eq!(gateway.pcp_announce, Known::Known(0));
        assert_eq!(gateway.upnp, Known::Known(("Box".into(), Some(ip))));
        assert!(matches!(&gateway.pcp_map, Known::Unknown(why) if why.contains("gateway_map")));
        assert_eq!(outside(&gateway), Ok(ip));
        assert!(net.mapped.is_empty(), "nothing is mapped unasked");
        assert_eq!(net.asked, [format!("GET {URL}"), "POST http://192.168.77.1:5431/ctl".into()]);
    }

    #[test]
    fn a_router_behind_carrier_grade_nat() {
        // miniupnpd's replies with 100.64.0.0/10 outside.
        let mut net = Fake {
            natpmp: Some(vec![0, 128, 0, 3, 0, 0, 0, 9, 0, 0, 0, 0]),
            announce: Some(0),
            map: Some(8),
            location: Some(URL),
            ip: Some(""),
            ..Fake::default()
        };
        let gateway = ask(&mut net, ROUTER, Some("wan0"), true);
        assert_eq!(gateway.natpmp, Known::Known((3, None)));
        assert_eq!(gateway.pcp_map, Known::Known((8, None)));
        assert_eq!(gateway.upnp, Known::Known(("Box".into(), None)));
        assert_eq!(outside(&gateway), Err("192.168.77.1 has no outside address".into()));
    }

    #[test]
    fn a_mapping_is_always_taken_back() {
        for map in [Some(0), Some(8), None] {
            let mut net = Fake { map, ..Fake::default() };
            let gateway = ask(&mut net, ROUTER, Some("wan0"), true);
            assert_eq!(net.mapped, [120, 0], "{map:?}");
            let ip = Some("5.5.5.5".parse().unwrap());
            match map {
                Some(0) => assert_eq!(gateway.pcp_map, Known::Known((0, ip))),
                Some(code) => assert_eq!(gateway.pcp_map, Known::Known((code, None))),
                None => assert_eq!(gateway.pcp_map, Known::unknown("no answer")),
            }
        }
    }

    #[test]
    fn a_silent_router_proves_nothing() {
        let gateway = ask(&mut Fake::default(), ROUTER, Some("wan0"), false);
        for unknown in [&gateway.natpmp.known().is_none(), &gateway.upnp.known().is_none()] {
            assert!(unknown);
        }
        assert!(outside(&gateway).unwrap_err().contains("told nothing"));
    }

    #[test]
    fn a_router_that_contradicts_itself_or_leads_astray() {
        let mut net = Fake {
            natpmp: Some(vec![0, 128, 0, 0, 0, 0, 0, 9, 5, 5, 5, 5]),
            location: Some(URL),
            ip: Some("5.5.5.6"),
            ..Fake::default()
        };
        let gateway = ask(&mut net, ROUTER, Some("wan0"), false);
        assert!(outside(&gateway).unwrap_err().contains("contradicts itself"));
        let mut net = Fake { location: Some("http://192.168.1.5/x"), ..Fake::default() };
        let gateway = ask(&mut net, ROUTER, Some("wan0"), false);
        assert!(net.asked.is_empty(), "nobody else is asked");
        assert!(matches!(&gateway.upnp, Known::Unknown(why) if why.contains("another machine")));
    }
}
