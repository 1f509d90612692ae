"""ubusd, netifd and odhcpd as far as reachd asks them: a socket that speaks ubus, a dump that the
test may change (subscribers are told), and leases. What the bytes mean: src/wire/ubus.rs."""

import os
import socket
import struct
import threading

HELLO, STATUS, DATA, LOOKUP, INVOKE, ADD_OBJECT, SUBSCRIBE = 0, 1, 2, 4, 5, 6, 8
A_STATUS, A_PATH, A_ID, A_METHOD, A_DATA, A_TARGET = 1, 2, 3, 4, 7, 8
NETIFD, ODHCPD, CLIENT = 0x11, 0x12, 0x77
PATH = "/var/run/ubus/ubus.sock"


def pad(data):
    return data + b"\0" * (-len(data) % 4)


def attr(ident, content):
    return pad(struct.pack("!I", ident << 24 | len(content) + 4) + content)


def blobmsg(name, value):
    content = pad(struct.pack("!H", len(name)) + name.encode() + b"\0")
    if isinstance(value, bool):
        kind, body = 7, bytes([value])
    elif isinstance(value, int):
        kind, body = 5, struct.pack("!i", value)
    elif isinstance(value, str):
        kind, body = 3, value.encode() + b"\0"
    elif isinstance(value, list):
        kind, body = 1, b"".join(blobmsg("", item) for item in value)
    else:
        kind, body = 2, b"".join(blobmsg(key, item) for key, item in value.items())
    return attr(0x80 | kind, content + body)


def message(kind, seq, peer, blob=b""):
    return struct.pack("!BBHI", 0, kind, seq, peer) + struct.pack("!I", len(blob) + 4) + blob


def table(value):
    return b"".join(blobmsg(key, item) for key, item in value.items())


class Ubusd:
    """Listens in the router. `interfaces` is what netifd would dump."""

    def __init__(self, house, interfaces, leases=None):
        self.interfaces, self.leases = interfaces, leases
        self.asked = []  # (object, method)
        self.subscribers = []
        self.lock = threading.Lock()
        # A /run of the router's own: nothing of this machine's may be found or left there.
        house.rtr.tmpfs("/run", "mode=755")
        self.socket = house.rtr(self._listen)
        house.servers.append(self)
        threading.Thread(target=self._accept, daemon=True).start()

    @staticmethod
    def _listen():
        os.makedirs(os.path.dirname(PATH), exist_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(PATH)
        listener.listen(8)
        return listener

    def close(self):
        self.socket.close()

    def change(self, interfaces):
        """netifd has news and says so."""
        with self.lock:
            self.interfaces = interfaces
            for subscriber in self.subscribers:
                blob = attr(A_ID, struct.pack("!I", CLIENT)) + attr(A_METHOD, b"interface.update\0")
                blob += attr(A_DATA, blobmsg("interface", "wan6"))
                try:
                    subscriber.sendall(message(INVOKE, 9, NETIFD, blob))
                except OSError:
                    pass

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            client.sendall(message(HELLO, 0, 0x1234))
            while True:
                head = self._exactly(client, 12)
                _, kind, seq, peer, length = struct.unpack("!BBHII", head)
                body = self._exactly(client, (length & 0xFFFFFF) - 4)
                with self.lock:
                    self._answer(client, kind, seq, peer, self._attrs(body))
        except (OSError, EOFError):
            client.close()

    @staticmethod
    def _exactly(client, size):
        data = b""
        while len(data) < size:
            part = client.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    @staticmethod
    def _attrs(body):
        out, at = {}, 0
        while at + 4 <= len(body):
            head, = struct.unpack_from("!I", body, at)
            size = head & 0xFFFFFF
            out[head >> 24 & 0x7F] = body[at + 4:at + size]
            at += max(4, (size + 3) & ~3)
        return out

    def _answer(self, client, kind, seq, peer, attrs):
        status, data = 0, None
        if kind == LOOKUP:
            path = attrs[A_PATH].rstrip(b"\0").decode()
            ident = {"network.interface": NETIFD, "dhcp": ODHCPD}.get(path)
            if ident is None or ident == ODHCPD and self.leases is None:
                status = 4
            else:
                data = attr(A_ID, struct.pack("!I", ident))
        elif kind == ADD_OBJECT:
            data = attr(A_ID, struct.pack("!I", CLIENT))
        elif kind == SUBSCRIBE:
            self.subscribers.append(client)
        elif kind == INVOKE:
            method = attrs[A_METHOD].rstrip(b"\0").decode()
            self.asked.append((peer, method))
            value = {"interface": self.interfaces} if peer == NETIFD else self.leases
            data = attr(A_ID, struct.pack("!I", peer)) + attr(A_DATA, table(value))
        if data is not None:
            client.sendall(message(DATA, seq, peer, data))
        client.sendall(message(STATUS, seq, peer, attr(A_STATUS, struct.pack("!I", status))))
