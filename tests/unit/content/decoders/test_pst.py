"""Outlook stores: what libpff gives becomes mails that open like any; a broken store costs only itself."""

from __future__ import annotations

import importlib.machinery
import random
import sys
import types
from typing import Any

import pytest

from tests.support.archives import HERE
from tests.unit.content.test_corpus_content import CORPUS
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

PST = ContentType("application/vnd.ms-outlook-pst", "Outlook mail store", "signature")


def opened(data: bytes, budget: Budget | None = None) -> tuple[dict[str, Member], list[Problem]]:
    items = list(decode(PST, memoryview(data), HERE, budget or Budget()) or ())
    return {item.name.decode(): item for item in items if isinstance(item, Member)}, [
        item for item in items if isinstance(item, Problem)
    ]


class Thing:
    """An object with these attributes; an exception as value is raised where it is asked for."""

    def __init__(self, **values: Any) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        try:
            value = self.__dict__["_values"][name]
        except KeyError:
            raise AttributeError(name) from None
        if isinstance(value, Exception):
            raise value
        return value


def item(values: dict[int, tuple[int, bytes]], **more: Any) -> Thing:
    entries = [Thing(entry_type=key, value_type=kind, data=raw) for key, (kind, raw) in values.items()]
    return Thing(number_of_record_sets=1, get_record_set=lambda number: Thing(entries=entries), **more)


def wide(text: str) -> tuple[int, bytes]:
    return 0x1F, text.encode("utf-16-le")


def store(monkeypatch: pytest.MonkeyPatch, messages: list[Any], orphans: list[Any] | None = None) -> None:
    def message_at(number: int) -> Any:
        if isinstance(messages[number], Exception):
            raise messages[number]
        return messages[number]

    inbox = Thing(
        identifier=2,
        name="In/box",
        number_of_sub_folders=0,
        number_of_sub_messages=len(messages),
        get_sub_message=message_at,
    )
    root = Thing(identifier=1, name=None, number_of_sub_folders=2, number_of_sub_messages=0,
                 get_sub_folder=lambda number: (inbox, root)[number])  # fmt: skip
    file = Thing(open_file_object=lambda handle: None, ascii_codepage="windows-1251", get_root_folder=lambda: root,
                 number_of_orphan_items=len(orphans or ()), get_orphan_item=lambda number: (orphans or [])[number])  # fmt: skip
    library = types.ModuleType("pypff")
    library.__spec__ = importlib.machinery.ModuleSpec("pypff", None)
    library.file = lambda: file  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pypff", library)


def test_messages_become_mails_that_open(monkeypatch: pytest.MonkeyPatch) -> None:
    attached = item({0x3707: wide("список.txt")}, get_size=lambda: 9, read_buffer=lambda size: b"the list.")
    message = item(
        {0x0037: wide("\x01\x01долг/ивана"), 0x0C1A: wide("Greg"), 0x1000: (0x1E, "паспорт у меня".encode("cp1251")),
         0x007D: wide("Received: from x\r\nContent-Type: text/plain\r\n\tcharset=x\r\nTo: ivan@example.com\r\n")},
        number_of_attachments=1, get_attachment=lambda number: attached,
    )  # fmt: skip
    store(
        monkeypatch, [message, OSError("broken"), item({0x0037: wide("note")})], [item({0x1000: wide("gone folder")})]
    )
    members, problems = opened(b"!BDN" + bytes(100))
    assert list(members) == ["In box/00001 долг ивана.eml", "In box/00003 note.eml", "(orphans)/00001 no subject.eml"]
    data = members["In box/00001 долг ивана.eml"].data
    assert (
        "паспорт у меня".encode() in data
        and b"To: ivan@example.com" in data
        and data.count(b"Content-Type: multipart") == 1
    )
    assert b"charset=x" not in data
    kind = identify(data, len(data), b"a.eml")
    inner = [part for part in decode(kind, data, HERE, Budget()) or () if isinstance(part, Member)]
    assert [part.data for part in inner if part.name.decode() == "список.txt"] == [b"the list."]
    assert [problem.reason for problem in problems] == [Reason.CORRUPT] and "1 items" in problems[0].message


def test_limits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    big = item({0x3707: wide("big")}, get_size=lambda: 10**12, read_buffer=lambda size: pytest.fail("read"))
    store(monkeypatch, [item({0x0037: wide("a")}, number_of_attachments=1, get_attachment=lambda number: big)] * 5)
    members, problems = opened(b"!BDN", Budget(remaining_members=2, source_bytes=1))
    assert len(members) == 2 and {problem.reason for problem in problems} == {Reason.LIMIT}


def test_what_is_no_store_is_told() -> None:
    turn = random.Random(5)
    for data in (b"!BDN", b"!BDN" + turn.randbytes(4000), b"!BDN" + bytes(600)):
        members, problems = opened(data)
        assert members == {} and [problem.reason for problem in problems] == [Reason.CORRUPT]


@pytest.mark.skipif(not (CORPUS / "content/mail").exists(), reason="needs the evidence corpus: set TRIAGE_CORPUS")
def test_real_stores_give_what_readpst_gives() -> None:
    for name, count in (("iped/test_sample.pst", 11), ("mail/libyal-outlook.pst", 2), ("mail/dist-list.pst", 2)):
        members, problems = opened((CORPUS / "content" / name).read_bytes())
        assert len(members) >= count and problems == [], name
