"""Terms are found in every encoding, at their offsets, and only where they stand alone."""

import pytest

from triage.detectors.keywords import KeywordDetector
from triage.model.content import ContentNames
from triage.model.rules import KeywordTerm
from triage.model.stream import MemoryStream

NAMES = ContentNames("a.dd p1:/x", "x", "/x")
TERMS = (
    KeywordTerm("k#1", "дълг за пътя", "literal", "word", False, (), ("cp1251",)),
    KeywordTerm("k#2", r"\bpassports?\b[^.!?\x00]{0,40}\bpaid\b", "regex", "substring", False, (), ()),
    KeywordTerm("k#4", r"(?:没收|扣押).{0,4}护照", "regex", "substring", False, (), ("gb18030",)),
    KeywordTerm("k#5", r"(?:หนังสือเดินทาง).{0,6}คืน", "regex", "substring", False, (), ("cp874",)),
    KeywordTerm("k#3", r"\b\d{2,3}\W{0,3}(?:qv|hh)\b", "regex", "substring", False, (), ()),
)


@pytest.fixture(scope="module")
def detector():
    return KeywordDetector(TERMS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp1251"])
def test_a_literal_is_found_in_every_encoding_and_case(detector, encoding):
    lead = "текст: ".encode(encoding)
    data = lead + "ДЪЛГ за Пътя, край".encode(encoding)
    (hit,) = [hit for hit in detector.scan(data, NAMES).hits if hit.rule == "k#1"]
    assert (hit.file_offset, hit.matched) == (len(lead), "ДЪЛГ за Пътя")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("rule", "text"),
    [("k#2", "Passport back when paid"), ("k#3", "60 qv"), ("k#4", "扣押她护照"), ("k#5", "หนังสือเดินทาง ไม่คืน")],
)
def test_an_expression_is_found_in_every_encoding(detector, encoding, rule, text):
    lead = "some words in front ".encode(encoding)
    hits = detector.scan(lead + (text + " and more").encode(encoding), NAMES).hits
    assert [(hit.rule, hit.file_offset) for hit in hits] == [(rule, len(lead))]


def test_a_word_inside_a_word_is_none(detector):
    assert not detector.scan("предълг за пътят".encode(), NAMES).hits


@pytest.mark.parametrize("window", [1 << 16, 1 << 17])
def test_windows_find_what_the_whole_finds(detector, window):
    data = (b"x" * 5000 + b" passport until paid. ") * 60
    whole = detector.scan(data, NAMES)
    assert detector.scan_stream(MemoryStream(data), NAMES, window=window).hits == whole.hits
    assert whole.counts[0].count == 60
