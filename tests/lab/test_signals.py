"""HUP, USR1, TERM; wrong keys and wrong configs."""

import signal
import time

import servers
from house import KEY, SPARE, Failed, wait_for
from servers import Cloudflare, NameServer, hang

A = "203.0.113.5"
B = "203.0.113.6"
WRONG = "d3Jvbmcta2V5LXdyb25nLWtleS13cm9uZy1rZXkhISE="


def test_bad_key(house):
    """One request, not a stream; mended and read again, it is published."""
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(accounts=house.account(secret=WRONG)))
    daemon.says(r"section 'home': home\.example\.test A.*: .*key_secret")
    daemon.says("will not be tried again until the config changes")
    time.sleep(2.5)
    # Not even a change is a reason, nor a hook that pokes us.
    house.replace(f"{A}/24", f"{B}/24")
    daemon.signal(signal.SIGUSR1)
    time.sleep(2.5)
    requests = len(house.updates())
    if requests != 1 or house.tap.tcp:
        raise Failed(f"{requests} requests and {house.tap.tcp} by TCP in 5 s with a bad key")
    for secret in (WRONG, KEY):
        if secret in daemon.log():
            raise Failed("the key is in the log")
    house.write_config(house.config())
    daemon.hup()
    house.follows(A=B)


test_bad_key.seconds = 7


def test_bad_key_and_restarts(house):
    """A supervisor that starts it again and again changes nothing about that."""
    house.add(f"{A}/24")
    house.write_config(house.config(accounts=house.account(secret=WRONG)))
    for turn in range(8):
        daemon = house.daemon()
        if turn == 0:
            daemon.says("will not be tried again")
        time.sleep(0.3)
        daemon.term()
    if len(house.updates()) != 1:
        raise Failed(f"{len(house.updates())} requests with a bad key")


def test_unknown_key(house):
    house.add(f"{A}/24")
    account = house.account(key_name="no-key")
    daemon = house.daemon(house.config(accounts=account))
    daemon.says(r"section 'home': .*'no-key'.*check key_name")
    time.sleep(1)
    if len(house.updates()) != 1:
        raise Failed(f"{len(house.updates())} requests")


def test_name_that_the_key_may_not_change(house):
    """BIND's update-policy says no, signed: one request."""
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(accounts=house.account(key_name="other-key")))
    daemon.says(r"section 'home': .*do(?:es)? not let key 'other-key' change")
    daemon.says("will not be tried again")
    time.sleep(1)
    if len(house.updates()) != 1:
        raise Failed(f"{len(house.updates())} requests")


def test_name_outside_the_zone(house):
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(fqdn="home.elsewhere.test"))
    daemon.says("section 'home'.*'home.elsewhere.test' is not inside example.test")
    time.sleep(0.5)
    if house.updates():
        raise Failed("it asked all the same")


