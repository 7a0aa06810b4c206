"""Prefetch files, packed and plain."""

from __future__ import annotations

import struct

import pytest

from tests.support.archives import HERE
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.formats import mam
from triage.content.identify import identify
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

RAN = 133554444000000000  # 2024-03-20T21:40:00Z


def plain() -> bytes:
    names = "".join(name + "\0" for name in ("\\VOLUME\\USERS\\GREG\\LEDGER.XLS", "\\VOLUME\\A.DLL")).encode(
        "utf-16-le"
    )
    device = "\\VOLUME{01d}".encode("utf-16-le")
    raw = bytearray(0xF0)
    struct.pack_into("<I4sII", raw, 0, 23, b"SCCA", 17, 0)
    raw[16:38] = "EXCEL.EXE\0\0".encode("utf-16-le")
    struct.pack_into("<IIII", raw, 0x64, 0xF0, len(names), 0xF0 + len(names), 1)
    struct.pack_into("<Q", raw, 0x80, RAN)
    struct.pack_into("<I", raw, 0x98, 7)
    volume = struct.pack("<IIQI", 104, len(device) // 2, RAN, 0xBC3EF762).ljust(104, b"\0") + device
    return bytes(raw) + names + volume


def packed(data: bytes) -> bytes:
    """A packed file of plain letters: every symbol has 9 bits."""
    out = b""
    for at in range(0, len(data), 1 << 16):
        bits = "".join(f"{byte:09b}" for byte in data[at : at + (1 << 16)])
        bits += "0" * (-len(bits) % 16)
        words = [int(bits[place : place + 16], 2) for place in range(0, len(bits), 16)]
        out += b"\x99" * 256 + b"".join(struct.pack("<H", word) for word in words)
    return b"MAM\x04" + struct.pack("<I", len(data)) + out + bytes(8)


def opened(data: bytes, budget: Budget | None = None) -> tuple[dict[str, Member], list[Problem]]:
    kind = identify(data[:65536], len(data), b"EXCEL.EXE-12345678.pf")
    if "prefetch" not in kind.mime:
        kind = ContentType("application/x-ms-prefetch", "Windows prefetch", "signature")
    items = list(decode(kind, memoryview(data), HERE, budget or Budget()) or ())
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


def test_program_runs_files_and_volumes() -> None:
    members, problems = opened(plain())
    assert members["prefetch"].data.decode().split("\n") == [
        "Program: EXCEL.EXE", "Runs: 7", "Run at: 2024-03-20T21:40:00Z",
        "Volume: \\VOLUME{01d}, serial BC3EF762, created 2024-03-20T21:40:00Z",
        "File: \\VOLUME\\USERS\\GREG\\LEDGER.XLS", "File: \\VOLUME\\A.DLL"]  # fmt: skip
    assert members["prefetch"].part_of_document and problems == []


def test_packed_file_is_unpacked() -> None:
    members, problems = opened(packed(plain()))
    assert members["unpacked"].data == plain() and problems == []
    members, problems = opened(packed(plain())[:-200])
    assert members == {} and [item.reason for item in problems] == [Reason.CORRUPT]
    members, problems = opened(b"MAM\x04" + struct.pack("<I", 1 << 31) + bytes(400))
    assert members == {} and [item.reason for item in problems] == [Reason.CORRUPT]


def test_matches_of_all_lengths() -> None:
    # Codes of 9 bits; a match: 256 + (bits of the distance << 4) + (length - 3).
    def stream(symbols: list[tuple[int, str]]) -> bytes:
        bits = "".join(f"{symbol:09b}{tail}" for symbol, tail in symbols)
        bits += "0" * (-len(bits) % 16 + 32)
        return b"\x99" * 256 + b"".join(struct.pack("<H", int(bits[at : at + 16], 2)) for at in range(0, len(bits), 16))

    letters = [(byte, "") for byte in b"abc"]
    assert mam.decompress(stream([*letters, (256 + (1 << 4) + 3, "1")]), 9) == b"abcabcabc"
    assert mam.decompress(stream([*letters, (256, "")]), 6) == b"abcccc"
    for broken in ([(256 + (9 << 4), "0" * 9)], []):
        with pytest.raises(mam.MamError):
            mam.decompress(stream(broken)[:300], 50)


def test_unknown_version_is_told() -> None:
    members, problems = opened(struct.pack("<I4s", 99, b"SCCA") + bytes(500))
    assert members == {} and problems[0].reason is Reason.UNSUPPORTED


def test_any_mutation_raises_nothing() -> None:
    for changed in mutations(plain(), 5, 200):
        opened(changed)
    for changed in mutations(packed(plain()), 6, 60):
        opened(changed)
