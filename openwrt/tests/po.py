"""Reads and writes the parts of gettext that LuCI uses: .po files, and its compiled .lmo.

An .lmo is: the translations, each padded to four bytes; an index of (hash of the msgid, number of
plural forms, offset, length), sorted by hash; the offset of the index. All big-endian. Texts are
found by a hash alone, which is Paul Hsieh's SuperFastHash.
"""

import ast
import struct


def read_po(path):
    """{msgid: msgstr} of what is translated."""
    found, key, text = {}, None, {}
    with open(path, encoding="utf-8") as file:
        for line in list(file) + ["msgid \"\"\n"]:
            line = line.strip()
            if line.startswith("msgid "):
                if text.get("msgid") and text.get("msgstr"):
                    found[text["msgid"]] = text["msgstr"]
                key, text = "msgid", {"msgid": "", "msgstr": ""}
                line = line[6:]
            elif line.startswith("msgstr "):
                key = "msgstr"
                line = line[7:]
            if line.startswith('"') and key:
                text[key] += ast.literal_eval(line)
    return found


def sfh(data):
    """SuperFastHash, seeded with the length, as LuCI calls it."""
    mask = 0xFFFFFFFF
    value = len(data)
    if not data:
        return 0
    whole, rest = divmod(len(data), 4)
    for low, high in struct.iter_unpack("<HH", data[:whole * 4]):
        value = (value + low) & mask
        value = ((value << 16) ^ ((high << 11) ^ value)) & mask
        value = (value + (value >> 11)) & mask
    tail = data[whole * 4:]
    signed = lambda byte: byte - 256 if byte > 127 else byte
    if rest == 3:
        value = (value + struct.unpack("<H", tail[:2])[0]) & mask
        value = (value ^ (value << 16)) & mask
        value = (value ^ (signed(tail[2]) << 18)) & mask
        value = (value + (value >> 11)) & mask
    elif rest == 2:
        value = (value + struct.unpack("<H", tail)[0]) & mask
        value = (value ^ (value << 11)) & mask
        value = (value + (value >> 17)) & mask
    elif rest == 1:
        value = (value + signed(tail[0])) & mask
        value = (value ^ (value << 10)) & mask
        value = (value + (value >> 1)) & mask
    for left, right in ((3, 5), (4, 17), (25, 6)):
        value = (value ^ (value << left)) & mask
        value = (value + (value >> right)) & mask
    return value


def lmo(messages):
    """The compiled catalog."""
    texts, index = b"", []
    for key, text in messages.items():
        key, text = key.encode(), text.encode()
        if sfh(key) == sfh(text):
            continue
        index.append((sfh(key), 1, len(texts), len(text)))
        texts += text + b"\0" * (-len(text) % 4)
    body = b"".join(struct.pack(">IIII", *entry) for entry in sorted(index))
    return texts + body + struct.pack(">I", len(texts))


if __name__ == "__main__":
    import sys

    with open(sys.argv[2], "wb") as out:
        out.write(lmo(read_po(sys.argv[1])))
