"""PDF: text by page, what stands beside it, files inside; hostile files cost only themselves."""

from __future__ import annotations

import random
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from tests.support.archives import HERE
from tests.support.pdf_files import PdfFile
from triage.content.decoders import DECODERS, Budget, Member, decode, pdf
from triage.content.decoders.interface import numbers_words
from triage.content.formats.dates import pdf_date
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason

PDF = ContentType("application/pdf", "PDF document", "signature")


def opened(data: bytes, budget: Budget | None = None) -> tuple[dict[str, bytes], list[Problem]]:
    members: dict[str, bytes] = {}
    problems: list[Problem] = []
    for item in decode(PDF, memoryview(data), HERE, budget or Budget()) or ():
        if isinstance(item, Member):
            assert item.name.decode() not in members
            members[item.name.decode()] = item.data
        else:
            problems.append(item)
    return members, problems


def sample() -> PdfFile:
    made = PdfFile()
    made.add_page("Contract for the flat", "she pays 500 a week (café)")
    made.add_page("second page", "her passport stays with me")
    made.info = {"Title": "House rules", "Author": "Greg", "CreationDate": "D:20240320214000+02'00'"}
    return made


def test_text_by_page_and_metadata() -> None:
    members, problems = opened(sample().bytes())
    assert members["page 1"].decode().split("\n") == ["Contract for the flat", "she pays 500 a week (café)"]
    assert b"her passport stays with me" in members["page 2"]
    assert b"Title: House rules\nAuthor: Greg" in members["metadata"]
    assert problems == []


def test_parts_are_parts_and_attachments_are_files() -> None:
    made = sample()
    made.add_attachment("list.csv", b"name;debt\nmaria;5000\n" * 50)
    items = [item for item in decode(PDF, made.bytes(), HERE, Budget()) or () if isinstance(item, Member)]
    by_name = {item.name: item for item in items}
    assert by_name[b"page 1"].part_of_document and by_name[b"metadata"].part_of_document
    attached = by_name[b"list.csv"]
    assert not attached.part_of_document and attached.data == b"name;debt\nmaria;5000\n" * 50
    assert attached.times.mtime == 1710970800 * 10**9


def test_comments_forms_and_links() -> None:
    made = PdfFile()
    field = made.add(b"<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)/V(4200 EUR)/Rect[0 0 9 9]/DA(/F1 0 Tf)/F 4>>")
    note = made.add(b"<</Type/Annot/Subtype/Text/T(Greg)/Contents(move her on friday)/Rect[0 0 9 9]>>")
    link = made.add(b"<</Type/Annot/Subtype/Link/Rect[0 0 9 9]/A<</S/URI/URI(https://t.me/room)>>>>")
    made.add_page("form", extra=b"/Annots[%d 0 R %d 0 R %d 0 R]" % (field, note, link))
    made.catalog += b"/AcroForm<</Fields[%d 0 R]>>" % field
    members, problems = opened(made.bytes())
    text = members["page 1 annotations"].decode()
    for words in ("amount", "4200 EUR", "Greg\nmove her on friday", "https://t.me/room"):
        assert words in text
    assert problems == []


def test_invisible_text_is_read() -> None:
    made = PdfFile()
    made.add_page("under the picture", operators=b"3 Tr ")
    assert opened(made.bytes())[0]["page 1"] == b"under the picture"


def test_earlier_revision_is_read_where_it_differs() -> None:
    old = sample()
    first = old.bytes()
    content = zlib.compress(b"BT /F1 12 Tf 72 720 Td (nothing to see) Tj ET")
    old.objects[4] = b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(content), content)
    data = old.bytes(before=first)
    members, problems = opened(data)
    assert members["page 1"] == b"nothing to see"
    [name] = [name for name in members if name.startswith("revision")]
    assert name.endswith("page 1") and b"she pays 500" in members[name]
    assert problems == []


