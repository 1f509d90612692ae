"""`reachd line` where everything is real: kernel, NAT, lookups by TLS, hops."""

import json
import time

from house import OUTSIDE, Failed
from lookups import CHAOS, listing, silent
from servers import Lookups

A, SHARED, HOME = "203.0.113.5", "100.64.0.9", "192.168.5.20"


def line(house, within=1.0):
    """What it says of the IPv4 WAN, and whether it was quick about it."""
    begin = time.monotonic()
    code, text = house.once(words=("line", "--json"))
    took = time.monotonic() - begin
    if code != 0 or took > within:
        raise Failed(f"exit code {code} after {took:.2f} s: {text}")
    wans = json.loads(text)["line"]["wans"]
    return next(wan for wan in wans if wan["family"] == "ipv4")


def expect(wan, kind, certainty, external):
    nat = {"kind": kind, "certainty": certainty}
    if wan["nat"] != nat or wan.get("external") != external:
        raise Failed(f"{wan['nat']}, external {wan.get('external')}: {wan}")


def test_line_public_and_cgnat(house):
    """Each with its evidence, within a second; the answer is remembered while it is fresh."""
    lookups = Lookups(house)
    house.share_line()
    house.add(f"{A}/24")
    house.write_config(house.config(extra=lookups.section()))
    wan = line(house)
    expect(wan, "public", "proved", A)
    if wan["lookups"] != "asked_now" or wan["gateway"] != "203.0.113.1":
        raise Failed(f"{wan}")
    asked = lookups.asked()
    wan = line(house)
    expect(wan, "public", "proved", A)
    if wan["lookups"] != "remembered" or lookups.asked() != asked:
        raise Failed(f"asked again: {wan}")
    # Another address is another line: what was told of the first one counts no more.
    house.add(f"{SHARED}/10")
    house.delete(f"{A}/24")
    wan = line(house)
    expect(wan, "cgnat", "proved", None)
    if wan["lookups"] != "not_asked":
        raise Failed(f"the services were asked a moment ago, and again: {wan}")


def test_line_cgnat_seen(house):
    lookups = Lookups(house)
    house.share_line()
    house.add(f"{SHARED}/10")
    house.write_config(house.config(extra=lookups.section()))
    expect(line(house), "cgnat", "proved", OUTSIDE)


def test_line_behind_another_router(house):
    """A router above that answers nothing but the hop: likely, and whose address it is."""
    lookups = Lookups(house)
    house.isp.ip("address add 192.168.5.1/24 dev cust0")
    rule = f'ip saddr 192.168.5.0/24 oifname "up0" snat to {OUTSIDE}'
    house.isp.run(["nft", "-f", "-"], "table ip nat {\n chain out {\n"
                  f"  type nat hook postrouting priority 100;\n  {rule}\n }}\n}}\n")
    house.nl.address(house.index, f"{HOME}/24")
    house.nl.default_route(house.index, "192.168.5.1")
    house.write_config(house.config(extra=lookups.section()))
    # Silence costs the router above a second, and the hops one.
    wan = line(house, within=4.0)
    expect(wan, "double_nat", "likely", OUTSIDE)
    if wan["upstream"]["address"] != "192.168.5.1":
        raise Failed(f"{wan}")


def test_line_offline(house):
    """Nobody answers: the kernel's word is there all the same, and no lookup is waited for twice."""
    lookups = Lookups(house)
    house.add(f"{A}/24")
    house.write_config(house.config(extra=lookups.section()))
    house.stop_bind()
    wan = line(house, within=20)
    expect(wan, "public", "likely", None)


test_line_offline.seconds = 12


def test_line_dead_lookups_cost_their_time_once(house):
    """Two that do not answer, by two means: their deadline, not twice that; the others count."""
    lookups = Lookups(house)
    silent(house, "ip daddr 192.0.2.81 tcp dport 443", "udp dport 3478")
    house.add(f"{A}/24")
    urls = ["https://ip.alpha.test/", f"stun:{CHAOS}", "https://ip.beta.test/",
            "https://ip.gamma.test/"]
    house.write_config(house.config(extra=listing(urls)))
    begin = time.monotonic()
    wan = line(house, within=4.5)
    took = time.monotonic() - begin
    expect(wan, "public", "proved", A)
    if took < 2.8 or lookups.asked() != 2:
        raise Failed(f"after {took:.1f} s, {lookups.asked()} answers: {wan}")
    dead = [seen for seen in wan["seen"] if "error" in seen]
    if [seen["service"] for seen in dead] != urls[:2]:
        raise Failed(f"{wan['seen']}")


test_line_dead_lookups_cost_their_time_once.seconds = 5
