"""`reachd report` on a router with two WANs: whether packets from the Internet pass, whether the
answers find back, and what a connection that came proves. Each verdict beside a real connection,
through rules shaped as firewall4 makes them."""

import json
import os
import socket
import subprocess

from house import OUTSIDE, PUBLIC, Failed, need, wait_for
from servers import Lookups
from test_wans import A, B, GATE, both, names

PORT = 8080
HOST = "192.168.1.10"

LISTEN = """
import socket
tcp = socket.create_server(("0.0.0.0", 8080), backlog=64)
print("ready", flush=True)
kept = []
while True:
    one = tcp.accept()[0]
    one.sendall(b"hello\\n")
    kept.append(one)
"""

RULES = """table inet fw4 {
 chain mangle_prerouting {
  type filter hook prerouting priority mangle; policy accept;
MARKS
 }
 chain input {
  type filter hook input priority filter; policy drop;
  ct state vmap { established : accept, related : accept }
  iifname "lan0" accept
  iifname { "wan0", "wanb0" } jump input_wan
 }
 chain input_wan {
  ct status dnat accept comment "!fw4: Accept port redirections"
  jump reject_from_wan
 }
 chain reject_from_wan {
  iifname { "wan0", "wanb0" } counter drop comment "!fw4: drop wan IPv4/IPv6 traffic"
 }
 chain forward {
  type filter hook forward priority filter; policy drop;
  ct state vmap { established : accept, related : accept }
  iifname "lan0" accept
  iifname { "wan0", "wanb0" } jump forward_wan
 }
 chain forward_wan {
  ct status dnat accept comment "!fw4: Accept port forwards"
  drop
 }
 chain dstnat {
  type nat hook prerouting priority dstnat; policy accept;
  iifname { "wan0", "wanb0" } jump dstnat_wan
 }
 chain dstnat_wan {
  meta nfproto ipv4 tcp dport 8080 counter dnat ip to 192.168.1.10:8080 comment "!fw4: web"
 }
 chain srcnat {
  type nat hook postrouting priority srcnat; policy accept;
  oifname { "wan0", "wanb0" } masquerade
 }
}
"""

SAVE = 'iifname "wanb0" ct state new ct mark set 0x2'
RESTORE = 'iifname "lan0" meta mark set ct mark'
BY_MARK = "rule add fwmark 0x2 lookup 200 pref 1000"


