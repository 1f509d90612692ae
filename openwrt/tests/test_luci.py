"""The LuCI pages in a headless Chromium: on a stand-in for LuCI (luci/), with the rpcd plugin and
the real reachd behind it, in both languages, wide and as narrow as a phone.

    openwrt/tests/test_luci.py REACHD [--pictures DIR]
"""

import html
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import urllib.parse

from po import read_po
from router import HERE, Router

APP = os.path.join(HERE, "..", "luci-app-reachd")
RESOURCES = os.path.join(APP, "htdocs/luci-static/resources")
TYPES = {".js": "text/javascript", ".html": "text/html", ".css": "text/css"}
SECRET = "0ld-s3cret"
ADDRESS = "203.0.113.5"
# A network of its own, with something like a WAN in it.
NETWORK = f"""set -e
ip link set lo up
ip link add wan0 type veth peer name isp0
ip link set wan0 addrgenmode none up
ip link set isp0 addrgenmode none up
ip address add {ADDRESS}/24 dev wan0
ip -6 address add 2606:4700::5/64 dev wan0 nodad
ip route add default via 203.0.113.1
ip -6 route add default via fe80::1 dev wan0
sleep 1 # Chromium gives up where the network is still changing.
exec "$@" """


class Failed(Exception):
    pass


class House:
    """A router with two accounts and three names, and what the pages did to it."""

    def __init__(self, reachd, running=True):
        self.router = Router(reachd)
        self.running = running
        self.done = []
        hosts = self.router.path("tmp/hosts-reachd")
        journal = self.router.path("var/run/reachd/journal")
        self.sections = [
            ["reachd", "main", {"enabled": "1", "log_level": "info", "journal": journal}],
            ["account", "lan", {"provider": "hosts", "path": hosts}],
            ["account", "web", {"provider": "dyndns2", "url": "https://[::1]:1/nic/update",
                                "username": "me", "password": SECRET}],
            ["account", "lab", {"provider": "cloudflare", "token": SECRET, "zone_id": "7"}],
            ["name", "home", {"fqdn": "home.example.test", "account": "lan", "shared_line": "wan"}],
            ["name", "cabin", {"fqdn": "a-rather-long-name.cabin.example.test", "account": "lan",
                               "family": ["ipv4"], "ttl": "60"}],
            ["name", "far", {"fqdn": "far.example.test", "account": "web", "family": ["ipv6"]}],
        ]
        self.write()
        # Something to show: what the service would have done.
        subprocess.run([reachd, "once", "-c", self.router.config_file], capture_output=True,
                       check=False, timeout=60)

    def write(self):
        lines = []
        for kind, name, options in self.sections:
            lines.append(f"config {kind} '{name}'")
            for option, value in options.items():
                word = "list" if isinstance(value, list) else "option"
                for item in value if isinstance(value, list) else [value]:
                    lines.append(f"\t{word} {option} '{item}'")
        self.router.write("etc/config/reachd", "\n".join(lines) + "\n", 0o600)

    def options(self, name):
        return next(options for _, section, options in self.sections if section == name)

    def call(self, target, method, params):
        if target == "reachd":
            return self.router.rpcd(method, params, self.running)
        if target == "service":
            instances = {"instance1": {"running": True}} if self.running else {}
            return {"reachd": {"instances": instances}}
        self.done.append((method, params))
        if method == "add":
            self.sections.append([params["type"], params["name"], dict(params["values"])])
        elif method == "set":
            self.options(params["section"]).update(params["values"])
        elif method == "delete" and params.get("options"):
            for option in params["options"]:
                self.options(params["section"]).pop(option)
        elif method == "delete":
            self.sections = [one for one in self.sections if one[1] != params["section"]]
        else:
            raise Failed(f"called {target} {method}: the pages must not")
        self.write()
        return {}


class Handler(http.server.BaseHTTPRequestHandler):
    house = None
    sent = []

    def log_message(self, *_):
        pass

    def reply(self, body, kind):
        body = body.encode() if isinstance(body, str) else body
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        path = url.path
        if path == "/catalog":
            lang = urllib.parse.parse_qs(url.query).get("lang", ["en"])[0]
            po = os.path.join(APP, "po", "zh_Hans", "reachd.po")
            catalog = read_po(po) if lang == "zh" else {}
            return self.reply(json.dumps(catalog), "application/json")
        if path.startswith("/resources/"):
            file = os.path.join(RESOURCES, os.path.normpath(path[len("/resources/"):]))
        else:
            file = os.path.join(HERE, "luci", os.path.basename(path) or "index.html")
        if not os.path.isfile(file):
            return self.send_error(404)
        with open(file, "rb") as content:
            return self.reply(content.read(), TYPES.get(os.path.splitext(file)[1], "text/plain"))

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        call = json.loads(self.rfile.read(length))
        try:
            answer = {"answer": self.house.call(call["object"], call["method"], call["params"])}
        except (Failed, KeyError, ValueError, subprocess.SubprocessError) as error:
            print(f"{call['object']} {call['method']}: {error!r}")
            answer = {"status": 2}
        self.sent.append(json.dumps(answer))
        return self.reply(self.sent[-1], "application/json")


