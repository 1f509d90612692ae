//! Which service waits behind a port, mostly, and who it is meant for. From the port alone: what
//! really answers is for probes to tell.

use crate::model::forward::{Ports, Proto};

/// Whom a service is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The public: web sites, mail, VPN servers (which bring their own locks), games.
    Everybody,
    Vpn,
    /// Its owner and a few more: SSH, home automation, remote control pages.
    Few,
    /// Nobody on the Internet; the check that says so.
    Nobody(&'static str),
}

/// First port, last port, transport (`t`, `u`, `b` for both), its name, whom it is for.
type Row = (u16, u16, u8, &'static str, For);

/// By port. A service can run anywhere; these are where it runs unless told otherwise.
#[rustfmt::skip]
const TABLE: &[Row] = &[
    (7, 19, b'u', "echo or chargen", For::Nobody("expose.reflector")),
    (20, 21, b't', "FTP", For::Nobody("expose.ftp")),
    (22, 22, b't', "SSH", For::Few),
    (23, 23, b't', "Telnet", For::Nobody("expose.telnet")),
    (25, 25, b't', "mail", For::Everybody),
    (53, 53, b'b', "DNS", For::Nobody("expose.reflector")),
    (69, 69, b'u', "TFTP", For::Nobody("expose.ftp")),
    (80, 80, b't', "web without encryption", For::Everybody),
    (102, 102, b't', "Siemens S7", For::Nobody("expose.industrial")),
    (110, 110, b't', "mail", For::Everybody),
    (111, 111, b'b', "portmap", For::Nobody("expose.reflector")),
    (123, 123, b'u', "NTP", For::Nobody("expose.reflector")),
    (135, 139, b'b', "Windows file sharing", For::Nobody("expose.smb")),
    (143, 143, b't', "mail", For::Everybody),
    (161, 162, b'u', "SNMP", For::Nobody("expose.reflector")),
    (389, 389, b'b', "LDAP", For::Nobody("expose.reflector")),
    (443, 443, b'b', "web", For::Everybody),
    (445, 445, b't', "Windows file sharing", For::Nobody("expose.smb")),
    (465, 465, b't', "mail", For::Everybody),
    (500, 500, b'u', "IPsec", For::Vpn),
    (502, 502, b't', "Modbus", For::Nobody("expose.industrial")),
    (548, 548, b't', "Apple file sharing", For::Nobody("expose.smb")),
    (554, 554, b'b', "camera stream (RTSP)", For::Nobody("expose.camera")),
    (587, 587, b't', "mail", For::Everybody),
    (623, 623, b'b', "IPMI", For::Nobody("expose.ipmi")),
    (853, 853, b'b', "DNS over TLS", For::Few),
    (873, 873, b't', "rsync", For::Nobody("expose.database")),
    (993, 995, b't', "mail", For::Everybody),
    (1194, 1194, b'b', "OpenVPN", For::Vpn),
    (1433, 1434, b'b', "SQL Server", For::Nobody("expose.database")),
    (1521, 1521, b't', "Oracle", For::Nobody("expose.database")),
    (1701, 1701, b'u', "L2TP", For::Vpn),
    (1723, 1723, b't', "PPTP", For::Few),
    (1883, 1883, b't', "MQTT without encryption", For::Nobody("expose.database")),
    (1900, 1900, b'u', "SSDP", For::Nobody("expose.reflector")),
    (2049, 2049, b'b', "NFS", For::Nobody("expose.smb")),
    (2323, 2323, b't', "Telnet", For::Nobody("expose.telnet")),
    (2375, 2376, b't', "Docker", For::Nobody("expose.docker")),
    (3306, 3306, b't', "MySQL", For::Nobody("expose.database")),
    (3389, 3389, b'b', "remote desktop", For::Nobody("expose.rdp")),
    (3478, 3479, b'b', "STUN", For::Everybody),
    (4500, 4500, b'u', "IPsec", For::Vpn),
    (5000, 5001, b't', "NAS pages", For::Few),
    (5060, 5061, b'b', "SIP", For::Few),
    (5353, 5353, b'u', "mDNS", For::Nobody("expose.reflector")),
    (5432, 5432, b't', "PostgreSQL", For::Nobody("expose.database")),
    (5800, 5800, b't', "VNC", For::Nobody("expose.vnc")),
    (5900, 5910, b't', "VNC", For::Nobody("expose.vnc")),
    (5984, 5984, b't', "CouchDB", For::Nobody("expose.database")),
    (6379, 6379, b't', "Redis", For::Nobody("expose.database")),
    (8000, 8000, b't', "camera or web pages", For::Nobody("expose.camera")),
    (8006, 8006, b't', "Proxmox pages", For::Few),
    (8080, 8081, b't', "web pages", For::Few),
    (8123, 8123, b't', "Home Assistant", For::Few),
    (8443, 8443, b't', "web pages", For::Few),
    (8554, 8554, b'b', "camera stream (RTSP)", For::Nobody("expose.camera")),
    (8888, 8888, b't', "web pages", For::Few),
    (9000, 9000, b't', "web pages", For::Few),
    (9090, 9090, b't', "web pages", For::Few),
    (9200, 9300, b't', "Elasticsearch", For::Nobody("expose.database")),
    (10000, 10000, b't', "Webmin", For::Few),
    (10250, 10250, b't', "kubelet", For::Nobody("expose.docker")),
    (11211, 11211, b'b', "memcached", For::Nobody("expose.database")),
    (25565, 25565, b'b', "Minecraft", For::Everybody),
    (27000, 27016, b'u', "games", For::Everybody),
    (27017, 27018, b't', "MongoDB", For::Nobody("expose.database")),
    (32400, 32400, b't', "Plex", For::Everybody),
    (34567, 34567, b't', "video recorder", For::Nobody("expose.camera")),
    (37777, 37778, b'b', "video recorder", For::Nobody("expose.camera")),
    (47808, 47808, b'u', "BACnet", For::Nobody("expose.industrial")),
    (51413, 51413, b'b', "BitTorrent", For::Everybody),
    (51820, 51821, b'u', "WireGuard", For::Vpn),
];

/// A service that the ports lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    pub name: &'static str,
    pub meant: For,
    /// The lowest of its ports that is open.
    pub port: u16,
}

