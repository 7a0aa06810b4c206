"""Markup: words as a reader sees them, each with its way back to the bytes; linear on anything."""

from __future__ import annotations

import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.text_map import byte_offset, check_map
from triage.content.extractors import extract, interface, markup, text_builder
from triage.model.content import ContentType, TextSegment

HTML = ContentType("text/html", "HTML page", "text")
XML = ContentType("application/xml", "XML document", "text")
SVG = ContentType("image/svg+xml", "SVG picture", "text")
W = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
A = b'<p:sld xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" xmlns:a="x">'
S = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
O = b'<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"><office:body>'


def body(kind: ContentType, data: bytes) -> str:
    """The text of the main segment, empty where there is none; its map is checked on the way."""
    found = [item for item in extract(kind, data) if item.label == ""]
    for item in found:
        check_map(item, data)
    return found[0].text.rstrip() if found else ""


def place(kind: ContentType, data: bytes, word: str) -> int:
    """Byte offset that the map gives for a word."""
    for item in extract(kind, data):
        if word in item.text:
            return byte_offset(item, item.text.index(word))
    raise AssertionError(word)


# Office


def test_word_split_over_runs_joins_and_paragraphs_do_not() -> None:
    data = W + (b"<w:p><w:r><w:t>deb</w:t></w:r><w:r><w:rPr><w:b/></w:rPr><w:t>t</w:t></w:r></w:p>\n"
                b'<w:p><w:r><w:t xml:space="preserve"> owed </w:t></w:r><w:r><w:t>now</w:t><w:br/><w:t>x</w:t></w:r></w:p>')  # fmt: skip
    assert body(XML, data) == "debt\n owed now\nx"
    assert place(XML, data, "debt") == data.index(b"deb<")
    assert place(XML, data, "now") == data.index(b"now")


def test_word_tables_tabs_deleted_text_and_field_codes() -> None:
    data = W + (b"<w:tbl><w:tr><w:tc><w:p><w:r><w:t>a</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>b</w:t></w:r></w:p></w:tc></w:tr>"
                b"</w:tbl><w:p><w:r><w:delText>gone</w:delText></w:r><w:r><w:tab/></w:r><w:r><w:instrText>HYPERLINK x</w:instrText>"
                b"</w:r></w:p>")  # fmt: skip
    text = body(XML, data)
    assert text.split() == ["a", "b", "gone", "HYPERLINK", "x"]
    assert "ab" not in text and "gone\tHYPERLINK" in text


def test_elements_that_are_not_text_say_nothing() -> None:
    assert extract(XML, W + b"<w:p><w:pPr>noise</w:pPr> \n <w:t/>noise</w:p>") == ()


def test_shared_strings_and_sheets() -> None:
    data = S + b"<si><r><t>+359 88</t></r><r><t>0 1</t></r></si><si><t>AT&amp;T</t><rPh><t>k</t></rPh></si></sst>"
    assert body(XML, data).split("\n")[:2] == ["+359 880 1", "AT&T\tk"]
    sheet = (b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">'
             b'<c r="A1" t="s"><v>17</v></c><c r="B1"><v>3000</v></c><c r="C1" t="inlineStr"><is><t>paid</t></is></c></row>'
             b'<row r="2"><c t="str"><v>x</v></c></row></sheetData></worksheet>')  # fmt: skip
    assert body(XML, sheet).split() == ["3000", "paid", "x"]


def test_slides() -> None:
    data = A + b"<a:p><a:r><a:t>wo</a:t></a:r><a:r><a:t>rk</a:t></a:r></a:p><a:p><a:t>abroad</a:t></a:p></p:sld>"
    assert body(XML, data).strip() == "work\nabroad"


def test_opendocument() -> None:
    data = O + (b'<text:p text:style-name="x">de<text:span>b</text:span>t<text:s/>of<text:tab/>one</text:p>\n  <table:table-row>'
                b"<table:table-cell><text:p>a</text:p></table:table-cell><table:table-cell><text:p>b</text:p></table:table-cell>"
                b"</table:table-row><office:binary-data>QUJD</office:binary-data>")  # fmt: skip
    assert body(XML, data).split() == ["debt", "of", "one", "a", "b"]


