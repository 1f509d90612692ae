"""Real servers that tell their caller's address, other than by HTTPS: coturn for STUN, PowerDNS
with LUA records and BIND in class CHAOS for DNS whoami, dnsdist as a transparent proxy between,
and miniupnpd as the router above ours."""

import os
import socket
import struct

import dns
from house import need, section, wait_for

STUN = "192.0.2.81"  # alpha.test
WHOAMI = ("192.0.2.82", "192.0.2.83")  # beta.test, gamma.test
CHAOS = "192.0.2.80"  # cloud.test
RESOLVER = "198.51.100.53"  # a resolver's own address, global in the lab


def listing(urls, agree=2):
    return section("lookup", "outside", {"url": urls, "agree": agree, "interval": 60})


def _start(house, space, name, argv, directory=None):
    with open(house.path(name + ".log"), "ab") as log:
        return space.start(argv, stdout=log, stderr=log, cwd=directory or house.dir)


def _ready(house, name, condition):
    """Waits until it answers; says what it wrote if it does not."""
    def what():
        with open(house.path(name + ".log"), errors="replace") as file:
            return f"{name} answers; it says: " + " | ".join(file.read().splitlines()[-5:])
    wait_for(what, condition, 10)


def _asked(house, ip, port, payload):
    """Whether something answers there."""
    def once():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.2)
            asking.sendto(payload, (ip, port))
            return asking.recv(2000)
    try:
        return house.inet(once)
    except OSError:
        return None


def coturn(house):
    need("turnserver")
    where = house.path("coturn")
    os.makedirs(where)
    argv = ["turnserver", "-n", "--stun-only", "--no-auth", "--no-tls", "--no-dtls", "--no-cli",
            "-L", STUN, "--pidfile", f"{where}/pid", "--log-file", "stdout", "--simple-log",
            "--db", f"{where}/db"]
    _start(house, house.inet, "coturn", argv)
    question = struct.pack(">HHI12x", 1, 0, 0x2112A442)
    _ready(house, "coturn", lambda: _asked(house, STUN, 3478, question))


def powerdns(house):
    """The names of OpenDNS and Google, answered with who asks."""
    need("pdns_server", "pdnsutil", "sqlite3")
    where = house.path("pdns")
    os.makedirs(where)
    database = f"{where}/pdns.sqlite3"
    schema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"
    if not os.path.exists(schema):
        schema = "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql"
    with open(schema) as file:
        house.inet.run(["sqlite3", database], file.read())
    with open(f"{where}/pdns.conf", "w") as file:
        file.write(f"launch=gsqlite3\ngsqlite3-database={database}\n"
                   f"local-address={','.join(WHOAMI)}\nsocket-dir={where}\nguardian=no\n"
                   "daemon=no\nenable-lua-records=yes\nsetuid=\nsetgid=\nsecurity-poll-suffix=\n")
    tool = ["pdnsutil", f"--config-dir={where}"]
    for zone, name, rtype in (("opendns.com", "myip", "A"), ("l.google.com", "o-o.myaddr", "TXT")):
        house.inet.run([*tool, "create-zone", zone, f"ns.{zone}"])
        house.inet.run([*tool, "add-record", zone, name, "LUA", "5", f'{rtype} "who:toString()"'])
    _start(house, house.inet, "pdns", ["pdns_server", f"--config-dir={where}"])
    question = dns.question("myip.opendns.com", "A", 7)
    _ready(house, "pdns", lambda: _asked(house, WHOAMI[1], 53, question))


def chaos(house, says):
    """BIND, which says this to whoami.cloudflare in class CHAOS, whoever asks."""
    where = house.path("chaos")
    os.makedirs(where)
    with open(f"{where}/db.ch", "w") as file:
        file.write("$TTL 0\n@ CH SOA ns. root. 1 1 1 1 1\n@ CH NS ns.\n"
                   f'whoami CH TXT "{says}"\n')
    with open(f"{where}/named.conf", "w") as file:
        file.write(f"""
options {{ directory "{where}"; pid-file none; session-keyfile none; lock-file none;
  listen-on {{ {CHAOS}; }}; listen-on-v6 {{ none; }}; dnssec-validation no; recursion no;
  managed-keys-directory "."; }};
controls {{ }};
view "in" in {{ match-clients {{ any; }}; recursion no; empty-zones-enable no; }};
view "chaos" chaos {{ match-clients {{ any; }}; recursion no;
  zone "cloudflare" chaos {{ type primary; file "db.ch"; }}; }};
""")
    _start(house, house.inet, "chaos", [house._named(), "-g", "-n", "1", "-c",
                                        f"{where}/named.conf"])
    question = dns.question("x.test", "A", 7)
    _ready(house, "chaos", lambda: _asked(house, CHAOS, 53, question))


