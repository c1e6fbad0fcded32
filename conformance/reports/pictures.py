"""Recognise screenshots of blank pages, from the filtered bytes of a PNG."""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 64 << 20
# Bytes of a pixel by colour type, with 8 bits a channel.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def is_blank(picture: str) -> bool:
    """Return True if a PNG in Base64 has only one colour; False also for anything that is no such PNG.

    No pixel is decoded: each filter of PNG has one result for a row of one colour, which is compared.
    Pictures with other than 8 bits a channel, and interlaced ones, are never blank.
    """
    try:
        data = base64.b64decode(picture, validate=True)
        if not data.startswith(_SIGNATURE):
            return False
        chunks = list(_chunks(data))
        width, height, depth, kind, _, _, interlaced = struct.unpack(">IIBBBBB", dict(chunks)[b"IHDR"])
        if depth != 8 or interlaced or kind not in _CHANNELS or not width or not height:
            return False
        unpacked = zlib.decompressobj().decompress(
            b"".join(c for name, c in chunks if name == b"IDAT"), _LARGEST
        )
    except (binascii.Error, zlib.error, struct.error, KeyError, ValueError):
        return False
    size = _CHANNELS[kind]
    length = 1 + width * size
    if len(unpacked) != height * length:
        return False
    pixel = unpacked[1 : 1 + size]  # The first pixel has no neighbours, so that every filter leaves it.
    first, others = _filtered(pixel, width, first=True), _filtered(pixel, width, first=False)
    rows = (unpacked[start : start + length] for start in range(0, len(unpacked), length))
    return all(row[1:] == (first if number == 0 else others).get(row[0]) for number, row in enumerate(rows))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_SIGNATURE)
    while position + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[position : position + 8])
        yield name, data[position + 8 : position + 8 + length]
        position += 12 + length


def _filtered(pixel: bytes, width: int, *, first: bool) -> dict[int, bytes]:
    """Return, for each filter type of PNG, the bytes of a row in which every pixel is ``pixel``."""
    above = bytes(len(pixel)) if first else pixel

    def row(begin: bytes, rest: bytes) -> bytes:
        return begin + rest * (width - 1)

    zero = bytes(len(pixel))
    difference = bytes((p - a) % 256 for p, a in zip(pixel, above, strict=True))
    return {
        0: row(pixel, pixel),
        1: row(pixel, zero),
        2: row(difference, difference),
        3: row(
            bytes((p - a // 2) % 256 for p, a in zip(pixel, above, strict=True)),
            bytes((p - (p + a) // 2) % 256 for p, a in zip(pixel, above, strict=True)),
        ),
        4: row(difference, zero),  # Left, above and corner: the left pixel predicts, or the one above.
    }
