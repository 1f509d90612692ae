//! LAN hosts that have names of their own: what the owner calls them, and what the router knows of
//! them. IPv6 only: with IPv4 they share the WAN's address.

use super::known::Known;
use super::wan::Address;
use std::fmt;
use std::net::Ipv6Addr;

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Reads `02:00:5e:10:00:01`; dashes do as well.
    pub fn parse(text: &str) -> Option<Mac> {
        let separator = if text.contains(':') { ':' } else { '-' };
        let mut octets = [0; 6];
        let mut parts = text.split(separator);
        for octet in &mut octets {
            *octet = parts.next().filter(|part| part.len() == 2).and_then(byte)?;
        }
        parts.next().is_none().then_some(Mac(octets))
    }

    /// The interface identifier that is made from it (modified EUI-64, RFC 4291 appendix A).
    pub fn eui64(self) -> u64 {
        let [a, b, c, d, e, f] = self.0;
        u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f])
    }
}

/// Two hexadecimal digits.
pub fn byte(text: &str) -> Option<u8> {
    // `from_str_radix` would take a plus sign.
    let hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(text, 16).ok()).flatten()
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02x}", if index > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

/// What `option host` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The lower 64 bits of its address; the upper ones are the LAN's prefix.
    Suffix(u64),
    Mac(Mac),
    /// The name that it gives when it asks for an address, in lower case.
    Named(String),
}

impl fmt::Display for Host {
    /// As it is written in the config.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Suffix(suffix) => Ipv6Addr::from_bits((*suffix).into()).fmt(f),
            Host::Mac(mac) => mac.fmt(f),
            Host::Named(name) => f.write_str(name),
        }
    }
}

/// What a DHCP server noted of one host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// In lower case; empty: the host gave none.
    pub name: String,
    /// From the lease itself or from its DUID.
    pub mac: Option<Mac>,
    /// DHCPv6 addresses, not prefixes. Empty for a DHCPv4 lease.
    pub addresses: Vec<Ipv6Addr>,
}

/// A network of ours whose hosts have names, as one look showed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lan {
    /// `option wan` and `option lan` of the names it is for.
    pub wan: Option<String>,
    pub asked: String,
    /// Its device; `Known(None)`: there is none now.
    pub device: Known<Option<String>>,
    /// Its /64s, as `2001:db8:1:2::/64`, each once, with flags and lifetimes. With an `option
    /// wan`, none that another WAN was delegated.
    pub prefixes: Vec<Address>,
    /// Neighbours that were heard on it.
    pub neighbours: Known<Vec<(Mac, Ipv6Addr)>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_are_read() {
        let mac = Mac([0x02, 0, 0x5e, 0x10, 0, 0xfe]);
        for (text, want) in [
            ("02:00:5e:10:00:fe", Some(mac)),
            ("02-00-5E-10-00-FE", Some(mac)),
            ("02:00:5e:10:00", None),
            ("02:00:5e:10:00:fe:01", None),
            ("2:0:5e:10:0:fe", None),
            ("02:00:5e:10:00:+e", None),
            ("02:00-5e:10:00:fe", None),
            ("02005e1000fe", None),
            ("", None),
        ] {
            assert_eq!(Mac::parse(text), want, "{text}");
        }
        assert_eq!(mac.to_string(), "02:00:5e:10:00:fe");
    }

    #[test]
    fn the_identifier_of_rfc_4291() {
        // Appendix A: 34-56-78-9A-BC-DE gives 36-56-78-FF-FE-9A-BC-DE.
        let mac = Mac([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]);
        assert_eq!(mac.eui64(), 0x3656_78ff_fe9a_bcde);
    }

    #[test]
    fn a_host_is_told_as_it_was_written() {
        for (host, text) in [
            (Host::Suffix(0x10), "::10"),
            (Host::Suffix(0x1_0000_0000_0002), "::1:0:0:2"),
            (Host::Mac(Mac([2, 0, 0, 0, 0, 1])), "02:00:00:00:00:01"),
            (Host::Named("nas".into()), "nas"),
        ] {
            assert_eq!(host.to_string(), text);
        }
    }
}
