#!/usr/bin/env python3
"""Copies a static ELF program without what is never loaded, as OpenWrt's sstrip does.

    trim.py FROM TO

strip leaves section headers, .comment and, on MIPS, .pdr (a table for debuggers: 147 KB of 1.37 MB
here). The kernel looks at program headers alone, so the file may end with the last loaded byte.
"""
import os
import struct
import sys

source, target = sys.argv[1:]
with open(source, "rb") as file:
    elf = bytearray(file.read())
if elf[:4] != b"\x7fELF" or elf[5] not in (1, 2):
    sys.exit("trim.py: %s is not an ELF file" % source)
ends = "<" if elf[5] == 1 else ">"
if elf[4] == 1:  # 32 bits: offsets in the header and in a program header, and their format
    number, phoff, shoff, shcount, offset, size = ends + "I", 28, 32, 48, 4, 16
else:
    number, phoff, shoff, shcount, offset, size = ends + "Q", 32, 40, 60, 8, 32
(table,) = struct.unpack_from(number, elf, phoff)
entry, count = struct.unpack_from(ends + "HH", elf, shcount - 6)
end = table + entry * count
for header in range(table, end, entry):
    at, length = (struct.unpack_from(number, elf, header + field)[0] for field in (offset, size))
    end = max(end, at + length)
struct.pack_into(number, elf, shoff, 0)
struct.pack_into(ends + "HHH", elf, shcount - 2, 0, 0, 0)
with open(target, "wb") as file:
    file.write(elf[:end])
os.chmod(target, 0o755)
