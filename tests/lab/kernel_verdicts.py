#!/usr/bin/env python3
"""What the kernel itself does: random nftables rulesets, real packets from a WAN, and for each
packet where it came out. Judges nothing; tests/acl.rs compares it with what src/acl says.

Usage: tests/lab/kernel_verdicts.py OUT.json [SEED [RULESETS [PACKETS]]]
       tests/lab/kernel_verdicts.py --dump FILE.nft      the JSON of a ruleset, as nft lists it

Needs root. Three namespaces: `net` sends frames and sees what comes back, `router` has the
ruleset, `lan` sees what is forwarded. A TCP packet is known by its sequence number, any other by
its payload."""

import ipaddress
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True

from space import Space

WAN4, WAN4B, LAN4 = "198.51.100.2", "198.51.100.3", "192.168.1.1"
WAN6, LAN6 = "2001:db8:ff::2", "2001:db8:1::1"
HOSTS4 = [f"192.168.1.{n}" for n in (50, 51, 52, 53)]
HOSTS6 = [f"2001:db8:1::{n}" for n in (50, 51, 52, 53)]
SOURCES4 = ["203.0.113.", "203.0.114.", "192.0.2.", "100.64.7."]
SOURCES6 = ["2001:db8:a::", "2001:db8:b::", "2001:db8:a:1::", "2606:4700::"]
PORTS = [22, 53, 80, 443, 1000, 1001, 1003, 1004, 1005, 2222, 7777, 7936, 7950, 8000, 8001, 8004,
         8005, 8080, 9000]
NET_MAC, WAN_MAC, ROUTER_MAC, LAN_MAC = (f"02:00:00:00:00:0{n}" for n in (1, 2, 3, 4))

WORLD = {
    "device": "wan0",
    "local": [WAN4, WAN4B, LAN4, WAN6, LAN6, "127.0.0.1", "::1"],
    "routes": [["192.168.1.0/24", "br-lan"], ["2001:db8:1::/64", "br-lan"],
               ["0.0.0.0/0", "wan0"], ["::/0", "wan0"]],
    "first": [["wan0", WAN4], ["wan0", WAN6], ["br-lan", LAN4], ["br-lan", LAN6]],
}


