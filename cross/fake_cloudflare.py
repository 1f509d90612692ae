#!/usr/bin/env python3
"""A stand-in for Cloudflare's API v4 over HTTPS, for cross/smoke and cross/idle.

    fake_cloudflare.py ADDRESS PORT CERTIFICATE KEY TOKEN ZONE LOG

Holds the records of one zone in memory and writes one JSON line for each request to LOG. What it
answers has the shape of the real one, as far as reading and writing A and AAAA records goes.
"""
import http.server
import json
import socket
import socketserver
import ssl
import sys
import urllib.parse

ADDRESS, PORT, CERTIFICATE, KEY, TOKEN, ZONE, LOG = sys.argv[1:]
ZONE_ID = "023e105f4ecef8ad9ca31a8372d0c353"
records = {}


class Refused(Exception):
    """HTTP status, Cloudflare's code, its message."""


def keep(record_id, change, whole=False):
    """Creates or changes one record and returns it."""
    for other in records.values():
        same = all(other[k] == change.get(k) for k in ("type", "name", "content"))
        if same and other["id"] != record_id:
            raise Refused(400, 81058, "An identical record already exists.")
    if record_id is None:
        record_id = "%032x" % (0x372E67954025E0BA6AAA6D586B9E0B59 + len(records))
        records[record_id] = {}
    elif record_id not in records:
        raise Refused(404, 81044, "Record does not exist.")
    old = {} if whole else records[record_id]
    new = {"ttl": 1, "proxied": False, "comment": None, "tags": [], **old, **change}
    for needed in ("type", "name", "content"):
        if needed not in new:
            raise Refused(400, 9000, "DNS %s is required." % needed)
    records[record_id] = {**new, "id": record_id, "zone_id": ZONE_ID, "zone_name": ZONE}
    return records[record_id]


def remove(record_id):
    if records.pop(record_id, None) is None:
        raise Refused(404, 81044, "Record does not exist.")
    return {"id": record_id}


def answer(method, path, query, body):
    if path == "/zones":
        wanted = query.get("name", ZONE)
        return [{"id": ZONE_ID, "name": ZONE, "status": "active"}] if wanted == ZONE else []
    base = "/zones/%s/dns_records" % ZONE_ID
    if not path.startswith(base):
        raise Refused(404, 7003, "Could not route to %s, perhaps your object identifier is invalid?" % path)
    rest = path[len(base):].strip("/")
    if method == "GET":
        name = query.get("name.exact", query.get("name"))
        return [
            r for r in records.values()
            if name in (None, r["name"]) and query.get("type") in (None, r["type"])
        ]
    if rest == "batch":
        return {
            "deletes": [remove(r["id"]) for r in body.get("deletes") or []],
            "patches": [keep(r["id"], r) for r in body.get("patches") or []],
            "puts": [keep(r["id"], r, True) for r in body.get("puts") or []],
            "posts": [keep(None, r) for r in body.get("posts") or []],
        }
    if method == "POST":
        return keep(None, body)
    if method in ("PATCH", "PUT"):
        return keep(rest, body, method == "PUT")
    if method == "DELETE":
        return remove(rest)
    raise Refused(405, 10405, "Method not allowed")


def written(result):
    """NAME TYPE CONTENT of each record in the answer to a change."""
    if not result:
        return []
    whole = [result] if "id" in result else sum(result.values(), [])
    return ["%(name)s %(type)s %(content)s" % r for r in whole if "name" in r]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        url = urllib.parse.urlsplit(self.path)
        path = url.path.removeprefix("/client/v4").rstrip("/")
        query = dict(urllib.parse.parse_qsl(url.query))
        errors, result, status = [], None, 200
        try:
            if self.headers.get("authorization") != "Bearer " + TOKEN:
                raise Refused(403, 10000, "Authentication error")
            result = answer(self.command, path, query, json.loads(body) if body else {})
        except Refused as refused:
            status, code, message = refused.args
            errors = [{"code": code, "message": message}]
        except (KeyError, TypeError, ValueError):
            status, errors = 400, [{"code": 6003, "message": "Invalid request"}]
        reply = {"success": not errors, "errors": errors, "messages": [], "result": result}
        if isinstance(result, list):
            n = len(result)
            reply["result_info"] = {"page": 1, "per_page": 100, "count": n, "total_count": n, "total_pages": 1}
        text = json.dumps(reply).encode()
        with open(LOG, "a") as log:
            line = {"method": self.command, "path": path, "query": query, "status": status,
                    "body": body.decode("utf-8", "replace"), "peer": self.client_address[0],
                    "wrote": [] if self.command == "GET" else written(result)}
            log.write(json.dumps(line) + "\n")
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_any

    def log_message(self, *_):
        pass


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6 if ":" in ADDRESS else socket.AF_INET
    allow_reuse_address = daemon_threads = True

    def get_request(self):
        # The handshake happens in the thread of the connection, at its first read.
        connection, peer = super().get_request()
        connection.settimeout(30)
        return tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), peer

    def handle_error(self, request, client_address):
        print("connection from %s: %s" % (client_address[0], sys.exc_info()[1]), file=sys.stderr)


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(CERTIFICATE, KEY)
Server((ADDRESS, int(PORT)), Handler).serve_forever()