def test_hup_with_a_bad_config(house):
    """The old one stays in force, and it says so."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    house.write_config(house.config(ttll="60"))
    daemon.hup()
    daemon.says("ttll")
    daemon.says("the old config stays in force")
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B)
    house.write_config(house.config(ttl="120"))
    daemon.hup()
    daemon.says("config read again")
    if not daemon.alive():
        raise Failed("it died")


def test_hup_with_another_name(house):
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    house.write_config(house.config(fqdn="new.example.test"))
    daemon.hup()
    house.follows(A=A, name="new.example.test")
    house.stays(A=A, during=0.2)
    house.replace(f"{A}/24", f"{B}/24")
    house.follows(A=B, name="new.example.test")
    house.stays(A=A, during=0.3)  # no longer ours


def test_start_with_a_bad_config(house):
    """It waits for a better one; a supervisor would only start it again and again."""
    house.add(f"{A}/24")
    daemon = house.daemon("config name 'home\n")
    daemon.says("mend it, then send HUP")
    time.sleep(0.3)
    if not daemon.alive():
        raise Failed("it ended")
    house.write_config(house.config())
    daemon.hup()
    house.follows(A=A)
    daemon.term()


def test_start_with_a_bad_config_then_term(house):
    daemon = house.daemon("config name 'home\n")
    daemon.says("mend it, then send HUP")
    daemon.term()


def test_switched_off(house):
    house.add(f"{A}/24")
    daemon = house.daemon(house.config(main={"enabled": "0"}))
    daemon.says("switched off by option enabled")
    house.replace(f"{A}/24", f"{B}/24")
    time.sleep(0.5)
    if house.updates():
        raise Failed("it published")
    house.write_config(house.config())
    daemon.hup()
    house.follows(A=B)


def test_usr1_checks_again(house):
    """The record was changed behind our back."""
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    house.by_hand("update delete home.example.test A",
                  "update add home.example.test 60 A 192.0.2.99")
    house.stays(A="192.0.2.99", during=0.5)
    daemon.signal(signal.SIGUSR1)
    house.follows(A=A)


def test_term_while_idle(house):
    house.add(f"{A}/24")
    daemon = house.daemon()
    house.follows(A=A)
    daemon.says("is now")
    daemon.term()
    if "stopped" not in daemon.log():
        raise Failed("it did not say so")


def test_int_while_idle(house):
    daemon = house.daemon()
    daemon.says("name")
    daemon.signal(signal.SIGINT)
    wait_for("it ends", lambda: not daemon.alive(), 1)


def test_term_in_a_hanging_request(house):
    house.add(f"{A}/24")
    cloud = Cloudflare(house)
    cloud.mood = lambda request: hang
    daemon = house.daemon(cloud.config())
    wait_for("the request is there", lambda: cloud.requests)
    daemon.term()
    if "section 'home'" in daemon.log():
        raise Failed("it blamed the provider for being stopped")


def test_term_in_a_hanging_handshake(house):
    house.add(f"{A}/24")
    cloud = Cloudflare(house)
    cloud.server.mute = True
    daemon = house.daemon(cloud.config())
    wait_for("the connection is there", lambda: cloud.server.connections)
    daemon.term()


def test_term_in_a_hanging_connect(house):
    """SYNs into the void."""
    house.add(f"{A}/24")
    house.inet.run(["nft", "-f", "-"], "table inet x {\n chain i {\n"
                   "  type filter hook input priority 0;\n  tcp dport 443 drop\n }\n}\n")
    cloud = Cloudflare(house)
    daemon = house.daemon(cloud.config())
    time.sleep(0.7)
    daemon.term()


def test_term_in_a_hanging_resolver(house):
    house.add(f"{A}/24")
    silent = NameServer(house)
    servers.resolver(house, SPARE)
    daemon = house.daemon(Cloudflare(house).config())
    wait_for("the resolver is asked", lambda: silent.queries)
    daemon.term()


def test_term_in_a_hanging_update(house):
    house.add(f"{A}/24")
    silent = NameServer(house)
    daemon = house.daemon(house.config(accounts=house.account(server=SPARE)))
    wait_for("the update is sent", lambda: silent.queries)
    daemon.term()
    time.sleep(0.1)
    if "section 'home'" in daemon.log():
        raise Failed("it blamed the server for being stopped")


def test_hup_in_a_hanging_update(house):
    """HUP waits for its turn and is not lost."""
    house.add(f"{A}/24")
    silent = NameServer(house)
    daemon = house.daemon(house.config(accounts=house.account(server=SPARE)))
    wait_for("the update is sent", lambda: silent.queries)
    house.write_config(house.config())
    daemon.hup()
    house.follows(A=A, within=20)


test_hup_in_a_hanging_update.seconds = 17


def test_change_in_a_hanging_update(house):
    """The address changes while an answer is waited for: the last one wins."""
    house.add(f"{A}/24")
    server = NameServer(house)
    house.daemon(house.config(accounts=house.account(server=SPARE)))
    wait_for("the update is sent", lambda: server.queries)
    house.replace(f"{A}/24", f"{B}/24")
    def told():
        return any(update.added.get("A") == [B] for update in house.tap.updates)
    wait_for("the new address is sent", told, 30)


test_change_in_a_hanging_update.seconds = 25