class Lab:
    def __init__(self):
        self.net, self.router, self.lan = Space("net"), Space("router"), Space("lan")
        for space in (self.net, self.lan):
            space.sysctl(ipv6__conf__all__disable_ipv6=1, ipv6__conf__default__disable_ipv6=1)
        self.router.ip(
            "link set lo up",
            f"link add wan0 address {WAN_MAC} type veth peer name w0 address {NET_MAC}",
            f"link add br-lan address {ROUTER_MAC} type veth peer name l0 address {LAN_MAC}",
            f"link set w0 netns {self.net.tid}",
            f"link set l0 netns {self.lan.tid}",
        )
        self.net.ip("link set lo up", "link set w0 up")
        self.lan.ip("link set lo up", "link set l0 up")
        self.router.sysctl(
            ipv4__ip_forward=1, ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0,
            ipv4__conf__wan0__rp_filter=0, ipv4__icmp_ratemask=0, ipv4__icmp_ratelimit=0,
            ipv4__conf__all__send_redirects=0, ipv4__conf__wan0__send_redirects=0,
            ipv6__conf__all__forwarding=1, ipv6__conf__all__accept_dad=0,
            ipv6__conf__wan0__accept_dad=0, ipv6__icmp__ratelimit=0, ipv6__icmp__ratemask="")
        self.router.ip(
            "link set wan0 up", "link set br-lan up",
            f"addr add {WAN4}/24 dev wan0", f"addr add {WAN4B}/24 dev wan0",
            f"addr add {LAN4}/24 dev br-lan",
            f"addr add {WAN6}/64 dev wan0 nodad", f"addr add {LAN6}/64 dev br-lan nodad",
            "route add default via 198.51.100.1 dev wan0",
            "route add default via 2001:db8:ff::1 dev wan0",
            *[f"neigh replace {ip} lladdr {NET_MAC} dev wan0 nud permanent"
              for ip in ("198.51.100.1", "2001:db8:ff::1")],
            *[f"neigh replace {ip} lladdr {LAN_MAC} dev br-lan nud permanent"
              for ip in HOSTS4 + HOSTS6],
        )
        self.wire = self.net(self._tap, "w0")
        self.inside = self.lan(self._tap, "l0")
        self.own = self.router(self._own)
        self.count = 0
        time.sleep(0.2)  # IPv6 addresses and links settle

    @staticmethod
    def _tap(device):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tap.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
        tap.bind((device, 0))
        tap.setblocking(False)
        return tap

    @staticmethod
    def _own():
        """Raw sockets get what is through the input hook, whether anybody listens or not."""
        found = []
        for family, protocols in ((socket.AF_INET, (6, 17, 1)), (socket.AF_INET6, (6, 17, 58))):
            for protocol in protocols:
                raw = socket.socket(family, socket.SOCK_RAW, protocol)
                raw.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
                if family == socket.AF_INET6:
                    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                raw.setblocking(False)
                found.append((raw, protocol))
        return found

    def load(self, text):
        """Loads a ruleset, without the lines that nft or the kernel does not take; its JSON."""
        lines = text.split("\n")
        for _ in range(60):
            body = "flush ruleset\n" + "\n".join(lines) + "\n"
            done = self.router(subprocess.run, ["nft", "-f", "-"], input=body, text=True,
                               capture_output=True)
            if done.returncode == 0:
                break
            wrong = {int(n) - 2 for n in re.findall(r"/dev/stdin:(\d+):", done.stderr)}
            wrong = {n for n in wrong if 0 <= n < len(lines)}
            if not wrong:
                raise RuntimeError(done.stderr)
            lines = [line for n, line in enumerate(lines) if n not in wrong]
        else:
            raise RuntimeError("nft takes nothing of it")
        return json.loads(self.router.run(["nft", "-j", "list", "ruleset"]))

    def send(self, packets):
        """Sends all; {number: verdict}."""
        for tap in (self.wire, self.inside, *[raw for raw, _ in self.own]):
            drain(tap)
        for packet in packets:
            self.wire.send(frame(packet))
        verdicts, quiet = {}, 0
        for _ in range(100):
            before = len(verdicts)
            self.collect(verdicts)
            quiet = quiet + 1 if len(verdicts) == before else 0
            if quiet > 4:
                break
            time.sleep(0.02)
        return verdicts

    def collect(self, verdicts):
        for data in drain(self.inside):
            found = parse(data[14:], struct.unpack_from("!H", data, 12)[0])
            if found:
                verdicts[found[0]] = ["lan", found[1], found[2]]
        for raw, protocol in self.own:
            while True:
                try:
                    data, extra, _, address = raw.recvmsg(2048, 256)
                except BlockingIOError:
                    break
                if raw.family == socket.AF_INET:
                    found = parse(data, 0x800)
                else:
                    to = next((blob[:16] for _, kind, blob in extra
                               if kind == socket.IPV6_PKTINFO), None)
                    found = upper(data, protocol, str(ipaddress.ip_address(to)))
                if found:
                    verdicts[found[0]] = ["router", found[1], found[2]]
        for data in drain(self.wire):
            number, how = answer(data)
            if number is not None and number not in verdicts:
                verdicts[number] = ["reject", how, 0]


