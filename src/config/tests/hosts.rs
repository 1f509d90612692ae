//! `option host` and `option lan` of a name.

use super::*;
use crate::model::lan::{Host, Mac};

#[test]
fn hosts_of_the_lan() {
    let hosts = |text: &str| good(&name(text)).names.remove(0);
    let plain = hosts("");
    assert_eq!((&plain.hosts[..], &plain.lan[..]), (&[][..], "lan"));
    assert!(!plain.has_hosts());
    let suffix = hosts("\toption host '::10'\n");
    assert_eq!(suffix.hosts, [Host::Suffix(0x10)]);
    assert!(suffix.has_hosts() && suffix.fingerprint != plain.fingerprint);
    let several = hosts(
        "\tlist host '::1:0:0:2'\n\tlist host '02-00-5E-10-00-01'\n\tlist host 'NAS_1'\n\toption lan 'dmz'\n",
    );
    let mac = Mac([2, 0, 0x5e, 0x10, 0, 1]);
    let want = [Host::Suffix(0x1_0000_0000_0002), Host::Mac(mac), Host::Named("nas_1".into())];
    assert_eq!((several.hosts, &several.lan[..]), (want.to_vec(), "dmz"));
    for (value, said) in [
        (
            "2001:db8:1::10",
            "'2001:db8:1::10' is a whole address, whose beginning may change: write its last 64 \
             bits, '::10'",
        ),
        ("::", "'::' is no host: write its last 64 bits, like '::10'"),
        (
            "192.168.1.10",
            "'192.168.1.10' is IPv4: write the host's IPv6 suffix ('::10'), its MAC, or its name; \
             with IPv4 it is reached by the router's address",
        ),
        ("01:00:5e:00:00:01", "'01:00:5e:00:00:01' is not the MAC of one host"),
        (
            "nas.lan",
            "'nas.lan' is neither a suffix like '::10', nor a MAC like '02:00:5e:10:00:01', nor a \
             host's name without dots",
        ),
    ] {
        let line = format!("reachd:7: section 'n', option 'host': {said}");
        errors(&name(&format!("\toption host '{value}'\n")), &[&line]);
    }
    let many: String = (1..18).map(|n| format!("\tlist host '::{n}'\n")).collect();
    let line = "reachd:7: section 'n', option 'host': lists 17 hosts; 16 are the most for one name";
    errors(&name(&many), &[line]);
    warnings(
        &name("\tlist host '::1'\n\tlist host '::0001'\n\toption family 'ipv4'\n"),
        &[
            "reachd:7: section 'n', option 'host': has no effect without family 'ipv6': with IPv4 \
             a LAN host is reached by the router's address, which this name has anyway",
            "reachd:8: section 'n', option 'host': ::0001 is listed twice",
        ],
    );
    warnings(
        &name("\toption lan 'dmz'\n"),
        &["reachd:7: section 'n', option 'lan': has no effect without option host: the name \
           follows the router itself"],
    );
}

#[test]
fn the_example_is_fine() {
    let config = good(include_str!("../../../examples/hosts"));
    let hosts: Vec<String> =
        config.names.iter().flat_map(|name| &name.hosts).map(Host::to_string).collect();
    assert_eq!(hosts, ["::10", "02:00:5e:10:00:01", "web1", "web2"]);
}
