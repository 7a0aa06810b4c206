"""winmail.dat, made by hand."""

from __future__ import annotations

import struct

from tests.support.archives import HERE
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

TNEF = ContentType("application/vnd.ms-tnef", "TNEF attachment", "signature")


def opened(data: bytes) -> tuple[dict[str, Member], list[Problem]]:
    items = list(decode(TNEF, memoryview(data), HERE, Budget()) or ())
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


def attribute(key: int, value: bytes, level: int = 1) -> bytes:
    return struct.pack("<BHHI", level, key, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def prop(kind: int, key: int, value: bytes, name: bytes = b"") -> bytes:
    padded = value + bytes(-len(value) % 4)
    if kind in (0x1E, 0x1F, 0x102, 0x0D):
        padded = struct.pack("<II", 1, len(value)) + padded
    return struct.pack("<HH", kind, key) + name + padded


def props(*items: bytes) -> bytes:
    return struct.pack("<I", len(items)) + b"".join(items)


def sample() -> bytes:
    named = bytes(16) + struct.pack("<II", 1, 6) + "ab".encode("utf-16-le") + bytes(4)
    message = props(
        prop(0x03, 0x3FFD, struct.pack("<I", 1251)), prop(0x1F, 0x8001, "named".encode("utf-16-le"), named),
        prop(0x1E, 0x0C1A, b"Greg\0"), prop(0x1E, 0x1000, "долг остаётся\0".encode("cp1251")),
        prop(0x40, 0x0039, struct.pack("<Q", 133554444000000000)), prop(0x101E, 0x7001, struct.pack("<II", 1, 2) + b"xy", b""),
    )  # fmt: skip
    return (
        struct.pack("<IH", 0x223E9F78, 1)
        + attribute(0x9007, struct.pack("<II", 1251, 0)) + attribute(0x8004, b"rooms\0") + attribute(0x9003, message)
        + attribute(0x9002, bytes(14), 2) + attribute(0x8010, b"LIST~1.XLS\0", 2) + attribute(0x800F, b"cells" * 99, 2)
        + attribute(0x9005, props(prop(0x1F, 0x3707, "список.xls\0".encode("utf-16-le"))), 2)
        + attribute(0x9002, bytes(14), 2) + attribute(0x8010, b"b.txt\0", 2) + attribute(0x800F, b"words", 2)
    )  # fmt: skip


def test_headers_body_and_attachments() -> None:
    data = sample()
    assert identify(data, len(data), b"winmail.dat").mime == TNEF.mime
    members, problems = opened(data)
    assert members["headers"].data.decode().split("\n") == [
        "From: Greg",
        "Subject: rooms",
        "Date: 2024-03-20T21:40:00Z",
    ]
    assert members["body.txt"].data.decode() == "долг остаётся" and members["body.txt"].part_of_document
    assert members["список.xls"].data == b"cells" * 99 and not members["список.xls"].part_of_document
    assert members["b.txt"].data == b"words" and problems == []


def test_cut_file_is_told() -> None:
    data = sample()
    members, problems = opened(data[:-200] + b"\x07junk that is no attribute")
    assert "body.txt" in members and [item.reason for item in problems] == [Reason.TRUNCATED]


def test_any_mutation_raises_nothing() -> None:
    for changed in mutations(sample(), 4, 500):
        opened(changed)