def drain(tap):
    out = []
    while True:
        try:
            out.append(tap.recv(4096))
        except BlockingIOError:
            return out


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(packet):
    number, protocol, source, dest, sport, dport = packet
    src, dst = ipaddress.ip_address(source), ipaddress.ip_address(dest)
    mark = b"reachd" + struct.pack("!I", number)
    if protocol == 6:
        body = struct.pack("!HHIIBBHHH", sport, dport, number, 0, 5 << 4, 2, 1024, 0, 0)
        at = 16
    elif protocol == 17:
        body, at = struct.pack("!HHHH", sport, dport, 8 + len(mark), 0) + mark, 6
    else:
        # Type, code; the identifier is the number's lower half.
        body, at = struct.pack("!BBHHH", sport, dport, 0, number & 0xFFFF, 1) + mark, 2
    size = struct.pack("!I", len(body))
    if protocol == 1:
        pseudo = b""
    elif src.version == 4:
        pseudo = src.packed + dst.packed + bytes([0, protocol]) + size[2:]
    else:
        pseudo = src.packed + dst.packed + size + bytes([0, 0, 0, protocol])
    body = body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2:]
    if src.version == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), number & 0xFFFF, 0, 64,
                           protocol, 0, src.packed, dst.packed)
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        kind = 0x0800
    else:
        head = struct.pack("!IHBB16s16s", 6 << 28, len(body), protocol, 64, src.packed, dst.packed)
        kind = 0x86DD
    macs = bytes.fromhex((WAN_MAC + NET_MAC).replace(":", ""))
    return macs + struct.pack("!H", kind) + head + body


def parse(data, kind):
    """(number, dest, dport) of one of our packets."""
    if kind == 0x0800 and len(data) >= 20:
        head = (data[0] & 15) * 4
        return upper(data[head:], data[9], str(ipaddress.ip_address(data[16:20])))
    if kind == 0x86DD and len(data) >= 40:
        return upper(data[40:], data[6], str(ipaddress.ip_address(data[24:40])))
    return None


def upper(body, protocol, dest):
    if protocol == 6 and len(body) >= 14 and body[13] & 0x16 == 2:
        return struct.unpack_from("!I", body, 4)[0], dest, struct.unpack_from("!H", body, 2)[0]
    if protocol == 17 and body[8:14] == b"reachd" and len(body) >= 18:
        return struct.unpack_from("!I", body, 14)[0], dest, struct.unpack_from("!H", body, 2)[0]
    if protocol in (1, 58) and body[8:14] == b"reachd" and len(body) >= 18:
        if body[0] in (0, 129):  # the router's own echo reply
            return None
        return struct.unpack_from("!I", body, 14)[0], dest, body[1]
    return None


def answer(data):
    """(number, how) of an answer that somebody on the way gave."""
    kind, data = struct.unpack_from("!H", data, 12)[0], data[14:]
    if kind == 0x0800 and len(data) >= 40:
        body, protocol = data[(data[0] & 15) * 4:], data[9]
    elif kind == 0x86DD and len(data) >= 48:
        body, protocol = data[40:], data[6]
    else:
        return None, None
    if protocol == 6 and body[13] & 4:
        return struct.unpack_from("!I", body, 8)[0] - 1, "tcp reset"
    if (protocol, body[0]) in ((1, 3), (58, 1)):
        found = parse(body[8:], kind)
        if found is None and kind == 0x0800 and len(body) >= 36 and body[17] == 6:
            # IPv4 may quote no more than eight bytes behind the header.
            found = (struct.unpack_from("!I", body, 8 + (body[8] & 15) * 4 + 4)[0],)
        if found:
            return found[0], "icmp"
    return None, None


# --- random rulesets -------------------------------------------------------------------------

