"""A writer of UCSC 2bit files, from the format's description."""

import re
import struct

_CODES = {"T": 0, "C": 1, "A": 2, "G": 3, "N": 0}


def _runs(pattern, letters):
    found = [one.span() for one in re.finditer(pattern, letters)]
    starts = [start for start, _ in found]
    sizes = [end - start for start, end in found]
    return struct.pack(f"<I{2 * len(found)}I", len(found), *starts, *sizes)


def _packed(letters):
    codes = [_CODES[letter] for letter in letters.upper()]
    codes += [0] * (-len(codes) % 4)
    quads = zip(*(codes[i::4] for i in range(4)), strict=True)
    return bytes(a << 6 | b << 4 | c << 2 | d for a, b, c, d in quads)


def write_2bit(path, records):
    """Writes records, letters by name."""
    offset = 16 + sum(1 + len(name) + 4 for name in records)
    index, bodies = b"", b""
    for name, letters in records.items():
        index += bytes([len(name)]) + name.encode() + struct.pack("<I", offset)
        body = struct.pack("<I", len(letters))
        body += _runs("[Nn]+", letters) + _runs("[a-z]+", letters)
        body += struct.pack("<I", 0) + _packed(letters)
        bodies += body
        offset += len(body)
    head = struct.pack("<4I", 0x1A412743, 0, len(records), 0)
    path.write_bytes(head + index + bodies)
