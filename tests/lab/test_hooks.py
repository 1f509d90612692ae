"""Hooks: somebody outside is told of a change, once, even if they could not be reached at first."""

import json
import os
import time

from house import SERVICES, Failed, need, section, wait_for
from servers import Https, authority

A = "203.0.113.5"
B = "203.0.113.6"
TOKEN = "h00k-t0ken"


class Listener:
    """An HTTPS service that takes messages: `reply` is what it answers."""

    def __init__(self, house):
        self.reply = (200, {}, b"{}")
        certificate = authority(house).issue("ip.alpha.test")
        self.server = Https(house, f"192.0.2.{SERVICES['alpha']}", certificate, lambda _: self.reply)

    @property
    def heard(self):
        return [request.body.decode() for request in self.server.requests]


def hook(**more):
    rows = {"url": "https://ip.alpha.test/topic?k={token}", "token": TOKEN, **more}
    return section("hook", "phone", rows)


def test_hook_hears_each_change_once(house):
    listener = Listener(house)
    daemon = house.daemon(house.config(extra=hook()))
    house.add(f"{A}/24")
    house.follows(A=A)
    wait_for("the first message", lambda: len(listener.heard) == 1)
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B)
    wait_for("the second message", lambda: len(listener.heard) == 2)
    first, second = listener.heard
    if first != f"home.example.test A is now {A}":
        raise Failed(f"heard {first!r}")
    if second != f"home.example.test A is now {B} (was {A})":
        raise Failed(f"heard {second!r}")
    request = listener.server.requests[0]
    if (request.method, request.path) != ("POST", f"/topic?k={TOKEN}"):
        raise Failed(f"{request.method} {request.path}")
    # Nobody hears it again after a restart.
    daemon.term()
    house.daemon()
    time.sleep(1)
    if len(listener.heard) != 2:
        raise Failed(f"heard again: {listener.heard[2:]}")
    if TOKEN in daemon.log():
        raise Failed("the token is in the log")


def test_hook_out_of_order_is_told_later_and_disturbs_nothing(house):
    listener = Listener(house)
    listener.reply = (503, {}, b"later")
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(extra=hook()))
    house.follows(A=A)
    daemon.says("could not be told: .*503.* will try again in 1[0-3] s")
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B)
    listener.reply = (200, {}, b"{}")
    wait_for("the message", lambda: listener.heard[-1:] == [f"home.example.test A is now {B}"],
             within=15)
    if len(listener.heard) != 2:
        raise Failed(f"heard {listener.heard}")


def test_hook_with_json_body_and_an_answer_to_read(house):
    """Services that say no with status 200."""
    listener = Listener(house)
    listener.reply = (200, {}, b'{"errcode":310000,"errmsg":"keywords not in content"}')
    house.add(f"{A}/24")
    body = '{"msgtype":"text","text":{"content":"{text}"}}'
    daemon = house.daemon(house.config(extra=hook(
        body=body, content_type="application/json", success="json /errcode=0")))
    house.follows(A=A)
    daemon.says("could not be told: .*keywords not in content")
    sent = listener.server.requests[0].json()
    if sent != {"msgtype": "text", "text": {"content": f"home.example.test A is now {A}"}}:
        raise Failed(f"sent {sent}")
    listener.reply = (200, {}, b'{"errcode":0}')
    daemon.hup()
    wait_for("the message", lambda: len(listener.heard) == 2)


def test_hook_hears_of_trouble_and_of_its_end(house):
    listener = Listener(house)
    house.add(f"{A}/24")
    wrong = house.account(secret="d3Jvbmc=")
    daemon = house.daemon(house.config(accounts=wrong, extra=hook(on="trouble")))
    wait_for("the message", lambda: len(listener.heard) == 1)
    if not listener.heard[0].startswith("home.example.test A is not kept any more: "):
        raise Failed(f"heard {listener.heard}")
    house.write_config(house.config(extra=hook(on="trouble")))
    daemon.hup()
    house.follows(A=A)
    wait_for("the end", lambda: listener.heard[1:] == ["home.example.test A is kept again"])


def test_hook_hears_that_the_line_changed(house):
    listener = Listener(house)
    house.add(f"{A}/24")
    house.daemon(house.config(extra=hook(on="line"), shared_line="wan"))
    wait_for("the first message", lambda: len(listener.heard) == 1)
    if not listener.heard[0].startswith("WAN ipv4: public address. IPv4 forwards should work"):
        raise Failed(f"heard {listener.heard}")
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B)
    house.add("100.64.0.9/10")
    house.delete(f"{B}/24")
    house.follows(A="100.64.0.9")
    wait_for("the second message", lambda: len(listener.heard) == 2)
    if not listener.heard[1].startswith(
            "WAN ipv4: carrier-grade NAT (CGNAT). No IPv4 forward can work on this line"):
        raise Failed(f"heard {listener.heard}")


def script(house, name, text, mode=0o755):
    """A program in the folder of hooks."""
    os.makedirs(house.path("hooks.d"), exist_ok=True)
    path = house.path(f"hooks.d/{name}")
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, mode)


def told(house):
    """What `note` wrote down: (arguments, JSON)."""
    try:
        with open(house.path("told")) as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return []
    return [(one.split("|"), json.loads(two)) for one, two in zip(lines[::2], lines[1::2])]


