"""Windows shortcuts."""

from __future__ import annotations

import struct

from tests.support.archives import HERE
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.formats.shell_link import MAGIC
from triage.content.identify import identify
from triage.model.problem import Problem, Reason

RAN = 133554444000000000


def item(body: bytes) -> bytes:
    return struct.pack("<H", len(body) + 2) + body


def sample() -> bytes:
    head = (
        MAGIC + struct.pack("<II", 1 | 2 | 4 | 32 | 0x80, 0x20) + struct.pack("<QQQI", RAN, RAN, RAN, 5120) + bytes(20)
    )
    long_name = "Ледгер 2024.xls".encode("utf-16-le") + b"\0\0"
    extension = struct.pack("<HHI", 0, 8, 0xBEEF0004) + bytes(34) + long_name
    extension = struct.pack("<H", len(extension)) + extension[2:]
    items = item(b"\x2fE:\\" + bytes(10)) + item(b"\x32" + bytes(11) + b"LEDGER~1.XLS\0\0" + extension) + b"\0\0"
    volume = struct.pack("<IIII", 0x18, 2, 0xBC3EF762, 0x10) + b"STICK\0\0\0"
    base = b"E:\\Ledger.xls\0"
    info = struct.pack(
        "<IIIIIII", 28 + len(volume) + len(base) + 1, 28, 1, 28, 28 + len(volume), 0, 28 + len(volume) + len(base)
    )
    info += volume + base + b"\0"
    texts = b"".join(struct.pack("<H", len(text)) + text.encode("utf-16-le") for text in ("the ledger", "/open debts"))
    tracker = (
        struct.pack("<IIII", 0x60, 0xA0000003, 0x58, 0)
        + b"GREG-PC".ljust(16, b"\0")
        + bytes(26)
        + bytes(range(1, 7))
        + bytes(32)
    )
    return head + struct.pack("<H", len(items)) + items + info + texts + tracker + bytes(4)


def opened(data: bytes) -> tuple[dict[str, Member], list[Problem]]:
    kind = identify(data[:65536], len(data), b"a.lnk")
    items = list(decode(kind, memoryview(data), HERE, Budget()) or ())
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


def test_target_volume_machine_and_times() -> None:
    members, problems = opened(sample())
    lines = members["shortcut"].data.decode().split("\n")
    assert lines == [
        "Path: E:\\Ledger.xls", "Drive: removable, serial BC3EF762, label STICK", "Items: E:\\Ледгер 2024.xls",
        "Name: the ledger", "Arguments: /open debts", "Target size: 5120", "Target created: 2024-03-20T21:40:00Z",
        "Target accessed: 2024-03-20T21:40:00Z", "Target written: 2024-03-20T21:40:00Z", "Machine: GREG-PC",
        "Network card: 01:02:03:04:05:06"]  # fmt: skip
    assert members["shortcut"].part_of_document and problems == []


def test_cut_and_mutated() -> None:
    assert [item.reason for item in opened(sample()[:40])[1]] == [Reason.CORRUPT]
    for changed in mutations(sample(), 7, 400):
        opened(changed)
