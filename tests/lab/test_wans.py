"""Two WANs at once: names tied to one of them, requests bound to one of them, policy tables and
marks as netifd and mwan3 set them, and reverse path filters."""

import json
import os
import socket
import time

from house import BIND6, OUTSIDE, ZONE, Failed, need, section, wait_for
from servers import Lookups

A, A2 = "203.0.113.5", "203.0.113.6"
B, B2 = "198.51.100.5", "198.51.100.6"
GATE = {"wan0": "203.0.113.1", "wanb0": "198.51.100.1"}
SECOND = f"b.{ZONE}"


class Second:
    """Another ISP's link beside wan0, with its own subnet."""

    def __init__(self, house):
        self.house = house
        house.rtr.ip(f"link add wanb0 type veth peer name cust1 netns {house.isp.tid}",
                     "link set wanb0 up")
        house.isp.ip("address add 198.51.100.1/24 dev cust1", "address add fe80::1/64 dev cust1",
                     "address add 2001:db8:b::1/64 dev cust1", "link set cust1 up")
        house.isp.ip("address delete 2001:db8:b::1/64 dev cust0")
        house.runs(house.rtr, "wanb0")
        house.runs(house.isp, "cust1")
        self.index = house.rtr(socket.if_nametoindex, "wanb0")

    def add(self, address):
        self.house.nl.address(self.index, f"{address}/24")

    def delete(self, address):
        self.house.nl.address(self.index, f"{address}/24", add=False)


def defaults(house, **metrics):
    """Default routes of the main table: wan0=10, wanb0=20."""
    house.rtr.ip(*(f"route add default via {GATE[device]} dev {device} metric {metric}"
                   for device, metric in metrics.items()))


def both(house):
    """Both up, as netifd has them: two defaults in the main table, told apart by their metric."""
    second = Second(house)
    house.nl.address(house.index, f"{A}/24")
    second.add(B)
    defaults(house, wan0=10, wanb0=20)
    return second


def names(house, accounts=None, main_account="lab", **more):
    """home follows wan0, b follows wanb0."""
    b = {"fqdn": SECOND, "account": main_account, "family": ["ipv4"], "wan": "wanb0", **more}
    return house.config(accounts=accounts, extra=section("name", "b", b), wan="wan0",
                        account=main_account)


def by_second(house):
    """An account whose requests leave by wanb0."""
    return house.account(wan="wanb0")


def sources(house):
    return {update.source for update in house.updates()}


def test_each_name_has_its_wan(house):
    second = both(house)
    daemon = house.daemon(names(house))
    house.follows(A=A)
    house.follows(name=SECOND, A=B)
    second.add(B2)
    second.delete(B)
    house.follows(name=SECOND, A=B2)
    house.replace(f"{A}/24", f"{A2}/24")
    house.follows(A=A2)
    house.stays(name=SECOND, A=B2, during=0.3)
    # One is down: its name stays, and does not get the other's address.
    house.rtr.ip("link set wanb0 down")
    daemon.says(r"b\.example\.test A stays as it is")
    house.replace(f"{A2}/24", f"{A}/24")
    house.follows(A=A)
    house.stays(name=SECOND, A=B2, during=0.5)
    house.rtr.ip("link delete wanb0")
    daemon.says("'wanb0' is down or does not exist now")
    house.stays(name=SECOND, A=B2, during=0.5)


def test_the_update_may_leave_by_the_other(house):
    """The first WAN has lost its way out: its name is still published, over the second."""
    second = Second(house)
    house.nl.address(house.index, f"{A}/24")
    second.add(B)
    defaults(house, wanb0=20)
    house.daemon(names(house))
    house.follows(A=A)
    house.follows(name=SECOND, A=B)
    if sources(house) != {B}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


def test_a_bound_account_leaves_by_its_wan(house):
    both(house)
    house.daemon(names(house, accounts=by_second(house)))
    house.follows(A=A)
    house.follows(name=SECOND, A=B)
    if sources(house) != {B}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


def test_a_bound_account_fails_closed(house):
    second = both(house)
    daemon = house.daemon(names(house, accounts=by_second(house)))
    house.follows(A=A)
    house.rtr.ip("link set wanb0 down")
    time.sleep(0.2)
    house.replace(f"{A}/24", f"{A2}/24")
    daemon.says(r"home\.example\.test A at account 'lab': .*wanb0")
    house.stays(A=A, during=1)
    house.rtr.ip("link set wanb0 up")
    house.runs(house.rtr, "wanb0")
    second.add(B)
    house.rtr.ip(f"route replace default via {GATE['wanb0']} dev wanb0 metric 20")
    house.follows(A=A2, within=8)
    if sources(house) != {B}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


def policy(house, *rules):
    """The second WAN's default is in a table of its own, as with netifd's ip4table."""
    second = Second(house)
    house.nl.address(house.index, f"{A}/24")
    second.add(B)
    defaults(house, wan0=10)
    house.rtr.ip("route add 198.51.100.0/24 dev wanb0 table 200",
                 f"route add default via {GATE['wanb0']} dev wanb0 table 200",
                 *(f"rule add {rule}" for rule in rules))
    return second