class Browser:
    def __init__(self, chromium, pictures):
        self.chromium = chromium
        self.pictures = pictures
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def visit(self, module, do="look", lang="en", width=1100, picture=None):
        """Opens a page, does something on it, and gives what came of it."""
        words = urllib.parse.urlencode({"module": module, "do": do, "lang": lang, "width": width})
        # Chromium's window is never narrower than 500.
        page = "phone" if width < 500 else "index"
        url = f"http://127.0.0.1:{self.server.server_port}/{page}.html?{words}"
        Handler.sent = []
        with tempfile.TemporaryDirectory(prefix="reachd-chromium-") as home:
            base = [self.chromium, "--headless=new", "--no-sandbox", "--disable-gpu",
                    "--disable-dev-shm-usage", "--disable-background-networking",
                    "--no-first-run", f"--user-data-dir={home}", "--hide-scrollbars",
                    "--force-device-scale-factor=1", "--virtual-time-budget=20000",
                    f"--window-size={width},1600"]
            if self.pictures and picture:
                base.append(f"--screenshot={os.path.join(self.pictures, picture)}.png")
            run = subprocess.run(base + ["--dump-dom", url], capture_output=True, check=False,
                                 timeout=120)
        found = re.search(r'<pre id="outcome"[^>]*>(.*?)</pre>', run.stdout.decode(), re.S)
        outcome = html.unescape(found.group(1)) if found else run.stderr.decode()[-2000:]
        if not outcome.startswith("ok "):
            raise Failed(f"{module} {do} {lang} {width}: {outcome or 'it did not end'}")
        for body in Handler.sent:
            if SECRET in body or "n3w-s3cret" in body:
                raise Failed(f"{module} {do}: a secret was sent to the browser")
        return outcome[3:]


def holds(text, *words):
    for word in words:
        if word not in text:
            raise Failed(f"{word!r} is not in: {text}")


FIREWALL = """config zone
	option name 'wan'
	list network 'wan'
	option masq '1'
config zone
	option name 'lan'
	list network 'lan'
config redirect 'cam'
	option name 'camera'
	option src 'wan'
	option src_dport '5300'
	option proto 'udp'
	option dest 'lan'
	option dest_ip '192.168.1.50'
	option dest_port '53'
"""


def test_overview(browser, reachd):
    house = Handler.house = House(reachd)
    house.router.write("etc/config/firewall", FIREWALL)
    text = browser.visit("view.reachd.overview", picture="overview")
    holds(text, "running", "home.example.test", ADDRESS, "up to date", "ago", "wan0",
          "in trouble", "next try in", "could not tell", "camera", "udp 5300", "192.168.1.50",
          "Can get in", "Should it", "Findings", "What to do:")
    text = browser.visit("view.reachd.overview", lang="zh", picture="overview-zh")
    holds(text, ADDRESS, "立即检查", "已是最新", "camera")
    browser.visit("view.reachd.overview", width=360, picture="overview-phone")
    browser.visit("view.reachd.overview", lang="zh", width=360, picture="overview-phone-zh")


def test_box_on_the_status_page(browser, reachd):
    Handler.house = House(reachd)
    text = browser.visit("view.status.include.85_reachd", picture="box")
    holds(text, "Reachability", "home.example.test", ADDRESS)


def test_the_report(browser, reachd):
    house = Handler.house = House(reachd)
    house.router.write("etc/config/firewall", FIREWALL)
    if "report" in house.router.methods():
        for width, lang in ((1100, "en"), (360, "zh")):
            text = browser.visit("view.reachd.report", width=width, lang=lang,
                                 picture=f"report-{lang}")
            holds(text, "camera", "192.168.1.50", "udp 5300")
    else:
        # A page without a report says so.
        holds(browser.visit("view.reachd.report"), "There is no report")


def test_check_and_update_ring_the_service(browser, reachd):
    Handler.house = House(reachd)
    holds(browser.visit("view.reachd.overview", "check"), "looks again")
    signals = [int(n) for n in re.findall(r'"signal":(\d+)', "\n".join(Handler.house.router.called()))]
    if signals != [10]:
        raise Failed(f"signals {signals}")
    holds(browser.visit("view.reachd.overview", "update"), "tries everything")
    Handler.house = House(reachd, running=False)
    holds(browser.visit("view.reachd.overview", "check"), "the service is not running")


