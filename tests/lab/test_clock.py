"""A router without a clock of its own: TLS waits until NTP has set it, and no longer."""

import glob
import os
import time

import lookups
from house import BIND, OUTSIDE, Failed, Skip, need, never, wait_for
from servers import Cloudflare, Lookups, authority

A = "203.0.113.5"
LONG_AGO = "@1970-01-01 00:01:00\n"


class FakeClock:
    """The clock that reachd sees, by libfaketime. Its own timers go on as they are."""

    def __init__(self, house):
        found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
        if not found:
            raise Skip("faketime is not installed")
        self.path = house.path("time")
        self.env = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": self.path,
                    "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}

    def set(self, text):
        with open(self.path + ".new", "w") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)


def stamp(days):
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + days * 86400))


def boot(house, **config):
    """A daemon that starts in 1970, with a name at a service behind TLS."""
    clock = FakeClock(house)
    clock.set(LONG_AGO)
    house.add(f"{A}/24")
    fake = Cloudflare(house)
    daemon = house.daemon(fake.config(**config), **clock.env)
    daemon.says(r"home\.example\.test A stays as it is: the clock of this machine is not set: it "
                "shows 1970-01-01,")
    return clock, fake, daemon


def holds(fake, within):
    return wait_for("the service holds the address", lambda: fake.holds() == [A], within)


def test_clock_unset_waits_and_is_told(house):
    clock, fake, daemon = boot(house)
    time.sleep(2)
    if fake.server.connections:
        raise Failed(f"{fake.server.connections} connections before the clock was set")
    clock.set("+0\n")
    code, text = house.once(words=("clock",))
    if code != 0 or "the clock shows 2" not in text:
        raise Failed(f"reachd clock: exit code {code}: {text}")
    holds(fake, 1.5)
    # Once, not again each time it looks at the clock.
    if daemon.log().count("is not set") != 1:
        raise Failed("it repeats itself")


def test_clock_unset_is_looked_at_again(house):
    """Nobody tells: it finds out within seconds."""
    clock, fake, _ = boot(house)
    clock.set("+0\n")
    holds(fake, 7)


def test_clock_unset_needs_no_tls(house):
    """A server that shares a key with us tells the time in its signed answer."""
    clock = FakeClock(house)
    clock.set(LONG_AGO)
    house.add(f"{A}/24")
    house.daemon(**clock.env)
    house.follows(A=A, within=5)


def test_clock_unset_asks_by_other_means(house):
    """A lookup by TLS would be in vain; STUN and DNS need no clock, nor does the UPDATE."""
    clock = FakeClock(house)
    clock.set(LONG_AGO)
    by_tls = Lookups(house)
    lookups.coturn(house)
    lookups.powerdns(house)
    house.share_line()
    house.add("100.64.0.9/10")
    urls = ["https://ip.alpha.test/", "https://ip.gamma.test/", f"stun:{lookups.STUN}",
            "dns:myip.opendns.com@beta.test/A"]
    house.daemon(house.config(shared_line="outside", extra=lookups.listing(urls)), **clock.env)
    house.follows(A=OUTSIDE)
    if sum(server.connections for server in by_tls.servers.values()):
        raise Failed("TLS was tried without a clock")


def test_clock_stale(house):
    """The time is possible, but old (OpenWrt sets it to the newest file's): TLS says so, and is
    tried at once when it is set, whatever patience had grown by then."""
    clock = FakeClock(house)
    clock.set("+0\n")
    house.add(f"{A}/24")
    authority(house)
    fake = Cloudflare(house, certificate=house.ca.issue("cloud.test", begin=stamp(3)))
    daemon = house.daemon(fake.config(), **clock.env)
    daemon.says(r"its certificate begins .*, but here it is .*; check this machine's clock")
    wait_for("its patience grows", lambda: fake.server.connections >= 4, 25)
    clock.set("+4d\n")
    code, _ = house.once(words=("clock",))
    if code != 0:
        raise Failed(f"exit code {code}")
    holds(fake, 6)  # 8 s by its patience, 5 s by Cloudflare's interval


test_clock_stale.seconds = 22


