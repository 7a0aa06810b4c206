"""Mail: what base64, quoted-printable and encoded words hide; attachments; hostile messages in bounded time."""

from __future__ import annotations

import base64
import quopri

import pytest

from tests.support.archives import HERE
from tests.support.mutation_lane import mutations
from triage.content.decoders import Budget, Member, decode
from triage.content.formats import mime
from triage.content.identify import identify
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

EML = ContentType("message/rfc822", "mail message", "text")
HEAD = b"From: greg@example.com\r\nTo: ivan@example.com\r\nSubject: rooms\r\nMIME-Version: 1.0\r\n"


def opened(data: bytes, budget: Budget | None = None) -> tuple[dict[str, Member], list[Problem]]:
    members: dict[str, Member] = {}
    problems: list[Problem] = []
    for item in decode(EML, memoryview(data), HERE, budget or Budget()) or ():
        if isinstance(item, Member):
            assert item.name.decode() not in members
            members[item.name.decode()] = item
        else:
            problems.append(item)
    return members, problems


def multipart(*parts: bytes, kind: bytes = b"mixed", boundary: bytes = b"=_x") -> bytes:
    body = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return (
        HEAD
        + b'Content-Type: multipart/%s; boundary="%s"\r\n\r\npreamble\r\n' % (kind, boundary)
        + body
        + b"--"
        + boundary
        + b"--\r\nepilogue"
    )


@pytest.mark.parametrize("charset", ["utf-8", "windows-1251", "koi8-r", "iso-8859-5", "utf-16le", "utf-7"])
@pytest.mark.parametrize("transfer", ["base64", "quoted-printable"])
def test_bodies_behind_a_transfer_encoding(charset: str, transfer: str) -> None:
    words = "паспорт остаётся у меня, долг 5000"
    raw = words.encode(charset)
    body = base64.encodebytes(raw) if transfer == "base64" else quopri.encodestring(raw)
    data = (
        HEAD
        + f"Content-Type: text/plain; charset={charset}\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n".encode()
        + body
    )
    members, problems = opened(data)
    assert members["1 body.txt"].data.decode().strip() == words
    assert members["1 body.txt"].part_of_document and problems == []


def test_text_that_the_raw_bytes_show_is_not_given_twice() -> None:
    for charset, words in (("utf-8", "долг"), ("us-ascii", "debt"), ("iso-8859-1", "dette payée")):
        data = HEAD + f"Content-Type: text/plain; charset={charset}\r\n\r\n{words}".encode(charset)
        assert opened(data) == ({}, [])
    data = HEAD + "Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n借金".encode("iso2022_jp")
    assert opened(data)[0]["1 body.txt"].data.decode() == "借金"


def test_html_is_given_with_its_encoding_made_sure() -> None:
    page = "<html><head><meta charset=koi8-r></head><body>де<b>бт</b></body></html>".encode()
    data = HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n" + page
    content = opened(data)[0]["1 body.html"].data
    from triage.content.extractors import extract

    assert "дебт" in extract(identify(content, len(content), b"1 body.html"), content)[0].text


def test_headers_with_encoded_words() -> None:
    subject = (
        b"=?utf-8?B?" + base64.b64encode("долг ".encode()) + b"?=\r\n =?utf-8?Q?=D0=BC=D0=B0=D1=80=D0=B8=D0=B8?= now"
    )
    data = (
        b"From: =?koi8-r?Q?"
        + quopri.encodestring("Грег".encode("koi8-r")).strip()
        + b"?= <g@example.com>\r\nSubject: "
        + subject
        + b"\r\nTo: x@example.com\r\n\r\nx"
    )
    text = opened(data)[0]["headers"].data.decode()
    assert text.split("\n") == ["From: Грег <g@example.com>", "Subject: долг марии now", "To: x@example.com"]
    # One letter cut in two by the border of two words.
    raw = "ж".encode()
    cut = b"=?utf-8?B?" + base64.b64encode(raw[:1]) + b"?= =?utf-8?B?" + base64.b64encode(raw[1:]) + b"?="
    assert mime.decode_words(cut) == "ж"
    assert mime.decode_words(b"=?no-such?Q?abc?=") == "abc"
    assert mime.decode_words(b"=?utf-8?B?!!!?=") == ""
    assert mime.decode_words(b"plain =? not a word") == "plain =? not a word"


def test_attachments_names_and_times() -> None:
    picture = bytes(range(256)) * 9
    data = multipart(
        b"Content-Type: text/plain\r\n\r\nsee the list",
        b"Content-Type: image/jpeg\r\nContent-Disposition: attachment; filename*0*=utf-8''%D1%81%D0%BF; filename*1*=%D0%B8.jpg;"
        b' modification-date="Wed, 20 Mar 2024 21:40:00 +0000"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
        + base64.encodebytes(picture),
        b'Content-Type: application/octet-stream; name="=?utf-8?B?'
        + base64.b64encode("долг.xls".encode())
        + b'?="\r\n\r\nraw bytes',
        b'Content-Type: text/plain; name="C:\\TEMP\\a.txt"\r\n\r\nattached text',
        b'Content-Type: text/plain; name="C:\\TEMP\\a.txt"\r\n\r\nanother of that name',
    )
    members, problems = opened(data)
    assert members["спи.jpg"].data == picture and not members["спи.jpg"].part_of_document
    assert members["спи.jpg"].times.mtime == 1710970800 * 10**9
    assert members["долг.xls"].data == b"raw bytes"
    assert members["C:\\TEMP\\a.txt"].data == b"attached text"
    assert members["5 C:\\TEMP\\a.txt"].data == b"another of that name"
    assert problems == []


