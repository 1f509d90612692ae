"""IPv6 as ISPs give it: prefixes that change, lifetimes that end, LAN hosts that have names of
their own. Router advertisements are sent to the kernel as an ISP's router sends them; netifd's
part is played by ubusd.py."""

import ipaddress
import socket
import struct
import time

from house import BIND, BIND6, NAME, ZONE, Failed, section, wait_for
from ubusd import ODHCPD, Ubusd

A = "203.0.113.5"
V6A = "2001:db8:a::10"
V6B = "2001:db8:b::10"
# What is delegated, before and after, with the LAN's /64 of it.
OLD, NEW = "2001:db8:100:1::", "2001:db8:200:7::"
NAS = f"nas.{ZONE}"


class Lan:
    """The router's LAN side, with prefixes that come and go."""

    def __init__(self, house):
        self.house = house
        self.index = house.rtr(socket.if_nametoindex, "lan0")

    def prefix(self, prefix, preferred=None, valid=None, **keys):
        self.house.nl.address(self.index, f"{prefix}1/64", preferred=preferred, valid=valid, **keys)

    def mac(self):
        return self.house.host.run(["ip", "-o", "link", "show", "eth0"]).split("link/ether ")[1][:17]

    def host(self, address):
        """The host has an address, and is heard."""
        self.house.host.ip(f"address add {address}/64 dev eth0 nodad")
        network = ipaddress.ip_interface(f"{address}/64").network

        def speak():
            with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as out:
                out.bind((address, 0))
                out.sendto(b"", (f"{network.network_address}1", 9))
        self.house.host(speak)
        wait_for(f"{address} is heard", lambda: "lladdr" in self.house.rtr.run(
            ["ip", "-6", "neigh", "show", "to", address]))


def suffix(prefix, text):
    return str(ipaddress.ip_address(int(ipaddress.ip_address(prefix)) + int(ipaddress.ip_address(text))))


def eui64(mac):
    a, b, c, d, e, f = (int(part, 16) for part in mac.split(":"))
    return f"::{(a ^ 2) << 8 | b:x}:{c << 8 | 0xff:x}:{0xfe00 | d:x}:{e << 8 | f:x}"


def two_names(house, **name):
    """home for two hosts, nas for one."""
    nas = {"fqdn": NAS, "account": "lab", "family": ["ipv6"], "host": "::30", **name}
    return house.config(families=("ipv6",), extra=section("name", "nas", nas),
                        host=["::20", "::10"], **name)


def hosts(prefix, *suffixes):
    return sorted((suffix(prefix, text) for text in suffixes))


def test_lan_hosts_follow_a_renumbering(house):
    """Both names move at once when the old prefix is deprecated, not before."""
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    lan.prefix(OLD, preferred=600, valid=1200)
    house.daemon(two_names(house, lan="lan0"))
    house.follows(AAAA=hosts(OLD, "::10", "::20"))
    house.follows(name=NAS, AAAA=hosts(OLD, "::30"))
    lan.prefix(NEW, preferred=1800, valid=3600)
    house.stays(AAAA=hosts(OLD, "::10", "::20"), during=0.5)
    before = len(house.updates())
    lan.prefix(OLD, preferred=0, valid=1200)
    house.follows(AAAA=hosts(NEW, "::10", "::20"))
    house.follows(name=NAS, AAAA=hosts(NEW, "::30"))
    updates = house.updates()[before:]
    if updates[-1].at - updates[0].at > 0.05:
        raise Failed(f"the names moved {updates[-1].at - updates[0].at:.3f} s apart")
    if any(ip.startswith("2001:db8:100:") for update in updates
           for ip in update.added.get("AAAA", [])):
        raise Failed("a set was published with addresses of both prefixes")


def test_lan_hosts_stay_without_a_prefix(house):
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    lan.prefix(OLD)
    daemon = house.daemon(two_names(house, lan="lan0"))
    house.follows(AAAA=hosts(OLD, "::10", "::20"))
    lan.prefix(OLD, add=False)
    daemon.says("lan0 has no IPv6 prefix for its hosts")
    house.stays(AAAA=hosts(OLD, "::10", "::20"), during=0.5)
    lan.prefix("fd00:1:2:3::")
    daemon.says(r"lan0 has fd00:1:2:3::/64 \(unique local")
    house.stays(AAAA=hosts(OLD, "::10", "::20"), during=0.5)
    lan.prefix(NEW)
    house.follows(AAAA=hosts(NEW, "::10", "::20"))