def test_policy_table_by_source(house):
    """Only packets with its source find the second WAN's table: to be bound to the device alone
    would have the kernel take the whole Internet for neighbours on that link."""
    policy(house, f"from {B} lookup 200 pref 1000")
    house.daemon(names(house, accounts=by_second(house)))
    house.follows(A=A)
    house.follows(name=SECOND, A=B)
    if sources(house) != {B}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


def test_policy_table_by_device(house):
    policy(house, "oif wanb0 lookup 200 pref 1000")
    house.daemon(names(house, accounts=by_second(house)))
    house.follows(A=A)
    if sources(house) != {B}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


def test_strict_reverse_path_filter(house):
    """Answers are dropped unless the way back is by the same link; with a source rule it is."""
    house.rtr.sysctl(ipv4__conf__all__rp_filter=1, ipv4__conf__wan0__rp_filter=1)
    policy(house, f"from {B} lookup 200 pref 1000")
    house.rtr.sysctl(ipv4__conf__wanb0__rp_filter=1)
    house.daemon(names(house, accounts=by_second(house)))
    house.follows(A=A)
    house.follows(name=SECOND, A=B)


def test_marks_for_another_wan(house):
    """mwan3's balance: what has no mark is given one, here that of the first WAN, whose table
    leads nowhere else. What carries mwan3's own mask is left alone."""
    need("nft")
    both(house)
    house.rtr.ip(f"route add default via {GATE['wan0']} dev wan0 table 1",
                 f"route add default via {GATE['wanb0']} dev wanb0 table 2",
                 "rule add fwmark 0x100/0x3f00 lookup 1 pref 2001",
                 "rule add fwmark 0x200/0x3f00 lookup 2 pref 2002",
                 "rule add fwmark 0x100/0x3f00 unreachable pref 3001",
                 "rule add fwmark 0x200/0x3f00 unreachable pref 3002")
    house.rtr.run(["nft", "-f", "-"], "table ip mangle {\n chain out {\n"
                  "  type route hook output priority -150;\n"
                  "  meta mark & 0x3f00 == 0 meta mark set meta mark | 0x100\n }\n}\n")
    config = names(house, accounts=by_second(house))
    code, text = house.once(config)
    if code != 1 or house.holds() or "down by wanb0" not in " ".join(text.split()):
        raise Failed(f"exit code {code}, BIND holds {house.holds()}")
    # As mwan3 notes it; in a /run of the router's own.
    house.rtr.tmpfs("/run", "mode=755")
    def note():
        os.makedirs("/var/run/mwan3")
        with open("/var/run/mwan3/mmx_mask", "w") as file:
            file.write("0x3f00\n")
    house.rtr(note)
    house.daemon(config)
    house.follows(A=A, within=8)
    house.follows(name=SECOND, A=B)
    if sources(house) != {B}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


test_marks_for_another_wan.seconds = 11


def test_ipv6_policy_table_by_source(house):
    """The same for IPv6 transport."""
    second = Second(house)
    house.add(f"{A}/24", "2001:db8:a::10/64")
    house.nl.address(second.index, "2001:db8:b::10/64")
    house.rtr.ip("route add default via fe80::1 dev wanb0 table 200")
    house.rtr.run("ip -6 rule add from 2001:db8:b::/64 lookup 200 pref 1000".split())
    house.daemon(house.config(accounts=house.account(server=BIND6, wan="wanb0")))
    house.follows(A=A)
    if sources(house) != {"2001:db8:b::10"}:
        raise Failed(f"the UPDATEs came from {sources(house)}")


def test_ipv6_routes_by_source(house):
    """As netifd has them: each default route is for packets from that WAN's own addresses."""
    second = Second(house)
    house.nl.address(house.index, f"{A}/24")
    house.nl.address(house.index, "2001:db8:a::10/64")
    house.nl.address(second.index, "2001:db8:b::10/64")
    for prefix, device in (("a", "wan0"), ("b", "wanb0")):
        words = f"ip -6 route add default from 2001:db8:{prefix}::/64 via fe80::1 dev {device}"
        house.rtr.run(words.split())
    for device, prefix in (("wan0", "a"), ("wanb0", "b")):
        house.tap.updates.clear()
        account = house.account(server=BIND6, wan=device)
        code, _ = house.once(house.config(accounts=account, wan="wan0"), words=("once", "--again"))
        if code != 0:
            raise Failed(f"{device}: exit code {code}")
        # The wire is read by a thread of ours, which may be late.
        wait_for(lambda: f"{device}: from {sources(house)}",
                 lambda: sources(house) == {f"2001:db8:{prefix}::10"})
        house.by_hand("update delete home.example.test A")


