"""The init script, the hooks and the rpcd plugin under busybox ash, with procd, ubus and uci stood
in for (procd.sh, bin/) and the real reachd. Run by openwrt/test.

    openwrt/tests/test_shell.py REACHD
"""

import json
import os
import signal
import stat
import subprocess
import sys

from router import ASH, HERE, Router

CONFIG = """config reachd 'main'
	option enabled '{enabled}'
	option journal '{root}/var/run/reachd/journal'
config account 'lan'
	option provider 'hosts'
	option path '{root}/tmp/hosts'
config name 'home'
	option fqdn 'home.example.test'
	option account 'lan'
"""


class Failed(Exception):
    pass


def means(reachd, meaning):
    """The signal that `reachd --help` says does this: hooks and binary cannot drift apart."""
    usage = subprocess.run([reachd, "--help"], capture_output=True, text=True, check=True).stdout
    told = " ".join(usage.split("Signals to")[1].split()).split(".")[0]
    for clause in told.split(": ", 1)[1].split("; "):
        if meaning in clause:
            return clause.split()[0]
    return None


def check(fine, what):
    if not fine:
        raise Failed(str(what))


class Service:
    """The init script on a router of its own."""

    def __init__(self, reachd, jail=True, user=True, enabled="1", config=None):
        self.router = router = Router(reachd)
        text = config or CONFIG
        router.write("etc/config/reachd", text.format(root=router.root, enabled=enabled), 0o600)
        if jail:
            router.write("sbin/ujail", "#!/bin/sh\n", 0o755)
        if user:
            # Whoever runs the tests: only root may give files away.
            router.write("etc/passwd", "root:x:0:0::/:/bin/ash\nreachd:x:455:455::/:/bin/false\n")
        for program in ("chown", "chgrp"):
            router.write(f"bin/{program}",
                         f'#!/bin/sh\nprintf "{program} %s\\n" "$*" >>"$CALLS"\n', 0o755)
        for path in ("etc/hosts", "etc/ssl/certs/ca-certificates.crt"):
            router.write(path, "")
        self.script = router.script("etc/init.d/reachd")

    def run(self, action):
        run = subprocess.run(ASH + [os.path.join(HERE, "procd.sh"), self.script, action],
                             capture_output=True, text=True, check=False, timeout=60,
                             env=self.router.environment())
        self.told = run.stderr
        self.code = run.returncode
        return [line.replace(self.router.root, "") for line in self.router.called()]


def params(calls):
    """What procd_set_param was given, by name."""
    found = {}
    for call in calls:
        words = call.split(" ")
        if words[0] == "procd_set_param":
            found[words[1]] = words[2:]
    return found


def test_start_in_a_jail(reachd):
    service = Service(reachd, config=CONFIG + """config account 'cf'
	option provider 'cloudflare'
	option token_file '{root}/etc/reachd/cf.token'
""")
    service.router.write("etc/reachd/cf.token", "abc\n", 0o644)
    calls = service.run("start")
    # What the start itself puts right is no complaint: README's five commands make such a file.
    check("anyone on this machine" not in service.told, service.told)
    given = params(calls)
    check(given["command"] == ["/usr/sbin/reachd", "-c", "/etc/config/reachd", "run"], given)
    check(given["user"] == ["reachd"] and given["no_new_privs"] == ["1"], given)
    check(given["stdout"] == ["1"] and given["stderr"] == ["1"], given)
    check(given["reload_signal"] == ["HUP"], given)
    # For ever, but never fast.
    threshold, timeout, retry = map(int, given["respawn"])
    check(timeout >= 30 and retry == 0 and threshold > timeout, given)
    check("procd_append_param file /etc/reachd/cf.token" in calls, calls)
    check("procd_add_jail reachd ubus procfs" in calls, calls)
    # What is not there would end the jail.
    mounted = [call.split(" ")[1] for call in calls if call.startswith("procd_add_jail_mount ")]
    check("/etc/config" in mounted and "/etc/reachd" in mounted, mounted)
    check("/etc/ssl/certs" in mounted and "/usr/share/ddns" not in mounted, mounted)
    for path in mounted:
        check(os.path.exists(service.router.path(path[1:])), path)
    check("procd_add_jail_mount_rw /var/run/reachd" in calls, calls)
    # Programs of the owner's need a shell; without any there is none.
    check("/bin" not in mounted and "/lib" not in mounted, mounted)
    service.router.write("etc/reachd/hooks.d/note", "#!/bin/sh\n", 0o755)
    calls = service.run("start")
    check("procd_add_jail_mount /bin" in calls, calls)
    # The service may read, and nobody else.
    check("chown -R reachd:reachd /var/run/reachd" in calls, calls)
    for path, mode in (("/etc/config/reachd", 0o640), ("/etc/reachd", 0o750),
                       ("/etc/reachd/cf.token", 0o640)):
        check(f"chgrp reachd {path}" in calls, calls)
        real = stat.S_IMODE(os.stat(service.router.path(path[1:])).st_mode)
        check(real == mode, f"{path} {real:o}")
    with open(os.path.join(HERE, "../files/etc/capabilities/reachd.json"), encoding="utf-8") as file:
        check(all(not sets for sets in json.load(file).values()), "it has capabilities")
    return service


