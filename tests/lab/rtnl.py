"""Addresses and default routes by rtnetlink, without a process for each: thousands of changes
a second, and the moment of each is known to the microsecond. Links are left to ip(8)."""

import ipaddress
import os
import socket
import struct

NEWADDR, DELADDR, GETADDR, NEWROUTE, DELROUTE = 20, 21, 22, 24, 25
REQUEST, ACK, REPLACE, EXCL, CREATE, DUMP = 1, 4, 0x100, 0x200, 0x400, 0x300
FOREVER = 0xFFFFFFFF
F_NODAD, F_DADFAILED, F_DEPRECATED, F_TENTATIVE = 0x02, 0x08, 0x20, 0x40


def attribute(kind, data):
    size = 4 + len(data)
    return struct.pack("=HH", size, kind) + data + b"\0" * (-size % 4)


class Rtnl:
    """To be made by a thread that is in the namespace."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self.socket.bind((0, 0))
        self.seq = 0

    def call(self, kind, flags, body):
        self.seq += 1
        head = struct.pack("=IHHII", 16 + len(body), kind, REQUEST | flags, self.seq, 0)
        self.socket.send(head + body)
        found = []
        while True:
            data = self.socket.recv(1 << 17)
            at = 0
            while at < len(data):
                size, kind, _, seq, _ = struct.unpack_from("=IHHII", data, at)
                if seq == self.seq and kind == 2:
                    error = -struct.unpack_from("=i", data, at + 16)[0]
                    if error:
                        raise OSError(error, os.strerror(error))
                    return found
                if seq == self.seq and kind == 3:
                    return found
                found.append(data[at + 16:at + size])
                at += (size + 3) & ~3

    def address(self, index, text, add=True, peer=None, nodad=True, preferred=None, valid=None):
        """Adds or removes ADDRESS/LENGTH. Lifetimes are seconds."""
        face = ipaddress.ip_interface(text)
        family = socket.AF_INET if face.version == 4 else socket.AF_INET6
        length = face.network.prefixlen if peer is None else 32
        flags = F_NODAD if nodad and face.version == 6 else 0
        body = struct.pack("=BBBBI", family, length, flags, 0, index)
        body += attribute(2, face.ip.packed)
        body += attribute(1, ipaddress.ip_address(peer).packed if peer else face.ip.packed)
        if add and (preferred is not None or valid is not None):
            times = [FOREVER if time is None else time for time in (preferred, valid)]
            body += attribute(6, struct.pack("=IIII", *times, 0, 0))
        if add:
            self.call(NEWADDR, ACK | CREATE | REPLACE, body)
        else:
            self.call(DELADDR, ACK, body)

    def default_route(self, index, gateway, add=True):
        ip = ipaddress.ip_address(gateway)
        family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        # Main table, protocol static, scope universe, unicast, onlink.
        body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 254, 4, 0, 1, 4)
        body += attribute(5, ip.packed) + attribute(4, struct.pack("=I", index))
        if add:
            self.call(NEWROUTE, ACK | CREATE | REPLACE, body)
        else:
            self.call(DELROUTE, ACK, body)

    def addresses(self, index):
        """{address: flags} of one link."""
        out = {}
        for body in self.call(GETADDR, DUMP, struct.pack("=BBBBI", 0, 0, 0, 0, 0)):
            if len(body) < 8 or struct.unpack_from("=I", body, 4)[0] != index:
                continue
            found, flags, at = {}, body[2], 8
            while at + 4 <= len(body):
                size, kind = struct.unpack_from("=HH", body, at)
                found[kind] = body[at + 4:at + size]
                at += max(4, (size + 3) & ~3)
            if 8 in found:
                flags = struct.unpack("=I", found[8])[0]
            out[str(ipaddress.ip_address(found.get(2) or found[1]))] = flags
        return out
