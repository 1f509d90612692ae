//! UPnP Internet Gateway Device, as far as it tells its outside address: unicast discovery
//! (UPnP Device Architecture 1.1, 1.3.2), the description, and SOAP's GetExternalIPAddress
//! (WANIPConnection:1 2.4.18). No sockets. Every answer is bounded and may be hostile.

use super::xml::{self, Element};
use std::net::{IpAddr, Ipv4Addr};

/// Where routers are asked (SSDP).
pub const PORT: u16 = 1900;

/// Longest description or SOAP answer that is read, bytes. Real ones have 2 to 8 KiB.
pub const MAX_BODY: usize = 64 * 1024;

/// The services that know the outside address, by what their type begins with.
const SERVICES: [&str; 2] = [
    "urn:schemas-upnp-org:service:WANIPConnection:",
    "urn:schemas-upnp-org:service:WANPPPConnection:",
];

/// A unicast M-SEARCH for any gateway at this address. Multicast answers would not pass a
/// firewall that lets answers in only from whom was asked.
pub fn search(gateway: Ipv4Addr) -> Vec<u8> {
    format!(
        "M-SEARCH * HTTP/1.1\r\nHOST: {gateway}:{PORT}\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\n\
         ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
    )
    .into_bytes()
}

/// Whether the bytes are a reply to a search, with a place to look further.
pub fn is_reply(_: &[u8], reply: &[u8]) -> bool {
    location(reply).is_some()
}

/// The LOCATION of a reply: the URL of the description.
pub fn location(reply: &[u8]) -> Option<&str> {
    // More than one datagram's worth is not looked at.
    let text = std::str::from_utf8(reply.get(..reply.len().min(2048))?).ok()?;
    let mut lines = text.split("\r\n");
    let mut first = lines.next()?.splitn(3, ' ');
    if !first.next()?.starts_with("HTTP/1.") || first.next()? != "200" {
        return None;
    }
    let mut found = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim_end().eq_ignore_ascii_case("location").then(|| value.trim())
    });
    let url =
        found.next().filter(|url| url.len() <= 512 && url.bytes().all(|b| b.is_ascii_graphic()))?;
    found.next().is_none().then_some(url)
}

/// `http://HOST[:PORT]` of an URL, if it is at that very address and nowhere else: what a router
/// names must not make us ask other machines.
fn origin(url: &str, gateway: Ipv4Addr) -> Option<&str> {
    let rest = url.strip_prefix("http://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let port_is_one =
        port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|p| p > 0);
    (host.parse() == Ok(gateway) && port_is_one).then(|| url.get(..7 + authority.len()))?
}

/// Whether the description there may be asked for.
pub fn is_at(url: &str, gateway: Ipv4Addr) -> bool {
    origin(url, gateway).is_some()
}

/// What of a description is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its friendly name, control characters taken out, at most 64 characters.
    pub name: String,
    /// Where each of its WAN connections is asked, and that service's type; at most four.
    pub services: Vec<(String, String)>,
}

/// Reads the description that was got from `url`.
pub fn device(body: &[u8], url: &str, gateway: Ipv4Addr) -> Result<Device, String> {
    let elements = xml::elements(body).ok_or("its description is not XML")?;
    let text = |name: &str| {
        elements.iter().find(|element| element.name == name).map(|element| &element.text[..])
    };
    let name = text("friendlyName").unwrap_or_default();
    let name = name.chars().filter(|c| !c.is_control()).take(64).collect::<String>();
    // The device's own word on where relative URLs begin (UPnP 1.0), else where we got it.
    let base = text("URLBase").filter(|base| !base.is_empty()).unwrap_or(url);
    let origin = origin(base, gateway).ok_or("its description leads to another machine")?;
    let mut services = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        if element.name != "service" {
            continue;
        }
        let inside = elements.iter().skip(at + 1).take_while(|inner| inner.depth > element.depth);
        let inside: Vec<&Element> = inside.collect();
        let text = |name: &str| {
            inside.iter().find(|inner| inner.name == name).map(|inner| inner.text.trim())
        };
        let (Some(kind), Some(control)) = (text("serviceType"), text("controlURL")) else {
            continue;
        };
        let known = SERVICES
            .iter()
            .any(|known| kind.strip_prefix(known).is_some_and(|v| v.parse::<u8>().is_ok()));
        if !known || !control.bytes().all(|b| b.is_ascii_graphic()) || services.len() >= 4 {
            continue;
        }
        let control = match control {
            full if full.starts_with("http:") && is_at(full, gateway) => full.to_string(),
            full if full.contains("://") => continue,
            path => [origin, "/", path.trim_start_matches('/')].concat(),
        };
        services.push((control, kind.to_string()));
    }
    if services.is_empty() {
        return Err("its description names no WAN connection".into());
    }
    Ok(Device { name: name.trim().to_string(), services })
}