def test_start_without_ujail(reachd):
    service = Service(reachd, jail=False)
    calls = service.run("start")
    check(params(calls)["user"] == ["reachd"], calls)
    check(not any("jail" in call or "no_new_privs" in call for call in calls), calls)
    return service


def test_start_without_the_user(reachd):
    service = Service(reachd, user=False)
    calls = service.run("start")
    check("user" not in params(calls) and not any("jail" in call for call in calls), calls)
    check("there is no user reachd" in service.told, service.told)
    check(any(call.startswith("logger ") for call in calls), calls)
    return service


def test_switched_off_nothing_is_started(reachd):
    service = Service(reachd, enabled="0")
    calls = service.run("start")
    check(not any(call.startswith("procd_") for call in calls) and service.code == 0, calls)
    return service


def test_no_config_is_told(reachd):
    service = Service(reachd)
    os.unlink(service.router.config_file)
    calls = service.run("start")
    check(not any(call.startswith("procd_") for call in calls) and service.code == 1, calls)
    check("there is no" in service.told, service.told)
    return service


def test_a_wrong_config_is_told_and_left_to_the_daemon(reachd):
    """Without an instance procd would end the one that still runs by the old config."""
    for config in (CONFIG.replace("'lan'\n\toption provider", "'other'\n\toption provider"),
                   "config unreadable 'x\n"):
        service = Service(reachd, config=config)
        calls = service.run("start")
        check("procd_close_instance" in calls and service.code == 0, calls)
        check("/etc/config/reachd" in service.told, service.told)
        check("command" in params(calls), calls)
        if "unreadable" not in config:
            check("there is no section config account 'lan'" in service.told, service.told)
        else:
            check("uci says" in service.told, service.told)
        service.router.close()
    return service


def test_a_journal_on_flash(reachd):
    copy = "\toption journal_copy '{root}/etc/reachd/kept/journal'\n"
    service = Service(reachd, config=CONFIG.replace("config account", copy + "config account"))
    calls = service.run("start")
    check("chown -R reachd:reachd /etc/reachd/kept" in calls, calls)
    check("procd_add_jail_mount_rw /etc/reachd/kept" in calls, calls)
    check(os.path.isdir(service.router.path("etc/reachd/kept")), "not made")
    service.router.close()
    copy = copy.replace("kept/", "")
    service = Service(reachd, config=CONFIG.replace("config account", copy + "config account"))
    service.run("start")
    check("where the service may not write" in service.told, service.told)
    return service


def test_triggers_and_commands(reachd):
    service = Service(reachd)
    changed = "procd_add_config_trigger config.change firewall /etc/init.d/reachd look"
    check(service.run("triggers") == ["procd_add_reload_trigger reachd", changed], "triggers")
    check(service.run("check") == ["procd_send_signal reachd * USR1"], "check")
    look = means(reachd, "looks now, as if a network had changed")
    check(service.run("look") == [f"procd_send_signal reachd * {look}"], "look")
    check(service.run("update") == ["procd_send_signal reachd * HUP",
                                    "procd_send_signal reachd * USR1"], "update")
    return service


def hook(router, name, **environment):
    """Runs a hotplug script as hotplug-call does: sourced."""
    script = router.script(f"etc/hotplug.d/{name}/95-reachd")
    subprocess.run(ASH + ["-c", f". {script}"], check=True, timeout=10,
                   env=router.environment(**environment))
    return [json.loads(call.split(" ", 3)[3])["signal"] for call in router.called()
            if call.startswith("call service signal ")]


