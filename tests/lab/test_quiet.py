"""After publishing it sleeps: no wake-up, one thread."""

import os
import socket
import time

from house import Failed, wait_for
from servers import Cloudflare

A = "203.0.113.5"


def sleeps(daemon, seconds=10):
    time.sleep(1)
    before = daemon.wakeups()
    time.sleep(seconds)
    woken = daemon.wakeups() - before
    if woken:
        raise Failed(f"woken {woken} times in {seconds} s")
    if daemon.status("Threads") != "1":
        raise Failed(f"{daemon.status('Threads')} threads")


def test_idle_after_update(house):
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    sleeps(daemon)


def test_idle_after_https(house):
    house.add(f"{A}/24")
    fake = Cloudflare(house)
    daemon = house.daemon(fake.config())
    wait_for("it publishes", lambda: fake.holds() == [A])
    sleeps(daemon)
    left = [os.readlink(f"/proc/{daemon.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{daemon.pid}/fd")]
    sockets = [link for link in left if link.startswith("socket")]
    # Of addresses and routes, and of the firewall's rules.
    if len(sockets) > 2:
        raise Failed(f"it keeps {len(sockets)} sockets open, not only the kernel's: {left}")


def test_idle_without_wan(house):
    daemon = house.daemon()
    daemon.says("stays as it is")
    sleeps(daemon)


def test_idle_on_permanent_error(house):
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(accounts=house.account(key_name="no-key")))
    daemon.says("will not be tried again")
    sleeps(daemon)


def test_idle_while_others_are_busy(house):
    """News of the LAN and of neighbours does not make it work: at most a look, no request."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    before = len(house.updates())
    lan = house.rtr(socket.if_nametoindex, "lan0")
    for turn in range(200):
        house.nl.address(lan, f"192.168.2.{turn + 1}/32")
    house.stays(A=A)
    if len(house.updates()) != before:
        raise Failed("it published again")
    if not daemon.alive():
        raise Failed("it died")


for test in (test_idle_after_update, test_idle_after_https, test_idle_without_wan,
             test_idle_on_permanent_error):
    test.seconds = 13