def test_pages_without_text_are_counted_and_told() -> None:
    made = sample()
    picture = made.add_stream(
        bytes(300), b"/Type/XObject/Subtype/Image/Width 10/Height 10/ColorSpace/DeviceRGB/BitsPerComponent 8"
    )
    stream = made.add_stream(b"q 600 0 0 700 0 0 cm /I Do Q")
    for _ in range(3):
        page = made.add(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</XObject<</I %d 0 R>>>>/Contents %d 0 R>>"
            % (picture, stream)
        )
        made.pages.append(page)
    made.pages.append(made.add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]>>"))  # blank: nothing is missing
    members, problems = opened(made.bytes())
    assert {"page 1", "page 2"} <= set(members)
    [told] = problems
    assert told.reason is Reason.UNSUPPORTED and told.examined_anyway
    assert "3 of 6 pages" in told.message and "pages 3-5" in told.message and "OCR is not run" in told.message


def _encrypted(user: bytes) -> bytes:
    """Encrypted with RC4, 40 bits (PDF 1.7, 7.6.3): the strings need not be right for the question of the password."""
    import hashlib

    pad = bytes.fromhex("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a")

    def rc4(key: bytes, data: bytes) -> bytes:
        state, j, out = list(range(256)), 0, bytearray()
        for i in range(256):
            j = (j + state[i] + key[i % len(key)]) % 256
            state[i], state[j] = state[j], state[i]
        i = j = 0
        for byte in data:
            i = (i + 1) % 256
            j = (j + state[i]) % 256
            state[i], state[j] = state[j], state[i]
            out.append(byte ^ state[(state[i] + state[j]) % 256])
        return bytes(out)

    user_padded = (user + pad)[:32]
    owner = rc4(hashlib.md5((b"owner" + pad)[:32]).digest()[:5], user_padded)
    key = hashlib.md5(user_padded + owner + (-4 & 0xFFFFFFFF).to_bytes(4, "little") + b"0123456789abcdef").digest()[:5]
    made = PdfFile()
    made.add_page("behind the password")
    for number, body in list(made.objects.items()):
        if b"stream\n" in body:
            head, _, rest = body.partition(b"stream\n")
            inner = rest[: -len(b"\nendstream")]
            object_key = hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]
            made.objects[number] = head + b"stream\n" + rc4(object_key, inner) + b"\nendstream"
    number = made.add(
        b"<</Filter/Standard/V 1/R 2/Length 40/P -4/O<%s>/U<%s>>>"
        % (owner.hex().encode(), rc4(key, pad).hex().encode())
    )
    return made.bytes().replace(
        b"/Root 1 0 R",
        b"/Root 1 0 R/Encrypt %d 0 R/ID[<%s><%s>]"
        % (number, b"0123456789abcdef".hex().encode(), b"0123456789abcdef".hex().encode()),
    )


def test_encrypted_with_an_empty_password_opens_and_with_another_is_told() -> None:
    members, problems = opened(_encrypted(b""))
    assert members["page 1"] == b"behind the password" and problems == []
    members, problems = opened(_encrypted(b"secret"))
    assert members == {} and [item.reason for item in problems] == [Reason.ENCRYPTED]
    assert problems[0].bytes_not_examined and not problems[0].examined_anyway


def test_broken_and_truncated_files_are_told() -> None:
    data = sample().bytes()
    members, problems = opened(data[: data.rfind(b"xref") - 100])
    assert [item.reason for item in problems] in ([Reason.TRUNCATED], [Reason.CORRUPT])
    members, problems = opened(b"%PDF-1.7\nno objects at all")
    assert members == {} and [item.reason for item in problems] == [Reason.CORRUPT]


