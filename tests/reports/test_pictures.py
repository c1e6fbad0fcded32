"""Recognition of blank screenshots."""

import base64
import struct
import zlib

import pytest

from conformance.reports.pictures import is_blank

_WIDTH, _HEIGHT = 7, 5


def _png(rows: list[bytes], *, kind: int = 2, depth: int = 8) -> str:
    """Return a PNG in Base64 of rows that are filtered already."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I4s", len(data), name) + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", _WIDTH, len(rows), depth, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(rows))
    parts = (
        chunk(b"IHDR", head),
        chunk(b"IDAT", packed[:9]),
        chunk(b"IDAT", packed[9:]),
        chunk(b"IEND", b""),
    )
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(parts)).decode()


def _paeth(left: int, above: int, corner: int) -> int:
    distances = [abs(left + above - corner - value) for value in (left, above, corner)]
    return (left, above, corner)[distances.index(min(distances))]


def _filtered(pixels: list[list[int]], filters: list[int], size: int = 3) -> list[bytes]:
    """Filter rows of bytes as the PNG specification says, byte by byte."""
    rows = []
    for number, (row, kind) in enumerate(zip(pixels, filters, strict=True)):
        above = pixels[number - 1] if number else [0] * len(row)
        line = bytearray([kind])
        for i, value in enumerate(row):
            left, corner = (row[i - size], above[i - size]) if i >= size else (0, 0)
            guess = (0, left, above[i], (left + above[i]) // 2, _paeth(left, above[i], corner))[kind]
            line.append((value - guess) % 256)
        rows.append(bytes(line))
    return rows


_ROW = [250, 3, 128] * _WIDTH
_FILTERS = [[n] * _HEIGHT for n in range(5)] + [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]


@pytest.mark.parametrize("filters", _FILTERS)
def test_a_picture_of_one_colour_is_blank(filters: list[int]) -> None:
    """Every filter is recognised, in the first row and in the others; one other pixel is noticed anywhere."""
    assert is_blank(_png(_filtered([_ROW] * _HEIGHT, filters)))
    for place in range(_WIDTH * _HEIGHT):
        rows = [list(_ROW) for _ in range(_HEIGHT)]
        rows[place // _WIDTH][place % _WIDTH * 3 + 1] += 1
        assert not is_blank(_png(_filtered(rows, filters))), place


@pytest.mark.parametrize("kind", range(5))
def test_a_line_of_text_is_next_to_nothing(kind: int) -> None:
    """Of 100 rows four may have other colours, wherever; five, or a vertical line, are a picture."""

    def picture(marked: range) -> str:
        rows = [list(_ROW) for _ in range(100)]
        for number in marked:
            rows[number][6] = 77
        return _png(_filtered(rows, [kind] * 100))

    assert is_blank(picture(range(50, 54)))
    assert is_blank(picture(range(96, 100)))
    assert not is_blank(picture(range(50, 55)))
    assert not is_blank(picture(range(100)))


def test_anything_else_is_not_blank() -> None:
    """Other depths, broken files and texts that are no picture are shown as they are."""
    rows = _filtered([_ROW] * _HEIGHT, [0] * _HEIGHT)
    whole = _png(rows)
    assert is_blank(whole)
    for other in ("", "%%", "aGVsbG8=", _png(rows, depth=16), _png(rows, kind=6), _png(rows[:0]), whole[:80]):
        assert not is_blank(other)


def blank() -> str:
    """Return a picture of one colour."""
    return _png(_filtered([_ROW] * _HEIGHT, [1, 2, 2, 4, 0]))