def test_lan_prefix_lifetime_ends(house):
    """Two prefixes: the longer one at first, then whichever is published, until it ends."""
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    lan.prefix(NEW, preferred=4, valid=60)
    lan.prefix(OLD, preferred=2, valid=60)
    house.daemon(two_names(house, lan="lan0"))
    house.follows(AAAA=hosts(NEW, "::10", "::20"))
    lan.prefix(OLD, preferred=600, valid=1200)
    house.stays(AAAA=hosts(NEW, "::10", "::20"), during=1.5)
    house.follows(within=6, AAAA=hosts(OLD, "::10", "::20"))


def test_lan_host_by_mac(house):
    """EUI-64 by default; another address of the host once it is heard; kept while it sleeps."""
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    lan.prefix(OLD)
    house.daemon(house.config(families=("ipv6",), host=lan.mac(), lan="lan0"))
    house.follows(AAAA=suffix(OLD, eui64(lan.mac())))
    lan.host(suffix(OLD, "::abcd"))
    house.add("203.0.113.77/24")  # any change makes it look
    house.follows(AAAA=suffix(OLD, "::abcd"))
    house.rtr.run(["ip", "-6", "neigh", "flush", "dev", "lan0"])
    house.delete("203.0.113.77/24")
    house.stays(AAAA=suffix(OLD, "::abcd"), during=0.7)


def test_lan_host_by_lease(house):
    """A name that only odhcpd knows, over ubus; the LAN is netifd's `lan`."""
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    lan.prefix(OLD)
    lease = {"duid": "000300010200000000aa", "hostname": "nas", "valid": 5000,
             "ipv6-addr": [{"address": suffix(OLD, "::21a"), "preferred-lifetime": 2000}]}
    ubus = Ubusd(house, netifd(OLD), {"device": {"lan0": {"leases": [lease]}}})
    code, text = house.once(house.config(families=("ipv6",), host="nas"))
    if code != 0 or (ODHCPD, "ipv6leases") not in ubus.asked:
        raise Failed(f"exit code {code}, asked {ubus.asked}")
    house.follows(AAAA=suffix(OLD, "::21a"))
    # It is gone: nothing is published for it, and nothing deleted.
    ubus.leases = {"device": {}}
    code, text = house.once(words=("once", "--again"))
    if code != 1 or "host nas has no lease under this name on 'lan'" not in " ".join(text.split()):
        raise Failed(f"exit code {code}")
    house.stays(AAAA=suffix(OLD, "::21a"), during=0.3)


def netifd(*prefixes, wanb=()):
    """The dump of a router with a LAN, and one or two WANs that were delegated these /64s."""
    def wan(name, device, prefixes, metric):
        return {"interface": name, "up": True, "l3_device": device, "proto": "dhcpv6",
                "metric": metric, "ipv6-prefix": [{"address": p, "mask": 56} for p in prefixes],
                "route": [{"target": "::", "mask": 0, "nexthop": "fe80::1", "metric": metric}]}
    assigned = [{"address": p, "mask": 64, "preferred": 1800, "valid": 3600,
                 "local-address": {"address": f"{p}1", "mask": 64}} for p in (*prefixes, *wanb)]
    lan = {"interface": "lan", "up": True, "l3_device": "lan0", "proto": "static",
           "ipv6-prefix-assignment": assigned}
    return [lan, wan("wan6", "wan0", prefixes, 10), wan("wanb6", "wanb0", wanb, 20)]


def test_netifd_assigns_before_the_kernel(house):
    """netifd's word is enough: it tells of a new prefix, and the names move when the old is gone."""
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    lan.prefix(OLD)
    ubus = Ubusd(house, netifd(OLD))
    house.daemon(two_names(house))
    house.follows(AAAA=hosts(OLD, "::10", "::20"))
    lan.prefix(OLD, add=False)
    ubus.change(netifd(NEW))
    house.follows(AAAA=hosts(NEW, "::10", "::20"))
    house.follows(name=NAS, AAAA=hosts(NEW, "::30"))


def test_lan_hosts_of_two_wans(house):
    """Each WAN's names have that WAN's prefix; when it goes, they stay where they were."""
    lan = Lan(house)
    house.add(f"{A}/24", f"{V6A}/64")
    house.rtr.ip("link add wanb0 type veth peer name wanb1", "link set wanb0 up",
                 "link set wanb1 up")
    lan.prefix(OLD)
    lan.prefix(NEW)
    ubus = Ubusd(house, netifd(OLD, wanb=[NEW]))
    nas = {"fqdn": NAS, "account": "lab", "family": ["ipv6"], "host": "::30", "wan": "wanb6"}
    daemon = house.daemon(house.config(families=("ipv6",), extra=section("name", "nas", nas),
                                       host="::10", wan="wan6"))
    house.follows(AAAA=suffix(OLD, "::10"))
    house.follows(name=NAS, AAAA=suffix(NEW, "::30"))
    lan.prefix(NEW, add=False)
    dump = netifd(OLD)
    dump[2]["up"] = False
    ubus.change(dump)
    daemon.says("'wanb6' is down or does not exist now")
    house.stays(name=NAS, AAAA=suffix(NEW, "::30"), during=0.5)
    house.stays(AAAA=suffix(OLD, "::10"), during=0.1)


