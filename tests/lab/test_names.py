"""`reachd report` asks what the names lead to: a root, a parent and a zone of their own on real
BIND, a BIND that anybody may ask and that finds its way down from the root, and dnsmasq on the
router with its rebind protection."""

import json
import os
import subprocess
import time

from house import Failed, binary, need, section, wait_for

# Not those for examples: dnsmasq takes them to be private.
WAN, OLD, STRANGER = "93.184.7.20", "93.184.7.99", "93.184.9.9"
ROOT, AUTH, AUTH2, OPEN, DEAD = (f"192.0.2.{n}" for n in (60, 61, 62, 63, 64))
NAME = "nas.example.test"
HEAD = "$TTL 300\n@ SOA ns1.example.test. root.example.test. 1 600 600 600 60\n"


def named(house, name, listen, rest, **zones):
    """One more BIND in the Internet."""
    place = house.path(name)
    os.makedirs(place)
    for zone, text in zones.items():
        with open(f"{place}/{zone}.zone", "w") as file:
            file.write(HEAD + text)
    with open(f"{place}/named.conf", "w") as file:
        file.write(f'options {{ directory "{place}"; pid-file none; session-keyfile none;\n'
                   f'  lock-file none; listen-on {{ {"; ".join(listen)}; }}; listen-on-v6 {{ none; }};\n'
                   '  notify no; dnssec-validation no; empty-zones-enable no;\n'
                   f'  managed-keys-directory "."; {rest} }};\ncontrols {{ }};\n')
        for zone in zones:
            name = {"root": ".", "zone": "example.test"}.get(zone, zone)
            file.write(f'zone "{name}" {{ type primary; file "{zone}.zone"; '
                       'allow-update { any; }; };\n')
        if not zones:
            file.write('zone "." { type hint; file "hints"; };\n')
            with open(f"{place}/hints", "w") as hints:
                hints.write(f". 3600000 NS ns.root.test.\nns.root.test. 3600000 A {ROOT}\n")
    with open(f"{place}/log", "ab") as log:
        house.inet.start([house._named(), "-g", "-n", "1", "-c", f"{place}/named.conf"],
                         stdout=log, stderr=log)


def build(house, records, *dnsmasq, wan=WAN, auth2=AUTH2):
    """All servers, the zone with these records, and the router with its resolver."""
    need("named", "nsupdate", "dig", "dnsmasq", "nft")
    house.inet.ip(*(f"address add {ip}/24 dev inet0" for ip in (ROOT, AUTH, AUTH2, OPEN)))
    house.isp.ip(f"address add 93.184.7.1/24 dev cust0")
    house.nl.address(house.index, f"{wan}/24")
    house.nl.default_route(house.index, "93.184.7.1" if wan == WAN else "203.0.113.1")
    glue = f"ns1.example.test. A {AUTH}\nns2.example.test. A {auth2}\n"
    below = "example.test. NS ns1.example.test.\nexample.test. NS ns2.example.test.\n" + glue
    named(house, "top", [ROOT], "recursion no;", test=f"@ NS ns.root.test.\nns.root A {ROOT}\n" + below,
          root=f"@ NS ns.root.test.\ntest. NS ns.root.test.\nns.root.test. A {ROOT}\n")
    named(house, "child", [AUTH, AUTH2], "recursion no;",
          zone="@ NS ns1\n@ NS ns2\n" + glue + records + "\n")
    named(house, "open", [OPEN], "recursion yes; allow-recursion { any; };")
    # Of the machine we are on nothing may be asked.
    house.rtr.tmpfs("/etc/config", "mode=755")
    house.rtr.tmpfs("/run", "mode=755")
    house.rtr.ip("link set lo up")
    for server, zone in ((ROOT, "test"), (AUTH, "example.test"), (OPEN, "example.test")):
        wait_for(f"{server} answers", lambda: ask(house.inet, server, zone, "SOA"), 15)
    local(house, *dnsmasq)
    with open(house.path("reachd.conf"), "w") as file:
        file.write(config(house))
    os.chmod(house.path("reachd.conf"), 0o600)


def local(house, *options):
    """The router's own resolver, begun anew."""
    if hasattr(house, "dnsmasq"):
        house.dnsmasq.kill()
        house.dnsmasq.wait()
    with open(house.path("dnsmasq.log"), "ab") as log:
        house.dnsmasq = house.rtr.start(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
             "--listen-address=127.0.0.1", "--bind-interfaces", "--user=root", "--pid-file=",
             f"--server={OPEN}", "--stop-dns-rebind", "--log-facility=-", *options],
            stdout=log, stderr=log)
    wait_for("dnsmasq answers", lambda: ask(house.rtr, "127.0.0.1", "example.test", "SOA"), 10)


def ask(space, server, name, rtype):
    """What dig prints of the answer."""
    dig = ["dig", "+short", "+tries=1", "+time=1", f"@{server}", name, rtype]
    text = space.run(dig, check=False).strip()
    return "" if text.startswith(";") else text


