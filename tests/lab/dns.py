"""As much of DNS as the lab needs (RFC 1035, RFC 2136): build a question, read names, addresses
and updates out of messages. It is written apart from reachd on purpose: what reachd sends is
read here by somebody else's eyes. Signatures are left to BIND."""

import ipaddress
import struct
from dataclasses import dataclass

TYPES = {"A": 1, "SOA": 6, "TXT": 16, "AAAA": 28}
UPDATE = 5
ANY = 255
NONE = 254


@dataclass
class Record:
    name: str
    type: int
    cls: int
    ttl: int
    data: bytes

    def address(self):
        """The address of an A or AAAA record, else None."""
        if (self.type, len(self.data)) in ((1, 4), (28, 16)):
            return str(ipaddress.ip_address(self.data))
        return None


@dataclass
class Message:
    id: int
    reply: bool
    opcode: int
    rcode: int
    questions: list
    answers: list
    authority: list


def name_bytes(name):
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(name, rtype, ident):
    head = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 0)
    return head + name_bytes(name) + struct.pack(">HH", TYPES[rtype], 1)


def read_name(data, at):
    """The name at an offset, and the offset behind it."""
    labels, after, hops = [], None, 0
    while True:
        length = data[at]
        if length >= 0xC0:
            after = after if after is not None else at + 2
            at = (length & 0x3F) << 8 | data[at + 1]
            hops += 1
            if hops > 20:
                raise ValueError("a name that never ends")
        elif length == 0:
            return ".".join(labels).lower(), after if after is not None else at + 1
        else:
            labels.append(data[at + 1:at + 1 + length].decode("ascii", "replace"))
            at += 1 + length


def read(data):
    """A message, without its additional section; raises ValueError if it is none."""
    try:
        ident, flags, *counts = struct.unpack_from(">HHHHHH", data)
        at, questions, sections = 12, [], []
        for _ in range(counts[0]):
            name, at = read_name(data, at)
            questions.append((name, *struct.unpack_from(">HH", data, at)))
            at += 4
        for count in counts[1:3]:
            records = []
            for _ in range(count):
                name, at = read_name(data, at)
                rtype, cls, ttl, size = struct.unpack_from(">HHIH", data, at)
                at += 10
                records.append(Record(name, rtype, cls, ttl, data[at:at + size]))
                at += size
            sections.append(records)
    except (IndexError, struct.error) as error:
        raise ValueError(f"not a DNS message: {error}") from error
    opcode = (flags >> 11) & 15
    return Message(ident, bool(flags & 0x8000), opcode, flags & 15, questions, *sections)


def reply_to(query, rcode, answer=b""):
    """The shortest reply: the head and question of the query with another rcode."""
    ident, flags = struct.unpack_from(">HH", query)
    _, at = read_name(query, 12)
    head = struct.pack(">HHHHHH", ident, 0x8000 | (flags & 0x7800) | rcode, 1, 0, 0, 0)
    return head + query[12:at + 4] + answer
