"""A small house: the Internet with a real BIND, an ISP, a router with reachd, and a host.

    inet 192.0.2.0/24 -- isp -- 203.0.113.0/24, 100.64.0.0/10 -- rtr -- 192.168.1.0/24 -- host
         2001:db8:53::/64       2001:db8:a::/64, 2001:db8:b::/64

Everything lives in namespaces (space.py) and one temporary directory, and ends with `close`.
What a test needs to do to the house, and to learn from it, is a method here."""

import fcntl
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass

import dns
from rtnl import FOREVER, Rtnl
from space import Space

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ZONE = "example.test"
NAME = "home.example.test"
BIND = "192.0.2.53"
BIND6 = "[2001:db8:53::53]"
SPARE = "192.0.2.54"  # a name server of our own making
OUTSIDE = "198.51.100.7"  # what the Internet sees of the shared line
KEY = "bGFiLWtleS1vZi1yZWFjaGQtbm90LWEtc2VjcmV0ISE="
PUBLIC = ["203.0.113.0/24", "198.51.100.0/24", "2001:db8::/32"]
SERVICES = {"cloud": 80, "alpha": 81, "beta": 82, "gamma": 83}


class Failed(Exception):
    """What a test found wrong."""


class Skip(Exception):
    """Why a test cannot run on this machine."""


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


def peak(argv, space=lambda function: function()):
    """What a program printed, and the most memory it had in KB: looked at when all is done but
    printing, which a full pipe holds up. (What wait4 tells would hold our own size, too.)"""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    full = os.write(write, b" " * 4096)
    process = space(lambda: subprocess.Popen(argv, stdout=write, stderr=subprocess.DEVNULL))
    os.close(write)
    before, until = None, time.monotonic() + 60
    while time.monotonic() < until:
        time.sleep(0.1)
        with open(f"/proc/{process.pid}/stat") as file:
            now = file.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{process.pid}/wchan") as file:
            waits = "pipe" in file.read()
        # Asleep in a write, and no work was done since.
        if now[0] == "Z" or (waits and before == now[11:13]):
            break
        before = now[11:13] if waits else None
    with open(f"/proc/{process.pid}/status") as file:
        size = [int(line.split()[1]) for line in file if line.startswith("VmHWM")]
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()[full:]
    process.wait()
    if not size:
        raise Failed(f"{argv} ended without printing")
    return text.decode(), size[0]


def binary():
    """The reachd to test."""
    path = os.environ.get("REACHD") or os.path.join(TOP, "target", "release", "reachd")
    if not os.access(path, os.X_OK):
        raise Failed(f"there is no {path}; build it, or name another one by REACHD")
    return os.path.abspath(path)


def wait_for(what, condition, within=3.0, every=0.005):
    """Waits until the condition holds; its value."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"not within {within:g} s: {what() if callable(what) else what}")
        time.sleep(every)


def never(what, condition, during):
    """The condition must not hold at any moment of so many seconds."""
    end = time.monotonic() + during
    while time.monotonic() < end:
        if condition():
            raise Failed(what)
        time.sleep(0.02)


@dataclass
class Update:
    """One UPDATE request as it passed the Internet's wire."""
    at: float  # seconds since 1970, by the kernel
    id: int
    added: dict  # record type -> addresses
    to: str
    source: str


class Tap:
    """Notes every UPDATE that arrives in the Internet, with the kernel's time of arrival."""

    def __init__(self, space, device):
        self.updates = []
        self.tcp = 0  # connections to port 53
        self.socket = space(self._open, device)
        threading.Thread(target=self._run, daemon=True).start()

    @staticmethod
    def _open(device):
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        tap.setsockopt(socket.SOL_SOCKET, 35, 1)  # SO_TIMESTAMPNS
        tap.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        tap.bind((device, 0))
        return tap

    def _run(self):
        while True:
            try:
                data, extra, _, address = self.socket.recvmsg(2048, 256)
            except OSError:
                return
            if address[2] != 4:  # PACKET_OUTGOING
                self._packet(data, extra)

    def _packet(self, data, extra):
        kind = data[12:14]
        if kind == b"\x08\x00":
            protocol, at, to = data[23], 14 + (data[14] & 15) * 4, data[30:34]
            source = data[26:30]
        elif kind == b"\x86\xdd":
            protocol, at, to = data[20], 54, data[38:54]
            source = data[22:38]
        else:
            return
        if data[at + 2:at + 4] != b"\0\x35":
            return
        if protocol == 6 and data[at + 13] & 0x12 == 2:
            self.tcp += 1
        if protocol != 17:
            return
        try:
            message = dns.read(data[at + 8:])
        except ValueError:
            return
        if message.opcode != dns.UPDATE or message.reply:
            return
        stamp = next((d for _, kind, d in extra if kind == 35), None)
        at = time.time() if stamp is None else struct.unpack("=qq", stamp[:16])
        at = at if stamp is None else at[0] + at[1] / 1e9
        added = {}
        for record in message.authority:
            if record.cls == 1 and record.address():
                rtype = "A" if record.type == 1 else "AAAA"
                added.setdefault(rtype, []).append(record.address())
        family = socket.AF_INET if len(to) == 4 else socket.AF_INET6
        to, source = (socket.inet_ntop(family, ip) for ip in (to, source))
        self.updates.append(Update(at, message.id, added, to, source))