def config(house, resolvers=(OPEN,), families=("ipv4", "ipv6"), **name):
    return house.config(families=families, fqdn=NAME, main={"assume_public": []},
                        extra=section("lookup", "outside", {"resolver": list(resolvers)}), **name)


def change(house, *lines):
    text = f"server {AUTH}\nzone example.test\n" + "\n".join(lines) + "\nsend\n"
    house.inet.run(["nsupdate"], text)


def report(house, *words, text=None, within=20):
    if text is not None:
        house.write_config(text)
    argv = [binary(), "-c", house.path("reachd.conf"), "report", "--json", "--no-targets", *words]
    done = house.rtr(subprocess.run, argv, capture_output=True, text=True, timeout=within,
                     env=house.environment())
    house.last = done.stdout + done.stderr
    return json.loads(done.stdout)


def told(report, status="fail"):
    return {one["id"] for one in report["findings"]
            if one["id"].startswith("name.") and one["status"] == status}


def expect(house, report, *ids, status="fail", **shown):
    got = told(report, status)
    if got != set(ids):
        raise Failed(f"found {sorted(got - set(ids))}, missed {sorted(set(ids) - got)}: "
                     f"{report.get('names')}")
    name = report["names"][0]
    for key, value in shown.items():
        if name[key] != value:
            raise Failed(f"{key} is {name[key]}, not {value}")


def test_names_walk(house):
    """Down from the root, by delegation; what was told goes into a bundle."""
    build(house, f"nas 300 A {WAN}\nnas 300 AAAA 2a02:8070:c::50")
    house.rtr.ip("address add 2a02:8070:c::1/64 dev lan0")
    one = report(house)
    expect(house, one, a=[WAN], a_is="ok", aaaa_is="ok", ttl=300, verdict="ok")
    if not one["run"]["outside"]:
        raise Failed("it does not say that somebody was asked")
    change(house, f"update delete {NAME} A", f"update add {NAME} 300 A {STRANGER}")
    one = report(house)
    expect(house, one, "name.a", a=[STRANGER], verdict="wrong")
    servers = {e["src"] for e in one["evidence"] if e["kind"] == "dns"}
    if servers != {f"ns1.example.test {AUTH}"}:
        raise Failed(f"seen at {servers}")
    change(house, f"update delete {NAME}")
    expect(house, report(house), "name.nx", a=[], a_is="no such name")
    # As others see it who have the folder alone.
    tar, root = house.path("bundle.tar"), house.path("bundle")
    house.rtr.run([binary(), "-c", house.path("reachd.conf"), "collect", "--no-targets", tar])
    os.mkdir(root)
    subprocess.run(["tar", "-xf", tar, "-C", root], check=True)
    with open(f"{root}/cmd/reachd-names.txt") as file:
        servers = [line.split("\t")[1] for line in file if not line.startswith("name")]
    want = [f"ns1.example.test {AUTH}", f"ns2.example.test {AUTH2}", OPEN, "127.0.0.1"]
    if servers != want:
        raise Failed(f"asked were {servers}")
    one = json.loads(subprocess.run([binary(), "report", "--json", "--root", root],
                                    capture_output=True, text=True).stdout)
    # Without netifd's dump nobody knows whether there is something to publish.
    expect(house, one, a_is="no such name", verdict="wrong")


def test_names_cache(house):
    """The zone is right, and who asked a resolver before is told the old address until its TTL
    has run down."""
    build(house, f"nas 300 A {OLD}")
    for space, server in ((house.inet, OPEN), (house.rtr, "127.0.0.1")):
        if ask(space, server, NAME, "A") != OLD:
            raise Failed(f"{server} does not answer")
    change(house, f"update delete {NAME} A", f"update add {NAME} 60 A {WAN}")
    time.sleep(1.1)
    one = report(house, text=config(house, families=("ipv4",)))
    expect(house, one, "name.cache", a=[WAN], ttl=60, verdict="ok")
    found = next(f for f in one["findings"] if f["id"] == "name.cache")
    seen = {e["src"]: e["summary"] for e in one["evidence"] if e["eid"] in found["evidence"]}
    old = [who for who, what in seen.items() if what.startswith(f"A {OLD}, ttl ")]
    if sorted(old) != ["127.0.0.1", OPEN]:
        raise Failed(f"seen were {seen}")
    seconds = int(found["fix"].split("at most ")[1].split()[0])
    if not 280 < seconds < 300:
        raise Failed(f"{found['fix']}: it was asked a second ago")


def test_names_private(house):
    """dnsmasq drops a private answer from outside, until it is told that this name may have one."""
    build(house, "nas 60 A 192.168.1.10")
    one = report(house, text=config(house, families=("ipv4",)))
    expect(house, one, "name.private", a_is="private")
    expect(house, one, "name.rebind", status="suppressed")
    local(house, "--rebind-domain-ok=/example.test/")
    one = report(house)
    expect(house, one, "name.private", a_is="private")
    expect(house, one, status="suppressed")


