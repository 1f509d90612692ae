"""Services in the house's Internet that BIND is not: HTTPS with a CA of our own, a Cloudflare
that keeps records and can misbehave, services that tell the caller's address, and a name server
that answers whatever a test wants.

A reply is `(status, headers, body)`, or a function that is handed the bare connection: that is
how a server hangs, drips or hangs up."""

import json
import os
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse
from dataclasses import dataclass, field

import dns
from house import BIND, SERVICES, SPARE, ZONE, need, section

TOKEN = "lab-token-0123456789abcdefghijklmnopqrstuv"
CA_CONFIG = """
[ca]
default_ca = lab
[lab]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
email_in_dn = no
rand_serial = yes
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = any_dn
prompt = no
[any_dn]
commonName = lab
[root]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
"""


class Authority:
    """A CA in a directory of its own, by the openssl command."""

    def __init__(self, directory, name="lab CA"):
        need("openssl")
        self.dir = directory
        os.makedirs(directory)
        for file, text in (("ca.cnf", CA_CONFIG), ("index", ""), ("serial", "01\n")):
            with open(os.path.join(directory, file), "w") as out:
                out.write(text)
        self._openssl("req", "-new", "-x509", "-config", "ca.cnf", "-extensions", "root",
                      "-subj", f"/CN={name}", "-days", "30", "-keyout", "ca.key", "-out", "ca.pem",
                      *EC)
        self.pem = os.path.join(directory, "ca.pem")
        self.count = 0

    def _openssl(self, *words):
        done = subprocess.run(["openssl", *words], cwd=self.dir, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"openssl {' '.join(words)}: {done.stderr}")

    def issue(self, *names, begin=None, end=None):
        """A certificate with its key, one PEM file, for these names; begin and end as
        YYYYMMDDHHMMSSZ."""
        self.count += 1
        base = f"leaf{self.count}"
        alternatives = ",".join(
            ("IP:" if re.fullmatch(r"[0-9.]+|.*:.*", name) else "DNS:") + name for name in names)
        with open(os.path.join(self.dir, base + ".ext"), "w") as out:
            out.write(f"subjectAltName={alternatives}\nbasicConstraints=critical,CA:FALSE\n"
                      "extendedKeyUsage=serverAuth\n")
        self._openssl("req", "-new", "-config", "ca.cnf", "-subj", f"/CN={names[0]}",
                      "-keyout", base + ".key", "-out", base + ".csr", *EC)
        now = time.time()
        stamp = lambda days: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + days * 86400))
        self._openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-keyfile", "ca.key",
                      "-cert", "ca.pem", "-extfile", base + ".ext", "-in", base + ".csr",
                      "-startdate", begin or stamp(-1), "-enddate", end or stamp(20),
                      "-out", base + ".crt")
        whole = os.path.join(self.dir, base + ".pem")
        with open(whole, "w") as out:
            for part in (".crt", ".key"):
                with open(os.path.join(self.dir, base + part)) as file:
                    out.write(file.read())
        return whole


EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def authority(house):
    """The house's CA; reachd trusts it from now on."""
    if not hasattr(house, "ca"):
        house.ca = Authority(house.path("ca"))
        os.symlink(house.ca.pem, house.path("ca.pem"))
    return house.ca


@dataclass
class Request:
    at: float
    method: str
    path: str
    headers: dict
    body: bytes
    peer: str

    def json(self):
        return json.loads(self.body)


@dataclass
class Https:
    """An HTTPS/1.1 server at one address of the Internet. `answer(request)` gives the reply."""
    house: object
    ip: str
    certificate: str
    answer: object
    requests: list = field(default_factory=list)
    connections: int = 0
    handshakes: int = 0
    plain: bool = False  # http://
    mute: bool = False  # takes connections and says nothing, not even TLS

    def __post_init__(self):
        self.listener = self.house.inet(self._listen)
        self.port = self.listener.getsockname()[1]
        self.present(self.certificate)
        self.house.servers.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    def present(self, certificate):
        """From now on with this certificate."""
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(certificate)

    def _listen(self):
        family = socket.AF_INET6 if ":" in self.ip else socket.AF_INET
        return socket.create_server((self.ip, 80 if self.plain else 443), family=family, backlog=64)

    def _accept(self):
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, peer[0]), daemon=True).start()

    def _serve(self, connection, peer):
        try:
            connection.settimeout(60)
            if self.mute:
                connection.recv(1 << 16)
                time.sleep(60)
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if not self.plain:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self.handshakes += 1
            while True:
                request = self._read(connection, peer)
                if request is None:
                    return
                self.requests.append(request)
                reply = self.answer(request)
                if callable(reply):
                    reply(connection)
                    return
                status, headers, body = reply
                head = {"Content-Length": str(len(body)), **headers}
                lines = [f"HTTP/1.1 {status} Status", *(f"{k}: {v}" for k, v in head.items())]
                connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        except OSError:
            pass
        finally:
            connection.close()

    @staticmethod
    def _read(connection, peer):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(1 << 16)
            if not more:
                return None
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += connection.recv(1 << 16)
        return Request(time.time(), method, path, headers, body, peer)

    def close(self):
        self.listener.close()