def test_attached_mail_is_a_member_that_opens() -> None:
    inner = HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"she pays")
    members, _ = opened(multipart(b"Content-Type: message/rfc822\r\n\r\n" + inner))
    data = members["rooms.eml"].data
    assert identify(data, len(data), b"rooms.eml").mime == "message/rfc822"
    assert opened(data)[0]["1 body.txt"].data == b"she pays"


def test_apple_mail_and_mail_behind_a_from_line() -> None:
    mail = HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"she pays") + b"\r\n"
    data = b"%d\n" % len(mail) + mail + b'<?xml version="1.0"?><plist/>'
    assert identify(data, len(data), b"1.emlx").mime == "message/rfc822"
    assert opened(data)[0]["1 body.txt"].data == b"she pays"
    assert opened(b"From x@y Wed Mar 20 21:40:00 2024\n" + mail)[0]["1 body.txt"].data == b"she pays"


def test_uuencoding_in_the_text() -> None:
    import binascii

    lines = b"".join(binascii.b2a_uu(b"name;debt\nmaria;5000\n"[at : at + 45]) for at in range(0, 21, 45))
    data = HEAD + b"\r\nlist:\r\nbegin 644 list.csv\r\n" + lines + b"`\r\nend\r\n"
    assert opened(data)[0]["list.csv"].data == b"name;debt\nmaria;5000\n"


def test_encrypted_parts_are_told() -> None:
    data = (
        HEAD
        + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(bytes(99))
    )
    members, problems = opened(data)
    assert set(members) == {"smime.p7m"} and [item.reason for item in problems] == [Reason.ENCRYPTED]
    data = HEAD + b"\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc\r\n-----END PGP MESSAGE-----"
    assert [item.reason for item in opened(data)[1]] == [Reason.ENCRYPTED]
    data = multipart(
        b"Content-Type: application/octet-stream; name=msg.asc\r\n\r\n-----BEGIN PGP MESSAGE-----\r\nabc",
        kind=b"encrypted",
    )
    assert [item.reason for item in opened(data)[1]] == [Reason.ENCRYPTED]


def test_what_a_signature_wraps_is_read() -> None:
    inner = b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"she pays")
    data = (
        HEAD
        + b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(bytes(60) + inner + bytes(40))
    )
    members, problems = opened(data)
    assert inner in members["1 signed.eml"].data and problems == []


def test_broken_parts_are_told_and_read_as_far_as_they_go() -> None:
    data = multipart(
        b"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(b"she pays now")[:-3]
    )
    members, problems = opened(data)
    assert members["1 body.txt"].data.startswith(b"she pays") and [item.reason for item in problems] == [Reason.CORRUPT]
    members, problems = opened(HEAD + b"Content-Type: multipart/mixed; boundary=no\r\n\r\nwords without a boundary")
    assert [item.reason for item in problems] == [Reason.CORRUPT]
    data = multipart(b"Content-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"one"))[
        : -len(b"--=_x--\r\nepilogue")
    ]
    assert opened(data)[0]["1 body.txt"].data == b"one"


def test_deep_and_wide_messages_stop_at_a_limit() -> None:
    deep = HEAD + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3000))
    assert [item.reason for item in opened(deep)[1]] == [Reason.LIMIT]
    wide = HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 20_000
    assert Reason.LIMIT in [item.reason for item in opened(wide)[1]]
    many = HEAD + b"X-A: b\r\n" * 100_000 + b"\r\nx"
    opened(many)
    assert len(mime.read_headers(many, 0, len(many)).lines) == mime.MAX_HEADERS
    for unit in (b"=?utf-8?q?x?= ", b'; a="b\\\\', b"begin 644 x\n", b"--", b'"', b"=?" * 9):
        opened(HEAD + b"Content-Type: multipart/mixed; boundary=b" + unit * 20_000 + b"\r\n\r\n" + unit * 20_000)


def test_spent_budget_is_told() -> None:
    parts = [b"Content-Disposition: attachment; filename=a%d\r\n\r\ndata" % number for number in range(9)]
    members, problems = opened(multipart(*parts), Budget(remaining_members=4, source_bytes=1))
    assert len(members) == 4 and [item.reason for item in problems] == [Reason.LIMIT]
    big = multipart(
        b"Content-Disposition: attachment; filename=a\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + base64.b64encode(bytes(5000))
    )
    members, problems = opened(big, Budget(max_member_bytes=1000))
    assert len(members["a"].data) == 1000 and problems[0].reason is Reason.LIMIT


def test_any_mutation_raises_nothing() -> None:
    data = multipart(
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<b>=D0=B4</b>",
        b"Content-Type: multipart/alternative; boundary=in\r\n\r\n--in\r\n\r\na\r\n--in\r\n\r\nb\r\n--in--",
        b"Content-Type: image/png; name*0*=utf-8''%D0; name*1=b\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA",
        b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n#86)C\r\n`\r\nend",
    )
    for changed in mutations(data, 1, 400):
        opened(changed)
