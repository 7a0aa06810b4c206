r"""vCard and iCalendar: folds, quoted-printable and escapes, with the way back."""

from __future__ import annotations

import pytest

from tests.support.mutation_lane import mutations
from tests.support.text_map import byte_offset
from triage.content.extractors import extract
from triage.content.identify import identify
from triage.model.content import TextSegment


def segments(data: bytes, name: bytes = b"a.vcf") -> tuple[TextSegment, ...]:
    found = extract(identify(data, len(data), name), data)
    for item in found:
        assert item.offsets[0][0] == 0
        assert all(a[0] < b[0] and a[1] <= b[1] for a, b in zip(item.offsets, item.offsets[1:], strict=False))
    return found


def test_folded_lines_are_put_together() -> None:
    data = b"BEGIN:VCALENDAR\r\nDESCRIPTION:keep her pass\r\n port with\r\n\t the others\r\nSUMMARY:plain\r\nEND:VCALENDAR\r\n"
    [item] = segments(data, b"a.ics")
    assert item.text == "DESCRIPTION:keep her passport with the others"
    assert byte_offset(item, item.text.index("port")) == data.index(b"port with")
    # One letter cut in two by a fold, as writers that count bytes do.
    letters = "долг".encode()
    cut = b"BEGIN:VCARD\nNOTE:" + letters[:3] + b"\n " + letters[3:] + b"\n  and\nEND:VCARD\n"
    assert segments(cut)[0].text == "NOTE:долг and"


@pytest.mark.parametrize(
    ("charset", "codec"), [(b";CHARSET=UTF-8", "utf-8"), (b";CHARSET=WINDOWS-1251", "cp1251"), (b"", "utf-8")]
)
def test_quoted_printable(charset: bytes, codec: str) -> None:
    words = "долг марии"
    hexed = b"".join(b"=%02X" % byte for byte in words.encode(codec))
    data = (
        b"BEGIN:VCARD\r\nVERSION:2.1\r\nNOTE;ENCODING=QUOTED-PRINTABLE"
        + charset
        + b":"
        + hexed[:30]
        + b"=\r\n"
        + hexed[30:]
        + b"\r\nTEL:+44 7700 900123\r\nEND:VCARD\r\n"
    )
    [item] = segments(data)
    assert item.text.partition(":")[2] == words and item.label == "fields"
    assert byte_offset(item, item.text.index("д")) == data.index(hexed[:3])
    last = byte_offset(item, len(item.text) - 1)
    assert data[last : last + 3] == hexed[-3 * len("и".encode(codec)) :][:3]


def test_escapes_and_what_stays_out() -> None:
    data = b"BEGIN:VCARD\nNOTE:one\\ntwo\\, three\\; four\\\\ five \\x\nPHOTO;ENCODING=BASE64;TYPE=JPEG:AAAA\n BBBB\n\nEND:VCARD\n"
    [item] = segments(data)
    assert item.text == "NOTE:one\ntwo, three; four\\ five \\x"
    assert segments(b"BEGIN:VCARD\nFN:Maria\nEND:VCARD\n") == ()


def test_hostile_length_and_mutations() -> None:
    for unit in (b"=", b"\\", b';A="', b"\r\n ", b"NOTE;QUOTED-PRINTABLE:=\n", b":", b"=D0"):
        segments(b"BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:" + unit * (60_000 // len(unit)))
    data = b"BEGIN:VCARD\nNOTE;ENCODING=QUOTED-PRINTABLE:=D0=B4=\n=D0=BE\nX:a\\n\n b\nEND:VCARD\n"
    for changed in mutations(data, 9, 400):
        segments(changed)
