"""Whatever kills it, nothing is lost, and no crash loop becomes a storm."""

import glob
import os
import random
import shutil
import time

from house import Failed, Skip, need, wait_for
from servers import Cloudflare, failure, hang

A = "203.0.113.5"
REFUSED = "is not used"  # what is said of a journal that is torn


def test_kill_at_random_moments(house):
    """kill -9 at 50 moments during changes."""
    house.write_config(house.config())
    random.seed(7)
    old, runs = None, []
    for turn in range(50):
        daemon = house.daemon(quiet=True)
        runs.append(daemon)
        # Time enough for all stages: starting, looking, publishing, writing, idling.
        time.sleep(random.uniform(0, 0.015))
        new = f"203.0.113.{10 + turn}"
        house.add(f"{new}/24")
        if old:
            house.delete(f"{old}/24")
        old = new
        time.sleep(random.uniform(0, 0.06))
        daemon.kill()
        with open(daemon.log_path, "rb") as log:
            text = log.read().decode(errors="replace")
        if REFUSED in text:
            raise Failed(f"run {turn} found a torn journal: {text}")
    last = house.daemon()
    house.follows(A=old)
    house.stays(A=old, during=0.5)
    if REFUSED in last.log():
        raise Failed("the last run found a torn journal")
    litter = [name for name in os.listdir(house.dir) if "journal" in name and name != "journal"]
    if len(litter) > 1:
        raise Failed(f"left behind: {litter}")


test_kill_at_random_moments.seconds = 8


def killed_at(house, calls, when):
    """Runs the daemon under strace, which kills it at the when-th of these system calls."""
    wrap = ["strace", "-f", "-o", house.path("strace"), "-e", f"trace={calls}",
            "-e", f"inject={calls}:signal=KILL:when={when}"]
    daemon = house.daemon(wrap=wrap)
    try:
        daemon.process.wait(3)
        killed = True
    except Exception:
        daemon.kill()
        killed = False
    return killed, daemon.log()


def test_kill_at_the_rename(house):
    """Between write and rename, and around: the journal is the old one or the new one."""
    need("strace")
    if not killed_at(house, "execve", 1)[0]:
        raise Skip("strace cannot inject signals here")
    house.add(f"{A}/24")
    # First a journal that holds something.
    daemon = house.daemon()
    house.follows(A=A)
    daemon.says("is now")
    daemon.term()
    kills, old = 0, A
    for calls in ("rename,renameat,renameat2", "fsync,fdatasync", "write"):
        for when in (1, 2, 3):
            new = f"203.0.113.{20 + kills}"
            house.replace(f"{old}/24", f"{new}/24")
            old = new
            killed, log = killed_at(house, calls, when)
            kills += killed
            if REFUSED in log:
                raise Failed(f"torn journal, seen after a kill before {calls} {when}")
            code, text = house.once(words=("status",))
            if code != 0 or REFUSED in text or "home.example.test" not in text:
                raise Failed(f"killed at {calls} {when}, the journal is lost: {code} {text}")
    if kills < 5:
        raise Failed(f"only {kills} kills hit")
    last = house.daemon()
    house.follows(A=old)
    if REFUSED in last.log():
        raise Failed("torn journal")
    last.says("is now|already is")
    last.term()
    before = len(house.updates())
    if house.once()[0] != 0 or len(house.updates()) != before:
        raise Failed("what BIND confirmed was forgotten: it was asked again")


test_kill_at_the_rename.seconds = 8


def test_killed_between_write_and_rename_the_old_journal_counts(house):
    """Not only read without complaint: what was known before is still known."""
    need("strace")
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    daemon.says("is now")
    daemon.term()
    killed, log = killed_at(house, "rename,renameat,renameat2", 1)
    if not killed:
        raise Failed(f"no rename at start: {log}")
    before = len(house.updates())
    code, _ = house.once()
    if code != 0 or len(house.updates()) != before:
        raise Failed(f"exit code {code}, {len(house.updates()) - before} UPDATEs: it has forgotten")


def crash_loop(house, cloud, restarts, during):
    for _ in range(restarts):
        daemon = house.daemon(quiet=True)
        time.sleep(during / restarts)
        daemon.kill()


def test_crash_loop_at_a_failing_provider(house):
    """20 kills and starts within 10 s; the server answers 503."""
    house.add(f"{A}/24")
    cloud = Cloudflare(house)
    cloud.mood = lambda request: failure(503, 0, "Service unavailable")
    house.write_config(cloud.config())
    crash_loop(house, cloud, 20, 8)
    # Its patience must last from run to run: 20 runs are no reason for 20 requests.
    if not 1 <= len(cloud.requests) <= 6:
        raise Failed(f"{len(cloud.requests)} requests in a crash loop of 20")
    cloud.mood = None
    daemon = house.daemon()
    wait_for("the name follows in the end", lambda: cloud.holds() == [A], 30)
    daemon.term()


test_crash_loop_at_a_failing_provider.seconds = 25


