"""The service as procd would run it: the init script under busybox ash says what to start, and the
real reachd lives through what happens to a router. procd is stood in for by its rules: another
description of a running instance sends the reload signal, an end is followed by another start, stop
is TERM. Run by openwrt/test.

    openwrt/tests/test_service.py REACHD
"""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time

from router import ASH, HERE, Router

ADDRESS, OTHER = "203.0.113.5", "203.0.113.6"
CONFIG = """config reachd 'main'
	option enabled '1'
	option journal '{root}/var/run/reachd/journal'
	option journal_copy '{root}/etc/reachd/kept/journal'
	list assume_public '203.0.113.0/24'
config account 'lan'
	option provider 'hosts'
	option path '{root}/var/run/reachd/hosts'
config name 'home'
	option fqdn 'home.example.test'
	option account 'lan'
	list family 'ipv4'
"""
SECOND = """config name 'door'
	option fqdn 'door.example.test'
	option account 'lan'
	list family 'ipv4'
"""
NETWORK = f"""set -e
ip link set lo up
ip link add wan0 type veth peer name isp0
ip link set wan0 up
ip link set isp0 up
ip address add {ADDRESS}/24 dev wan0
ip route add default via 203.0.113.1
exec "$@" """


# What ujail makes of procd_add_jail: nothing is there but what was mounted, the process is the first
# of its own, and the user has no rights and gets none. (The libraries are for the dynamic binary of
# a test; a router's is static.)
JAIL = """set -e
jail=$1 binary=$2 reading=$3 writing=$4
shift 4
mount --make-rprivate /
mount -t tmpfs jail "$jail"
show() {
    mkdir -p "$jail${1%/*}"
    if [ -d "$1" ]; then mkdir -p "$jail$1"; else : >"$jail$1"; fi
    mount --bind "$1" "$jail$1"
}
for path in $reading "$binary" /lib /lib64 /usr/lib /dev/null /dev/urandom; do
    [ -e "$path" ] || continue
    show "$path"
    mount -o remount,bind,ro "$jail$path"
done
for path in $writing; do show "$path"; done
mkdir -p "$jail/proc"
mount -t proc proc "$jail/proc"
exec setpriv --no-new-privs chroot --userspec=65534:65534 --groups=65534 "$jail" "$binary" "$@"
"""
# Gives files to the user who stands for reachd.
GIVE = """#!/bin/sh
for word; do
    shift
    case $word in
    reachd) word=65534 ;;
    reachd:reachd) word=65534:65534 ;;
    esac
    set -- "$@" "$word"
done
exec /bin/{0} "$@"
"""


class Failed(Exception):
    pass


def check(fine, what):
    if not fine:
        raise Failed(str(what))


def within(seconds, what, there):
    end = time.monotonic() + seconds
    while not there():
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def address(word, ip):
    subprocess.run(["ip", "address", word, f"{ip}/24", "dev", "wan0"], check=True)
    if word == "add":
        subprocess.run(["ip", "route", "replace", "default", "via", "203.0.113.1"], check=True)


class Procd:
    """One service, one instance."""

    def __init__(self, reachd):
        self.binary = os.path.realpath(reachd)
        self.router = router = Router(reachd)
        self.script = router.script("etc/init.d/reachd")
        self.log_file = router.path("log")
        self.process = self.instance = None
        self.jail = False
        # There is no user reachd, so no jail either.
        self.config(CONFIG)

    def with_a_jail(self):
        self.jail = True
        router = self.router
        router.write("sbin/ujail", "#!/bin/sh\n", 0o755)
        router.write("etc/passwd", "root:x:0:0::/:/bin/ash\nreachd:x:455:455::/:/bin/false\n")
        for program in ("chown", "chgrp"):
            router.write(f"bin/{program}", GIVE.replace("{0}", program), 0o755)

    def config(self, text):
        self.router.write("etc/config/reachd", text.format(root=self.router.root), 0o600)

    def describe(self):
        """What `start_service` asks for, as procd compares it; None: no instance."""
        run = subprocess.run(ASH + [os.path.join(HERE, "procd.sh"), self.script, "start"],
                             capture_output=True, text=True, check=False, timeout=60,
                             env=self.router.environment())
        self.said = run.stderr
        given, calls = {}, self.router.called()
        for call in calls:
            words = call.split(" ")
            if words[0] in ("procd_set_param", "procd_append_param"):
                given.setdefault(words[1], []).extend(words[2:])
        if "procd_close_instance" not in calls:
            return None
        for call in calls:
            words = call.split(" ")
            if words[0].startswith("procd_add_jail"):
                given.setdefault(words[0], []).extend(words[1:])
        given["md5"] = [hashlib.md5(open(path, "rb").read()).hexdigest() for path in given["file"]]
        return given

    def run(self):
        """start, reload and respawn are one to procd."""
        wanted = self.describe()
        if wanted is None:
            self.stop()
        elif self.process is None or self.process.poll() is not None:
            self.spawn(wanted)
        elif wanted != self.instance:
            self.instance = wanted
            self.signal(wanted["reload_signal"][0])

    def spawn(self, instance):
        self.instance = instance
        command = instance["command"]
        if self.jail:
            place = self.router.path("jail")
            os.makedirs(place, exist_ok=True)
            command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", JAIL,
                       "sh", place, self.binary, " ".join(instance["procd_add_jail_mount"]),
                       " ".join(instance["procd_add_jail_mount_rw"]), *command[1:]]
        with open(self.log_file, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)

    def signal(self, name):
        """To the service itself, which is inside if there is a jail."""
        pid = self.process.pid
        if self.jail:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                pid, = map(int, file.read().split())
        os.kill(pid, signal.Signals["SIG" + name])

    def stop(self):
        if self.process and self.process.poll() is None:
            self.signal("TERM")
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise Failed("it did not end by TERM within procd's 5 s") from None

    def alive(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_file, encoding="utf-8") as file:
            return file.read()

    def says(self, text, since=0):
        within(5, f"{text!r} in the log", lambda: text in self.log()[since:])

    def holds(self, **names):
        """Published, within seconds."""
        wanted = {(ip, f"{name}.example.test") for name, ip in names.items()}

        def there():
            try:
                lines = self.router.read("var/run/reachd/hosts").splitlines()
            except FileNotFoundError:
                return not wanted
            found = {tuple(line.split("#")[0].split()) for line in lines
                     if line.split("#")[0].strip()}
            return found == wanted
        within(5, f"the hosts file to hold {wanted}", there)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.router.close()


