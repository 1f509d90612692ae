"""Lines as ISPs run them: ISC's DHCP servers and radvd upstream, dhcpcd or the kernel on the router.
The ISP renumbers, its servers vanish, lifetimes end; the names of router and LAN hosts follow, and
nothing that is running out is published in between."""

import shutil
import socket

from house import ZONE, Failed, need, section, wait_for

NAS = f"nas.{ZONE}"
# The WAN's networks and what is delegated: before and after.
OLD = ("203.0.113", "2001:db8:a:", "2001:db8:100:")
NEW = ("198.51.100", "2001:db8:b:", "2001:db8:200:")


class Isp:
    """Its servers. Lifetimes are seconds: (renew, preferred, valid)."""

    def __init__(self, house):
        need("dhcpd", "radvd")
        self.house, self.running = house, []

    def starts(self, line, lives=(3, 8, 12), both=True):
        four, wan, delegated = line
        renew, preferred, valid = lives
        self.house.isp.run(["ip", "-6", "address", "flush", "dev", "cust0", "scope", "global"])
        self.house.isp.ip(f"address add {wan}:1/64 dev cust0")
        self.serve("6", f"""
authoritative; default-lease-time {valid}; max-lease-time {valid}; preferred-lifetime {preferred};
option dhcp-renewal-time {renew}; option dhcp-rebinding-time {renew + 2};
subnet6 {wan}:/64 {{ range6 {wan}:100 {wan}:1ff; prefix6 {delegated}: {delegated}: /56; }}
""")
        if both:
            self.house.isp.run(["ip", "-4", "address", "flush", "dev", "cust0"])
            self.house.isp.ip(f"address add {four}.1/24 dev cust0")
            self.serve("4", f"""
authoritative; default-lease-time {valid}; max-lease-time {valid};
subnet {four}.0 netmask 255.255.255.0 {{ range {four}.50 {four}.99; option routers {four}.1;
  option dhcp-renewal-time {renew}; option dhcp-rebinding-time {renew + 2}; }}
""")
        self.advertise(wan, "AdvAutonomous off;")

    def serve(self, family, text):
        """Leases of an earlier server are unknown to this one."""
        base = self.house.path(f"dhcpd{family}-{len(self.running)}")
        with open(base + ".conf", "w") as file:
            file.write(text)
        open(base + ".leases", "w").close()
        # A copy: Debian's AppArmor ties dhcpd to its own folders.
        program = shutil.copy(shutil.which("dhcpd"), base)
        self.run([program, f"-{family}", "-f", "-d", "-cf", base + ".conf", "-lf",
                  base + ".leases", "-pf", base + ".pid", "cust0"], base)

    def advertise(self, *prefixes):
        """radvd with pairs of a network and its options."""
        base = self.house.path(f"radvd-{len(self.running)}")
        pairs = zip(prefixes[::2], prefixes[1::2])
        body = "".join(f"prefix {net}:/64 {{ {options} }};\n" for net, options in pairs)
        with open(base + ".conf", "w") as file:
            file.write("interface cust0 { AdvSendAdvert on; AdvManagedFlag on; MinRtrAdvInterval 3; "
                       f"MaxRtrAdvInterval 4; AdvDefaultLifetime 600;\n{body}}};\n")
        self.run(["radvd", "-n", "-m", "stderr", "-C", base + ".conf", "-p", base + ".pid"], base)

    def run(self, argv, base):
        with open(base + ".log", "w") as log:
            self.running.append(self.house.isp.start(argv, stdout=log, stderr=log))

    def vanishes(self, word="kill"):
        """Without a word; `terminate` lets radvd say goodbye."""
        for process in self.running:
            getattr(process, word)()
            process.wait()


def dhcpcd(house, more=""):
    """The router's client: addresses on the WAN, the delegated prefix on the LAN."""
    need("dhcpcd")
    for path in ("/run", "/var/lib/dhcpcd"):
        house.rtr.tmpfs(path, "mode=755")
    with open(house.path("dhcpcd.conf"), "w") as file:
        file.write("duid\nnodev\nallowinterfaces wan0 lan0\nnohook resolv.conf, hostname\n"
                   "noipv4ll\nslaac hwaddr\nnoarp\nnoipv6rs\n"
                   f"interface wan0\n{more}  ipv6rs\n  ia_na 1\n  ia_pd 2 lan0/1/64\n"
                   "interface lan0\n  noipv4\n")
    with open(house.path("dhcpcd.log"), "w") as log:
        house.rtr.start(["dhcpcd", "-B", "-d", "-f", house.path("dhcpcd.conf"), "-c", "/bin/true"],
                        stdout=log, stderr=log)