def hijack(house):
    """Whatever is sent to PowerDNS goes through a resolver that asks by its own address."""
    need("dnsdist", "nft")
    house.inet.ip(f"address add {RESOLVER}/32 dev inet0")
    with open(house.path("dnsdist.conf"), "w") as file:
        file.write('setLocal("192.0.2.54:53")\nsetSecurityPollSuffix("")\nsetACL("0.0.0.0/0")\n'
                   f'newServer({{address="{WHOAMI[0]}", source="{RESOLVER}", '
                   'healthCheckMode="up"})\n')
    _start(house, house.inet, "dnsdist", ["dnsdist", "-C", house.path("dnsdist.conf"),
                                          "--supervised", "--disable-syslog"])
    question = dns.question("myip.opendns.com", "A", 7)
    _ready(house, "dnsdist", lambda: _asked(house, "192.0.2.54", 53, question))
    servers = ", ".join(WHOAMI)
    house.isp.run(["nft", "-f", "-"], "table ip hijack {\n chain in {\n"
                  "  type nat hook prerouting priority -100;\n"
                  f"  ip daddr {{ {servers} }} udp dport 53 dnat to 192.0.2.54\n }}\n}}\n")


def silent(house, *rules):
    """Drops what these match, in the Internet."""
    need("nft")
    text = "\n".join(f"  {rule} drop" for rule in rules)
    house.inet.run(["nft", "-f", "-"], "table inet silent {\n chain in {\n"
                   f"  type filter hook input priority 0;\n{text}\n }}\n}}\n")


def upstairs(house, ext_ip=None):
    """The ISP's router becomes one in the house: we are behind it, and it runs miniupnpd.
    `ext_ip`: what it says its outside address is; without one, it sees that of its WAN link,
    100.64.0.10."""
    need("miniupnpd", "nft")
    seen = ext_ip or "198.51.100.7"
    house.isp.ip("address delete 203.0.113.1/24 dev cust0", "address delete 100.64.0.1/10 dev cust0",
                 "address add 192.168.77.1/24 dev cust0")
    house.isp.run(["nft", "-f", "-"], f"""
table ip nat {{
 chain out {{
  type nat hook postrouting priority 100
  ip saddr 192.168.77.0/24 oifname "up0" snat to {seen}
 }}
}}
table inet miniupnpd {{
 chain forward {{ type filter hook forward priority 0; policy accept; }}
 chain prerouting {{ type nat hook prerouting priority -90; policy accept; }}
 chain postrouting {{ type nat hook postrouting priority 110; policy accept; }}
}}
""")
    house.rtr.ip(f"address add 192.168.77.2/24 dev {house.wan}",
                 "route add default via 192.168.77.1")
    if ext_ip is None:
        # A link of its own: miniupnpd takes the first address of one.
        house.isp.ip("link add ext0 type veth peer name ext1", "link set ext0 up",
                     "address add 100.64.0.10/24 dev ext0")
    outside = f"ext_ifname=up0\next_ip={ext_ip}\n" if ext_ip else "ext_ifname=ext0\n"
    path = house.path("miniupnpd.conf")
    with open(path, "w") as file:
        file.write(outside + f"""listening_ip=cust0
http_port=5431
enable_natpmp=yes
enable_upnp=yes
secure_mode=yes
lease_file={house.path("leases")}
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=forward
upnp_nat_chain=prerouting
upnp_nat_postrouting_chain=postrouting
allow 1024-65535 192.168.77.0/24 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
""")
    _start(house, house.isp, "miniupnpd", ["miniupnpd", "-d", "-f", path, "-P",
                                           house.path("miniupnpd.pid")])

    def answers():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(0.2)
            asking.sendto(b"\0\0", ("192.168.77.1", 5351))
            try:
                return asking.recv(64)
            except OSError:
                return None
    _ready(house, "miniupnpd", lambda: house.rtr(answers))