def shared(house):
    """The second ISP has many customers behind one address; the first WAN is the default."""
    second = Second(house)
    house.share_line()
    house.isp.ip("address delete 100.64.0.1/10 dev cust0", "address add 100.64.0.1/10 dev cust1")
    house.nl.address(house.index, f"{A}/24")
    house.nl.address(second.index, "100.64.0.9/10")
    defaults(house, wan0=10)
    house.rtr.ip("route add default via 100.64.0.1 dev wanb0 metric 20")
    return second


def outside(house, lookups):
    b = {"fqdn": SECOND, "account": "lab", "family": ["ipv4"], "wan": "wanb0",
         "shared_line": "outside"}
    return house.config(wan="wan0", extra=section("name", "b", b) + lookups.section())


def test_lookups_leave_by_their_wan(house):
    """Asked by the first WAN, the outside would tell the first WAN's address."""
    shared(house)
    lookups = Lookups(house)
    house.daemon(outside(house, lookups))
    house.follows(A=A)
    house.follows(name=SECOND, A=OUTSIDE, within=5)


def test_lookups_fail_closed(house):
    """The second WAN leads nowhere: nobody is asked by the first one instead."""
    shared(house)
    house.rtr.ip("route delete default via 100.64.0.1 dev wanb0 metric 20")
    lookups = Lookups(house)
    daemon = house.daemon(outside(house, lookups))
    house.follows(A=A)
    daemon.says(r"b\.example\.test A stays as it is", within=45)
    if lookups.asked() or house.holds(name=SECOND):
        raise Failed(f"{lookups.asked()} answers, BIND holds {house.holds(name=SECOND)}")


test_lookups_fail_closed.seconds = 25


def line(house, device):
    """What `reachd line` says of this device's IPv4."""
    code, text = house.once(words=("line", "--json"))
    found = [wan for wan in json.loads(text)["line"]["wans"]
             if (wan.get("dev"), wan["family"]) == (device, "ipv4")]
    if code != 0 or len(found) != 1:
        raise Failed(f"exit code {code}: {text}")
    return found[0]


def test_the_only_way_is_by_source(house):
    """The main table has no default route: the link is found by asking for packets from its own
    address, and the router above, too."""
    lookups = Lookups(house)
    house.nl.address(house.index, f"{A}/24")
    house.rtr.ip("route add 203.0.113.0/24 dev wan0 table 200",
                 f"route add default via {GATE['wan0']} dev wan0 table 200",
                 "rule add from 203.0.113.0/24 lookup 200 pref 1000")
    account = house.account(wan="wan0")
    house.write_config(house.config(accounts=account, extra=lookups.section()))
    wan = line(house, "wan0")
    if (wan["nat"]["kind"], wan["nat"]["certainty"]) != ("public", "proved") \
            or wan["gateway"] != GATE["wan0"] or "astray" in wan:
        raise Failed(f"{wan}")
    house.daemon()
    house.follows(A=A)
    house.nl.address(house.index, f"{A2}/24")
    house.nl.address(house.index, f"{A}/24", add=False)
    house.follows(A=A2)
    # A second one like it: which is meant is not guessed, and the name stays.
    second = Second(house)
    second.add(B)
    house.rtr.ip("route add 198.51.100.0/24 dev wanb0 table 201",
                 f"route add default via {GATE['wanb0']} dev wanb0 table 201",
                 "rule add from 198.51.100.0/24 lookup 201 pref 1001")
    house.daemons[0].says("wan0 and wanb0 each lead to the Internet, but only from their own")
    house.nl.address(house.index, f"{A}/24")
    house.nl.address(house.index, f"{A2}/24", add=False)
    house.stays(A=A2, during=0.7)


def test_line_by_source_and_mark(house):
    """The second WAN's table is found by its source (lookups, the router above it); where only a
    mark leads to it, the kernel tells which."""
    shared(house)
    house.rtr.ip("route delete default via 100.64.0.1 dev wanb0 metric 20",
                 "route add default via 100.64.0.1 dev wanb0 table 200",
                 "rule add from 100.64.0.9 lookup 200 pref 1000")
    lookups = Lookups(house)
    house.write_config(house.config(wan="wanb0", extra=lookups.section()))
    wan = line(house, "wanb0")
    if wan["nat"]["kind"] != "cgnat" or wan.get("external") != OUTSIDE \
            or wan.get("gateway") != "100.64.0.1" or wan.get("egress") != "wan0" \
            or "astray" in wan:
        raise Failed(f"{wan}")
    house.rtr.ip("rule delete from 100.64.0.9 lookup 200 pref 1000")
    wan = line(house, "wanb0")
    if wan.get("astray") != "wan0" or "back_by_mark" in wan:
        raise Failed(f"no rule leads back: {wan}")
    house.rtr.ip("rule add fwmark 0x100/0x3f00 lookup main pref 2001",
                 "rule add fwmark 0x200/0x3f00 lookup 200 pref 2002")
    wan = line(house, "wanb0")
    if (wan.get("astray"), wan.get("back_by_mark")) != ("wan0", "0x200"):
        raise Failed(f"a mark leads back: {wan}")
