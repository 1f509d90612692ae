"""`reachd report` tries the hosts that forwards lead to: real hosts, real firewalls on them."""

import json
import os
import socket
import subprocess
import time

from house import Failed, binary, need, peak

WAN = "203.0.113.5"
FORWARDS = {"web": ("tcp", 8080, "192.168.1.10"), "closed": ("tcp", 8081, "192.168.1.10"),
            "dead": ("tcp", 8082, "192.168.1.77"), "mute": ("udp", 5000, "192.168.1.10"),
            "gone": ("udp", 5001, "192.168.1.10")}
# What the host says whatever its way out and its firewall are in these tests.
ALWAYS = {("target.refused", "closed"), ("rule.dest.noarp", "dead"), ("target.udp", "gone")}

LISTEN = """
import socket, time
tcp = socket.create_server(("0.0.0.0", 8080), backlog=64)
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 5000))
print("ready", flush=True)
time.sleep(600)
"""


def build(house):
    """A router whose config forwards to the host, and the host with a service that answers TCP
    and is silent by UDP."""
    need("nft", "python3")
    house.add(f"{WAN}/24")
    house.rtr.tmpfs("/etc/config", "mode=755")
    # Of the machine we are on nothing may be asked.
    house.rtr.tmpfs("/run", "mode=755")
    firewall = ("config zone\n option name lan\n list network lan\n option input ACCEPT\n"
                "config zone\n option name wan\n list network wan\n option input REJECT\n")
    for section, (proto, port, ip) in FORWARDS.items():
        firewall += (f"config redirect '{section}'\n option src wan\n option proto {proto}\n"
                     f" option src_dport {port}\n option dest_ip {ip}\n")
    network = ("config interface lan\n option device lan0\n option proto static\n"
               " option ipaddr 192.168.1.1\n option netmask 255.255.255.0\n"
               "config interface wan\n option device wan0\n option proto dhcp\n")

    def write():
        for name, text in (("firewall", firewall), ("network", network)):
            with open(f"/etc/config/{name}", "w") as file:
                file.write(text)
    house.rtr(write)
    server = house.host.start(["python3", "-c", LISTEN], stdout=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        raise Failed("the host's service does not start")


def report(house, *more):
    text = house.rtr.run([binary(), "report", "--json", *more], check=False)
    house.last = text
    return json.loads(text)


def told(report):
    """(id, section) of what was found about targets."""
    return {(one["id"], one["subject"].removeprefix("section ")) for one in report["findings"]
            if one["id"].startswith("target.") or one["id"] == "rule.dest.noarp"}


def expect(house, *more):
    got = told(report(house))
    want = ALWAYS | set(more)
    if got != want:
        raise Failed(f"found {sorted(got - want)}, missed {sorted(want - got)}")


def nft(house, *rules):
    """The host's own firewall."""
    lines = "\n".join(f"  {rule}" for rule in rules)
    house.host.run(["nft", "-f", "-"], "flush ruleset\ntable inet own {\n chain input {\n"
                   f"  type filter hook input priority 0;\n{lines}\n }}\n}}\n")


def test_report_targets(house):
    build(house)
    expect(house)
    probes = [one["summary"] for one in json.loads(house.last)["evidence"]
              if one["kind"] == "probe"]
    if "from its own network: it answers; as a stranger: it answers" not in probes:
        raise Failed(f"no word of the host that answers: {probes}")
    # A host without a way out answers its neighbours and nobody else.
    house.host.ip("route delete default")
    expect(house, ("target.return_path", "web"))
    house.host.ip("route add default via 192.168.1.1")
    expect(house)


def test_report_host_firewall(house):
    build(house)
    near = "ip saddr 192.168.1.0/24 accept"
    nft(house, near, "tcp dport 8080 drop")
    expect(house, ("target.return_path", "web"))
    nft(house, near, "tcp dport 8080 reject with tcp reset")
    expect(house, ("target.host_acl", "web"))
    nft(house, near, "tcp dport 8080 reject with icmpx admin-prohibited")
    expect(house, ("target.host_acl", "web"))
    nft(house, "tcp dport 8080 drop")
    expect(house, ("target.filtered", "web"))
    nft(house, "tcp dport 8080 reject with icmpx admin-prohibited")
    expect(house, ("target.filtered", "web"))
    nft(house)
    expect(house)


def test_report_no_targets(house):
    """Nothing is sent to the host when that was not wanted."""
    build(house)
    nft(house, "ip saddr 203.0.113.5 counter", "tcp dport 8080 counter")
    if told(report(house, "--no-targets")):
        raise Failed("it tells of targets that it was not to try")
    shown = house.host.run(["nft", "list", "ruleset"])
    if shown.count("packets 0") != 2:
        raise Failed(f"it sent something: {shown}")
    # What was heard goes into a bundle, and a report from there says the same.
    tar, root = house.path("bundle.tar"), house.path("bundle")
    house.rtr.run([binary(), "collect", tar])
    os.mkdir(root)
    subprocess.run(["tar", "-xf", tar, "-C", root], check=True)
    got = told(report(house, "--root", root))
    if got != ALWAYS:
        raise Failed(f"the bundle tells {sorted(got)}")


FLOOD = """#!/bin/sh
printf '{"nftables": ['
exec yes '{"rule": {"family": "inet", "table": "fw4", "chain": "input", "handle": 1, "expr": []}},'
"""
MISSING = {
    "no nft": (None, "there is no nft here", 5),
    "50 MB of ruleset": (FLOOD, "more than", 10),
    "an nft that hangs": ("#!/bin/sh\nexec sleep 60\n", "15 s", 25),
    "an nft that may not": ("#!/bin/sh\necho 'Operation not permitted' >&2\nexit 1\n",
                            "Operation not permitted", 5),
    "an nft of the future": ("#!/bin/sh\necho '{\"nftables\": [{\"metainfo\": "
                             "{\"json_schema_version\": 2}}]}'\n", "another version", 5),
}


def test_report_missing_programs(house):
    """What a program does not tell costs what rests on it, and nothing else: forwards stay listed,
    their hosts are tried, nothing is called open."""
    build(house)
    if "wan0" in {one["iface"] for one in report(house)["line"]["wans"]}:
        raise Failed("without ubus it does not know the config's name for wan0")
    house.rtr.tmpfs("/usr/sbin", "mode=755")
    nft = "/usr/sbin/nft"

    def put(script):
        with open(nft, "w") as file:
            file.write(script)
        os.chmod(nft, 0o755)
    for what, (script, why, seconds) in MISSING.items():
        if script:
            house.rtr(put, script)
        begin = time.monotonic()
        more = ["--no-targets"] if script else []
        house.last, size = peak([binary(), "report", "--json", *more], house.rtr)
        took, shown = time.monotonic() - begin, json.loads(house.last)
        unread = {one["part"]: one["why"] for one in shown["unread"]}
        if why not in unread.get("live ruleset", "(it was read)"):
            raise Failed(f"{what}: {unread}")
        if len(shown["forwards"]) != len(FORWARDS) or (not script and told(shown) != ALWAYS):
            raise Failed(f"{what}: {sorted(told(shown))}, {len(shown['forwards'])} forwards")
        verdicts = {one["reach"]["verdict"] for one in shown["forwards"]}
        if "open" in verdicts or "unknown" not in verdicts:
            raise Failed(f"{what}: {verdicts}")
        if took > seconds + 8 or size > 24 * 1024:
            raise Failed(f"{what}: {took:.1f} s, {size} KB")


test_report_missing_programs.seconds = 20


LIVE = """flush ruleset
table inet fw4 {
 chain input { type filter hook input priority filter; policy drop; ct state established,related accept; iifname "lan0" accept; }
 chain forward {
  type filter hook forward priority filter; policy drop;
  ct state established,related accept
  iifname "wan0" jump forward_wan
 }
 chain forward_wan { ct status dnat accept comment "!fw4: Accept port forwards"; }
 chain dstnat { type nat hook prerouting priority dstnat; policy accept; iifname "wan0" jump dstnat_wan; }
 chain dstnat_wan { meta nfproto ipv4 tcp dport 8080 counter dnat ip to 192.168.1.10:8080 comment "!fw4: web"; }
}
"""


def test_report_without_rights(house):
    """As the package's user in its jail: the rules in force are unknown, which passes for nothing.
    With CAP_NET_ADMIN they would be seen."""
    build(house)

    def by_device():
        # There is no netifd here to say which devices a network has.
        with open("/etc/config/firewall") as file:
            text = file.read()
        for network in ("lan", "wan"):
            text = text.replace(f"list network {network}", f"list device {network}0")
        with open("/etc/config/firewall", "w") as file:
            file.write(text)
    house.rtr(by_device)
    house.rtr.run(["nft", "-f", "-"], LIVE)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    admin = ["--inh-caps=+net_admin", "--ambient-caps=+net_admin"]
    seen = {}
    for who, words in (("root", []), ("user", user), ("admin", user + admin)):
        text = house.rtr.run([*words, binary(), "report", "--json", "--no-targets"], check=False)
        seen[who] = json.loads(text)
    verdicts = {who: {one["name"] or one["uid"]: (one["reach"]["verdict"], one["reach"].get("why"))
                      for one in report["forwards"]} for who, report in seen.items()}
    for name, (verdict, why) in verdicts["user"].items():
        if verdict != "unknown" or "the live firewall could not be followed" not in why:
            raise Failed(f"without rights {name} is {verdict}: {why}")
    unread = {one["part"] for one in seen["user"]["unread"]}
    if not {"live ruleset", "firewall state"} <= unread:
        raise Failed(f"it does not say what it could not read: {seen['user']['unread']}")
    for who in ("root", "admin"):
        if "live ruleset" in {one["part"] for one in seen[who]["unread"]}:
            raise Failed(f"{who} sees no rules: {seen[who]['unread']}")
        if verdicts[who]["web"][0] != "blocked":  # Nobody wrote fw4.state, as all of them can see.
            raise Failed(f"{who}: {verdicts[who]}")
    if verdicts["root"] != verdicts["admin"]:
        raise Failed(f"{verdicts['admin']} with the right, {verdicts['root']} as root")


# Name: protocol, port outside, host, port inside, what becomes of it.
DEMO = {
    "proved": ("tcp", "8080", "192.168.1.10", 8080, "open proved"),
    "likely": ("tcp", "2222", "192.168.1.10", 8443, "open likely"),
    "games": ("udp", "27000-27010", "192.168.1.10", 27100, "partial"),
    "denied": ("tcp", "8081", "192.168.1.10", 8092, "blocked acl"),
    "closed": ("tcp", "8082", "192.168.1.10", 8090, "blocked service"),
    "strangers": ("tcp", "8086", "192.168.1.10", 8091, "blocked host"),
    "lost": ("tcp", "8085", "192.168.1.10", 8443, "blocked rule"),
    "dead": ("tcp", "8083", "192.168.1.77", 8083, "down"),
    "night": ("tcp", "8084", "192.168.1.10", 8443, "unknown"),
}
DEMO_HOST = """
import socket, time
kept = [socket.create_server(("0.0.0.0", port), backlog=64) for port in (8080, 8443, 8091, 8092)]
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 27100))
print("ready", flush=True)
time.sleep(600)
"""
STATE = {"zones": [], "ubus_rules": [], "networks": {
    name: {"up": True, "device": f"{name}0", "ipaddrs": [{"family": 4, "addr": ip, "bits": 24}]}
    for name, ip in (("lan", "192.168.1.1"), ("wan", WAN))}}


def test_report_demo_house(house):
    """One house with a forward for every verdict, all of it real: rules in the kernel, a connection
    from the Internet, hosts that answer, refuse, or are not there."""
    need("nft", "python3")
    house.add(f"{WAN}/24")
    house.rtr.tmpfs("/etc/config", "mode=755")
    house.rtr.tmpfs("/run", "mode=755")
    config = {
        "network": "config interface lan\n option device lan0\n"
                   "config interface wan\n option device wan0\n",
        "firewall": "config zone\n option name lan\n list network lan\n option input ACCEPT\n"
                    "config zone\n option name wan\n list network wan\n option input REJECT\n"
                    " option masq 1\n",
        "reachd": "config reachd main\n list assume_public '203.0.113.0/24'\n"
                  " list assume_public '192.0.2.0/24'\n"}
    rules = []
    for name, (proto, ports, ip, to, _) in DEMO.items():
        config["firewall"] += (f"config redirect '{name}'\n option src wan\n option dest lan\n"
                               f" option proto {proto}\n option src_dport {ports}\n"
                               f" option dest_ip {ip}\n option dest_port {to}\n")
        hours = 'meta hour "00:00"-"23:00" ' if name == "night" else ""
        rule = f'meta nfproto ipv4 {hours}{proto} dport {ports} counter dnat ip to {ip}:{to}'
        if name != "lost":
            rules.append(f'  {rule} comment "!fw4: {name}"')
    begin = LIVE.index(" chain dstnat_wan")
    live = LIVE[:begin].replace(" chain forward_wan { ", ' chain forward_wan { tcp dport 8092 drop '
                                'comment "!fw4: no cameras"; ')
    live += " chain dstnat_wan {\n" + "\n".join(rules) + "\n }\n}\n"

    def write():
        for name, text in config.items():
            with open(f"/etc/config/{name}", "w") as file:
                file.write(text)
        with open("/run/fw4.state", "w") as file:
            json.dump(STATE, file)
    house.rtr(write)
    house.rtr.run(["nft", "-f", "-"], live)
    nft(house, "ip saddr 192.168.1.0/24 accept", "tcp dport 8091 drop")
    server = house.host.start(["python3", "-c", DEMO_HOST], stdout=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        raise Failed("the host's services do not start")
    guest = house.inet(socket.create_connection, (WAN, 8080), 5)
    text = house.rtr.run([binary(), "-c", "/etc/config/reachd", "report", "--json"], check=False)
    house.last = text
    got = {}
    for one in json.loads(text)["forwards"]:
        reach = one["reach"]
        more = reach["certainty"] if reach["verdict"] == "open" else reach.get("where", "")
        got[one["name"]] = f"{reach['verdict']} {more}".strip()
    want = {name: row[-1] for name, row in DEMO.items()}
    if got != want:
        raise Failed(str({name: (got.get(name), want.get(name)) for name in got | want
                          if got.get(name) != want.get(name)}))
    guest.close()
