"""The main job: the kernel changes an address, BIND holds the new one a moment later."""

import signal
import time

from house import BIND6, Failed, never, wait_for
from rtnl import F_DADFAILED, F_TENTATIVE

A = "203.0.113.5"
B = "203.0.113.6"
V6A = "2001:db8:a::10"
V6B = "2001:db8:b::10"


def test_first_address(house):
    house.daemon()
    time.sleep(0.3)
    house.add(f"{A}/24")
    house.follows(A=A)
    if len(house.updates()) != 1:
        raise Failed(f"{len(house.updates())} UPDATEs for one address")


def test_address_there_at_start(house):
    house.add(f"{A}/24")
    house.daemon()
    house.follows(A=A)


def test_replace(house):
    house.add(f"{A}/24")
    house.daemon()
    house.follows(A=A)
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B)


def test_add_then_delete(house):
    """The new address comes first, the old one leaves later: the name must not come back."""
    house.add(f"{A}/24")
    house.daemon()
    house.follows(A=A)
    house.add(f"{B}/24")
    time.sleep(0.5)
    house.delete(f"{A}/24")
    house.follows(A=B)
    house.stays(A=B)


def test_delete_then_add(house):
    house.add(f"{A}/24")
    house.daemon()
    house.follows(A=A)
    house.delete(f"{A}/24")
    house.stays(A=A, during=0.7)
    house.add(f"{B}/24")
    house.follows(A=B)


def test_address_before_route(house):
    """As netifd does it: the address is there some milliseconds before there is a way out. The
    first request cannot leave; that must not cost the patience that a failing server gets."""
    house.daemon(house.config(wan="wan0"))
    time.sleep(0.3)
    house.nl.address(house.index, f"{A}/24")
    time.sleep(0.05)
    house.route_of(A)
    house.follows(A=A)
    house.delete(f"{A}/24")
    time.sleep(0.3)
    house.nl.address(house.index, f"{B}/24")
    time.sleep(0.05)
    house.route_of(B)
    house.follows(A=B)


def test_answer_lost_with_the_old_address(house):
    """The address changes while BIND's answer to the old one is on its way: it never arrives."""
    house.add(f"{A}/24")
    house.bind.send_signal(signal.SIGSTOP)
    house.daemon()
    wait_for("the update is sent", house.updates)
    house.replace(f"{A}/24", f"{B}/24")
    house.bind.send_signal(signal.SIGCONT)
    house.follows(A=B, within=6)


def test_ppp_flap(house):
    """The link goes and comes back with another address, peer to peer as PPP has it."""
    house.unplug()
    house.plug_in("pppoe-wan")
    house.add(A, peer="203.0.113.1")
    daemon = house.daemon(house.config(wan="pppoe-wan"))
    house.follows(A=A)
    for last in (77, 78, 79):
        house.redial(f"203.0.113.{last}")
        house.follows(A=f"203.0.113.{last}")
    if not daemon.alive():
        raise Failed("it died")


def test_public_cgnat_public(house):
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    house.add("100.64.0.9/10")
    house.delete(f"{A}/24")
    daemon.says(r"home\.example\.test A stays as it is: .*100\.64\.0\.9.*RFC 6598")
    daemon.says(r"shared_line 'outside' in section 'home'")
    house.stays(A=A)
    house.add(f"{B}/24")
    house.delete("100.64.0.9/10")
    house.follows(A=B)


def test_ipv6_prefix_change(house):
    house.add(f"{A}/24", f"{V6A}/64")
    house.daemon(house.config(families=("ipv4", "ipv6")))
    house.follows(A=A, AAAA=V6A)
    house.add(f"{V6B}/64")
    house.stays(AAAA=V6A, during=0.5)  # still valid and preferred: no reason to move
    house.deprecate(f"{V6A}/64")
    house.follows(AAAA=V6B)
    house.delete(f"{V6A}/64")
    house.stays(A=A, AAAA=V6B)


def test_one_family_leaves_the_other_alone(house):
    house.by_hand("update add home.example.test 60 AAAA 2001:db8:ffff::1")
    house.add(f"{A}/24", f"{V6A}/64")
    house.daemon()
    house.follows(A=A)
    house.stays(AAAA="2001:db8:ffff::1", during=0.5)


def test_tentative_waits(house):
    """An address whose uniqueness is still being checked is not ours yet."""
    # The link-local address is through first.
    wait_for("wan0 is ready", lambda: not any(
        flags & F_TENTATIVE for flags in house.wan_addresses().values()), 5)
    daemon = house.daemon(house.config(house.account(BIND6), families=("ipv6",)))
    daemon.says("name")
    house.add(f"{V6A}/64", nodad=False)
    if not house.wan_addresses()[V6A] & F_TENTATIVE:
        raise Failed("the kernel did not check the address at all")
    ready = time.time()
    end = time.monotonic() + 8
    while house.wan_addresses()[V6A] & F_TENTATIVE:
        ready = time.time()
        if time.monotonic() > end:
            raise Failed("the kernel never finished")
        time.sleep(0.005)
    house.follows(AAAA=V6A)
    first = house.updates()[0]
    if first.at < ready - 0.02:
        raise Failed(f"published {ready - first.at:.2f} s before it was ready")


test_tentative_waits.house = {"dad": True}
test_tentative_waits.seconds = 6