class Random:
    def __init__(self, seed):
        self.r = random.Random(seed)
        # Every third ruleset asks what only the kernel knows.
        self.doubts = seed % 3 == 0

    def pick(self, *list):
        return self.r.choice(list)

    def port(self):
        return self.r.choice(PORTS)

    def ports(self):
        low, high = sorted((self.port(), self.port()))
        return self.pick(f"{self.port()}", f"{low}-{high}",
                         "{ " + ", ".join(map(str, sorted({self.port() for _ in range(3)}))) + " }",
                         "{ 22, 1000-1004, 8000-8080 }", "!= 22", f"!= {low}-{high}",
                         "!= { 80, 443 }", f">= {high}", f"< {high}", "@ports",
                         "& 0xff00 == 0x1f00")

    def address(self, version, source):
        if version == 4:
            some = ["203.0.113.0/24", "203.0.112.0/22", "192.0.2.7", "192.0.2.0-192.0.2.99",
                    "{ 203.0.113.0/25, 100.64.0.0/10 }", "!= 203.0.113.0/24", "@nets4",
                    "& 0.0.0.1 == 0.0.0.1", "!= @nets4"]
            dest = [WAN4, WAN4B, "192.168.1.0/24", *HOSTS4, "!= 192.168.1.50",
                    "{ 192.168.1.50, 192.168.1.52 }", "& 0.0.0.255 == 0.0.0.51", LAN4,
                    "192.168.1.50-192.168.1.51"]
        else:
            some = ["2001:db8:a::/48", "2001:db8:a::/64", "2001:db8:a::1-2001:db8:b::ffff",
                    "{ 2001:db8:b::/48, 2606:4700::/32 }", "!= 2001:db8:a::/48", "@nets6"]
            dest = [WAN6, "2001:db8:1::/64", *HOSTS6, "& ::ffff == ::50", "!= 2001:db8:1::50",
                    "{ 2001:db8:1::51, 2001:db8:1::53 }"]
        return self.r.choice(some if source else dest)

    def condition(self, hook, family):
        v = self.pick(*{"inet": (4, 6), "ip": (4,), "ip6": (6,)}[family])
        ip, nfproto = ("ip", "ipv4") if v == 4 else ("ip6", "ipv6")
        proto = self.pick("tcp", "tcp", "udp")
        some = [
            lambda: f"{proto} dport {self.ports()}", lambda: f"{proto} dport {self.ports()}",
            lambda: f"{proto} dport {self.ports()}",
            lambda: f"{ip} saddr {self.address(v, True)}",
            lambda: f"{ip} saddr {self.address(v, True)} {proto} dport {self.ports()}",
            lambda: f"{ip} daddr {self.address(v, False)}",
            lambda: f"{ip} daddr {self.address(v, False)} {proto} dport {self.ports()}",
            lambda: f"meta nfproto {nfproto}", lambda: f"meta l4proto {self.pick('tcp', 'udp')}",
            lambda: "meta l4proto { tcp, udp } th dport " + self.ports(),
            lambda: f"meta l4proto != {self.pick('tcp', 'udp')}",
            lambda: "iifname " + self.pick('"wan0"', '"br-lan"', '"wan*"', '{ "wan0", "br-lan" }',
                                           '!= "wan0"'),
            lambda: f"iif {self.pick('wan0', 'br-lan', 'lo')}",
            lambda: "ct state " + self.pick("new", "established,related", "invalid", "!= new",
                                            "{ new, related }", "new,untracked", "untracked"),
            lambda: "ct status dnat", lambda: f"{proto} sport 1024-40000",
            lambda: self.pick("icmp type echo-request", "icmp type { echo-request, redirect }",
                              "icmpv6 type echo-request", "icmpv6 type != echo-reply"),
            lambda: self.pick("tcp flags syn / fin,syn,rst,ack", "tcp flags & (fin|ack) == 0",
                              "tcp flags syn", "tcp flags ! syn"),
            lambda: "fib daddr type local",
            lambda: "ip saddr . tcp dport { 203.0.113.0/24 . 80-8000, 192.0.2.7 . 22 }",
            lambda: "ip6 saddr . udp dport { 2001:db8:a::/48 . 53-1004 }",
            lambda: f"iifname . {proto} dport " + '{ "wan0" . 80, "wan0" . 8080, "lo" . 22 }',
            lambda: f"ip saddr . {proto} dport @pairs",
            lambda: f"meta nfproto ipv4 @nh,128,32 0xc0a80132 @nh,72,8 {self.pick(6, 17)}",
            lambda: f"meta l4proto {proto} @th,16,16 {self.port()}",
            lambda: f"ip protocol {proto}", lambda: f"ip6 nexthdr {proto}",
        ]
        if hook in ("forward", "postrouting"):
            some += [lambda: "oifname " + self.pick('"br-lan"', '"wan0"', '!= "br-lan"')] * 3
        some += [lambda: self.pick("limit rate 100000/second burst 9000 packets",
                                   "limit rate over 100000/second burst 9000 packets")]
        if self.doubts:
            some += [lambda: self.pick("meta mark 0x1", "meta mark != 0x1", "meta length < 60",
                                       "ip ttl 64", "ct direction original", "meta cpu 0",
                                       "ether saddr 02:00:00:00:00:01", "udp length < 20",
                                       "ip saddr & 0.255.0.1 == 0.0.0.1",
                                       "ip saddr . meta mark { 203.0.113.0/24 . 0 }")] * 4
        return " ".join(self.r.choice(some)() for _ in range(self.pick(0, 1, 1, 1, 2, 2)))

    def verdict(self, kind, later, family):
        if kind == "nat":
            def span():
                low, high = sorted((self.port(), self.port()))
                return f"{low}-{high}"
            host4, host6 = self.pick(*HOSTS4), self.pick(*HOSTS6)
            four = [f"dnat ip to {host4}", f"dnat ip to {host4}:{self.port()}",
                    f"dnat ip to {host4}:{span()}", f"dnat ip to {LAN4}", f"dnat ip to {WAN4}",
                    f"dnat ip to {WAN4}:{self.port()}",
                    f"dnat ip to tcp dport map {{ 80 : {HOSTS4[0]}, 8080 : {HOSTS4[1]} }}"]
            six = [f"dnat ip6 to {host6}", f"dnat ip6 to [{host6}]:{self.port()}",
                   f"dnat ip6 to [{host6}]:{span()}", f"dnat ip6 to {LAN6}"]
            some = {"inet": four + six, "ip": four, "ip6": six}[family]
            if family != "inet":
                some = [one.replace("dnat ip6 to", "dnat to").replace("dnat ip to", "dnat to")
                        for one in some]
            some = some + ["redirect", f"redirect to :{self.port()}", f"redirect to :{span()}"]
            some += ["accept", "return"] + [f"jump {name}" for name in later] * 2
            return self.r.choice(some)
        some = ["accept"] * 4 + ["drop"] * 4 + ["reject", "reject with tcp reset", "return",
                                                 "counter", "continue",
                                                 'log prefix "x " accept',
                                                 "reject with icmpx admin-prohibited"]
        some += [f"jump {name}" for name in later] * 3 + [f"goto {name}" for name in later]
        if later:
            a, b = self.pick(*later), self.pick(*later)
            some += [f"tcp dport vmap {{ 22 : accept, 80 : jump {a}, 1000-1004 : drop, "
                     f"8080 : goto {b}, 443 : return }}",
                     f"meta l4proto vmap {{ tcp : jump {a}, udp : jump {b} }}",
                     f'iifname vmap {{ "wan0" : jump {a}, "br-lan" : accept }}',
                     "tcp dport vmap @fates",
                     f"ct state vmap {{ established : accept, new : jump {b} }}",
                     f"ip daddr . tcp dport vmap {{ 192.168.1.50 . 80 : accept, "
                     f"198.51.100.2 . 22 : drop, 192.168.1.51 . 8080 : jump {a} }}"]
        return self.r.choice(some)

    def rules(self, kind, hook, family, later, count):
        """`nat` chains need what their targets need: a protocol for a port."""
        for number in range(count):
            condition, verdict = self.condition(hook, family), self.verdict(kind, later, family)
            if kind == "nat" and "dport" not in condition and re.search(r":\d+", verdict):
                condition += f" {self.pick('tcp', 'udp')} dport {self.ports()}"
            # nft 1.0.6 lists `meta nfproto … reject with tcp reset` without its first condition,
            # so nobody who reads the listing can know of it.
            if "nfproto" in condition:
                verdict = verdict.replace(" with tcp reset", "")
            yield f'  {condition} {verdict} comment "rule {number}"'

    def table(self, number, family):
        out = [f"table {family} t{number} {{"]
        out += [" set ports { type inet_service; flags interval; elements = { 80, 1000-1003, 8080-9000 } }",
                " set nets4 { type ipv4_addr; flags interval; elements = { 203.0.113.128/25, 192.0.2.0/26 } }",
                " set nets6 { type ipv6_addr; flags interval; elements = { 2001:db8:a:1::/64 } }",
                " set pairs { type ipv4_addr . inet_service; flags interval; elements = { 203.0.113.0/24 . 53, 100.64.0.0/16 . 1-9999 } }",
                " map fates { type inet_service : verdict; elements = { 22 : drop, 443 : accept, 2222 : drop } }"]
        for kind, hook, some in (("filter", "prerouting", (-300, -150, -105, -95, 0)),
                                 ("nat", "prerouting", (-100, -190, -90, 10)),
                                 ("filter", "input", (-10, 0, 10)),
                                 ("filter", "forward", (-10, 0, 10)),
                                 ("filter", "postrouting", (-150, 200))):
            wanted = self.r.random() < {"postrouting": 0.2}.get(hook, 0.75)
            if not wanted:
                continue
            names = [f"{kind}_{hook}_{n}" for n in range(self.pick(0, 1, 2, 3))]
            for at in reversed(range(len(names))):
                out.append(f" chain {names[at]} {{")
                out += self.rules(kind, hook, family, names[at + 1:], self.pick(1, 2, 3, 4))
                out.append(" }")
            for again in range(self.pick(1, 1, 1, 2)):
                quiet = hook in ("prerouting", "postrouting")
                policy = "accept" if kind == "nat" or quiet else self.pick("accept", "drop")
                out.append(f" chain {kind}_{hook}_base{again} {{")
                out.append(f"  type {kind} hook {hook} priority {self.r.choice(some)}; policy {policy};")
                if hook == "postrouting":
                    # The answer of a reject shall be seen.
                    out.append('  oifname "wan0" accept')
                if hook == "prerouting" and kind == "filter" and self.r.random() < 0.15:
                    out.append("  udp dport 53 notrack")
                out += self.rules(kind, hook, family, names, self.pick(1, 2, 4, 8))
                out.append(" }")
        return out + ["}"]

    def ruleset(self):
        families = [self.pick("inet", "inet", "inet", "ip", "ip6")
                    for _ in range(self.pick(1, 1, 2, 3))]
        return "\n".join(line for number, family in enumerate(families)
                         for line in self.table(number, family))

    def packet(self, number):
        """Each has a sender and port of its own, so that conntrack never saw it."""
        sport = 1024 + number % 60000
        if self.r.random() < 0.6:
            source = self.pick(*SOURCES4) + str(self.r.randrange(1, 255))
            dest = self.pick(WAN4, WAN4, WAN4, WAN4B, LAN4, *HOSTS4)
            icmp = 1
        else:
            source = self.pick(*SOURCES6) + f"{self.r.randrange(1, 0xFFFF):x}"
            dest = self.pick(WAN6, WAN6, WAN6, LAN6, *HOSTS6)
            icmp = 58
        protocol = self.pick(6, 6, 6, 17, 17, icmp if self.r.random() < 0.4 else 6)
        if protocol == icmp:
            return [number, protocol, source, dest, 8 if icmp == 1 else 128, 0]
        port = self.port() if self.r.random() < 0.85 else self.r.randrange(1, 65536)
        return [number, protocol, source, dest, sport, port]


def record(seed, rulesets, count):
    lab = Lab()
    cases, number = [], 0
    # The first packets wake up what is lazy (neighbours, modules).
    for at in range(rulesets):
        chance = Random(seed * 1000 + at)
        listing = lab.load(chance.ruleset())
        packets = []
        for _ in range(count):
            number += 1
            packets.append(chance.packet(number))
        verdicts = lab.send(packets)
        rows = [packet[1:] + verdicts.get(packet[0], ["drop", "", 0]) for packet in packets]
        cases.append({"seed": seed * 1000 + at, "ruleset": listing, "packets": rows})
    return {"world": WORLD, "cases": cases}


def main():
    if sys.argv[1:2] == ["--dump"]:
        with open(sys.argv[2]) as file:
            print(json.dumps(Lab().load(file.read())))
        return
    out, *numbers = sys.argv[1:]
    seed, rulesets, count = ([int(n) for n in numbers] + [1, 40, 100][len(numbers):])
    found = record(seed, rulesets, count)
    with open(out, "w") as file:
        json.dump(found, file)


if __name__ == "__main__":
    main()