def test_names_rebind(house):
    """An address of a network above that is published on purpose: home hears nothing of it."""
    build(house, "nas 60 A 203.0.113.5", wan="203.0.113.5")
    wanted = config(house, families=("ipv4",), shared_line="wan")
    expect(house, report(house, text=wanted), "name.rebind", a_is="ok")
    log = open(house.path("dnsmasq.log")).read()
    if "possible DNS-rebind attack detected" not in log:
        raise Failed("dnsmasq did not drop it, the test shows nothing")
    local(house, "--rebind-domain-ok=/example.test/")
    expect(house, report(house), a_is="ok")


def test_names_ipv6(house):
    """The prefix changed and the AAAA record did not; then the router's own address."""
    build(house, f"nas 60 A {WAN}\nnas 60 AAAA 2a02:8070:dead::50")
    house.rtr.ip("address add 2a02:8070:c::1/64 dev lan0")
    expect(house, report(house), "name.aaaa.stale", aaaa_is="not here")
    change(house, f"update delete {NAME} AAAA", f"update add {NAME} 60 AAAA 2a02:8070:c::1")
    # The resolver still has the old one.
    expect(house, report(house), "name.cache", aaaa_is="ok")


def test_names_large(house):
    """More addresses than go by UDP: the rest is had by TCP. An alias is followed."""
    many = "\n".join(f"nas 60 A 93.185.{n}.1" for n in range(1, 91))
    build(house, f"nas 60 A {WAN}\n{many}\nalias 60 CNAME nas\nring 60 CNAME ring2\nring2 60 CNAME ring")
    before = house.tap.tcp
    one = report(house, text=config(house, families=("ipv4",)))
    expect(house, one, "name.extra", a_is="here and elsewhere")
    if len(one["names"][0]["a"]) != 91 or house.tap.tcp == before:
        raise Failed(f"{len(one['names'][0]['a'])} addresses, {house.tap.tcp - before} connections")
    text = house.config(families=("ipv4",), fqdn="alias.example.test",
                        extra=section("lookup", "outside", {"resolver": [OPEN]}))
    one = report(house, text=text)
    expect(house, one, "name.cname", a_is="alias")
    if "is an alias of nas.example.test." not in house.last:
        raise Failed("the alias is not named")
    one = report(house, text=text.replace("alias.example", "ring.example"))
    expect(house, one, "name.cname", a_is="alias")
    if "go round in a circle" not in house.last:
        raise Failed("the circle is not told")


def test_names_silence(house):
    """Dead servers cost their time once, and cost no answer of the others; where all are dead
    nothing is claimed."""
    build(house, f"nas 60 A {WAN}", auth2=DEAD)
    drop = (f"table ip deaf {{ chain in {{ type filter hook input priority 0;\n"
            f"ip daddr {{ {AUTH2}, 192.0.2.2 }} udp dport 53 drop\n}}\n}}\n")
    house.inet.run(["nft", "-f", "-"], drop)
    # ns2 and a resolver that swallow everything.
    change(house, "update delete ns2.example.test A", f"update add ns2.example.test 60 A {AUTH2}")
    begin = time.monotonic()
    one = report(house, text=config(house, resolvers=("192.0.2.2", OPEN), families=("ipv4",)))
    took = time.monotonic() - begin
    expect(house, one, a_is="ok", verdict="ok")
    if not 4 < took < 8.5:
        raise Failed(f"it took {took:.1f} s")
    house.inet.run(["nft", "-f", "-"], "flush ruleset\ntable ip deaf { chain in { type filter hook "
                   "input priority 0;\nudp dport 53 drop\n}\n}\n")
    local_off = house.dnsmasq
    local_off.kill()
    local_off.wait()
    begin = time.monotonic()
    one = report(house)
    took = time.monotonic() - begin
    expect(house, one, a_is="unknown", verdict="unknown")
    if took > 4:
        raise Failed(f"it took {took:.1f} s to hear nothing")


def test_names_not_asked(house):
    """--no-names, what the daemon makes, and --diff ask nobody."""
    build(house, f"nas 60 A {STRANGER}")
    house.isp.run(["nft", "-f", "-"], "table ip count { chain on { type filter hook forward "
                  "priority 0;\nudp dport 53 counter\n}\n}\n")
    one = report(house, "--no-names")
    if told(one) or "names" in one or one["run"]["outside"]:
        raise Failed("it tells of names")
    argv = [binary(), "-c", house.path("reachd.conf"), "report"]
    for words in (["--format", "lines"], ["--diff"]):
        house.rtr.run([*argv, *words], check=False)
    shown = house.isp.run(["nft", "list", "ruleset"])
    if "counter packets 0 " not in shown:
        raise Failed(f"somebody was asked: {shown}")
    text = house.rtr.run([*argv, "--no-targets", "--no-names"], check=False)
    if "NAME  not looked up: nobody was asked\n" not in text:
        raise Failed(text)
    report(house)
    if "counter packets 0 " in house.isp.run(["nft", "list", "ruleset"]):
        raise Failed("the counter counts nothing")