/// The services that usually wait on these ports.
pub fn services(protos: &[Proto], ports: &[Ports]) -> Vec<Service> {
    let speaks = |letter: u8| {
        protos.iter().any(|proto| match proto {
            Proto::Tcp => letter != b'u',
            Proto::Udp => letter != b't',
            Proto::Any => true,
            Proto::Other(_) => false,
        })
    };
    let open = |(first, last, letter, name, meant): &Row| {
        let row = Ports { first: *first, last: *last };
        let hit = ports.iter().find(|ports| ports.meets(row))?;
        let port = hit.first.max(row.first);
        speaks(*letter).then_some(Service { name, meant: *meant, port })
    };
    TABLE.iter().filter_map(open).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for pair in TABLE.windows(2) {
            assert!(pair[0].1 < pair[1].0, "{} and {}", pair[0].3, pair[1].3);
        }
        for row in TABLE {
            assert!(row.0 <= row.1 && b"tub".contains(&row.2));
            if let For::Nobody(id) = row.4 {
                assert!(super::super::find(id).is_some(), "{id}");
            }
        }
    }

    #[test]
    fn by_port_and_protocol() {
        let one = |proto, port| services(&[proto], &[Ports::one(port)]);
        assert_eq!(one(Proto::Tcp, 445)[0].meant, For::Nobody("expose.smb"));
        assert_eq!(one(Proto::Udp, 445), []);
        assert_eq!(one(Proto::Udp, 51820)[0].meant, For::Vpn);
        let range = services(&[Proto::Tcp], &[Ports { first: 5890, last: 5905 }]);
        assert_eq!((range[0].name, range[0].port), ("VNC", 5900));
    }
}