/// The SOAPACTION header and the body of the question.
pub fn question(service: &str) -> (String, String) {
    (
        format!("\"{service}#GetExternalIPAddress\""),
        format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope \
             xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>\
             <u:GetExternalIPAddress xmlns:u=\"{service}\"/></s:Body></s:Envelope>\r\n"
        ),
    )
}

/// The outside address in the answer; `None`: it says that it has none.
pub fn answer(body: &[u8]) -> Result<Option<IpAddr>, String> {
    let elements = xml::elements(body).ok_or("its answer is not XML")?;
    let text = |name: &str| elements.iter().find(|element| element.name == name);
    if let Some(found) = text("NewExternalIPAddress") {
        return match found.text.trim() {
            "" | "0.0.0.0" => Ok(None),
            ip => ip.parse().map(Some).map_err(|_| "it names an address that is none".into()),
        };
    }
    match text("errorCode").map(|code| code.text.trim().parse::<u16>()) {
        Some(Ok(code)) => Err(format!("it refuses with UPnP error {code}")),
        _ => Err("there is no address in its answer".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
    const URL: &str = "http://192.168.77.1:5431/rootDesc.xml";

    /// miniupnpd 2.3.1's.
    const FOUND: &str = "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n\
        ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
        USN: uuid:00000000-0000-0000-0000-000000000001::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\
        EXT:\r\nSERVER: Debian UPnP/1.1 MiniUPnPd/2.3.1\r\n\
        LOCATION: http://192.168.77.1:5431/rootDesc.xml\r\n\
        OPT: \"http://schemas.upnp.org/upnp/1/0/\"; ns=01\r\n\r\n";

    /// Its description, shortened to what is read and what could mislead.
    const DESCRIPTION: &str = "<?xml version=\"1.0\"?>\n\
        <root xmlns=\"urn:schemas-upnp-org:device-1-0\" configId=\"1337\"><specVersion><major>1</major>\
        <minor>1</minor></specVersion><device>\
        <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>\
        <friendlyName>FRITZ!Box &amp; co</friendlyName><manufacturer>x</manufacturer>\
        <serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType>\
        <controlURL>/ctl/L3F</controlURL></service></serviceList>\
        <deviceList><device><friendlyName>WANDevice</friendlyName><serviceList><service>\
        <serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>\
        <controlURL>/ctl/CmnIfCfg</controlURL></service></serviceList>\
        <deviceList><device><serviceList><service>\
        <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
        <serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><SCPDURL>/WANIPCn.xml</SCPDURL>\
        <controlURL>/ctl/IPConn</controlURL><eventSubURL>/evt/IPConn</eventSubURL>\
        </service></serviceList></device></deviceList></device></deviceList>\
        <presentationURL>http://192.168.77.1/</presentationURL></device></root>";

    fn soap(inside: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?>\r\n<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
             s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>{inside}</s:Body></s:Envelope>\r\n"
        )
    }

    #[test]
    fn where_the_description_is() {
        assert_eq!(location(FOUND.as_bytes()), Some(URL));
        assert!(is_at(URL, GATEWAY));
        for (from, to) in [
            ("200 OK", "404 Not"),
            ("HTTP/1.1", "NOTIFY *"),
            ("LOCATION:", "X:"),
            ("EXT:", "Location: http://192.168.77.1/other.xml\r\nEXT:"),
            ("rootDesc", "root Desc"),
        ] {
            assert!(FOUND.contains(from));
            assert_eq!(location(FOUND.replace(from, to).as_bytes()), None, "{to}");
        }
        for url in [
            "http://192.168.77.2:5431/rootDesc.xml",
            "https://192.168.77.1/x",
            "http://192.168.77.1@203.0.113.9/x",
            "http://192.168.77.1:5431@203.0.113.9/x",
            "http://192.168.77.1:0/x",
            "http://192.168.77.1:+80/x",
            "http://router.lan/x",
            "",
        ] {
            assert!(!is_at(url, GATEWAY), "{url}");
        }
    }

    #[test]
    fn the_connection_in_a_description() {
        let device = |text: &str| device(text.as_bytes(), URL, GATEWAY);
        let kind = "urn:schemas-upnp-org:service:WANIPConnection:1";
        let want = Device {
            name: "FRITZ!Box & co".into(),
            services: vec![("http://192.168.77.1:5431/ctl/IPConn".into(), kind.into())],
        };
        assert_eq!(device(DESCRIPTION), Ok(want.clone()));
        let full = DESCRIPTION.replace("/ctl/IPConn", "http://192.168.77.1:49000/ctl/IPConn");
        assert_eq!(device(&full).unwrap().services[0].0, "http://192.168.77.1:49000/ctl/IPConn");
        let base = "</specVersion><URLBase>http://192.168.77.1:80</URLBase>";
        let based = DESCRIPTION.replace("</specVersion>", base);
        assert_eq!(device(&based).unwrap().services[0].0, "http://192.168.77.1:80/ctl/IPConn");
        for (from, to) in [
            ("<controlURL>/ctl/IPConn", "<controlURL>http://203.0.113.9/ctl"),
            ("</specVersion>", "</specVersion><URLBase>http://203.0.113.9/</URLBase>"),
            ("WANIPConnection:1", "WANIPConnection:1\"><x"),
            ("</root>", ""),
            ("<root", "<!DOCTYPE root [<!ENTITY a \"b\">]><root"),
        ] {
            assert!(device(&DESCRIPTION.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn the_address_in_soap() {
        let says = |ip: &str| {
            let text = format!(
                "<u:GetExternalIPAddressResponse xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">\
                 <NewExternalIPAddress>{ip}</NewExternalIPAddress></u:GetExternalIPAddressResponse>"
            );
            answer(soap(&text).as_bytes())
        };
        assert_eq!(says("5.5.5.5"), Ok(Some("5.5.5.5".parse().unwrap())));
        // miniupnpd behind 100.64.0.0/10.
        assert_eq!(says(""), Ok(None));
        assert_eq!(says("0.0.0.0"), Ok(None));
        assert!(says("5.5.5").is_err());
        let fault = "<s:Fault><faultcode>s:Client</faultcode><detail><UPnPError>\
            <errorCode>501</errorCode></UPnPError></detail></s:Fault>";
        assert_eq!(answer(soap(fault).as_bytes()), Err("it refuses with UPnP error 501".into()));
        assert!(answer(b"<html><body>Log in</body></html>").is_err());
        let (action, body) = question("urn:schemas-upnp-org:service:WANIPConnection:1");
        assert_eq!(
            action,
            "\"urn:schemas-upnp-org:service:WANIPConnection:1#GetExternalIPAddress\""
        );
        assert!(xml::elements(body.as_bytes()).is_some());
    }

    #[test]
    fn hostile_bytes_never_panic() {
        let mut seed = 3u64;
        for source in [FOUND, DESCRIPTION] {
            for _ in 0..5_000 {
                let mut bytes = source.as_bytes().to_vec();
                for _ in 0..3 {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let at = (seed >> 33) as usize % bytes.len();
                    bytes[at] = (seed >> 24) as u8;
                }
                bytes.truncate((seed >> 40) as usize % (bytes.len() + 1));
                let _ = (location(&bytes), device(&bytes, URL, GATEWAY), answer(&bytes));
            }
        }
    }
}