def test_interfaces_ring(reachd):
    router = Router(reachd)
    look = signal.Signals["SIG" + means(reachd, "looks now, as if a network had changed")]
    for action in ("ifup", "ifupdate", "ifdown"):
        got = hook(router, "iface", ACTION=action, INTERFACE="wan")
        check(got == [look], f"{action}: {got}")
    for action, interface in (("ifup", "loopback"), ("ifup-failed", "wan"), ("free", "wan")):
        check(hook(router, "iface", ACTION=action, INTERFACE=interface) == [], action)
    return router


def test_the_clock_rings_once(reachd):
    router = Router(reachd)
    name = means(reachd, "clock was set") or means(reachd, "checks at the provider")
    ring = signal.Signals["SIG" + name]
    heard = [hook(router, "ntp", ACTION=action)
             for action in ("unsync", "stratum", "stratum", "periodic", "step", "stratum")]
    check(heard == [[], [ring], [], [], [ring], []], heard)
    return router


def test_after_installation(reachd):
    """uci-defaults, as default_postinst sources it: it may run again and again."""
    router = Router(reachd)
    router.write("etc/group", "root:x:0:\nreachd:x:455:\n")
    for program in ("killall", "chgrp"):
        router.write(f"bin/{program}",
                     f'#!/bin/sh\nprintf "{program} %s\\n" "$*" >>"$CALLS"\n', 0o755)
    rpcd, service = (router.write(f"etc/init.d/{name}",
                                  f'#!/bin/sh\nprintf "{name} %s\\n" "$*" >>"$CALLS"\n', 0o755)
                     for name in ("rpcd", "reachd"))
    script = router.script("etc/uci-defaults/95-reachd")
    router.write("etc/reachd/mine.token", "abc\n", 0o640)
    for image in ("", "/image"):
        run = subprocess.run(ASH + ["-c", f"( . {script} )"], check=False, timeout=10,
                             env=router.environment(IPKG_INSTROOT=image))
        check(run.returncode == 0, "it would be run at every boot")
        calls = router.called()
        check("killall -q -s HUP ubusd" in calls, calls)
        # Where an image is made there is no rpcd to tell.
        check(("rpcd reload" in calls) == (image == ""), calls)
        # apk's upgrade starts the service that runs: to procd that is the same one, with the
        # program of before.
        check(("reachd stop" in calls) == (image == ""), calls)
        check(f"chgrp reachd {router.path('etc/reachd')}" in calls, calls)
        check(stat.S_IMODE(os.stat(router.path("etc/reachd")).st_mode) == 0o750, "its mode")
        check(router.read("etc/reachd/mine.token") == "abc\n", "a secret was touched")
    os.unlink(rpcd)
    os.unlink(service)
    return router


def plugin(reachd):
    router = Router(reachd)
    router.write("etc/config/reachd", CONFIG.format(root=router.root, enabled="1"), 0o600)
    return router


