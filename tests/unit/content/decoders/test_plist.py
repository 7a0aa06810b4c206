"""Binary property lists: values, archives of objects, tangled and hostile lists."""

from __future__ import annotations

import datetime
import plistlib
import struct
from typing import Any

from tests.support.archives import HERE
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.problem import Problem, Reason


def opened(data: bytes, budget: Budget | None = None) -> tuple[dict[str, Member], list[Problem]]:
    kind = identify(data[:65536], len(data), b"a.plist")
    items = list(decode(kind, memoryview(data), HERE, budget or Budget()) or ())
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


def values(thing: Any) -> list[str]:
    return opened(plistlib.dumps(thing, fmt=plistlib.FMT_BINARY))[0]["values"].data.decode().split("\n")


def test_values_of_every_kind() -> None:
    when = datetime.datetime(2024, 3, 20, 21, 40)
    found = values({"name": "долг", "list": ["a", 5, -5, 2.5, True], "when": when, "big": 2**62, "inner": {"é": "x"}})
    assert found == ["big: 4611686018427387904", "inner.é: x", "list[0]: a", "list[1]: 5", "list[2]: -5", "list[3]: 2.5",
                     "list[4]: True", "name: долг", "when: 2024-03-20T21:40:00Z"]  # fmt: skip


def test_data_becomes_members() -> None:
    inner = plistlib.dumps({"hidden": "the inner list"}, fmt=plistlib.FMT_BINARY)
    members, problems = opened(plistlib.dumps({"a": {"blob": inner}, "short": b"x"}, fmt=plistlib.FMT_BINARY))
    assert members["a.blob"].data == inner and not members["a.blob"].part_of_document
    assert opened(inner)[0]["values"].data == b"hidden: the inner list" and problems == []


def test_archive_of_objects_is_followed() -> None:
    uid = plistlib.UID
    archive = {
        "$archiver": "NSKeyedArchiver", "$version": 100000, "$top": {"root": uid(1)},
        "$objects": ["$null", {"$class": uid(6), "NS.keys": [uid(2)], "NS.objects": [uid(3)]}, "chat",
                     {"$class": uid(6), "text": uid(4), "sender": uid(5), "self": uid(1), "none": uid(0)},
                     "keep her passport", "Greg", {"$classname": "NSDictionary"}, "never reached"],
    }  # fmt: skip
    found = values(archive)
    assert "root.keys[0]: chat" in found and "root[0].text: keep her passport" in found
    assert "root[0].sender: Greg" in found and not any("NSDictionary" in line or "never" in line for line in found)


def bplist(objects: list[bytes], top: int = 0) -> bytes:
    body, places = b"bplist00", []
    for raw in objects:
        places.append(len(body))
        body += raw
    table = b"".join(struct.pack(">H", place) for place in places)
    return body + table + bytes(6) + b"\x02\x02" + struct.pack(">QQQ", len(objects), top, len(body))


def refs(kind: int, *numbers: int) -> bytes:
    return bytes((kind | len(numbers),)) + b"".join(struct.pack(">H", number) for number in numbers)


def test_tangled_lists_end() -> None:
    laughs = [refs(0xA0, *[number + 1] * 10) for number in range(40)] + [b"\x53end"]
    members, problems = opened(bplist(laughs))
    assert [item.reason for item in problems] == [Reason.LIMIT]
    assert opened(bplist([refs(0xA0, 0, 1), b"\x53end"]))[0]["values"].data.decode().endswith("end")
    deep = [refs(0xA0, number + 1) for number in range(5000)] + [b"\x53end"]
    opened(bplist(deep))


def test_claims_and_mutations() -> None:
    for trailer in (
        b"\0\0\0\0\0\0\1\1" + b"\xff" * 24,
        b"\0" * 32,
        b"\0\0\0\0\0\0\x08\x08" + struct.pack(">QQQ", 2, 9, 8),
    ):
        opened(b"bplist00" + bytes(20) + trailer)
    assert [item.reason for item in opened(b"bplist00 short")[1]] == [Reason.CORRUPT]
    for mark in (
        b"\x4f\x13" + b"\xff" * 8,
        b"\xaf\x13" + b"\xff" * 8,
        b"\xd5",
        b"\x6f\x11\xff\xff",
        b"\x23\xff",
        b"\x80",
    ):
        opened(bplist([mark]))
    data = plistlib.dumps(
        {"name": "долг", "list": ["a", 5, b"x" * 50, datetime.datetime(2024, 1, 1)]}, fmt=plistlib.FMT_BINARY
    )
    for changed in mutations(data, 8, 500):
        opened(changed)