def addresses(house, device="wan0"):
    return house.nl.addresses(house.rtr(socket.if_nametoindex, device))


def names(house):
    """The router in both families, a LAN host in IPv6."""
    nas = {"fqdn": NAS, "account": "lab", "family": ["ipv6"], "host": "::30", "lan": "lan0"}
    return house.config(families=("ipv4", "ipv6"), extra=section("name", "nas", nas))


def held(house):
    """What BIND holds of the three records, each as a list."""
    return [house.holds("A"), house.holds("AAAA"), house.holds("AAAA", NAS)]


def is_of(line, records):
    """These records are there, and of this line: the last of the three, or all."""
    hosts = f"{line[2]}1::30"
    starts = (line[0], line[1], hosts)[-len(records):]
    return all(record and len(record) == 1 and record[0].startswith(start)
               for record, start in zip(records, starts))


def test_dhcp_both_families_renumbered(house):
    """The line is interrupted, and the servers that are there then know no old lease and hand out
    other addresses: NAK for IPv4, other prefixes for IPv6."""
    isp = Isp(house)
    isp.starts(OLD)
    dhcpcd(house)
    house.daemon(names(house))
    wait_for(lambda: f"the old line's names: {held(house)}", lambda: is_of(OLD, held(house)), 15)
    before = len(house.updates())
    isp.vanishes()
    house.isp.ip("link set cust0 down")
    wait_for("nothing is left on the WAN", lambda: all(
        ip.startswith("fe80:") for ip in addresses(house)))
    house.isp.ip("link set cust0 up")
    isp.starts(NEW)
    wait_for(lambda: f"the new line's names: {held(house)}", lambda: is_of(NEW, held(house)), 15)
    house.stays(A=house.holds("A"), during=1)
    published = {ip for update in house.updates()[before:]
                 for ips in update.added.values() for ip in ips}
    if published != {ip for record in held(house) for ip in record}:
        raise Failed(f"published: {published}")


test_dhcp_both_families_renumbered.seconds = 15


def test_dhcp_server_is_gone(house):
    """The lease runs out and nobody renews it: what was published stays, and nothing is published
    that is running out. Another prefix comes with the server's return."""
    isp = Isp(house)
    isp.starts(OLD, lives=(2, 4, 6), both=False)
    house.add(f"{OLD[0]}.5/24")
    dhcpcd(house, "  noipv4\n")
    daemon = house.daemon(names(house))
    wait_for(lambda: f"the old line's names: {held(house)}", lambda: is_of(OLD, held(house)), 15)
    before = len(house.updates())
    isp.vanishes()
    wait_for("the prefix is gone", lambda: not any(
        ip.startswith("2001:") for ip in addresses(house, "lan0")), 12)
    daemon.says("lan0 has no IPv6 prefix for its hosts")
    if house.updates()[before:] or not is_of(OLD, held(house)):
        raise Failed(f"{house.updates()[before:]}, BIND holds {held(house)}")
    isp.starts(NEW, both=False)
    wait_for(lambda: f"the new line's names: {held(house)}",
             lambda: is_of(NEW, held(house)[1:]), 15)


test_dhcp_server_is_gone.seconds = 18


def slaac(house, network):
    def found():
        return next((ip for ip in addresses(house) if ip.startswith(network)), None)
    return wait_for(f"an address in {network}", found, 8)


def test_radvd_changes_the_prefix(house):
    """The kernel makes the addresses. A router that ends well deprecates its prefix; one that was
    restarted says nothing, and the old address counts until its lifetime ends."""
    house.add("203.0.113.5/24")
    house.rtr.sysctl(ipv6__conf__wan0__accept_ra=2)
    isp = Isp(house)
    short = "AdvPreferredLifetime 6; AdvValidLifetime 60;"
    isp.advertise(OLD[1], short)
    old = slaac(house, OLD[1])
    house.daemon(house.config(families=("ipv6",)))
    house.follows(AAAA=old)
    isp.vanishes()
    isp.advertise(NEW[1], "DeprecatePrefix on;")
    new = slaac(house, NEW[1])
    house.stays(AAAA=old, during=1)
    house.follows(AAAA=new, within=8)
    # And back, with a word of goodbye: at once.
    isp.vanishes("terminate")
    isp.advertise("2001:db8:c:", "")
    house.follows(AAAA=slaac(house, "2001:db8:c:"))
    sent = [ip for update in house.updates() for ip in update.added.get("AAAA", [])]
    if sent != [old, new, *house.holds("AAAA")]:
        raise Failed(f"published: {sent}")


test_radvd_changes_the_prefix.seconds = 12