class Router:
    """A router that has just booted, without a clock of its own: what it shows is where a file in
    /etc was written `days` ago. `kernel`: what adjtimex(2) returns, 5 while nobody has set it."""

    def __init__(self, house, days=2, file=12):
        need("strace", "unshare")
        if not os.path.exists("/proc/self/ns/time"):
            raise Skip("this kernel has no time namespaces")
        self.house, self.clock, self.days = house, FakeClock(house), days
        self.clock.set(f"-{days}d\n")
        house.add(f"{A}/24")
        authority(house)
        # On that day it was not valid yet.
        self.fake = Cloudflare(house, certificate=house.ca.issue("cloud.test", begin=stamp(-1)))
        house.rtr.tmpfs("/etc", "mode=755")
        self.file = file

    def starts(self, up, kernel=5):
        """The daemon, so many seconds after the boot."""
        offset = up - int(time.clock_gettime(time.CLOCK_BOOTTIME))

        def files():
            os.makedirs("/etc/config", exist_ok=True)
            with open("/etc/resolv.conf", "w") as file:
                file.write(f"nameserver {BIND}\n")
            now = time.time() - 86400 * self.days
            for path in ("/etc/config/network", "/etc/resolv.conf", "/etc/config", "/etc"):
                if path.endswith("network"):
                    open(path, "w").close()
                os.utime(path, (now - up + self.file,) * 2)
        self.house.rtr(files)
        wrap = ["unshare", "--time", f"--boottime={offset}", "--", "strace", "-D", "-f", "-qq", "-o",
                self.house.path("strace"), "-e", "trace=adjtimex",
                "-e", f"inject=adjtimex:retval={kernel}"]
        return self.house.daemon(self.fake.config(), wrap, **self.clock.env, NO_FAKE_STAT="1")

    def asked(self):
        with open(self.house.path("strace")) as file:
            return file.read().count("adjtimex(")


STALE = (r"the clock of this machine may be old: it shows 20..-..-.., the boot took that from a file, "
         "and the kernel says that nobody has set it since")


def test_clock_stale_is_waited_for(house):
    """No call in vain; the moment it is right, no matter who says so, it goes on."""
    router = Router(house)
    daemon = router.starts(up=40)
    daemon.says(STALE)
    time.sleep(1.5)
    if router.fake.server.connections or not router.asked():
        raise Failed(f"{router.fake.server.connections} connections, {router.asked()} questions")
    router.clock.set("+0\n")
    holds(router.fake, 7)
    if daemon.log().count("may be old") != 1:
        raise Failed("it repeats itself")


def test_clock_stale_until_somebody_says_it_is_right(house):
    """The kernel goes on saying that nobody set it, as some NTP clients leave it."""
    router = Router(house, days=0)
    daemon = router.starts(up=40)
    daemon.says(STALE)
    code, _ = house.once(words=("clock",))
    if code != 0:
        raise Failed(f"exit code {code}")
    holds(router.fake, 1.5)


def test_clock_stale_not_for_ever(house):
    """Five minutes after the boot it is tried with the clock there is."""
    router = Router(house, days=0)
    router.starts(up=294).says(STALE)
    holds(router.fake, 12)


def test_clock_of_a_virtual_machine(house):
    """Nobody takes the kernel's mark away there, but no file tells of an old clock either."""
    router = Router(house, days=0, file=-86400)
    daemon = router.starts(up=40)
    holds(router.fake, 3)
    if "may be old" in daemon.log() or not router.asked():
        raise Failed(f"{router.asked()} questions to the kernel")


def test_clock_that_ntp_has_set(house):
    router = Router(house, days=0)
    daemon = router.starts(up=40, kernel=0)
    holds(router.fake, 3)
    if "may be old" in daemon.log() or not router.asked():
        raise Failed(f"{router.asked()} questions to the kernel")


def test_clock_step_is_heard(house):
    """The kernel tells when the clock is set: here to what it shows."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    never("the clock was set by somebody else", lambda: "woken by Clock" in daemon.log(), 0.3)
    try:
        time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))
    except PermissionError as error:
        raise Skip("this user may not set the clock") from error
    daemon.says("woken by Clock")


def test_clock_command_without_a_daemon(house):
    code, text = house.once(house.config(), words=("clock",))
    if code != 1 or "no daemon was told" not in text:
        raise Failed(f"exit code {code}: {text}")
