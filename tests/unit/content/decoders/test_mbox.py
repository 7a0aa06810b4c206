"""Mailboxes: each mail a member with its subject and date."""

from __future__ import annotations

from tests.support.archives import HERE
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.identify import identify
from triage.model.address import Address
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason
from triage.model.times import Times

MBOX = ContentType("application/mbox", "mailbox", "text")


def mail(number: int, extra: bytes = b"", end: bytes = b"\n") -> bytes:
    lines = [b"From - Wed Mar 20 21:40:0%d 2024" % (number % 10), extra + b"From: a@example.com",
             b"Subject: =?utf-8?B?0LTQvtC70LM=?= %d" % number, b"Date: Wed, 20 Mar 2024 21:40:00 +0000", b"",
             b"text %d" % number, b">From the start", b"From here it goes on", b""]  # fmt: skip
    return end.join(lines) + end


def opened(data: bytes, budget: Budget | None = None) -> tuple[list[Member], list[Problem]]:
    items = list(decode(MBOX, memoryview(data), HERE, budget or Budget()) or ())
    return [item for item in items if isinstance(item, Member)], [item for item in items if isinstance(item, Problem)]


def test_each_mail_is_a_member() -> None:
    for end in (b"\n", b"\r\n"):
        data = b"".join(mail(number, end=end) for number in range(1, 4))
        assert identify(data, len(data), b"Inbox").mime == "application/mbox"
        members, problems = opened(data)
        assert [item.name.decode() for item in members] == [f"0000{n} долг {n}.eml" for n in (1, 2, 3)]
        assert all(item.times.mtime == 1710970800 * 10**9 and not item.part_of_document for item in members)
        assert members[1].data.startswith(b"From: a@example.com") and b"text 2" in members[1].data
        assert b"From here it goes on" in members[1].data and b"text 3" not in members[1].data
        kind = identify(members[0].data, len(members[0].data), b"x.eml")
        assert kind.mime == "message/rfc822" and problems == []


def test_deleted_mails_of_thunderbird_are_marked() -> None:
    data = (
        mail(1, b"X-Mozilla-Status: 0009\n") + mail(2, b"X-Mozilla-Status: 0001\n") + mail(3, b"X-Mozilla-Status: zz\n")
    )
    names = [item.name.decode() for item in opened(data)[0]]
    assert names == ["00001 (deleted) долг 1.eml", "00002 долг 2.eml", "00003 долг 3.eml"]


def test_names_hold_no_path() -> None:
    data = mail(1).replace(b"=?utf-8?B?0LTQvtC70LM=?=", b"../../etc/passwd\\x" + b"y" * 500)
    [member] = opened(data)[0]
    assert b"/" not in member.name and b"\\" not in member.name and len(member.name) < 100


def test_limits_refusals_and_what_is_none() -> None:
    data = b"".join(mail(number) for number in range(1, 10))
    members, problems = opened(data, Budget(remaining_members=3, source_bytes=1))
    assert len(members) == 3 and [item.reason for item in problems] == [Reason.LIMIT]

    def refuses(address: Address, size: int, times: Times) -> bool:
        return "00002" in str(address) and size > 0 and times.mtime is not None

    assert len(opened(data, Budget(refuses=refuses))[0]) == 8
    assert [item.reason for item in opened(b"From nothing\n\nwords")[1]] == [Reason.CORRUPT]
    members, problems = opened(mail(1), Budget(max_member_bytes=50))
    assert len(members[0].data) == 50 and problems[0].reason is Reason.LIMIT


def test_any_mutation_raises_nothing() -> None:
    for changed in mutations(mail(1) + mail(2), 2, 200):
        members, problems = opened(changed)
        assert members or problems
