"""Cloudflare's API over real TLS: what is sent, what is kept, and what is said of a server that
misbehaves. Most of it by `once`: it has the same insides and an exit code."""

import os
import re
import signal
import time

from house import Failed, wait_for
from servers import TOKEN, Authority, Cloudflare, cut, drip, failure, flood, half, hang, page

A = "203.0.113.5"
V6 = "2001:db8:a::10"


def cloud(house, **config):
    house.add(f"{A}/24", f"{V6}/64")
    fake = Cloudflare(house)
    house.write_config(fake.config(**config))
    return fake


def once(house, code, pattern="", most=3, fake=None):
    """Runs `once`; checks the exit code, what it says, and how many requests it took."""
    before = len(fake.requests)
    begin = time.monotonic()
    got, text = house.once(within=60)
    took = time.monotonic() - begin
    requests = fake.requests[before:]
    shown = [f"{request.method} {request.path}" for request in requests]
    if got != code:
        raise Failed(f"exit code {got}, not {code}")
    if not re.search(pattern, " ".join(text.split())):  # it is wrapped
        raise Failed(f"it does not say {pattern!r}")
    if len(requests) > most:
        raise Failed(f"{len(requests)} requests: {shown}")
    if TOKEN in text:
        raise Failed("the token is in what it says")
    if "panicked" in text:
        raise Failed("it panicked")
    return took


def test_cf_creates(house):
    fake = cloud(house)
    once(house, 0, fake=fake)
    if fake.holds() != [A]:
        raise Failed(f"Cloudflare holds {fake.records}")
    if fake.server.handshakes != 1:
        raise Failed(f"{fake.server.handshakes} handshakes")


def test_cf_changes_and_keeps_what_is_the_owners(house):
    fake = cloud(house)
    own = {"proxied": True, "comment": "mine", "tags": ["a:b"], "ttl": 300}
    ident = fake.put("A", "192.0.2.1", **own)
    other = fake.put("AAAA", "2001:db8:ffff::1")
    fake.put("A", "192.0.2.2", name="www.example.test")
    once(house, 0, fake=fake)
    record = fake.records[ident]
    if record["content"] != A or {key: record[key] for key in own} != own:
        raise Failed(f"the record is now {record}")
    if fake.records[other]["content"] != "2001:db8:ffff::1" or len(fake.records) != 3:
        raise Failed("records that are not ours were touched")
    if fake.writes != 1 or fake.server.handshakes != 1:
        raise Failed(f"{fake.writes} writes, {fake.server.handshakes} handshakes")


def test_cf_unchanged_writes_nothing(house):
    fake = cloud(house)
    fake.put("A", A)
    once(house, 0, fake=fake)
    if fake.writes:
        raise Failed("it wrote although all was right")
    once(house, 0, most=0, fake=fake)  # and the second time it does not even ask


def test_cf_both_families_in_one_batch(house):
    fake = cloud(house, families=("ipv4", "ipv6"))
    once(house, 0, fake=fake, most=3)
    if fake.holds() != [A] or fake.holds("AAAA") != [V6]:
        raise Failed(f"Cloudflare holds {fake.records}")
    if fake.writes > 1 or fake.server.handshakes != 1:
        raise Failed(f"{fake.writes} writes, {fake.server.handshakes} handshakes")


def test_cf_daemon_follows(house):
    fake = cloud(house)
    house.daemon()
    wait_for("it follows", lambda: fake.holds() == [A])
    house.replace(f"{A}/24", "203.0.113.6/24")
    wait_for("it follows", lambda: fake.holds() == ["203.0.113.6"], 15)


test_cf_daemon_follows.seconds = 8


def bad_token(house, status, code, message):
    fake = cloud(house)
    fake.mood = lambda request: failure(status, code, message)
    once(house, 1, "section 'home'|home.example.test", most=1, fake=fake)
    # Once is enough: neither a restart nor a change is a reason to ask again.
    daemon = house.daemon()
    time.sleep(1)
    house.replace(f"{A}/24", "203.0.113.6/24")
    time.sleep(1)
    if len(fake.requests) != 1:
        raise Failed(f"{len(fake.requests)} requests with a bad token")
    fake.mood = None
    house.write_config(fake.config(accounts=fake.section(token_file=house.path("token"),
                                                         token=None)))
    with open(house.path("token"), "w") as file:
        file.write(TOKEN + "\n")
    daemon.hup()
    wait_for("mended, it follows", lambda: fake.holds() == ["203.0.113.6"], 15)


def test_cf_bad_token_400(house):
    bad_token(house, 400, 6003, "Invalid request headers")


def test_cf_bad_token_401(house):
    bad_token(house, 401, 10000, "Authentication error")


def test_cf_bad_token_403(house):
    bad_token(house, 403, 9109, "Invalid access token")


def test_cf_no_such_zone(house):
    fake = cloud(house)
    fake.mood = lambda request: (200, {}, b'{"success":true,"errors":[],"messages":[],"result":[]}')
    once(house, 1, "zone", most=3, fake=fake)


