"""Whatever Python's own search finds in a text, the keyword search finds, in any encoding and among any bytes."""

import random
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.detectors import engine, gates, literals, probe
from triage.detectors.keywords import BLOCK, KeywordDetector
from triage.model.content import ContentNames, TextSegment
from triage.model.rules import KeywordTerm
from triage.model.stream import MemoryStream

NAMES = ContentNames("a.dd p1:/x", "x", "/x")
EXPRESSIONS = (
    r"\b(?:passports?|visas?)\b[^.!?\x00]{0,30}\b(?:hold|held|keep|kept)\w{0,4}\b",
    r"\b(?:she|he|they)\s{1,3}(?:owes?|must\s{1,3}pay)\b.{0,20}\d{2,5}\s?(?:€|euros?|usd)?",
    r"(?:\bhalf\b|\b\d{2}\s{0,3}%)[^.!?\x00]{0,12}\b(?:for|to)\s{1,3}(?:me|the\s{1,3}boss)\b",
    r"\b(?:тетрадк\w{0,8}|долг\w{0,4})\b[^.!?\x00]{0,20}\b(?:плат|отраб)\w{0,10}",
    r"(?:没收|扣).{0,4}(?:护照|手机)",
    r"(?:หนังสือเดินทาง|พาสปอร์ต).{0,6}คืน",
    r"جواز.{0,10}(?:معي|عندي)",
    r"\bkimliğ\w{0,8}\b[^.!?\x00]{0,20}\b(?:aldı|ver)\w{0,8}",
    r"\b\d{2,3}\W{0,3}(?:qv|hh)\b",
    r"\b(?:demi[- ]heure|1\s?h|une heure)\b\W{0,4}\d{2,4}",
    r"[A-Z]{2}\d{6}",
    r"(?:ab|ba){2,4}!",
)
TERMS = tuple(
    KeywordTerm(f"k/e#{number}", source, "regex", "substring", False, (), ("cp1251", "gb18030", "cp1254"))
    for number, source in enumerate(EXPRESSIONS, 1)
) + (
    KeywordTerm("k/l#1", "дълг за пътя", "literal", "word", False, (), ("cp1251",)),
    KeywordTerm("k/l#2", "kept in the flat", "literal", "word", False, (), ()),
    KeywordTerm("k/l#3", "护照", "literal", "substring", False, (), ("gb18030",)),
)
FILLER = st.text(st.sampled_from("aeinorst паспорт dolg 护照 .,'"), max_size=60)
MATCHING = st.sampled_from(EXPRESSIONS).flatmap(
    lambda source: st.from_regex(re.compile(source, re.IGNORECASE | re.DOTALL), fullmatch=True)
)


@pytest.fixture(scope="module")
def detector():
    return KeywordDetector(TERMS)


def expected(text):
    """Rules of expressions that match somewhere."""
    return {
        term.rule for term in TERMS if term.kind == "regex" and re.search(term.term, text, re.IGNORECASE | re.DOTALL)
    }


def clean(text):
    """Without what ends a match: control characters, what does not decode, empty and dated lines."""
    return "".join(
        " " if unicodedata.category(character) in ("Cc", "Cs") or character == "\ufffd" else character
        for character in text
    )


@settings(max_examples=400, deadline=None)
@given(before=FILLER, match=MATCHING, after=FILLER)
def test_what_matches_in_a_text_is_found_in_its_utf_8(detector, before, match, after):
    text = clean(before + match + after)
    found = {hit.rule for hit in detector.scan(text.encode(), NAMES).hits if hit.rule.startswith("k/e#")}
    assert found == expected(text)


@settings(max_examples=200, deadline=None)
@given(before=FILLER, match=MATCHING, after=FILLER)
def test_text_that_was_decoded_is_searched_the_same(detector, before, match, after):
    text = clean(before + match + after)
    segment = TextSegment(text, ((0, 0),), "utf-8")
    whole, decoded = detector.scan(text.encode(), NAMES), detector.scan_text(segment, NAMES)
    assert [(hit.rule, hit.file_offset, hit.length) for hit in decoded.hits] == [
        (hit.rule, hit.file_offset, hit.length) for hit in whole.hits
    ]


