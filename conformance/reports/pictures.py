"""Recognise screenshots of blank pages, mostly from the filtered bytes of a PNG."""

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable, Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LARGEST = 64 << 20
# The rows of a line of text; in small pictures fewer: a 25th of the rows.
_LINE = 24
# Bytes of a pixel by colour type, with 8 bits a channel.
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def is_blank(picture: str) -> bool:
    """Return True if a PNG in Base64 shows at most a line of text on one colour; False if it is no PNG.

    Rows of one colour are not decoded: each filter of PNG has one result for them, which is compared.
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
        size = _CHANNELS[kind]
        length = 1 + width * size
        if len(unpacked) != height * length:
            return False
        rows = (unpacked[start : start + length] for start in range(0, len(unpacked), length))
        return _has_one_colour(rows, unpacked[1 : 1 + size], width, but=min(_LINE, height // 25))
    except (binascii.Error, zlib.error, struct.error, KeyError, ValueError):
        return False


def _has_one_colour(rows: Iterable[bytes], pixel: bytes, width: int, *, but: int) -> bool:
    """Return True if all rows, except for at most ``but``, have no other colour than that of ``pixel``."""
    plain, above, others = pixel * width, bytes(len(pixel) * width), 0
    first, after = _filtered(pixel, width, first=True), _filtered(pixel, width, first=False)
    for number, row in enumerate(rows):
        known = first if number == 0 else after if above == plain else {}
        if row[1:] == known.get(row[0]):
            above = plain
            continue
        above = _decoded(row, above, len(pixel))
        others += above != plain
        if others > but:
            return False
    return True


def _decoded(row: bytes, above: bytes, size: int) -> bytes:
    """Return the bytes of a row, whose first byte names its filter; raise ValueError for an unknown one."""
    kind, line = row[0], bytearray(row[1:])
    match kind:
        case 0:
            pass
        case 2:
            line = bytearray((value + up) & 255 for value, up in zip(line, above, strict=True))
        case 1 | 3 | 4:
            for i, up in enumerate(above):
                left, corner = (line[i - size], above[i - size]) if i >= size else (0, 0)
                guess = left if kind == 1 else (left + up) // 2 if kind == 3 else _paeth(left, up, corner)
                line[i] = (line[i] + guess) & 255
        case _:
            raise ValueError(f"{kind} is not a filter of PNG")
    return bytes(line)


def _paeth(left: int, up: int, corner: int) -> int:
    """Return the predictor of Paeth: the neighbour that is nearest to left + up - corner."""
    by_left, by_up, by_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if by_left <= by_up and by_left <= by_corner:
        return left
    return up if by_up <= by_corner else corner


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