def test_cf_too_many_requests(house):
    """429 with Retry-After: nothing more before that, whatever changes or restarts."""
    fake = cloud(house)
    fake.mood = lambda request: failure(429, 971, "Please wait", Retry_After="300")
    once(house, 1, "429|often|wait|rate", most=1, fake=fake)
    daemon = house.daemon()
    house.replace(f"{A}/24", "203.0.113.6/24")
    time.sleep(0.5)
    daemon.signal(signal.SIGUSR1)
    time.sleep(1.5)
    daemon.kill()
    house.once()
    if len(fake.requests) != 1:
        raise Failed(f"{len(fake.requests)} requests")
    code, text = house.once(words=("status",))
    if "min" not in text:
        raise Failed("status does not say when it is tried again")


def test_cf_server_error(house):
    fake = cloud(house)
    fake.mood = lambda request: failure(502, 0, "Bad gateway")
    once(house, 1, "502|Bad gateway", fake=fake)


def test_cf_error_page(house):
    fake = cloud(house)
    fake.mood = lambda request: (503, {"Content-Type": "text/html"}, b"<html>error code: 1020")
    once(house, 1, "503", fake=fake)


def test_cf_web_page_instead(house):
    fake = cloud(house)
    fake.mood = page
    once(house, 1, "portal|JSON|page", fake=fake)


def test_cf_redirect(house):
    fake = cloud(house)
    fake.mood = lambda request: (302, {"Location": "https://cloud.test/elsewhere"}, b"")
    once(house, 1, "302|elsewhere|redirect", fake=fake)


def test_cf_hangs(house):
    fake = cloud(house)
    fake.mood = lambda request: hang
    took = once(house, 1, "section|within|answer|time", fake=fake)
    if took > 35:
        raise Failed(f"it took {took:.0f} s to give up")


def test_cf_drips(house):
    fake = cloud(house)
    fake.mood = lambda request: drip
    took = once(house, 1, fake=fake)
    if took > 35:
        raise Failed(f"it took {took:.0f} s to give up")


test_cf_hangs.seconds = test_cf_drips.seconds = 30


def test_cf_floods(house):
    """100 MB: given up early."""
    fake = cloud(house)
    fake.mood = lambda request: flood
    took = once(house, 1, "large|long|big|more than", fake=fake)
    if took > 10:
        raise Failed(f"it took {took:.0f} s")


def test_cf_hangs_up(house):
    fake = cloud(house)
    fake.mood = lambda request: cut
    once(house, 1, fake=fake, most=4)


def test_cf_hangs_up_in_the_reply(house):
    fake = cloud(house)
    fake.mood = lambda request: half
    once(house, 1, fake=fake, most=4)


def test_cf_hangs_up_after_the_change(house):
    """The change took effect, the answer is lost: could not confirm, then found right."""
    fake = cloud(house)
    def mood(request):
        if request.method == "GET":
            return None
        fake.mood = None
        fake._answer(request)
        return cut
    fake.mood = mood
    once(house, 1, "could not confirm", fake=fake, most=4)
    if fake.holds() != [A] or fake.writes != 1:
        raise Failed(f"Cloudflare holds {fake.records}")
    house.daemon()
    time.sleep(14)
    if fake.writes != 1 or len(fake.records) != 1:
        raise Failed("it wrote again what was there")
    code, text = house.once(words=("status",))
    if "could not confirm" in text:
        raise Failed("it did not look again")


test_cf_hangs_up_after_the_change.seconds = 16


def test_cf_garbage(house):
    fake = cloud(house)
    for body in (b"", b"{", b"null", b"[]", b'{"success":true}', b'{"success":"yes","result":7}',
                 b'{"success":true,"result":[{"id":5}]}', b'\xff\xfe', b'{"success":false}'):
        fake.mood = lambda request, body=body: (200, {"Content-Type": "application/json"}, body)
        if os.path.exists(house.path("journal")):
            os.unlink(house.path("journal"))
        once(house, 1, "home.example.test", fake=fake)


def certificate(house, pattern, **dates):
    fake = cloud(house)
    names = dates.pop("names", ("cloud.test",))
    ca = dates.pop("ca", house.ca)
    fake.server.present(ca.issue(*names, **dates))
    once(house, 1, pattern, fake=fake, most=0)


def test_cf_certificate_expired(house):
    certificate(house, "expired|no longer valid|clock", begin="20200101000000Z",
                end="20210101000000Z")


def test_cf_certificate_not_yet_valid(house):
    """For a router whose clock is in the past all certificates are of the future."""
    certificate(house, "clock", begin="20490101000000Z", end="20491201000000Z")


def test_cf_certificate_of_another_name(house):
    certificate(house, "name|certificate", names=("other.test",))


def test_cf_certificate_of_unknown_issuer(house):
    certificate(house, "issuer|certificate|trust", ca=Authority(house.path("ca2"), "another CA"))


def test_cf_plain_http_is_refused(house):
    fake = cloud(house)
    house.write_config(fake.config(accounts=fake.section(url="http://cloud.test/client/v4")))
    code, text = house.once()
    if code not in (1, 2) or "allow_http" not in text:
        raise Failed(f"exit code {code}; it does not name allow_http")


def test_cf_no_such_host(house):
    fake = cloud(house)
    house.write_config(fake.config(accounts=fake.section(url="https://nowhere.test/client/v4")))
    once(house, 1, "nowhere.test", fake=fake, most=0)


def test_cf_missing_ca_file(house):
    fake = cloud(house)
    house.write_config(fake.config(accounts=fake.section(ca_file=house.path("none.pem"))))
    once(house, 1, "none.pem", fake=fake, most=0)