@settings(max_examples=100, deadline=None)
@given(parts=st.lists(st.tuples(FILLER, MATCHING, FILLER), min_size=1, max_size=8))
def test_many_contents_are_searched_as_each_alone(detector, parts):
    contents = [clean("".join(part)).encode() for part in parts]
    assert detector.scan_many(contents) == [detector.scan(content, NAMES) for content in contents]


@settings(max_examples=100, deadline=None)
@given(match=MATCHING, place=st.integers(-80, 80), step=st.sampled_from((1, 2)))
def test_the_edge_of_a_block_hides_nothing(detector, match, place, step):
    text = " . " + clean(match) + " . "
    lead = b"." * (BLOCK * step + place)
    data = lead + text.encode() + b"." * BLOCK
    found = {hit.rule for hit in detector.scan_stream(MemoryStream(data), NAMES).hits}
    assert found >= expected(text)


# What stands in front of a text and behind it, so that UTF-16 of either order can be told at odd places too.
SIDES = {"utf-8": (b"\x07", b"\x07"), "utf-16-le": (b"\x07", b"\0\0"), "utf-16-be": (b"\x07", b"\x07")}


@pytest.mark.parametrize("more", [b"", b"\x01", b"\x01\x02", bytes(range(1, 8)) * 3])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["her passport is kept here", "the 20 qv price", "kept in the flat", "она долг отрабатывает"]
)
def test_text_at_any_offset_between_bytes_is_told_where_it_is(detector, more, encoding, text):
    noise = random.Random(7).randbytes(300)
    front, behind = SIDES[encoding]
    data = noise + more + front + ("\n. " + text + " .\n").encode(encoding) + behind + noise
    hits = detector.scan(data, NAMES).hits
    assert hits
    for hit in hits:
        assert data[hit.file_offset : hit.file_offset + hit.length].decode(encoding) == hit.matched
        assert hit.encoding.startswith(encoding)


def test_the_engine_of_last_resort_finds_the_same(monkeypatch):
    fast = KeywordDetector(TERMS)
    for module in (gates, literals, probe):
        monkeypatch.setattr(module, "make_engine", engine.YaraEngine)
    slow = KeywordDetector(TERMS)
    rng = random.Random(3)
    words = [
        "passport",
        "held",
        "visa",
        "kept",
        "she",
        "owes",
        "200",
        "euros",
        "护照",
        "没收",
        "долг",
        "платить",
        "за",
        "тетрадку",
        "60",
        "qv",
        "half",
        "to",
        "me",
        "kimliğini",
        "aldı",
    ]
    for encoding in ("utf-8", "utf-16-le", "cp1251", "gb18030"):
        text = " ".join(rng.choice(words) for _ in range(600)).encode(encoding, "replace")
        for data in (text, rng.randbytes(500) + text + rng.randbytes(500)):
            assert slow.scan(data, NAMES) == fast.scan(data, NAMES)


def test_noise_holds_no_short_words():
    terms = [
        KeywordTerm(f"k#{n}", word, "literal", "word", False, (), ()) for n, word in enumerate(("mac", "gfe", "owo"), 1)
    ]
    detector = KeywordDetector(terms)
    assert not detector.scan(random.Random(11).randbytes(8 << 20), NAMES).hits
    assert detector.scan(b"call mac today", NAMES).hits


@pytest.mark.parametrize(
    "between", ["\n20/06/2024, 17:20 - Tomi: ", "\n[2024-06-20 17:20] ", "\r\n17:20 Tomi: ", "\n\n", "\x01", "\udc81"]
)
def test_no_match_goes_from_one_message_to_the_next(detector, between):
    text = ("the passport" + between + "is kept here").encode("utf-8", "surrogateescape")
    assert not [hit for hit in detector.scan(text, NAMES).hits if hit.rule == "k/e#1"]
    assert detector.scan(b"the passport\nis kept here", NAMES).hits


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_the_order_of_a_long_text_is_told_by_its_place(detector, encoding):
    data = ("her passport is kept here. " * 4000).encode(encoding)
    found = detector.scan(data, NAMES)
    assert {hit.encoding for hit in found.hits} == {encoding}
    assert {count.rule: count.count for count in found.counts} == {"k/e#1": 4000}