def test_reload_is_no_restart(procd):
    procd.run()
    procd.holds(home=ADDRESS)
    pid = procd.process.pid
    procd.config(CONFIG + SECOND)
    procd.run()
    procd.holds(home=ADDRESS, door=ADDRESS)
    check(procd.process.pid == pid and procd.alive(), "it was started anew")
    # Nothing is changed, nothing is said.
    since = len(procd.log())
    procd.run()
    time.sleep(0.5)
    check(procd.log()[since:] == "", procd.log()[since:])


def test_a_broken_config_leaves_the_old_one_in_force(procd):
    procd.run()
    procd.holds(home=ADDRESS)
    pid, since = procd.process.pid, len(procd.log())
    procd.config(CONFIG.replace("option account 'lan'", "option account 'nobody'"))
    procd.run()
    check("there is no section config account 'nobody'" in procd.said, procd.said)
    procd.says("the old config stays in force", since)
    procd.says("etc/config/reachd:", since)
    address("del", ADDRESS)
    address("add", OTHER)
    try:
        procd.holds(home=OTHER)
        procd.config(CONFIG + SECOND)
        procd.run()
        procd.holds(home=OTHER, door=OTHER)
        check(procd.process.pid == pid and procd.alive(), "it was started anew")
    finally:
        address("del", OTHER)
        address("add", ADDRESS)


def test_a_config_that_is_broken_from_the_start_makes_no_loop(procd):
    procd.config("config name 'home\n")
    procd.run()
    procd.says("mend it, then send HUP")
    time.sleep(0.5)
    check(procd.alive(), "it ended: procd would start it again and again")
    procd.config(CONFIG)
    procd.run()
    procd.holds(home=ADDRESS)


def test_killed_it_goes_on(procd):
    procd.run()
    procd.holds(home=ADDRESS)
    procd.process.kill()
    procd.process.wait()
    wait, = procd.instance["respawn"][1:2]
    check(int(wait) >= 30, "procd would start it at once")
    address("del", ADDRESS)
    address("add", OTHER)
    try:
        procd.run()
        procd.holds(home=OTHER)
    finally:
        address("del", OTHER)
        address("add", ADDRESS)


def test_switched_off_it_ends(procd):
    procd.run()
    procd.holds(home=ADDRESS)
    began = time.monotonic()
    procd.config(CONFIG.replace("enabled '1'", "enabled '0'"))
    procd.run()
    check(procd.process.returncode == 0, f"it ended with {procd.process.returncode}")
    check(time.monotonic() - began < 2, "it took long")
    # What was published stays.
    procd.holds(home=ADDRESS)


def test_after_a_reboot(procd):
    """/var is empty, the WAN comes up later than the service, and the copy on flash is there."""
    procd.run()
    procd.holds(home=ADDRESS)
    kept = procd.router.path("etc/reachd/kept/journal")
    within(5, "the copy of the journal", lambda: os.path.exists(kept))
    procd.stop()
    shutil.rmtree(procd.router.path("var/run/reachd"))
    address("del", ADDRESS)
    try:
        since = len(procd.log())
        procd.run()
        time.sleep(0.7)
        check(procd.alive(), procd.log()[since:])
        procd.holds()
    finally:
        address("add", ADDRESS)
    procd.holds(home=ADDRESS)


def test_in_a_jail(procd):
    """With nothing but what the init script mounts, without rights, and as the first process, for
    which the kernel ignores every signal it has no handler for."""
    procd.with_a_jail()
    procd.run()
    procd.holds(home=ADDRESS)
    inside = procd.router.path("var/run/reachd/hosts")
    check(os.stat(inside).st_uid == 65534, "it runs as somebody else")
    # The config is another file now, in the same directory.
    procd.config(CONFIG + SECOND)
    procd.run()
    procd.holds(home=ADDRESS, door=ADDRESS)
    within(5, "the copy of the journal",
           lambda: os.path.exists(procd.router.path("etc/reachd/kept/journal")))
    began = time.monotonic()
    procd.stop()
    check(procd.process.returncode == 0, f"it ended with {procd.process.returncode}")
    check(time.monotonic() - began < 2, "TERM took long")


def main():
    if sys.argv[-1] != "--inside":
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", NETWORK, "sh", sys.executable]
                  + sys.argv + ["--inside"])
    reachd = os.path.abspath(sys.argv[1])
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        procd = Procd(reachd)
        try:
            test(procd)
            print(f"ok service: {name[5:].replace('_', ' ')}")
        except (Failed, KeyError, ValueError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL service: {name[5:].replace('_', ' ')}: {error!r}")
        finally:
            procd.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