def test_duplicate_is_not_published(house):
    """Somebody else has the address: dadfailed."""
    house.isp.ip(f"address add {V6A}/64 dev cust0")
    daemon = house.daemon(house.config(house.account(BIND6), families=("ipv6",)))
    house.add(f"{V6A}/64", nodad=False)
    wait_for("the kernel notices", lambda: house.wan_addresses().get(V6A, 0) & F_DADFAILED, 8)
    time.sleep(1)
    if house.updates():
        raise Failed("it was published")
    house.add(f"{V6B}/64")
    house.follows(AAAA=V6B)
    if not daemon.alive():
        raise Failed("it died")


test_duplicate_is_not_published.house = {"dad": True}
test_duplicate_is_not_published.seconds = 6


def test_wan_by_kernel_route(house):
    """Two uplinks; the one with the default route counts, and when that moves, so does the name."""
    house.add(f"{A}/24")
    house.daemon()
    house.follows(A=A)
    first = house.index
    house.rtr.ip(f"link add wan1 type veth peer name cust1 netns {house.isp.tid}")
    house.isp.ip("address add 203.0.113.129/32 dev cust1", "link set cust1 up",
                 "route add 203.0.113.130/32 dev cust1")
    house.rtr.ip("address add 203.0.113.130 peer 203.0.113.129 dev wan1", "link set wan1 up")
    house.runs(house.rtr, "wan1")
    house.runs(house.isp, "cust1")
    house.stays(A=A, during=0.5)
    house.rtr.ip("route replace default via 203.0.113.129 dev wan1 proto static")
    house.follows(A="203.0.113.130")
    house.nl.default_route(first, "203.0.113.1")
    house.follows(A=A)


def test_wan_by_device(house):
    """`option wan` names the device: the default route does not matter."""
    house.add(f"{A}/24")
    house.rtr.ip(f"link add wan1 type veth peer name cust1 netns {house.isp.tid}",
                 "address add 203.0.113.200/32 dev wan1", "link set wan1 up")
    house.isp.ip("link set cust1 up")
    daemon = house.daemon(house.config(wan="wan1"))
    house.follows(A="203.0.113.200")
    house.rtr.ip("address add 203.0.113.201/32 dev wan1", "address delete 203.0.113.200/32 dev wan1")
    house.follows(A="203.0.113.201")
    house.rtr.ip("link delete wan1")
    daemon.says(r"stays as it is: 'wan1' is down or does not exist")
    house.stays(A="203.0.113.201")


def flap(house, count, old):
    """So many changes, as fast as the kernel takes them; the last address."""
    for turn in range(count):
        new = f"203.0.113.{10 + turn % 200}"
        house.replace(f"{old}/24", f"{new}/24")
        old = new
    return old


def flaps(house, count, **main):
    house.add(f"{A}/24")
    house.daemon(house.config(main={"log_level": "info", **main}))
    house.follows(A=A)
    last = flap(house, count, A)
    house.follows(A=last, within=16)
    house.stays(A=last)
    updates = len(house.updates()) + house.tap.tcp
    if updates > count:
        raise Failed(f"{updates} UPDATEs for {count} changes")
    return updates


def test_thousand_flaps(house):
    updates = flaps(house, 1000)
    if updates > 20:
        raise Failed(f"{updates} UPDATEs: changes were not gathered")


def test_thousand_flaps_without_coalescing(house):
    flaps(house, 1000, coalesce="0")


def test_lost_netlink_messages(house):
    """While it cannot listen, more happens than the kernel keeps for it (ENOBUFS)."""
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(main={"log_level": "info"}))
    house.follows(A=A)
    daemon.signal(signal.SIGSTOP)
    last = flap(house, 5000, A)
    daemon.signal(signal.SIGCONT)
    house.follows(A=last)
    house.stays(A=last)
    if len(house.updates()) > 5:
        raise Failed(f"{len(house.updates())} UPDATEs")
    house.replace(f"{last}/24", f"{A}/24")
    house.follows(A=A)


def test_bind_is_away(house):
    """No answer: a few tries, further and further apart; then BIND is back, and so is the name."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    house.stop_bind()
    before = len(house.updates())
    house.replace(f"{A}/24", f"{B}/24")
    daemon.says(r"section 'home': home\.example\.test A.*: .*look again in", 6)
    time.sleep(2)
    tries = len(house.updates()) - before
    if not 1 <= tries <= 4:
        raise Failed(f"{tries} requests in the first seconds")
    house.start_bind()
    house.follows(A=B, within=16)


test_bind_is_away.seconds = 16


def test_flaps_while_bind_is_away(house):
    """Changes must not turn into a stream of requests to a server that does not answer."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    house.stop_bind()
    before = len(house.updates())
    old = A
    for last in range(50):
        new = f"203.0.113.{100 + last}"
        house.replace(f"{old}/24", f"{new}/24")
        old = new
        time.sleep(0.1)
    tries = len(house.updates()) - before
    if tries > 6:
        raise Failed(f"{tries} requests in 5 s to a server that is away")
    house.start_bind()
    daemon.signal(signal.SIGUSR1)  # its patience may be long by now
    house.follows(A=old)


test_flaps_while_bind_is_away.seconds = 10


def test_down_means_nothing(house):
    """No address at all: the record stays, and nobody is asked."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    before = len(house.updates())
    house.unplug()
    daemon.says("stays as it is")
    never("it sent something", lambda: len(house.tap.updates) > before, 1)
    house.stays(A=A, during=0.2)