class Daemon:
    """One `reachd run`, or what is left of it."""

    def __init__(self, house, process, log):
        self.house, self.process, self.log_path = house, process, log
        self.pid = process.pid

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def hup(self):
        self.signal(signal.SIGHUP)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def term(self, within=1.0):
        """Ends it; how long that took, in seconds."""
        begin = time.monotonic()
        self.signal(signal.SIGTERM)
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"still there {within} s after TERM") from error
        if code != 0:
            raise Failed(f"exit code {code} after TERM")
        return time.monotonic() - begin

    def says(self, pattern, within=3.0):
        """Waits until the log holds it (a regular expression)."""
        return wait_for(lambda: f"the log says {pattern!r}",
                        lambda: re.search(pattern, self.log()), within)

    def wakeups(self):
        with open(f"/proc/{self.pid}/status") as file:
            return sum(int(line.split()[1]) for line in file if "ctxt_switches" in line)

    def status(self, field):
        with open(f"/proc/{self.pid}/status") as file:
            return next(line.split()[1] for line in file if line.startswith(field + ":"))


class House:
    def __init__(self, dad=False):
        need("ip", "named", "setpriv")
        self.dir = tempfile.mkdtemp(prefix=f"rd{os.getpid()}-")
        os.chmod(self.dir, 0o755)
        self.spaces, self.servers, self.daemons = [], [], []
        self.bind = None
        self.resolver = BIND
        try:
            self.inet, self.isp, self.rtr, self.host = (
                self._space(name) for name in ("inet", "isp", "rtr", "host"))
            self._network(dad)
            self.tap = Tap(self.inet, "inet0")
            self.start_bind(wait=False)
            self._ask = self.inet(self._open_ask)
            wait_for("BIND answers", lambda: self.holds("SOA") is not None, 10)
        except BaseException:
            self.close()
            raise

    def _space(self, name):
        space = Space(name)
        self.spaces.append(space)
        return space

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        for space in self.spaces:
            space.close()
        for server in self.servers:
            server.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.dir, name)

    # The network

    def _network(self, dad):
        for space in self.spaces:
            # An address is there at once, unless a test is about just that.
            quiet = {f"ipv6__conf__{which}__{key}": 0 for which in ("all", "default")
                     for key in ("accept_dad", "dad_transmits", "accept_ra")}
            space.sysctl(**quiet)
            space.ip("link set lo up")
        if dad:
            # A second for each of three questions, after up to a second of chance.
            self.rtr.sysctl(ipv6__conf__all__accept_dad=1, ipv6__conf__default__accept_dad=1,
                            ipv6__conf__default__dad_transmits=3)
        for space in (self.isp, self.rtr):
            space.sysctl(ipv4__ip_forward=1, ipv4__conf__all__promote_secondaries=1, ipv6__conf__all__forwarding=1)
        self.inet.ip(f"link add inet0 type veth peer name up0 netns {self.isp.tid}")
        services = sorted({53, 54, *SERVICES.values()})
        self.inet.ip(
            "address add 192.0.2.2/24 dev inet0", "address add 2001:db8:53::2/64 dev inet0",
            *(f"address add 192.0.2.{n}/24 dev inet0" for n in services),
            *(f"address add 2001:db8:53::{n}/64 dev inet0" for n in services),
            "link set inet0 up")
        self.isp.ip("address add 192.0.2.1/24 dev up0", "address add 2001:db8:53::1/64 dev up0",
                    "link set up0 up")
        self.runs(self.inet, "inet0")
        self.inet.ip("route add default via 192.0.2.1", "route add default via 2001:db8:53::1")
        self.rtr.ip(f"link add lan0 type veth peer name eth0 netns {self.host.tid}",
                    "address add 192.168.1.1/24 dev lan0", "link set lan0 up")
        self.host.ip("address add 192.168.1.10/24 dev eth0", "link set eth0 up",
                     "route add default via 192.168.1.1")
        self.nl = self.rtr(Rtnl)
        self.plug_in()
        with open(self.path("resolv.conf"), "w") as file:
            file.write(f"nameserver {BIND}\n")
        with open(self.path("hosts"), "w") as file:
            file.write("127.0.0.1 localhost\n")
        self.rtr.bind_mount(self.path("resolv.conf"), "/etc/resolv.conf")
        self.rtr.bind_mount(self.path("hosts"), "/etc/hosts")

    def plug_in(self, name="wan0"):
        """A new WAN link, with no address on our side yet."""
        self.wan = name
        self.rtr.ip(f"link add {name} type veth peer name cust0 netns {self.isp.tid}")
        self.isp.ip("address add 203.0.113.1/24 dev cust0", "address add 100.64.0.1/10 dev cust0",
                    "address add fe80::1/64 dev cust0", "address add 2001:db8:a::1/64 dev cust0",
                    "address add 2001:db8:b::1/64 dev cust0", "link set cust0 up")
        self.rtr.ip(f"link set {name} up")
        self.index = self.rtr(socket.if_nametoindex, name)
        self.runs(self.rtr, name)
        self.runs(self.isp, "cust0")

    def runs(self, space, device):
        """Waits until a link carries: the kernel drops what is sent before, and says it again
        only a second later."""
        def running():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                asked = struct.pack("16sH22x", device.encode(), 0)
                return struct.unpack_from("16sH", fcntl.ioctl(any_socket, 0x8913, asked))[1] & 0x40
        wait_for(f"{device} carries", lambda: space(running))

    def unplug(self):
        self.rtr.ip(f"link delete {self.wan}")

    def share_line(self, outside=OUTSIDE):
        """The ISP puts customers with 100.64.0.0/10 behind one address."""
        need("nft")
        rule = f'ip saddr 100.64.0.0/10 oifname "up0" snat to {outside}'
        self.isp.run(["nft", "-f", "-"], "table ip nat {\n chain out {\n"
                     f"  type nat hook postrouting priority 100;\n  {rule}\n }}\n}}\n")

    def add(self, *addresses, **keys):
        """Adds addresses to the WAN, and the way out by their ISP."""
        for address in addresses:
            self.nl.address(self.index, address, **keys)
            self.route_of(address)

    def delete(self, *addresses, **keys):
        for address in addresses:
            self.nl.address(self.index, address, add=False, **keys)

    def route_of(self, address):
        v4 = ":" not in address
        shared = v4 and address.startswith("100.")
        self.nl.default_route(
            self.index, ("100.64.0.1" if shared else "203.0.113.1") if v4 else "fe80::1")

    def replace(self, old, new):
        """As one DHCP client does it: new in, old out."""
        self.add(new)
        self.delete(old)

    def deprecate(self, address, valid=600):
        self.nl.address(self.index, address, preferred=0, valid=valid)

    def wan_addresses(self):
        return self.nl.addresses(self.index)

    def redial(self, address, name=None):
        """PPP: the link is gone, then another one is there with another address."""
        self.unplug()
        self.plug_in(name or self.wan)
        self.add(address, peer="203.0.113.1")

    # BIND

    def start_bind(self, wait=True):
        if self.bind is None:
            os.makedirs(self.path("named"))
            services = "\n".join(
                f"ip.{name} A 192.0.2.{n}\nip.{name} AAAA 2001:db8:53::{n}\n"
                f"{name} A 192.0.2.{n}" for name, n in SERVICES.items())
            for zone, body in ((ZONE, ""), ("test", services)):
                with open(self.path(f"named/{zone}.zone"), "w") as file:
                    file.write("$TTL 60\n@ SOA ns root 1 600 600 600 60\n@ NS ns\n"
                               f"ns A {BIND}\n{body}\n")
            with open(self.path("named/named.conf"), "w") as file:
                file.write(f"""
options {{ directory "{self.path('named')}"; pid-file none; session-keyfile none; lock-file none;
  listen-on {{ {BIND}; }}; listen-on-v6 {{ 2001:db8:53::53; }}; recursion no; notify no;
  dnssec-validation no; empty-zones-enable no; managed-keys-directory "."; }};
controls {{ }};
key "lab-key" {{ algorithm hmac-sha256; secret "{KEY}"; }};
key "other-key" {{ algorithm hmac-sha256; secret "{KEY}"; }};
zone "{ZONE}" {{ type primary; file "{ZONE}.zone";
  update-policy {{ grant lab-key zonesub A AAAA;
                   grant other-key name other.{ZONE} A AAAA; }}; }};
zone "test" {{ type primary; file "test.zone"; }};
""")
        argv = [self._named(), "-g", "-n", "1", "-c", self.path("named/named.conf")]
        with open(self.path("named.log"), "ab") as log:
            self.bind = self.inet.start(argv, stdout=log, stderr=log)
        if wait:
            wait_for("BIND answers", lambda: self.holds("SOA") is not None, 10)

    def _named(self):
        """Where AppArmor ties named to its own folders, a copy of it is free."""
        named = shutil.which("named")
        try:
            with open("/sys/kernel/security/apparmor/profiles") as file:
                tied = "named" in file.read()
        except OSError:
            tied = False
        return shutil.copy(named, self.path("named.bin")) if tied else named

    def stop_bind(self):
        self.bind.terminate()
        self.bind.wait(10)

    def _open_ask(self):
        ask = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        ask.settimeout(0.5)
        return ask

    def holds(self, rtype="A", name=NAME):
        """What BIND holds: a sorted list of addresses; None if it does not say."""
        name = ZONE if rtype == "SOA" else name
        ident = random.randrange(65536)
        try:
            self._ask.sendto(dns.question(name, rtype, ident), (BIND, 53))
            while True:
                message = dns.read(self._ask.recv(4096))
                if message.id == ident:
                    break
        except (OSError, ValueError):
            return None
        return sorted(r.address() for r in message.answers if r.address())

    def follows(self, within=3.0, name=NAME, **wanted):
        """Waits until BIND holds just these (A='…', AAAA='…'); how long that took."""
        begin = time.monotonic()
        wanted = {t: [v] if isinstance(v, str) else v for t, v in wanted.items()}
        for rtype, value in wanted.items():
            left = max(0.0, within - (time.monotonic() - begin))
            wait_for(lambda: f"BIND holds {rtype} {value}, but it has {self.holds(rtype, name)}",
                     lambda: self.holds(rtype, name) == value, left, 0.002)
        return time.monotonic() - begin

    def stays(self, during=1.0, name=NAME, **wanted):
        """BIND must go on holding these."""
        for rtype, value in wanted.items():
            value = [value] if isinstance(value, str) else value
            never(f"{rtype} did not stay {value}",
                  lambda: (self.holds(rtype, name) or value) != value, during)

    def by_hand(self, *lines):
        """The owner changes records without us."""
        need("nsupdate")
        text = f"server {BIND}\nzone {ZONE}\n" + "\n".join(lines) + "\nsend\n"
        self.inet.run(["nsupdate", "-y", f"hmac-sha256:lab-key:{KEY}"], text)

    def updates(self):
        """The UPDATEs so far; those in the wire's queue included."""
        time.sleep(0.02)
        return list(self.tap.updates)

    # reachd

    def account(self, server=BIND, secret=KEY, **options):
        rows = {"provider": "rfc2136", "server": server, "zone": ZONE, "key_name": "lab-key",
                "key_secret": secret, **options}
        return section("account", "lab", rows)

    def config(self, accounts=None, families=("ipv4",), main=None, extra="", **name):
        """A whole config as text. A value of None leaves an option out."""
        main = {"journal": self.path("journal"), "assume_public": PUBLIC, "log_level": "debug",
                **(main or {})}
        name = {"fqdn": NAME, "account": "lab", "family": list(families), "ttl": "60", **name}
        accounts = self.account() if accounts is None else accounts
        return section("reachd", "main", main) + accounts + section("name", "home", name) + extra

    def write_config(self, text):
        """Whole or not at all, readable by its owner alone."""
        temporary = self.path("reachd.conf.new")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        os.rename(temporary, self.path("reachd.conf"))
        return self.path("reachd.conf")

    def environment(self, **more):
        out = {"PATH": os.environ.get("PATH", ""), "LANG": "C", **more}
        if os.path.exists(self.path("ca.pem")):
            out.setdefault("SSL_CERT_FILE", self.path("ca.pem"))
        return out

    def daemon(self, config=None, wrap=(), program=None, quiet=False, **env):
        """Starts `reachd run`; with a config, writes that first."""
        if config is not None or not os.path.exists(self.path("reachd.conf")):
            self.write_config(self.config() if config is None else config)
        path = self.path(f"daemon{len(self.daemons)}.log")
        argv = [program or binary(), "-c", self.path("reachd.conf"), "run"]
        with open(path, "wb") as log:
            process = self.rtr.start(argv, wrap, stdout=log, stderr=log, cwd=self.dir,
                                     env=self.environment(**env))
        daemon = Daemon(self, process, path)
        if not quiet:
            self.daemons.append(daemon)
        return daemon

    def once(self, config=None, within=40, words=("once",), **env):
        """Runs one command of reachd to its end: (exit code, what it wrote)."""
        if config is not None:
            self.write_config(config)
        argv = [binary(), "-c", self.path("reachd.conf"), *words]
        done = self.rtr(subprocess.run, argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, cwd=self.dir, timeout=within, text=True,
                        env=self.environment(**env))
        self.last = done.stdout
        return done.returncode, done.stdout


def section(kind, name, options):
    lines = [f"config {kind} '{name}'"]
    for key, value in options.items():
        if isinstance(value, (list, tuple)):
            lines += [f"\tlist {key} '{item}'" for item in value]
        elif value is not None:
            lines.append(f"\toption {key} '{value}'")
    return "\n".join(lines) + "\n\n"
