"""Name servers that misbehave, and lookups over HTTPS on a shared line."""

import os
import re
import time

import dns
from house import OUTSIDE, SPARE, Failed, never
from servers import Lookups, NameServer, authority, hang, page, rcode

A = "203.0.113.5"
SHARED = "100.64.0.9"


def server(house, answer, pattern, most=3, seconds=20, permanent=False):
    """`once` against a name server of our own making."""
    house.add(f"{A}/24")
    asked = NameServer(house, answer)
    house.write_config(house.config(accounts=house.account(server=SPARE)))
    begin = time.monotonic()
    code, text = house.once(within=60)
    took = time.monotonic() - begin
    if code != 1 or "panicked" in text:
        raise Failed(f"exit code {code}")
    if not re.search(pattern, " ".join(text.split())):  # it is wrapped
        raise Failed(f"it does not say {pattern!r}")
    if len(asked.queries) > most:
        raise Failed(f"{len(asked.queries)} requests")
    if took > seconds:
        raise Failed(f"it took {took:.0f} s")
    before = len(asked.queries)
    daemon = house.daemon()
    time.sleep(1)
    if len(asked.queries) > before:
        raise Failed("it asked again at once")
    if permanent != ("not tried again" in daemon.log() or "not tried again" in text):
        raise Failed("a passing failure was taken for good" if not permanent else "not latched")


def test_dns_silent(house):
    server(house, lambda query: None, SPARE)


test_dns_silent.seconds = 18


def test_dns_servfail(house):
    server(house, rcode(2), "SERVFAIL")


def test_dns_refused(house):
    server(house, rcode(5), "refused|REFUSED", permanent=True)


def test_dns_notimp(house):
    server(house, rcode(4), "NOTIMP|dynamic updates", permanent=True)


def test_dns_garbage(house):
    server(house, lambda query: query[:2] + os.urandom(200), SPARE)


def test_dns_echo(house):
    """The request itself comes back."""
    server(house, lambda query: query, SPARE)


def test_dns_short(house):
    server(house, lambda query: query[:5], SPARE)


test_dns_garbage.seconds = test_dns_echo.seconds = test_dns_short.seconds = 18


def test_dns_unsigned_success(house):
    """Anybody can send that: not confirmed."""
    server(house, rcode(0), "could not confirm|signature")


def test_dns_foreign_id(house):
    """An answer to somebody else's question."""
    server(house, lambda query: dns.reply_to(bytes([query[0] ^ 1]) + query[1:], 0), SPARE)


test_dns_foreign_id.seconds = 18


def shared(house, lookups, **name):
    house.share_line()
    house.add(f"{SHARED}/10")
    keys = {"shared_line": "outside", "extra": lookups.section(), **name}
    return house.config(**keys)


def test_outside_by_two_services(house):
    lookups = Lookups(house)
    daemon = house.daemon(shared(house, lookups))
    house.follows(A=OUTSIDE)
    if lookups.asked() != 2:
        raise Failed(f"{lookups.asked()} questions for two that agree")
    # And once there is a public address again, that is it, without asking.
    house.add(f"{A}/24")
    house.delete(f"{SHARED}/10")
    house.follows(A=A)
    if lookups.asked() != 2:
        raise Failed("it asked although the WAN has a public address")
    if not daemon.alive():
        raise Failed("it died")


def test_outside_after_losing_the_public_address(house):
    """Public to CGNAT, with `shared_line outside`: the name follows to the ISP's address."""
    lookups = Lookups(house)
    house.share_line()
    house.add(f"{A}/24")
    house.daemon(house.config(shared_line="outside", extra=lookups.section()))
    house.follows(A=A)
    house.add(f"{SHARED}/10")
    house.delete(f"{A}/24")
    house.follows(A=OUTSIDE, within=5)


def test_outside_third_voice(house):
    """One is wrong: the other two agree."""
    lookups = Lookups(house)
    lookups.says["alpha"] = "198.51.100.99"
    house.daemon(shared(house, lookups))
    house.follows(A=OUTSIDE)


def disagree(house, pattern="could not learn", seconds=3, **says):
    lookups = Lookups(house)
    lookups.says.update(says)
    house.by_hand("update add home.example.test 60 A 192.0.2.99")
    daemon = house.daemon(shared(house, lookups))
    daemon.says(pattern, seconds)
    house.stays(A="192.0.2.99")
    if house.updates():
        only = [update for update in house.updates() if update.added != {"A": ["192.0.2.99"]}]
        if only:
            raise Failed(f"it published {only}")
    if lookups.asked() > 3:
        raise Failed(f"{lookups.asked()} questions")
    daemon.term()


def test_outside_disagreeing(house):
    disagree(house, "disagree", alpha="198.51.100.1", beta="198.51.100.2", gamma="198.51.100.3")


def test_outside_not_public(house):
    disagree(house, alpha="192.168.1.1", beta="192.168.1.1", gamma="100.64.0.9")


def test_outside_portal(house):
    disagree(house, alpha=page(), beta=page(), gamma=page())


def test_outside_too_often(house):
    busy = (429, {"Retry-After": "3600"}, b"")
    disagree(house, alpha=busy, beta=busy, gamma=busy)


def test_outside_one_hangs(house):
    """A silent service costs its time, no more."""
    lookups = Lookups(house)
    lookups.says["alpha"] = hang
    house.daemon(shared(house, lookups))
    house.follows(A=OUTSIDE, within=12)


test_outside_one_hangs.seconds = 11


def test_outside_term_while_asking(house):
    lookups = Lookups(house)
    for name in lookups.NAMES:
        lookups.says[name] = hang
    daemon = house.daemon(shared(house, lookups))
    time.sleep(1)
    if not lookups.asked():
        raise Failed("nobody was asked")
    daemon.term()


def test_outside_crash_loop(house):
    """Lookup services keep their minimum interval from crash loops too."""
    lookups = Lookups(house)
    config = shared(house, lookups)
    house.write_config(config)
    for name in lookups.NAMES:
        lookups.says[name] = (503, {}, b"")
    for _ in range(15):
        daemon = house.daemon(quiet=True)
        time.sleep(0.3)
        daemon.kill()
    if lookups.asked() > 3:
        raise Failed(f"{lookups.asked()} questions in 15 runs")


def test_outside_untrusted(house):
    """Services whose certificates nobody vouches for are not asked."""
    lookups = Lookups(house)
    os.unlink(house.path("ca.pem"))
    daemon = house.daemon(shared(house, lookups))
    daemon.says("could not learn", 5)
    never("somebody was asked", lambda: lookups.asked(), 0.5)


def test_shared_line_as_it_is(house):
    authority(house)
    house.share_line()
    house.add(f"{SHARED}/10")
    house.daemon(house.config(shared_line="wan"))
    house.follows(A=SHARED)


def test_outside_ipv6_has_no_nat(house):
    """No IPv6 address: nothing to ask about over IPv6; the A record follows alone."""
    lookups = Lookups(house)
    house.daemon(shared(house, lookups, families=("ipv4", "ipv6")))
    house.follows(A=OUTSIDE)
    asked6 = sum(len(lookups.servers[name + "6"].requests) for name in lookups.NAMES)
    if asked6 or house.holds("AAAA"):
        raise Failed(f"{asked6} questions by IPv6, AAAA {house.holds('AAAA')}")
