"""Outlook messages, made by hand: properties, bodies, attachments, messages in messages."""

from __future__ import annotations

import struct

import pytest

from tests.support.archives import HERE
from tests.support.compound_file import Tree, make_compound
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.formats import mapi
from triage.content.formats.compound import Compound, CompoundError
from triage.content.identify import identify
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

MSG = ContentType("application/vnd.ms-outlook", "Outlook message", "signature")
FILETIME = 133554444000000000  # 2024-03-20T21:40:00Z


def opened(data: bytes, budget: Budget | None = None) -> tuple[dict[str, Member], list[Problem]]:
    items = list(decode(MSG, memoryview(data), HERE, budget or Budget()) or ())
    names = [item.name for item in items if isinstance(item, Member)]
    assert len(set(names)) == len(names)
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


def props(header: int, **values: tuple[int, int]) -> bytes:
    return bytes(header) + b"".join(
        struct.pack("<HHIQ", kind, int(key[1:], 16), 6, value) for key, (kind, value) in values.items()
    )


def text(value: str) -> bytes:
    return value.encode("utf-16-le")


def packed_rtf(rtf: bytes) -> bytes:
    """Compressed RTF without any reference: control bytes of zero."""
    body = b"".join(b"\0" + rtf[at : at + 8] for at in range(0, len(rtf), 8))
    return struct.pack("<II4sI", len(body) + 12, len(rtf), b"LZFu", 0) + body


def message(header: int = 32, **more: bytes | Tree) -> Tree:
    return {
        "__properties_version1.0": props(header, p0039=(0x40, FILETIME), p3FFD=(3, 1251)),
        "__substg1.0_0037001F": text("rooms"),
        "__substg1.0_0C1A001F": text("Greg"),
        "__substg1.0_0C1F001F": text("greg@example.com"),
        "__recip_version1.0_#00000000": {
            "__properties_version1.0": props(8, p0C15=(3, 2)),
            "__substg1.0_3001001F": text("Иван"),
            "__substg1.0_39FE001F": text("ivan@example.com"),
        },
        **more,
    }


def test_headers_and_bodies() -> None:
    data = make_compound(message(**{
        "__substg1.0_1000001E": "долг остаётся".encode("cp1251"),
        "__substg1.0_10130102": b"<html><p>she <b>pays</b></p></html>",
        "__substg1.0_10090102": packed_rtf(rb"{\rtf1 keep her passport}"),
    }))  # fmt: skip
    assert identify(data[:65536], len(data), b"a.msg").mime == MSG.mime
    members, problems = opened(data)
    assert members["headers"].data.decode().split("\n") == [
        "From: Greg <greg@example.com>", "Cc: Иван <ivan@example.com>", "Subject: rooms", "Date: 2024-03-20T21:40:00Z"]  # fmt: skip
    assert members["body.txt"].data.decode() == "долг остаётся"
    assert members["body.html"].data == b"<html><p>she <b>pays</b></p></html>"
    assert members["body.rtf"].data == rb"{\rtf1 keep her passport}"
    assert all(item.part_of_document for item in members.values()) and problems == []


def test_attachments_and_attached_messages() -> None:
    deepest = message(24, **{"__substg1.0_1000001F": text("the deepest text")})
    inner = message(24, **{
        "__substg1.0_1000001F": text("the inner text"),
        "__attach_version1.0_#00000000": {"__properties_version1.0": props(8), "__substg1.0_3001001F": text("again"), "__substg1.0_3701000D": deepest},
    })  # fmt: skip
    data = make_compound(message(**{
        "__attach_version1.0_#00000000": {
            "__properties_version1.0": props(8, p3008=(0x40, FILETIME)),
            "__substg1.0_3707001F": text("список.xls"), "__substg1.0_37010102": b"cells" * 2000},
        "__attach_version1.0_#00000001": {"__properties_version1.0": props(8), "__substg1.0_3001001F": text("fwd"), "__substg1.0_3701000D": inner},
        "__attach_version1.0_#00000002": {"__properties_version1.0": props(8), "__substg1.0_3704001F": text("obj"), "__substg1.0_3701000D": {"CONTENTS": b"drawing"}},
    }))  # fmt: skip
    members, problems = opened(data)
    attached = members["список.xls"]
    assert attached.data == b"cells" * 2000 and not attached.part_of_document
    assert attached.times.mtime == 1710970800 * 10**9
    assert members["2 fwd/body.txt"].data == b"the inner text"
    assert members["2 fwd/1 again/body.txt"].data == b"the deepest text"
    assert members["obj/CONTENTS"].data == b"drawing" and problems == []


def test_contacts_give_their_properties_and_encryption_is_told() -> None:
    tree = message(**{"__substg1.0_001A001F": text("IPM.Contact"), "__substg1.0_3A1C001F": text("+44 7700 900123")})
    assert b"+44 7700 900123" in opened(make_compound(tree))[0]["properties"].data
    tree = message(**{"__substg1.0_001A001F": text("IPM.Note.SMIME")})
    assert [item.reason for item in opened(make_compound(tree))[1]] == [Reason.ENCRYPTED]


def test_compressed_rtf() -> None:
    # The example of [MS-OXRTFCP] 4.1.1 and 4.2.
    stored = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af862696c206803406570000a80116c64080500500b60116e0e1030333ef0"
    )
    assert mapi.decompress_rtf(packed_rtf(b"hello world" * 9), 1 << 20) == b"hello world" * 9
    assert mapi.decompress_rtf(struct.pack("<II4sI", 20, 5, b"MELA", 0) + b"words", 99) == b"words"
    assert mapi.decompress_rtf(stored, 1 << 20)[:8] == b"{\\rtf1\\a"
    assert mapi.decompress_rtf(b"", 9) == mapi.decompress_rtf(bytes(40), 9) == b""
    bomb = struct.pack("<II4sI", 99, 0xFFFFFFFF, b"LZFu", 0) + b"\xff" + b"\x00\x0f" * 60_000
    assert len(mapi.decompress_rtf(bomb, 1000)) <= 1000


def test_loops_claims_and_mutations() -> None:
    data = make_compound(message(**{"__substg1.0_1000001F": text("words " * 2000)}))
    members, problems = opened(data[: len(data) // 2])
    assert problems
    for changed in mutations(data, 3, 400):
        opened(changed)
    with pytest.raises(CompoundError):
        Compound(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504))


def test_spent_budget_is_told() -> None:
    members, problems = opened(make_compound(message()), Budget(remaining_members=0, source_bytes=1))
    assert members == {} and [item.reason for item in problems] == [Reason.LIMIT]


def test_streams_know_their_places() -> None:
    data = make_compound({"a": b"small " * 9, "b": bytes(range(256)) * 20, "folder": {"c": b"inner"}})
    compound = Compound(data)
    for path, expected in (("a",), b"small " * 9), (("B",), bytes(range(256)) * 20), (("FOLDER", "c"), b"inner"):
        found = compound.stream(*path)
        assert found is not None and found.data == expected and found.complete
        assert all(data[found.place(at)] == expected[at] for at in range(len(expected)))
        assert b"".join(expected[low:high] for low, high in found.pieces(3, 4000)) == expected[3:4000]