# The router itself

class Advertiser:
    """The ISP's router, saying which prefixes there are (RFC 4861 4.2, 4.6.2)."""

    def __init__(self, house):
        house.rtr.sysctl(ipv6__conf__wan0__accept_ra=2)
        self.socket = house.isp(self._open)

    @staticmethod
    def _open():
        link = socket.if_nametoindex("cust0")
        out = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        out.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, link)
        out.bind(("fe80::1", 0, 0, link))
        return out

    def say(self, **prefixes):
        """a=(preferred, valid): the prefix 2001:db8:a::/64."""
        text = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
        for name, (preferred, valid) in prefixes.items():
            prefix = ipaddress.ip_address(f"2001:db8:{name}::").packed
            text += struct.pack("!BBBBIII", 3, 4, 64, 0xC0, valid, preferred, 0) + prefix
        self.socket.sendto(text, ("ff02::1", 0))


def slaac(house, name):
    def found():
        return next((ip for ip in house.wan_addresses() if ip.startswith(f"2001:db8:{name}:")), None)
    return wait_for(f"an address in {name}", found)


def test_slaac_renumbering(house):
    """The kernel makes the addresses; the ISP's last word on the old prefix is what moves us."""
    house.add(f"{A}/24")
    isp = Advertiser(house)
    isp.say(a=(1800, 7200))
    old = slaac(house, "a")
    house.daemon(house.config(families=("ipv6",)))
    house.follows(AAAA=old)
    isp.say(a=(1800, 7200), b=(3600, 7200))
    new = slaac(house, "b")
    house.stays(AAAA=old, during=0.5)
    isp.say(a=(0, 7200), b=(3600, 7200))
    house.follows(AAAA=new)


def test_lifetime_ends(house):
    """The address ends by itself: nobody sends anything."""
    house.add(f"{A}/24")
    house.add(f"{V6A}/64", preferred=3, valid=60)
    house.daemon(house.config(families=("ipv6",)))
    house.follows(AAAA=V6A)
    house.nl.address(house.index, f"{V6B}/64", preferred=600, valid=1200)
    house.stays(AAAA=V6A, during=1)
    house.follows(within=5, AAAA=V6B)


def test_deprecated_is_not_published(house):
    house.add(f"{A}/24")
    house.add(f"{V6A}/64", preferred=0, valid=600)
    daemon = house.daemon(house.config(families=("ipv6",)))
    daemon.says(r"AAAA stays as it is: wan0 has 2001:db8:a::10 \(deprecated")
    if house.holds("AAAA"):
        raise Failed(f"BIND holds {house.holds('AAAA')}")


# Transport is not record family

def test_aaaa_over_ipv4(house):
    """The server has an IPv4 address alone."""
    house.add(f"{A}/24", f"{V6A}/64")
    house.rtr.ip("route add unreachable 2001:db8:53::/64")
    house.daemon(house.config(families=("ipv6",)))
    house.follows(AAAA=V6A)
    if {update.to for update in house.updates()} != {BIND}:
        raise Failed(f"{house.updates()}")


def test_a_over_ipv6(house):
    house.add(f"{A}/24", f"{V6A}/64")
    house.rtr.ip("route add unreachable 192.0.2.0/24")
    house.daemon(house.config(accounts=house.account(server=BIND6)))
    house.follows(A=A)
    if {f"[{update.to}]" for update in house.updates()} != {BIND6}:
        raise Failed(f"{house.updates()}")


def test_lan_hosts_are_quiet(house):
    """Lifetimes are waited for, not polled; what must be found is looked for every 5 minutes."""
    lan = Lan(house)
    house.add(f"{A}/24")
    house.add(f"{V6A}/64", preferred=600, valid=1200)
    lan.prefix(OLD, preferred=600, valid=1200)
    host = [lan.mac(), "::10"]
    daemon = house.daemon(house.config(families=("ipv6",), host=host, lan="lan0"))
    house.follows(AAAA=hosts(OLD, "::10", eui64(lan.mac())))
    time.sleep(1)
    before = daemon.wakeups()
    time.sleep(4)
    if daemon.wakeups() != before:
        raise Failed(f"{daemon.wakeups() - before} wake-ups in 4 s")