def test_limits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    made = PdfFile()
    for number in range(8):
        made.add_page(f"page number {number} " + "x" * 50)
    data = made.bytes()
    monkeypatch.setattr(pdf, "MAX_PAGES", 3)
    members, problems = opened(data)
    assert len(members) == 3 and "first 3" in problems[0].message and problems[0].reason is Reason.LIMIT
    monkeypatch.setattr(pdf, "MAX_PAGES", 5000)
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 100)
    members, problems = opened(data)
    assert len(members) == 2 and problems[0].reason is Reason.LIMIT and "characters" in problems[0].message
    monkeypatch.setattr(pdf, "MAX_CHARACTERS", 1 << 20)
    monkeypatch.setattr(pdf, "SECONDS", -1.0)
    members, problems = opened(data)
    assert not any(name.startswith("page") for name in members) and "clock" in problems[0].message
    monkeypatch.setattr(pdf, "SECONDS", 40.0)
    members, problems = opened(data, Budget(remaining_members=2, source_bytes=1))
    assert len(members) == 2 and problems[0].reason is Reason.LIMIT


def test_attachment_over_the_limit_is_told() -> None:
    made = sample()
    made.add_attachment("zeros.bin", bytes(3 << 20))
    members, problems = opened(made.bytes(), Budget(max_member_bytes=1 << 20))
    assert "zeros.bin" not in members and "page 2" in members
    assert [item.reason for item in problems] == [Reason.LIMIT] and problems[0].address.endswith("!/zeros.bin")


def test_loops_and_claims() -> None:
    made = sample()
    made.catalog += b"/Outlines 90 0 R/Names<</EmbeddedFiles 95 0 R/JavaScript<</Names[(a) 96 0 R]>>>>"
    made.objects[90] = b"<</First 91 0 R/Last 92 0 R/Count 2>>"
    made.objects[91] = b"<</Title(chapter one)/Parent 90 0 R/Next 92 0 R/First 91 0 R>>"
    made.objects[92] = b"<</Title(chapter two)/Parent 90 0 R/Next 91 0 R>>"
    made.objects[95] = b"<</Kids[95 0 R 95 0 R]>>"
    made.objects[96] = b"<</S/JavaScript/JS(app.alert\\(1\\))>>"
    members, _ = opened(made.bytes())
    assert members["outline"] == b"chapter one\nchapter two"
    assert members["scripts"] == b"app.alert(1)"
    tree = sample()
    tree.objects[40] = b"<</Type/Pages/Count 999999999/Kids[40 0 R 2 0 R]>>"
    tree.pages.append(40)
    members, _ = opened(tree.bytes())
    assert b"Contract" in members["page 1"]


def test_any_mutation_raises_nothing() -> None:
    made = sample()
    made.add_attachment("a.txt", b"words " * 40)
    data = made.bytes()
    turn = random.Random(20240320)
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(turn.choice((1, 3, 20))):
            changed[turn.randrange(len(changed))] = turn.randrange(256)
        cut = bytes(changed[: turn.randrange(len(changed))]) if turn.random() < 0.3 else bytes(changed)
        members, problems = opened(cut)
        assert members or problems


def test_missing_library_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    members, problems = opened(sample().bytes())
    assert members == {} and [item.reason for item in problems] == [Reason.UNSUPPORTED]
    assert next(unit for unit in DECODERS if unit.name == "pdf").needs in problems[0].hint


@pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs pdftotext as a second opinion")
def test_words_equal_those_of_pdftotext(tmp_path: Path) -> None:
    made = PdfFile()
    for number in range(5):
        made.add_page(*(f"line {line} of page {number}: naïve (bracket) ü" for line in range(20)))
    path = tmp_path / "a.pdf"
    path.write_bytes(made.bytes())
    told = subprocess.run(["pdftotext", "-enc", "UTF-8", path, "-"], capture_output=True, check=True).stdout.decode()
    members, _ = opened(path.read_bytes())
    ours = " ".join(members[f"page {number}"].decode() for number in range(1, 6))
    assert ours.split() == told.split()


def test_dates_and_numbers() -> None:
    assert pdf_date("D:20240320214000+02'00'") == 1710963600 * 10**9
    assert pdf_date("D:2024") == 1704067200 * 10**9
    for odd in ("", "D:", "D:20249920", "D:00000101", "never", "D:20240320214000+99'99'"):
        pdf_date(odd)
    assert numbers_words([1, 2, 3, 5, 8, 9]) == "1-3, 5, 8-9"
    assert numbers_words(list(range(0, 100, 2))).endswith("...")