def test_settings(browser, reachd):
    Handler.house = House(reachd)
    text = browser.visit("view.reachd.settings", picture="settings")
    holds(text, "Accounts", "lab", "home")
    text = browser.visit("view.reachd.settings", lang="zh", picture="settings-zh")
    holds(text, "账户")
    browser.visit("view.reachd.settings", width=360, picture="settings-phone")


def test_an_account_and_a_name_are_added(browser, reachd):
    house = Handler.house = House(reachd)
    told = browser.visit("view.reachd.settings", "add", picture="added")
    holds(told, "set; type to replace it")
    if told.strip() != "set; type to replace it":
        raise Failed(f"the secret is in the page: {told}")
    file = house.router.path("etc/reachd/duck.token")
    if house.options("duck") != {"provider": "duckdns", "token_file": file}:
        raise Failed(f"{house.options('duck')}")
    if house.options("door") != {"account": "duck", "fqdn": "door.duckdns.org", "shared_line": "wan"}:
        raise Failed(f"{house.options('door')}")
    if house.router.read("etc/reachd/duck.token") != "n3w-s3cret\n":
        raise Failed("the secret is not in its file")
    if os.stat(file).st_mode & 0o777 != 0o600:
        raise Failed("anyone may read the secret")
    if any("n3w-s3cret" in str(done) for done in house.done):
        raise Failed("the secret is among the unsaved changes")
    if [method for method, _ in house.done] != ["add", "add"]:
        raise Failed(f"{house.done}")


def test_what_is_wrong_is_not_applied(browser, reachd):
    house = Handler.house = House(reachd)
    holds(browser.visit("view.reachd.settings", "empty"), "This is needed.")
    if house.done:
        raise Failed(f"{house.done}")
    # A secret that could not be kept is told, and nothing else is saved.
    os.makedirs(house.router.path("etc/reachd"), exist_ok=True)
    os.symlink("/dev/null", house.router.path("etc/reachd/lab.token"))
    holds(browser.visit("view.reachd.settings", "refused"), "is a link: write it by hand")
    if house.done:
        raise Failed(f"{house.done}")
    house.options("lan")["provider"] = "rfc2136"
    del house.options("lan")["path"]
    house.options("lan").update(server="192.0.2.53", zone="example.test")
    house.write()
    holds(browser.visit("view.reachd.settings", "wrong", picture="wrong"),
          "is not inside example.test, the zone of account")


def test_a_secret_is_not_handed_to_another_service(browser, reachd):
    house = Handler.house = House(reachd)
    browser.visit("view.reachd.settings", "move")
    file = house.router.path("etc/reachd/lab.token")
    if house.options("lab") != {"provider": "hetzner", "token_file": file}:
        raise Failed(f"{house.options('lab')}")


def test_somebody_to_tell_is_added(browser, reachd):
    known = subprocess.run([reachd, "check-config", "/proc/self/fd/0"], capture_output=True,
                           input=b"config hook 'x'\n option enabled '0'\n", check=False).returncode
    if known != 0:
        Handler.house = House(reachd)
        return "this binary knows no config hook"
    house = Handler.house = House(reachd)
    told = browser.visit("view.reachd.settings", "hook", picture="hook")
    if told != "set; type to replace it|":
        raise Failed(f"the address is in the page: {told}")
    if house.options("phone") != {"url": "https://ntfy.example/n3w-s3cret",
                                  "token_file": house.router.path("etc/reachd/phone.token")}:
        raise Failed(f"{house.options('phone')}")


def test_a_name_is_deleted(browser, reachd):
    house = Handler.house = House(reachd)
    browser.visit("view.reachd.settings", "remove")
    if house.done != [("delete", {"config": "reachd", "section": "home"})]:
        raise Failed(f"{house.done}")


def main():
    if sys.argv[-1] != "--inside":
        os.execvp("unshare", ["unshare", "--net", "sh", "-c", NETWORK, "sh", sys.executable]
                  + sys.argv + ["--inside"])
    reachd = os.path.abspath(sys.argv[1])
    pictures = os.path.abspath(sys.argv[3]) if sys.argv[2:3] == ["--pictures"] else None
    if pictures:
        os.makedirs(pictures, exist_ok=True)
    browser = Browser(os.environ.get("CHROMIUM", "chromium"), pictures)
    failed = 0
    only = os.environ.get("ONLY", "")
    for name, test in list(globals().items()):
        if not name.startswith("test_") or only not in name:
            continue
        try:
            why = test(browser, reachd)
            what = f"luci: {name[5:].replace('_', ' ')}"
            print(f"SKIP {what}: {why}" if why else f"ok {what}")
        except (Failed, subprocess.TimeoutExpired, KeyError, StopIteration) as error:
            failed += 1
            print(f"FAIL luci: {name[5:].replace('_', ' ')}: {error}")
        finally:
            Handler.house.router.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
