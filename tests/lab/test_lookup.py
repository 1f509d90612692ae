"""Lookups by every means, against real servers: what they tell is published, what is silent
costs its time once, and where they disagree nothing changes."""

import time

import lookups
from house import OUTSIDE, Failed
from servers import Lookups

SHARED = "100.64.0.9"
MYIP = "dns:myip.opendns.com@{}/A"
MYADDR = "dns:o-o.myaddr.l.google.com@{}/TXT"
CHAOS = f"dns:whoami.cloudflare@{lookups.CHAOS}/CH-TXT"


def shared(house, *urls, agree=2):
    house.share_line()
    house.add(f"{SHARED}/10")
    extra = lookups.listing(urls, agree)
    return house.config(shared_line="outside", extra=extra)


def test_lookup_stun_and_dns(house):
    """coturn and PowerDNS, all three must say the same."""
    lookups.coturn(house)
    lookups.powerdns(house)
    daemon = house.daemon(shared(house, f"stun:{lookups.STUN}", MYIP.format("beta.test"),
                                 MYADDR.format(lookups.WHOAMI[1]), agree=3))
    took = house.follows(A=OUTSIDE)
    if took > 1.5:
        raise Failed(f"{took:.1f} s for three answers")
    daemon.says(r"lookup stun:192\.0\.2\.81: 198\.51\.100\.7\n")


def test_lookup_chaos(house):
    lookups.coturn(house)
    lookups.chaos(house, OUTSIDE)
    house.daemon(shared(house, CHAOS, "stun:alpha.test"))
    house.follows(A=OUTSIDE)


def test_lookup_dead_among_live(house):
    """A host that takes no connection, one that answers no datagram and one that has no name:
    together they cost three of the eight seconds, once."""
    good = Lookups(house)
    lookups.silent(house, "ip daddr 192.0.2.81 tcp dport 443", "udp dport 3478")
    daemon = house.daemon(shared(
        house, "https://ip.alpha.test/", f"stun:{lookups.CHAOS}", "stun:no-such-name.test",
        "https://ip.beta.test/", "https://ip.gamma.test/"))
    took = house.follows(A=OUTSIDE, within=8)
    if not 2.8 < took < 4:
        raise Failed(f"it took {took:.1f} s")
    for dead in ("https://ip.alpha.test/", f"stun:{lookups.CHAOS}", "stun:no-such-name.test"):
        daemon.says(f"lookup {dead}: (could not|no answer)")
    if good.asked() != 2:
        raise Failed(f"{good.asked()} questions to those that answer")


def test_lookup_hijacked(house):
    """Port 53 is caught by a transparent proxy: the whoami services see its resolver."""
    lookups.coturn(house)
    lookups.powerdns(house)
    lookups.hijack(house)
    house.by_hand("update add home.example.test 60 A 192.0.2.99")
    before = len(house.updates())
    daemon = house.daemon(shared(house, f"stun:{lookups.STUN}", MYADDR.format(lookups.WHOAMI[0])))
    daemon.says(rf"disagree.*{lookups.RESOLVER}", 5)
    house.stays(A="192.0.2.99")
    if len(house.updates()) > before:
        raise Failed("it published something")


def test_lookup_gateway(house):
    """Behind a router of the house: its word counts as one voice."""
    lookups.upstairs(house, "5.5.5.5")
    lookups.coturn(house)
    config = house.config(shared_line="outside",
                          extra=lookups.listing(["gateway:", f"stun:{lookups.STUN}"]))
    daemon = house.daemon(config)
    house.follows(A="5.5.5.5", within=5)
    daemon.says(r"lookup gateway:: 5\.5\.5\.5\n")


def test_lookup_gateway_behind_cgnat(house):
    """The router above has no public address: it tells none, and one voice is not two."""
    lookups.upstairs(house)
    lookups.coturn(house)
    house.by_hand("update add home.example.test 60 A 192.0.2.99")
    config = house.config(shared_line="outside",
                          extra=lookups.listing(["gateway:", f"stun:{lookups.STUN}"]))
    daemon = house.daemon(config)
    daemon.says(r"192\.168\.77\.1 has no outside address", 6)
    house.stays(A="192.0.2.99")


def test_lookup_term(house):
    """TERM while datagrams are in flight."""
    lookups.silent(house, "udp dport 3478")
    daemon = house.daemon(shared(house, f"stun:{lookups.STUN}", f"stun:{lookups.CHAOS}"))
    time.sleep(1)
    daemon.term()


def test_lookup_intervals_survive_kills(house):
    """A crash loop asks STUN and DNS no more often than they wish."""
    lookups.silent(house, "udp dport 3478")
    config = shared(house, f"stun:{lookups.STUN}", f"stun:{lookups.CHAOS}")
    house.write_config(config)
    counter = lambda: house.inet.run(["nft", "list", "table", "inet", "silent"])
    house.inet.run(["nft", "-f", "-"],
                   "flush chain inet silent in\n"
                   "add rule inet silent in udp dport 3478 counter drop\n")
    for _ in range(6):
        daemon = house.daemon(quiet=True)
        time.sleep(0.4)
        daemon.kill()
    packets = int(counter().split("packets ")[1].split()[0])
    # One question to each; a resend may have gone out before the first end.
    if not 1 <= packets <= 4:
        raise Failed(f"{packets} datagrams in 6 runs")
