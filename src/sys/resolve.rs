//! Names of servers to addresses: literals, /etc/hosts, then the nameservers of resolv.conf.
//!
//! The C library's resolver cannot be ended by a signal, knows no deadline and no device, so the
//! few questions we have are asked here. Messages are `wire::dns`'s, datagrams `dns`'s.

use super::{dns, files};
use crate::model::name::Family;
use crate::wire::dns::{Answer, answer, question};
use crate::world::{DnsTransport, NetError, NetErrorKind};
use nix::net::if_::if_nametoindex;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

/// Nameservers that are asked; more are ignored, as by resolv.conf(5).
const SERVERS: usize = 3;

/// Longest wait for one nameserver; less where the call has less time.
const PATIENCE: Duration = Duration::from_secs(4);

/// Where to look; tests have their own.
#[derive(Clone, Debug)]
pub struct Resolver {
    pub resolv_conf: String,
    pub hosts: String,
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver { resolv_conf: "/etc/resolv.conf".into(), hosts: "/etc/hosts".into() }
    }
}

impl Resolver {
    /// Addresses of `host`, not empty; IPv6 first where both are wanted and there.
    pub fn resolve(
        &self,
        host: &str,
        family: Option<Family>,
        device: Option<&str>,
        until: Instant,
    ) -> Result<Vec<IpAddr>, NetError> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let mut found = match self.known(host, family)? {
            Some(found) => found,
            None => self.ask(host, family, device, until)?,
        };
        if found.is_empty() {
            return none(host, family);
        }
        found.sort_by_key(IpAddr::is_ipv4);
        Ok(found)
    }

    /// What needs no nameserver: literal addresses, and names in the hosts file.
    pub fn known(
        &self,
        host: &str,
        family: Option<Family>,
    ) -> Result<Option<Vec<IpAddr>>, NetError> {
        let wanted = |ip: &IpAddr| family.is_none_or(|family| Family::of(*ip) == family);
        if let Ok(ip) = host.parse::<IpAddr>() {
            return if wanted(&ip) { Ok(Some(vec![ip])) } else { none(host, family) };
        }
        let mut found = self.in_hosts_file(host);
        found.retain(wanted);
        Ok((!found.is_empty()).then_some(found))
    }

    fn in_hosts_file(&self, host: &str) -> Vec<IpAddr> {
        let Ok(Some(text)) = files::read(&self.hosts) else { return Vec::new() };
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                let mut words = line.split('#').next()?.split_whitespace();
                let ip = words.next()?.parse().ok()?;
                words.any(|name| name.eq_ignore_ascii_case(host)).then_some(ip)
            })
            .collect()
    }

    fn ask(
        &self,
        host: &str,
        family: Option<Family>,
        device: Option<&str>,
        until: Instant,
    ) -> Result<Vec<IpAddr>, NetError> {
        let servers = self.servers();
        if servers.is_empty() {
            return failed(host, format!("{} names no nameserver", self.resolv_conf));
        }
        let families = family.map_or(Family::BOTH.to_vec(), |family| vec![family]);
        let mut trouble = String::new();
        let mut left = servers.len() as u32;
        for server in servers {
            // A silent one must leave time for the next, and the last for the call itself.
            let share = until.saturating_duration_since(Instant::now()) / (left + 1);
            let until = Instant::now() + share.min(PATIENCE);
            left -= 1;
            let mut found = Vec::new();
            let mut answered = true;
            for family in &families {
                match one(host, *family, server, device, until) {
                    Ok(Answer::Addresses(addresses)) => found.extend(addresses),
                    // Some servers say so where only the other family is there.
                    Ok(Answer::NoSuchName) if !found.is_empty() => {}
                    Ok(Answer::NoSuchName) => return failed(host, "there is no such name".into()),
                    Ok(Answer::Failed(why)) => {
                        trouble = format!("nameserver {} says {why}", place(server));
                        answered = false;
                    }
                    Ok(Answer::Truncated) => {
                        trouble = format!("nameserver {} cuts its answers", place(server));
                        answered = false;
                    }
                    Err(error) if error.kind == NetErrorKind::Interrupted => return Err(error),
                    Err(error) => {
                        trouble = format!("nameserver {}: {error}", place(server));
                        answered = false;
                        // What does not answer one question does not answer the next.
                        break;
                    }
                }
            }
            if answered || !found.is_empty() {
                return Ok(found);
            }
        }
        failed(host, trouble)
    }

    /// The nameservers of resolv.conf.
    pub fn servers(&self) -> Vec<SocketAddr> {
        let Ok(Some(text)) = files::read(&self.resolv_conf) else { return Vec::new() };
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                (words.next() == Some("nameserver")).then(|| words.next())?
            })
            .filter_map(nameserver)
            .take(SERVERS)
            .collect()
    }
}

/// An address; a link-local one with its link (RFC 4007 11), as IPv6 routers announce it.
fn nameserver(word: &str) -> Option<SocketAddr> {
    if let Some((ip, link)) = word.split_once('%') {
        let scope = link.parse().ok().or_else(|| if_nametoindex(link).ok())?;
        return Some(SocketAddrV6::new(ip.parse().ok()?, 53, 0, scope).into());
    }
    // A port is our own extension, for tests without root.
    word.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)).or(word.parse()).ok()
}

fn one(
    host: &str,
    family: Family,
    server: SocketAddr,
    device: Option<&str>,
    until: Instant,
) -> Result<Answer, NetError> {
    let Some(asked) = question(host, family, dns::id()) else {
        return failed(host, "that is no domain name".into());
    };
    // A resolver on this machine (dnsmasq) is not behind the WAN device.
    let device = device.filter(|_| !server.ip().is_loopback());
    let read = |reply: &[u8]| answer(&asked, reply, family);
    match dns::exchange(server, &asked, DnsTransport::Udp, device, until, &read)? {
        Answer::Truncated => dns::exchange(server, &asked, DnsTransport::Tcp, device, until, &read),
        answer => Ok(answer),
    }
}

/// A nameserver as the owner wrote it.
pub fn place(server: SocketAddr) -> String {
    match server.port() {
        53 => server.ip().to_string(),
        _ => server.to_string(),
    }
}

/// It resolved, but not to this family.
pub fn none<T>(host: &str, family: Option<Family>) -> Result<T, NetError> {
    failed(host, format!("it has no {} address", family_text(family)))
}

pub fn failed<T>(host: &str, why: String) -> Result<T, NetError> {
    let text = format!("could not resolve {host}: {why}");
    Err(NetError { kind: NetErrorKind::Resolve, text, sent: false })
}

fn family_text(family: Option<Family>) -> &'static str {
    match family {
        Some(Family::Ipv4) => "IPv4",
        Some(Family::Ipv6) => "IPv6",
        None => "IP",
    }
}

#[cfg(test)]
mod tests {
    use super::nameserver;

    #[test]
    fn nameservers_with_and_without_a_link() {
        for (word, address) in [
            ("192.0.2.53", Some("192.0.2.53:53")),
            ("2001:db8::53", Some("[2001:db8::53]:53")),
            ("fe80::1%lo", Some("[fe80::1%1]:53")),
            ("fe80::1%7", Some("[fe80::1%7]:53")),
            ("fe80::1%no-such-dev", None),
            ("dns.example", None),
        ] {
            let read = nameserver(word).map(|address| address.to_string());
            assert_eq!(read.as_deref(), address, "{word}");
        }
    }
}