def test_crash_loop_at_a_hanging_provider(house):
    """It is killed each time while it waits for an answer, before it can note how it went."""
    house.add(f"{A}/24")
    cloud = Cloudflare(house)
    cloud.mood = lambda request: hang
    house.write_config(cloud.config())
    crash_loop(house, cloud, 20, 8)
    if not 1 <= len(cloud.requests) <= 10:
        raise Failed(f"{len(cloud.requests)} requests in a crash loop of 20")


test_crash_loop_at_a_hanging_provider.seconds = 10


def test_crash_loop_after_success(house):
    """What BIND confirmed is not sent again by each new process."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    daemon.says("is now")
    time.sleep(0.1)
    daemon.kill()
    for _ in range(20):
        daemon = house.daemon(quiet=True)
        time.sleep(0.1)
        daemon.kill()
    if len(house.updates()) != 1:
        raise Failed(f"{len(house.updates())} UPDATEs for one address")


def foreign_journal(house, text):
    house.add(f"{A}/24")
    house.write_config(house.config())
    with open(house.path("journal"), "wb") as file:
        file.write(text)
    daemon = house.daemon()
    house.follows(A=A)
    daemon.says(REFUSED)
    house.stays(A=A, during=0.3)
    return daemon


def test_journal_torn(house):
    foreign_journal(house, b"reachd-journal 1\nboot x\nsaved 5\ncalls lab\tlast=3\n")


def test_journal_foreign(house):
    foreign_journal(house, os.urandom(4096))


def test_journal_of_a_later_version(house):
    foreign_journal(house, b"reachd-journal 99\nend 0\n")


def test_journal_disk_full(house):
    """A tmpfs without a free byte: it says so and goes on."""
    place = house.path("full")
    house.rtr.tmpfs(place, "size=4k")
    def fill():
        with open(os.path.join(place, "junk"), "wb") as file:
            try:
                file.write(b"x" * 65536)
                file.flush()
            except OSError:
                pass
    try:
        house.rtr(fill)
    except OSError:
        pass
    unwritable(house, place)


def test_journal_read_only(house):
    place = house.path("frozen")
    house.rtr.tmpfs(place, "size=64k", read_only=True)
    unwritable(house, place)


def unwritable(house, place):
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(main={"journal": os.path.join(place, "journal")}))
    daemon.says("going on without a journal, set option journal in section 'main'")
    # Without a journal every start counts as a call, so that a crash loop is no storm.
    house.follows(A=A, within=16)
    house.replace(f"{A}/24", "203.0.113.6/24")
    house.follows(A="203.0.113.6")
    if daemon.log().count("going on without a journal") != 1:
        raise Failed("it complains again and again")
    daemon.term()


test_journal_disk_full.seconds = test_journal_read_only.seconds = 8


def test_journal_copy_survives_a_reboot(house):
    """The journal on tmpfs is gone, the copy on flash is there: nothing is sent again."""
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(main={"journal_copy": house.path("flash")}))
    house.follows(A=A)
    daemon.says("is now")
    daemon.term()
    written = os.stat(house.path("flash")).st_mtime_ns
    os.unlink(house.path("journal"))
    daemon = house.daemon()
    time.sleep(0.5)
    if len(house.updates()) != 1:
        raise Failed(f"{len(house.updates())} UPDATEs for one address")
    daemon.term()
    if os.stat(house.path("flash")).st_mtime_ns != written:
        raise Failed("flash was written although nothing had changed")


def test_clock_in_1970(house):
    """A router that boots without a clock: TSIG says BADTIME, which is not a wrong key."""
    found = glob.glob("/usr/lib/*/faketime/libfaketime.so.1")
    if not found:
        raise Skip("faketime is not installed")
    stamp = house.path("time")
    def clock(text):
        with open(stamp + ".new", "w") as file:
            file.write(text)
        os.rename(stamp + ".new", stamp)
    clock("@1970-01-01 00:01:00\n")
    house.add(f"{A}/24")
    config = house.config()
    env = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": stamp, "FAKETIME_NO_CACHE": "1",
           "FAKETIME_DONT_FAKE_MONOTONIC": "1", "TZ": "UTC"}
    if shutil.which("faketime") and os.path.exists("/lib/ld-musl-x86_64.so.1"):
        pass  # a static binary would not be fooled; the checks below would say so
    daemon = house.daemon(config, **env)
    # Either it learns the time from BIND's signed answer, or it says what is wrong and waits.
    def told():
        return house.holds() == [A] or "clock" in daemon.log()
    wait_for("it tells of the clock or gets by", told, 5)
    if len(house.updates()) > 3:
        raise Failed(f"{len(house.updates())} requests")
    if house.holds() != [A]:
        clock("+0\n")
        house.follows(A=A, within=16)
    if "will not be tried again" in daemon.log():
        raise Failed("a wrong clock was taken for a wrong key")


test_clock_in_1970.seconds = 10