# HTML


def test_html_inline_joins_blocks_break_scripts_are_left_out() -> None:
    data = (b"<!DOCTYPE html><html><head><title>Jobs</title><script>var x = '<b>no</b>';</script><style>p{}</style></head><body>"
            b"<P>de<b>b</b>t</P><!-- note --><div>two   words\n here</div><table><tr><td>a</td>\n<td>b</td></tr></table>x<br>y")  # fmt: skip
    assert body(HTML, data) == "Jobs\ndebt\ntwo words here\na \tb\nx\ny"
    assert place(HTML, data, "debt") == data.index(b"de<b>")
    assert place(HTML, data, "words here") == data.index(b"words\n here")
    assert place(HTML, data, "here") == data.index(b"here")


def test_preformatted_text_keeps_its_lines() -> None:
    assert body(HTML, b"<pre>one\n  two</pre><p>three\n four</p>") == "one\n  two\nthree four"


def test_references_are_characters_and_lie_where_they_begin() -> None:
    data = "<p>&#1076;&#x43E;лг &amp; caf&eacute;&nbsp;x &#128512; &#55357;&#56832; pass&shy;port &bogus; &#0; &#x110000; AT&T</p>".encode()
    text = body(HTML, data)
    assert text.startswith("долг & café x 😀 😀 passport &bogus; \ufffd \ufffd AT&T")
    assert place(HTML, data, "долг") == 3
    assert place(HTML, data, "лг") == data.index("лг".encode())
    assert place(HTML, data, "passport") == data.index(b"pass&shy;")


def test_attribute_values_with_hidden_letters_are_a_segment() -> None:
    data = (b'<smses><sms address="1" body="&#1088;&#1072;&#1073;&#1086;&#1090;&#1072; now"/><sms body="I&apos;ll &amp; you" />'
            b'<sms body=\'&#10;x\'/></smses>')  # fmt: skip
    found = extract(XML, data)
    assert [item.label for item in found] == ["attributes"]
    assert found[0].text.split("\n")[0] == "работа now"
    assert place(XML, data, "работа") == data.index(b"&#1088;")
    check_map(found[0], data)


def test_plain_xml_says_no_more_than_its_bytes() -> None:
    assert extract(XML, b"<a><b>word</b> &amp; <c x='1'>word</c></a>") == ()
    assert extract(HTML, b"no markup at all") == ()
    assert extract(HTML, b"") == ()
    assert extract(HTML, b"<p></p>") == ()


def test_plain_xml_with_references_breaks_at_elements() -> None:
    data = "<m><t>&#1076;олг</t><u>x</u><![CDATA[raw <b> &amp;]]></m>".encode()
    assert body(XML, data).split("\n") == ["долг", "x", "raw <b> &amp;"]


def test_svg_letters_join() -> None:
    assert body(SVG, b"<svg><style>x</style><text>de<tspan x='1'>bt</tspan></text><text>y</text></svg>") == "debt\ny"


# encodings


@pytest.mark.parametrize(
    "codec",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le", "utf-32", "cp1251", "koi8-r", "gb18030", "cp932"],
)
def test_map_holds_in_every_encoding(codec: str) -> None:
    label = codec.replace("-sig", "").replace("cp1251", "windows-1251").replace("cp932", "shift_jis")
    word = (
        "пас<b>порт</b> debt &#1103; <i>работа</i>"
        if codec not in ("cp932",)
        else "日<b>本</b>語 debt &#1103; <i>仕事</i>"
    )
    plain = "паспорт debt я работа" if codec not in ("cp932",) else "日本語 debt я 仕事"
    data = f'<html><head><meta charset="{label}"></head><body><p>{word}</p></body></html>'.encode(codec)
    found = extract(HTML, data)
    assert [item.text.strip() for item in found] == [plain]
    assert check_map(found[0], data) > 10
    mark = codec.replace("-sig", "")
    mark = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(mark, mark)
    last = plain.split()[-1]
    assert byte_offset(found[0], found[0].text.index(last)) == data.index(last.encode(mark))