def test_rpcd_methods(reachd):
    router = plugin(reachd)
    methods = router.methods()
    for method in ("status", "why", "check", "update", "providers", "config", "secret"):
        check(method in methods, methods)
    # Only what this binary has is announced.
    usage = subprocess.run([reachd, "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("line", "report"):
        check((command in methods) == (f"\n  {command} " in usage), methods)
    path = os.path.join(HERE, "../luci-app-reachd/root/usr/share/rpcd/acl.d/luci-app-reachd.json")
    with open(path, encoding="utf-8") as file:
        acl = json.load(file)["luci-app-reachd"]
    allowed = set(acl["read"]["ubus"]["reachd"]) | set(acl["write"]["ubus"]["reachd"])
    check(set(methods) <= allowed, f"no access to {set(methods) - allowed}")
    check(not set(acl["read"]["ubus"]["reachd"]) & {"check", "update", "secret"}, "reads write")
    check("uci" not in acl["read"], "the config, secrets and all, may be read")
    return router


def test_rpcd_answers(reachd):
    router = plugin(reachd)
    check(router.rpcd("status")["records"][0]["fqdn"] == "home.example.test", "status")
    check(router.rpcd("why", {"name": "home"})["names"][0]["section"] == "home", "why")
    check(router.rpcd("why", {"name": "-V"})["names"] == [], "a word became an option")
    check(len(router.rpcd("providers")["providers"]) > 50, "providers")
    check("error" in router.rpcd("nothing"), "nothing")
    os.unlink(router.config_file)
    check("there is no config" in router.rpcd("status")["error"], "no config")
    return router


def alone():
    """Words before a command, for a network of its own."""
    for words in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if subprocess.run(words + ["true"], check=False, capture_output=True).returncode == 0:
            return words
    return None


def test_rpcd_tells_line_and_report(reachd):
    router = plugin(reachd)
    report = router.rpcd("report")
    check(report["schema_version"] and report["forwards"] == [], report)
    router.write("etc/config/firewall", "config zone\n\toption name 'wan'\n\tlist network 'wan'\n"
                 "config redirect 'cam'\n\toption name 'camera'\n\toption src 'wan'\n"
                 "\toption src_dport '5300'\n\toption proto 'udp'\n\toption dest 'lan'\n"
                 "\toption dest_ip '192.168.1.50'\n")
    forward, = router.rpcd("report")["forwards"]
    check((forward["name"], forward["ext"]) == ("camera", [[5300, 5300]]), forward)
    check("verdict" in forward["reach"] and "verdict" in forward["expose"], forward)
    # It asks the outside, so it gets a network that has none.
    inside = alone()
    check(inside, "no network of its own: run this as root")
    wans = router.rpcd("line", inside=inside)["line"]["wans"]
    check({wan["nat"]["kind"] for wan in wans} == {"down"}, wans)
    return router


def test_rpcd_rings(reachd):
    router = plugin(reachd)
    check(router.rpcd("check") == {"told": True}, "check")
    router.rpcd("update")
    signals = [json.loads(call.split(" ", 3)[3])["signal"] for call in router.called()
               if "service signal" in call]
    check(signals == [signal.SIGUSR1, signal.SIGHUP, signal.SIGUSR1], signals)
    check(router.rpcd("check", running=False) == {"error": "the service is not running"}, "stopped")
    return router


def test_rpcd_shows_the_sessions_config_without_secrets(reachd):
    router = plugin(reachd)
    router.write("etc/config/reachd", "config account 'cf'\n\toption provider 'cloudflare'\n"
                 "\toption token 's3cret'\n", 0o600)
    answer = router.rpcd("config", {"ubus_rpc_session": "0123456789abcdef0123456789abcdef"})
    check("s3cret" not in json.dumps(answer), answer)
    check(answer["sections"][0]["secrets"] == ["token"], answer)
    calls = "\n".join(router.called())
    check("-P " in calls and "uci-0123456789abcdef0123456789abcdef export reachd" in calls, calls)
    # Not what a path could be made of.
    router.rpcd("config", {"ubus_rpc_session": "../../etc"})
    check("-P" not in "\n".join(router.called()), "a session that is a path")
    return router


def test_rpcd_keeps_secrets(reachd):
    router = plugin(reachd)
    value = "p'a\"s$(s) w\\ord%s"
    answer = router.rpcd("secret", {"account": "cf", "option": "token", "value": value})
    check(answer == {"file": router.path("etc/reachd/cf.token")}, answer)
    check(router.read("etc/reachd/cf.token") == value + "\n", "another value")
    mode = os.stat(router.path("etc/reachd/cf.token")).st_mode & 0o777
    check(mode == 0o600, f"{mode:o}")
    for account, option, text in (("../x", "token", "a"), ("cf", "a/b", "a"), ("", "token", "a"),
                                  ("cf", "token", "a\nb"), ("x" * 99, "token", "a")):
        answer = router.rpcd("secret", {"account": account, "option": option, "value": text})
        check("error" in answer, answer)
    check(os.listdir(router.path("etc/reachd")) == ["cf.token"], os.listdir(router.path("etc/reachd")))
    os.symlink("/nowhere", router.path("etc/reachd/l.token"))
    check("error" in router.rpcd("secret", {"account": "l", "option": "token", "value": "a"}), "link")
    router.rpcd("secret", {"account": "cf", "option": "token", "value": ""})
    check(not os.path.exists(router.path("etc/reachd/cf.token")), "not removed")
    return router


def main():
    reachd = os.path.abspath(sys.argv[1])
    failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            done = test(reachd)
            getattr(done, "router", done).close()
            print(f"ok shell: {name[5:].replace('_', ' ')}")
        except (Failed, KeyError, ValueError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL shell: {name[5:].replace('_', ' ')}: {error!r}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