def note(house):
    path = house.path("told")
    script(house, "note", f"""#!/bin/sh
[ "$(env | grep -vc -e ^PATH= -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=)" = 0 ] || exit 1
{{ printf '%s|%s|%s\\n' "$@"; cat; }} >>{path}
echo thanks
""")


def test_hook_program_gets_words_and_json(house):
    note(house)
    script(house, "plain", "#!/bin/sh\nexit 0\n", 0o644)
    script(house, "open", "#!/bin/sh\nexit 0\n", 0o777)
    main = {"hooks_dir": house.path("hooks.d")}
    daemon = house.daemon(house.config(main=main))
    house.add(f"{A}/24")
    house.follows(A=A)
    wait_for("both", lambda: len(told(house)) == 2)
    wanted = {"event": "address", "subject": "home.example.test A", "fact": A, "was": "",
              "text": f"home.example.test A is now {A}"}
    (argv, sent), (line, _) = told(house)
    if argv != ["address", "home.example.test A", A] or sent != wanted:
        raise Failed(f"told {argv}, {sent}")
    if line != ["line", "WAN ipv4", "public"]:
        raise Failed(f"told {line}")
    daemon.says("hook 'hooks.d/plain': could not be told: is not executable: chmod 755")
    daemon.says("hook 'hooks.d/open': could not be told: may be written by everybody")
    daemon.says("hooks.d/note: thanks")
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B)
    wait_for("the change", lambda: len(told(house)) == 3)
    # Nobody hears it again after a restart.
    daemon.term()
    house.daemon()
    time.sleep(1)
    if len(told(house)) != 3:
        raise Failed(f"told again: {told(house)[3:]}")


def test_hook_program_that_hangs_is_killed(house):
    """It holds up the next address no longer than its deadline, and nobody else but that."""
    note(house)
    script(house, "hang", "#!/bin/sh\nsleep 300\n")
    main = {"hooks_dir": house.path("hooks.d")}
    daemon = house.daemon(house.config(main=main))
    house.add(f"{A}/24")
    house.follows(A=A)
    begin = time.monotonic()
    time.sleep(1)
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B, within=33)
    if time.monotonic() - begin < 25:
        raise Failed("it was not waited for")
    daemon.says("'hooks.d/hang': could not be told: .*did not end within 30 s; will try again")
    wait_for("the other", lambda: [argv[2] for argv, _ in told(house) if argv[0] == "address"][-1:] == [B])
    daemon.term()


test_hook_program_that_hangs_is_killed.seconds = 36


def rules(house, *ports):
    """Forwards of the router, as its owner types them: TCP ports to the host."""
    need("nft")
    dnat = "\n".join(f'iifname "wan0" tcp dport {port} dnat to 192.168.1.10' for port in ports)
    house.rtr.run(["nft", "-f", "-"], "table ip lab {}\nflush table ip lab\ndelete table ip lab\n"
                  "table ip lab {\n chain in {\n  type nat hook prerouting priority -100;\n"
                  f"{dnat}\n }}\n}}\n")


def test_report_after_a_change_of_the_firewall(house):
    """Heard from the kernel: differences are logged, told once, and shown by report --diff."""
    rules(house, 443)
    note(house)
    house.add(f"{A}/24")
    main = {"hooks_dir": house.path("hooks.d"), "report": "1", "report_every": "1"}
    config = house.config(main=main)
    daemon = house.daemon(config)
    house.follows(A=A)

    def reports():
        return [(argv[1], argv[2]) for argv, _ in told(house) if argv[0] == "report"]

    # The first is a summary.
    wait_for("the summary", reports, 15)
    time.sleep(0.5)
    if len(reports()) != 1 or not reports()[0][1].startswith("1 forward(s), "):
        raise Failed(f"told {reports()}")
    daemon.says(r"report: 1 forward\(s\), ")
    with open(house.path("journal.report")) as file:
        kept = file.read()
    if "(tcp 443 " not in kept:
        raise Failed(f"kept {kept}")
    rules(house, 443, 8080)
    wait_for("the new one", lambda: any("(tcp 8080 " in subject for subject, _ in reports()), 15)
    daemon.says(r"report: forward a rule \(tcp 8080 to 192\.168\.1\.10:8080\): open, ")
    if any("(tcp 443 " in subject for subject, _ in reports()):
        raise Failed(f"told of what did not change: {reports()}")
    # While it rests.
    daemon.says(r"told of 2 change\(s\)[^$]*told of 2 change\(s\)[^$]*told of 2 change\(s\)")
    daemon.term()
    count = len(told(house))
    rules(house, 443, 8080, 9090)
    code, text = house.once(words=("report", "--diff"))
    if "(tcp 9090 to 192.168.1.10:9090): open, " not in text or "443" in text or "8080" in text:
        raise Failed(f"exit code {code}: {text}")
    daemon = house.daemon(config)
    daemon.says(r"report: forward a rule \(tcp 9090 to .*\): open, ", 15)
    wait_for("the third one", lambda: "9090" in str(told(house)[-1]), 5)
    time.sleep(0.5)
    if any("9090" not in argv[1] for argv, _ in told(house)[count:]):
        raise Failed(f"told again: {told(house)[count:]}")
    code, text = house.once(words=("report", "--diff"))
    if text != "nothing changed\n":
        raise Failed(f"exit code {code}: {text}")
    rules(house, 443)
    wait_for("the end", lambda: any("8080" in subject and fact == ""
                                    for subject, fact in reports()[-3:]), 15)


test_report_after_a_change_of_the_firewall.seconds = 12
