"""Hooks: somebody outside is told of a change, once, even if they could not be reached at first."""

import time

from house import SERVICES, Failed, section, wait_for
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