def build(house):
    need("nft", "python3")
    both(house)
    house.rtr.tmpfs("/etc/config", "mode=755")
    house.rtr.tmpfs("/run", "mode=755")
    firewall = ("config zone\n option name lan\n list device lan0\n option input ACCEPT\n"
                "config zone\n option name wan\n list device wan0\n list device wanb0\n"
                " option input REJECT\n option masq 1\n"
                "config redirect 'web'\n option src wan\n option proto tcp\n"
                f" option src_dport {PORT}\n option dest_ip {HOST}\n")

    def write():
        with open("/etc/config/firewall", "w") as file:
            file.write(firewall)
        with open("/var/run/fw4.state", "w") as file:
            file.write('{"zones": [], "networks": {}, "ubus_rules": []}')
    house.rtr(write)
    # An ISP lets no packet out that is not from the address it gave (BCP 38).
    house.isp.run(["nft", "-f", "-"], "table ip own {\n chain in {\n"
                  "  type filter hook prerouting priority -300;\n"
                  '  iifname "cust0" ip saddr != 203.0.113.0/24 drop\n'
                  '  iifname "cust1" ip saddr != 198.51.100.0/24 drop\n }\n}\n')
    for device in ("all", "wan0", "wanb0", "lan0"):
        house.rtr.sysctl(**{f"ipv4__conf__{device}__rp_filter": 0})
    house.rtr.ip(f"route add default via {GATE['wanb0']} dev wanb0 table 200",
                 "route add 192.168.1.0/24 dev lan0 table 200")
    rules(house)
    config = names(house)
    house.write_config(config.replace(f"list assume_public '{PUBLIC[0]}'",
                                      f"list assume_public '{PUBLIC[0]}'\n"
                                      "\tlist assume_public '192.0.2.0/24'"))
    server = house.host.start(["python3", "-c", LISTEN], stdout=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        raise Failed("the host's service does not start")


def rules(house, *marks):
    text = RULES.replace("MARKS", "\n".join(f"  {mark}" for mark in marks))
    house.rtr.run(["nft", "-f", "-"], "flush ruleset\n" + text)


def connect(house, ip, within=1.2):
    """A connection from the Internet that the host's service answered; `None`: there is none."""
    def attempt():
        try:
            client = socket.create_connection((ip, PORT), within)
        except OSError:
            return None
        client.settimeout(within)
        try:
            return client if client.recv(16) == b"hello\n" else None
        except OSError:
            return None
    return house.inet(attempt)


def report(house, *more):
    _, text = house.once(words=("report", "--json", "--no-targets", *more))
    return json.loads(text)


def told(report):
    """What was found about ways: (id, WAN)."""
    return {(one["id"], one["subject"]) for one in report["findings"]
            if one["id"] in ("path.asym", "path.rpfilter")}


def both_agree(house, by_a, by_b, *wanted):
    """What the report finds, and what becomes of real connections by each WAN."""
    shown = report(house)
    if told(shown) != set(wanted):
        raise Failed(f"found {sorted(told(shown))}, not {sorted(wanted)}")
    for ip, want in ((A, by_a), (B, by_b)):
        if (connect(house, ip) is not None) != want:
            raise Failed(f"a connection to {ip} is {'refused' if want else 'answered'}")
    return shown


def dropped(house):
    """The kernel's count of what its reverse path filter dropped."""
    head, row = [line.split() for line in house.rtr.run(["cat", "/proc/net/netstat"]).splitlines()
                 if line.startswith("TcpExt:")]
    return int(row[head.index("IPReversePathFilter")])


def test_ways_back(house):
    build(house)
    astray = ("path.asym", "wanb0")
    # Two defaults told apart by their metric, and nothing else.
    both_agree(house, True, False, astray)
    # A rule for the mark, and nobody who sets it; then one who only saves it.
    house.rtr.ip(BY_MARK)
    both_agree(house, True, False, astray)
    rules(house, SAVE)
    both_agree(house, True, False, astray)
    rules(house, SAVE, RESTORE)
    both_agree(house, True, True)
    # In a bundle, too; there without the config only the first WAN is known as one.
    tar, root = house.path("bundle.tar"), house.path("bundle")
    house.once(words=("collect", "--no-targets", tar))
    os.mkdir(root)
    subprocess.run(["tar", "-xf", tar, "-C", root], check=True)
    with open(f"{root}/cmd/reachd-passages.txt") as file:
        passages = file.read().splitlines()
    for line in (f"- {A} wan0 0 !", f"{HOST} - lan0 0 wan0"):
        if line not in passages:
            raise Failed(f"the bundle has no {line!r}: {passages}")
    # The mark is given back, and no table is for it.
    house.rtr.ip(BY_MARK.replace("add", "delete"))
    both_agree(house, True, False, astray)
    # All that the host sends leaves by the second WAN.
    rules(house)
    house.rtr.ip(f"rule add from {HOST} lookup 200 pref 1001")
    both_agree(house, False, True, ("path.asym", "wan0"))


def test_reverse_path(house):
    build(house)
    house.rtr.ip(BY_MARK)
    rules(house, SAVE, RESTORE)
    both_agree(house, True, True)
    # The larger of the two counts; 2 is no hindrance.
    for device in ("wanb0", "all"):
        house.rtr.sysctl(**{f"ipv4__conf__{device}__rp_filter": 1})
        before = dropped(house)
        both_agree(house, True, False, ("path.rpfilter", "wanb0"))
        if dropped(house) == before:
            raise Failed("it was something else that dropped it")
        house.rtr.sysctl(**{f"ipv4__conf__{device}__rp_filter": 2})
        both_agree(house, True, True)
        house.rtr.sysctl(**{f"ipv4__conf__{device}__rp_filter": 0})


def forward(shown):
    one = shown["forwards"][0]
    return one["reach"]["verdict"], one["reach"]["certainty"], one["hits"]["packets"]


def test_proof_by_a_connection(house):
    """Likely, until somebody from the Internet was answered."""
    build(house)
    house.rtr.ip(BY_MARK)
    rules(house, SAVE, RESTORE)
    want = ("open", "likely", 0)
    if forward(report(house)) != want:
        raise Failed(f"before: {forward(report(house))}")
    # From inside is no proof.
    inside = house.host(socket.create_connection, (HOST, PORT), 1)
    if forward(report(house)) != want:
        raise Failed(f"from inside: {forward(report(house))}")
    inside.close()
    client = connect(house, B)
    if client is None:
        raise Failed("the connection is not answered")
    shown = report(house)
    if forward(shown) != ("open", "proved", 1):
        raise Failed(f"with a connection: {forward(shown)}")
    seen = [one["summary"] for one in shown["evidence"] if one["kind"] == "passive"]
    if f"a connection from 192.0.2.2 is answered by {HOST}:{PORT}" not in seen:
        raise Failed(f"seen: {seen}")
    # It ends, and the host answers nobody any more: what is left proves that the Internet gets to
    # the rule, and no more.
    for state in ("close_wait", "fin_wait", "last_ack", "time_wait", "close", "syn_sent"):
        house.rtr.sysctl(**{f"netfilter__nf_conntrack_tcp_timeout_{state}": 1})
    client.close()
    house.host.run(["nft", "-f", "-"], "table inet own {\n chain in {\n"
                   "  type filter hook input priority 0;\n  tcp dport 8080 drop\n }\n}\n")
    if connect(house, B, 0.3) is not None:
        raise Failed("the host still answers")
    wait_for("connections are forgotten",
             lambda: HOST not in house.rtr.run(["cat", "/proc/net/nf_conntrack"]), 8)
    shown = report(house)
    reach, certainty, packets = forward(shown)
    why = shown["forwards"][0]["reach"]["why"]
    if (reach, certainty) != ("open", "likely") or packets < 2 or "no answer was seen" not in why:
        raise Failed(f"with the counter alone: {reach}, {certainty}, {packets}: {why}")


def ids(house):
    return {one["id"] for one in report(house)["findings"]}


def test_what_the_daemon_remembers(house):
    """Addresses that come and go, as the daemon saw them; and what the Internet saw."""
    need("nft")
    house.add(f"{A}/24")
    house.daemon(house.config())
    house.follows(A=A)
    last = A
    for now in ("203.0.113.6", "203.0.113.7", "203.0.113.8"):
        if "path.flap" in ids(house):
            raise Failed(f"too early, with {last}")
        house.replace(f"{last}/24", f"{now}/24")
        house.follows(A=now)
        last = now
    # The journal is written as the name is published.
    wait_for("it tells of three changes", lambda: "path.flap" in ids(house))


def test_what_the_internet_saw(house):
    """The ISP gives public space and translates it all the same."""
    need("nft")
    house.isp.run(["nft", "-f", "-"], "table ip nat {\n chain out {\n"
                  "  type nat hook postrouting priority 100;\n"
                  f'  ip saddr 203.0.113.0/24 oifname "up0" snat to {OUTSIDE}\n }}\n}}\n')
    house.add(f"{A}/24")
    lookups = Lookups(house)
    house.write_config(house.config(shared_line="outside", extra=lookups.section()))
    if "path.nat.mismatch" in ids(house):
        raise Failed("nobody was asked yet")
    house.once(words=("line",))
    if "path.nat.mismatch" not in ids(house):
        raise Failed("it does not tell what the Internet saw")
    # Of another address nothing is known.
    house.replace(f"{A}/24", "203.0.113.6/24")
    if "path.nat.mismatch" in ids(house):
        raise Failed("what was learnt of another address is told of this one")


test_ways_back.seconds = 10
test_reverse_path.seconds = 8