def test_d01_wrong_encoding_declared() -> None:
    cases = (
        ('<?xml version="1.0" encoding="UTF-16"?><a>&#1076;олг</a>'.encode(), "долг"),
        ('<?xml version="1.0" encoding="windows-1251"?><a>&#1076;олг</a>'.encode(), "долг"),
        (b'<?xml version="1.0" encoding="UTF-8"?><a>&#1076; caf' + b"\xe9</a>", "д caf?"),
        (b'<?xml version="1.0" encoding="../../etc/passwd"?><a>&#1076;</a>', "д"),
        (b'<?xml version="1.0" encoding="zlib_codec"?><a>&#1076;</a>', "д"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a>&#1076; +BDQ- plain</a>', "plain"),
        ("<a>&#1076;олг</a>".encode("utf-16-le"), "долг"),
        ("<a>&#1076;олг</a>".encode("utf-16-be") + b"\0", "долг"),
    )
    for data, word in cases:
        assert word in body(XML, data), data


def test_wrong_bytes_become_question_marks_and_shift_nothing() -> None:
    data = b"<meta charset=utf-8><p>caf\xe9 \xff\xfe \xc3\xa9 <b>debt</b></p>"
    assert body(HTML, data) == "caf? ?? é debt"
    assert place(HTML, data, "debt") == data.index(b"debt")


# hostile


def test_d01_no_entity_of_the_document_is_expanded_and_nothing_is_fetched() -> None:
    laughs = b'<!DOCTYPE lolz [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    data = b"<?xml version='1.0'?>" + laughs + b"<lolz>&b;&x;&#1076;debt</lolz>"
    text = body(XML, data)
    assert "&b;&x;дdebt" in text and "root:" not in text and "hahahaha" not in text


def count_steps(kind: ContentType, data: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """Python calls made for a document: a measure of work that no clock disturbs."""
    calls = 0

    def trace(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(trace)
    try:
        extract(kind, data)
    finally:
        sys.setprofile(None)
    return calls


UNITS = (
    b"<a ", b"<!-- ", b"<![CDATA[ ", b"<?x ", b"<! ", b"<script>", b"<p>x", b"<div>", b"</div>", b"&", b"&#", b"&#1076;", b"&#55357;",
    b'<a "\'', b"<a '<b \"", b'<a "<a" \'<b\' ', b"\xff<p>", b"<pre> ", b"a  b ", b'<p x="&#1;', b'="', b"<!", b"<style", b"]]>",
)  # fmt: skip


@pytest.mark.parametrize("unit", UNITS, ids=[repr(unit) for unit in UNITS])
def test_d02_work_grows_with_the_length(unit: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (HTML, XML):
        head = b"<x>&#1076;</x>"
        extract(kind, head + unit)
        small = count_steps(kind, head + unit * 500, monkeypatch)
        large = count_steps(kind, head + unit * 2000, monkeypatch)
        assert large < 4.4 * small + 500, (kind.mime, small, large)


@pytest.mark.parametrize("unit", UNITS, ids=[repr(unit) for unit in UNITS])
def test_d02_large_hostile_pages_end(unit: bytes) -> None:
    """Work inside one call of the pattern is seen by no count: here it would show as minutes."""
    length = 300_000
    data = b"<p>&#1076;first</p>" + unit * (length // len(unit)) + b"<p>needle</p>"
    for item in extract(HTML, data):
        assert "first" in item.text or item.label


def test_d02_text_below_200_000_tags_and_8_000_open_ones_is_found() -> None:
    assert "needle" in body(HTML, b"<div>" * 200_000 + b"needle" + b"</div>" * 200_000)
    assert "needle" in body(HTML, b"<a " * 8000 + b"<p>needle</p>")
    assert "needle" in body(HTML, b"<!-- " * 10_000 + b"<p>needle</p>")
    assert "needle" in body(HTML, b"<script> " * 10_000 + b"<p>needle</p>")
    assert "needle" in body(HTML, b'<p title="' + b"x" * (2 << 20) + b'">needle</p>')


def test_d02_a_missing_end_is_looked_for_once() -> None:
    searches = 0

    def trace(frame: object, event: str, argument: object) -> None:
        nonlocal searches
        searches += event == "c_call" and getattr(argument, "__name__", "") in ("search", "find")

    for unit in (b"<script>", b"<style>", b"<!--", b"<![CDATA[", b"<?"):
        searches = 0
        sys.setprofile(trace)
        try:
            extract(HTML, unit * 1000)
        finally:
            sys.setprofile(None)
        assert searches < 50, unit


def test_d02_many_names_are_not_remembered() -> None:
    data = b"".join(b"<n%d>x" % number for number in range(30_000))
    extract(HTML, data)
    from triage.content.extractors.dialects import HTML as DIALECT

    assert len(DIALECT._acts) <= 4096


def test_limits_are_told_in_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (interface.MAX_BYTES, interface.MAX_RUNS) == (64 << 20, 500_000)
    monkeypatch.setattr(interface, "MAX_RUNS", 50)
    monkeypatch.setattr(text_builder, "MAX_RUNS", 50)
    found = extract(HTML, b"<p>" + b"<b>x</b>\n" * 100)
    assert len(found[0].offsets) == 50 and found[0].label == "cut at 50 runs"
    monkeypatch.setattr(markup, "MAX_BYTES", 1 << 20)
    monkeypatch.setattr(interface, "MAX_BYTES", 1 << 20)
    found = extract(HTML, b"<p>" + b"word " * (1 << 18))
    assert len(found[0].text) <= 1 << 20 and found[0].label == "cut at 1 MiB"


def test_memory_is_a_small_multiple_of_the_content() -> None:
    data = b"<p>some words of a page, no more than that</p>\n" * 40_000
    tracemalloc.start()
    extract(HTML, data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 * len(data)


# properties

WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="<>&\"'\u00ad\u200b\u2060\ufeff\u00a0"),
    min_size=1,
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(WORDS, st.sampled_from(["", "<b>", "</b>", "<p>", "<br/>", "<!-- c -->", "&amp;", "&#1076;"])), min_size=1, max_size=20),
       st.sampled_from(["utf-8", "utf-16-le", "utf-32"]))  # fmt: skip
def test_every_plain_character_lies_where_the_map_says(pieces: list[tuple[str, str]], codec: str) -> None:
    data = ("<body>" + "".join(word + tag for word, tag in pieces)).encode(codec)
    for item in extract(HTML, data):
        check_map(item, data)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*UNITS, b"<w:t>", b"</w:t>", b"word", b">", b'"', b"'", b"/", b"\0", b"\xe9", b"\xd0\xb4", b"-->", b"<td>", b" ", W]), max_size=40),
       st.binary(max_size=60))  # fmt: skip
def test_any_bytes_give_segments(parts: list[bytes], noise: bytes) -> None:
    data = b"".join(parts) + noise
    for kind in (HTML, XML, SVG):
        for case in (data, data.decode("latin-1").encode("utf-16"), W + data):
            for item in extract(kind, case):
                assert isinstance(item, TextSegment)
                check_map(item, case)
                item.text.encode("utf-8")


def test_memoryview_gives_the_same() -> None:
    data = b"<p>de<b>b</b>t</p>"
    assert extract(HTML, memoryview(data)) == extract(HTML, data)


def test_libmagic_does_not_steer_extraction() -> None:
    assert extract(ContentType("text/html", "HTML", "libmagic"), b"<p>de<b>b</b>t</p>") == ()