# Replies of servers that misbehave.

def hang(connection):
    """Says nothing more."""
    time.sleep(60)


def cut(connection):
    """Hangs up."""


def half(connection):
    """Hangs up in the middle of a reply."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"success":true,')


def drip(connection):
    """A byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.3)


def flood(connection):
    """100 MB."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
    for _ in range(1600):
        connection.sendall(b"x" * 65536)


def page(_=None):
    """A web page with status 200, as a captive portal gives it."""
    return 200, {"Content-Type": "text/html"}, b"<!DOCTYPE html><html><body>Log in</body></html>"


class Cloudflare:
    """The part of Cloudflare's API v4 that keeps A and AAAA records. `mood`, if set, is asked
    first: a reply of its own, or None to go on as usual."""

    ZONE_ID = "0123456789abcdef0123456789abcdef"

    def __init__(self, house, name="cloud.test", certificate=None):
        ca = authority(house)
        self.house, self.mood, self.records, self.writes = house, None, {}, 0
        ip = f"192.0.2.{SERVICES['cloud']}"
        self.url = f"https://{name}/client/v4"
        self.server = Https(house, ip, certificate or ca.issue(name, ip), self._answer)

    def section(self, **more):
        options = {"provider": "cloudflare", "token": TOKEN, "url": self.url,
                   "ca_file": self.house.ca.pem, **more}
        return section("account", "cf", options)

    def config(self, **more):
        """A config whose one name is here."""
        keys = {"accounts": self.section(), "account": "cf", "ttl": None, **more}
        return self.house.config(**keys)

    @property
    def requests(self):
        return self.server.requests

    def put(self, rtype, content, name="home." + ZONE, **more):
        """A record the owner made. Its id."""
        ident = f"{len(self.records) + 1:032x}"
        record = {"id": ident, "type": rtype, "name": name, "content": content, "ttl": 1,
                  "proxied": False, "proxiable": True, "comment": None, "tags": [],
                  "settings": {}, **more}
        self.records[ident] = record
        return ident

    def holds(self, rtype="A", name="home." + ZONE):
        return sorted(r["content"] for r in self.records.values()
                      if (r["type"], r["name"]) == (rtype, name))

    def _answer(self, request):
        if self.mood is not None:
            reply = self.mood(request)
            if reply is not None:
                return reply
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return failure(403, 9109, "Invalid access token")
        url = urllib.parse.urlsplit(request.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        path = url.path.removeprefix("/client/v4")
        if path == "/zones" and request.method == "GET":
            zone = {"id": self.ZONE_ID, "name": ZONE, "status": "active"}
            return success([zone] if query.get("name", ZONE) == ZONE else [])
        if path == f"/zones/{self.ZONE_ID}":
            return success({"id": self.ZONE_ID, "name": ZONE, "status": "active"})
        base = f"/zones/{self.ZONE_ID}/dns_records"
        if path == base and request.method == "GET":
            return success(self._list(query))
        if path == base and request.method == "POST":
            return self._write({"posts": [request.json()]}, lambda out: out["posts"][0])
        if path == base + "/batch" and request.method == "POST":
            return self._write(request.json(), lambda out: out)
        if path.startswith(base + "/"):
            ident = path.removeprefix(base + "/")
            if request.method == "PATCH":
                one = {"patches": [{**request.json(), "id": ident}]}
                return self._write(one, lambda out: out["patches"][0])
            if ident in self.records and request.method == "GET":
                return success(self.records[ident])
        return failure(404, 7003, f"Could not route to {url.path}, perhaps your object "
                       "identifier is invalid?")

    def _list(self, query):
        def fits(record):
            return all(record[key] == query[asked] for key, asked in (
                ("name", "name"), ("name", "name.exact"), ("type", "type")) if asked in query)
        return [record for record in self.records.values() if fits(record)]

    def _write(self, batch, pick):
        """A batch, whole or not at all."""
        records = {ident: dict(record) for ident, record in self.records.items()}
        out = {"deletes": [], "patches": [], "puts": [], "posts": []}
        for patch in batch.get("patches", []):
            if patch["id"] not in records:
                return failure(404, 81044, "Record does not exist.")
            records[patch["id"]].update(patch)
            out["patches"].append(records[patch["id"]])
        for post in batch.get("posts", []):
            for record in records.values():
                if all(record[key] == post[key] for key in ("type", "name", "content")):
                    return failure(400, 81058, "An identical record already exists.")
            ident = f"{len(records) + 1:032x}"
            records[ident] = {"id": ident, "proxied": False, "proxiable": True, "comment": None,
                              "tags": [], "settings": {}, "ttl": 1, **post}
            out["posts"].append(records[ident])
        if batch.get("deletes") or batch.get("puts"):
            raise AssertionError("reachd deletes and replaces nothing here")
        self.records = records
        self.writes += 1
        return success(pick(out))


def success(result):
    count = len(result) if isinstance(result, list) else 1
    info = {"page": 1, "per_page": 100, "count": count, "total_count": count, "total_pages": 1}
    body = {"success": True, "errors": [], "messages": [], "result": result, "result_info": info}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def failure(status, code, message, **headers):
    body = {"success": False, "errors": [{"code": code, "message": message}], "messages": [],
            "result": None}
    head = {"Content-Type": "application/json",
            **{key.replace("_", "-"): value for key, value in headers.items()}}
    return status, head, json.dumps(body).encode()


class Lookups:
    """Services that tell the caller's address: ip.alpha.test, ip.beta.test, ip.gamma.test.
    `says[name]` scripts an answer; without one it is the truth."""

    NAMES = ("alpha", "beta", "gamma")

    def __init__(self, house):
        ca = authority(house)
        self.says = {}
        self.servers = {}
        for name in self.NAMES:
            certificate = ca.issue(f"ip.{name}.test")
            for prefix in ("192.0.2.", "2001:db8:53::"):
                key = name if prefix == "192.0.2." else name + "6"
                answer = lambda request, key=key: self._answer(key, request)
                self.servers[key] = Https(house, f"{prefix}{SERVICES[name]}", certificate, answer)

    def _answer(self, key, request):
        said = self.says.get(key)
        if said is None:
            return 200, {"Content-Type": "text/plain"}, request.peer.encode() + b"\n"
        return said if isinstance(said, tuple) or callable(said) else (200, {}, said.encode())

    def section(self, names=NAMES, agree=2):
        urls = [f"https://ip.{name}.test/" for name in names]
        return section("lookup", "outside", {"url": urls, "agree": agree, "interval": 60})

    def asked(self):
        return sum(len(server.requests) for server in self.servers.values())


class NameServer:
    """A name server on the spare address: `answer(query bytes)` gives a reply's bytes, or None
    for silence. Also silent or worse over TCP."""

    def __init__(self, house, answer=lambda query: None, ip=SPARE):
        self.answer, self.queries = answer, []
        self.socket, self.listener = house.inet(self._open, ip)
        house.servers.append(self)
        threading.Thread(target=self._run, daemon=True).start()

    @staticmethod
    def _open(ip):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((ip, 53))
        return udp, socket.create_server((ip, 53))

    def _run(self):
        while True:
            try:
                query, peer = self.socket.recvfrom(65535)
                self.queries.append(query)
                reply = self.answer(query)
                if reply is not None:
                    self.socket.sendto(reply, peer)
            except OSError:
                return

    def close(self):
        self.socket.close()
        self.listener.close()


def rcode(number):
    """Answers everything with this rcode, unsigned."""
    return lambda query: dns.reply_to(query, number)


def resolver(house, server=BIND):
    """Which name server the router asks."""
    with open(house.path("resolv.conf"), "w") as file:
        file.write(f"nameserver {server}\n")
