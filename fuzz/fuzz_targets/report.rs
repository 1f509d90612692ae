//! Any bytes as what a report reads beside UCI and nft: no panic, no endless loop, and of the
//! firewall's config a forward for each that it knows at most, with ports in order.

#![no_main]

use libfuzzer_sys::fuzz_target;
use reachd::collect::passages;
use reachd::model::forward::Proto;
use reachd::parse::{firewall, networks, services, sockets, tables, uci};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let known = serde_json::from_slice(bytes)
        .ok()
        .map(|value| {
            let _ = networks::fw4_state(&value);
            let _ = firewall::service_rules(&value);
            let _ = firewall::netifd_rules(&value);
            networks::netifd(&value).unwrap_or_default()
        })
        .unwrap_or_default();
    if let Ok(package) = uci::parse(bytes) {
        let networks = services::networks(&package);
        for networks in [&networks, &known] {
            let firewall = firewall::read(&package, networks, &[]);
            for forward in &firewall.forwards {
                assert!(forward.ports().iter().all(|ports| ports.first <= ports.last));
                let _ = (forward.external_words(), forward.target_words());
            }
        }
        let _ = (services::dhcp(&package), services::upnpd(&package), services::dropbear(&package));
    }
    let _ = (tables::arp(&text), tables::conntrack(&text), tables::mappings(&text));
    let _ = (tables::leases(&text), tables::fw4_warnings(&text));
    let _ = sockets::listeners(&text, Proto::Tcp);
    if let Ok(passed) = passages::read(&text) {
        assert_eq!(passages::read(&passages::write(&passed)), Ok(passed));
    }
});
