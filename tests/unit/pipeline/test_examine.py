"""Entries that are searched together come out as each alone; what fails costs only itself."""

import io
import zipfile

import pytest

from triage.detectors.keywords import KeywordDetector
from triage.detectors.yara import YaraDetector
from triage.errors import EvidenceError, TriageError
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.problem import Reason
from triage.model.result import EntryResult
from triage.model.rules import KeywordTerm, YaraSource
from triage.model.stream import MemoryStream
from triage.pipeline.examine import RAW_ONLY, Detectors, Examiner
from triage.pipeline.options import Limits
from triage.pipeline.worker import _groups

TERMS = (
    KeywordTerm("k#1", r"\bpassports?\b[^.!?\x00]{0,40}\bkept\b", "regex", "substring", False, (), ()),
    KeywordTerm("k#2", "she owes", "literal", "word", False, (), ()),
)
YARA = YaraSource("n", "n.yar", 'rule owes { strings: $a = "owes" condition: $a }')


class Files:
    """A file system of a dictionary."""

    def __init__(self, contents):
        self.contents = contents

    def begin(self):
        pass

    def lost(self, entry):
        return ()

    def read_whole(self, entry, limit):
        data = self.contents[entry.address.path]
        if isinstance(data, Exception):
            raise data
        return data

    def open_entry(self, entry):
        data = self.contents[entry.address.path]
        if isinstance(data, Exception):
            raise data
        return MemoryStream(data)


def zipped(**members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


CONTENTS = {
    b"/a.txt": b"the passport is kept here. she owes 300.",
    b"/b.txt": b"nothing to see",
    b"/copy of a.txt": b"the passport is kept here. she owes 300.",
    b"/c.html": b"<!DOCTYPE html><html><body><p>the pass<b>port</b> is kept</p></body></html>",
    b"/d.zip": zipped(inner="she owes\n"),
    b"/e.bin": bytes(range(256)) * 4 + "she owes".encode("utf-16-le") + bytes(64),
    b"/empty": b"",
}


def entries(contents):
    return [
        Entry(Address("x.dd", "p1", path), EntryType.FILE, len(data) if isinstance(data, bytes) else 10, 1)
        for path, data in contents.items()
    ]


@pytest.fixture(scope="module")
def detectors():
    return Detectors(KeywordDetector(TERMS), YaraDetector([YARA]))


def alone(detectors, contents, limits=None, level=0):
    examiner = Examiner(detectors, limits or Limits())
    return [examiner.examine(n, entry, Files(contents), level) for n, entry in enumerate(entries(contents), 1)]


def together(detectors, contents):
    examiner = Examiner(detectors, Limits())
    opened = [examiner.open(n, entry, Files(contents)) for n, entry in enumerate(entries(contents), 1)]
    examiner.search([entry for entry in opened if not isinstance(entry, EntryResult)])
    return [entry if isinstance(entry, EntryResult) else examiner.finish(entry) for entry in opened]


def test_together_is_as_alone(detectors):
    assert together(detectors, CONTENTS) == alone(detectors, CONTENTS)


def test_what_is_found_where(detectors):
    results = dict(zip(CONTENTS, alone(detectors, CONTENTS), strict=True))
    rules = {path: {hit.rule for hit in result.facts.hits} for path, result in results.items() if result.facts}
    assert rules[b"/a.txt"] == {"k#1", "k#2", "yara/n#owes"}
    assert rules[b"/b.txt"] == rules[b"/empty"] == set()
    assert rules[b"/c.html"] == {"k#1"}
    assert rules[b"/e.bin"] == {"k#2"}
    (child,) = results[b"/d.zip"].facts.children
    assert {hit.rule for hit in child.facts.hits} == {"k#2", "yara/n#owes"}
    assert results[b"/copy of a.txt"].facts is None
    assert results[b"/copy of a.txt"].digest == results[b"/a.txt"].digest


def test_decoded_text_shows_its_own_surroundings(detectors):
    (result,) = alone(detectors, {b"/x.html": b"<html><body><p>her passport is kept <b>here</b></p></body></html>"})
    (hit,) = result.facts.hits
    assert "<" not in hit.before + hit.after


def test_a_search_together_that_fails_is_made_alone(detectors, monkeypatch):
    wanted = alone(detectors, CONTENTS)

    def broken(contents):
        if len(contents) > 1:
            raise TriageError("no")
        return real(contents)

    real = detectors.keywords.scan_many
    monkeypatch.setattr(detectors.keywords, "scan_many", broken)
    assert together(detectors, CONTENTS) == wanted


@pytest.mark.parametrize(("error", "reason"), [(TriageError("no"), Reason.CRASHED), (MemoryError(), Reason.LIMIT)])
def test_a_detector_that_fails_costs_itself_and_is_told(detectors, monkeypatch, error, reason):
    def broken(data, names):
        raise error

    monkeypatch.setattr(detectors.keywords, "scan", broken)
    (result,) = alone(detectors, {b"/a.txt": CONTENTS[b"/a.txt"]})
    assert [(problem.stage, problem.reason) for problem in result.facts.problems] == [("detectors/keywords", reason)]
    assert {hit.rule for hit in result.facts.hits} == {"yara/n#owes"}
    assert {line.detector: line.skipped for line in result.facts.coverage} == {"keywords": 1, "yara": 0}


def test_an_entry_that_cannot_be_read_is_named(detectors):
    (result,) = alone(detectors, {b"/gone": EvidenceError("bad block")})
    assert not result.examined
    assert [problem.reason for problem in result.problems] == [Reason.UNREADABLE]


def test_the_lowest_level_leaves_yara_and_decoders_out(detectors):
    contents = {b"/d.zip": CONTENTS[b"/d.zip"], b"/a.txt": CONTENTS[b"/a.txt"]}
    archive, text = alone(detectors, contents, level=RAW_ONLY)
    assert not archive.facts.children
    assert {hit.rule for hit in text.facts.hits} == {"k#1", "k#2"}
    assert {line.detector: line.skipped for line in text.facts.coverage} == {"keywords": 0, "yara": 1}


def test_a_large_entry_is_searched_in_windows_and_its_limit_told(detectors):
    data = b"." * 300_000 + b" the passport is kept here " + b"." * 300_000
    (large,) = alone(detectors, {b"/big.txt": data}, Limits(whole_bytes=100_000))
    (whole,) = alone(detectors, {b"/big.txt": data})
    assert large.facts.hits == whole.facts.hits
    assert (large.facts.md5, large.facts.sha1, large.facts.sha256) == (
        whole.facts.md5,
        whole.facts.sha1,
        whole.facts.sha256,
    )
    assert [problem.reason for problem in large.facts.problems] == [Reason.LIMIT]


def test_a_bug_in_a_search_together_leaves_nothing_half_done(detectors, monkeypatch):
    wanted = alone(detectors, CONTENTS)
    real = detectors.keywords.scan_many

    def broken(contents):
        if len(contents) > 1:
            raise ValueError("a bug")
        return real(contents)

    monkeypatch.setattr(detectors.keywords, "scan_many", broken)
    assert together(detectors, CONTENTS) == wanted


def test_a_bug_on_a_text_costs_that_text_alone_and_is_told(detectors, monkeypatch):
    def broken(segments):
        raise ValueError("a bug")

    monkeypatch.setattr(detectors.keywords, "scan_texts", broken)
    (result,) = alone(detectors, {b"/c.html": CONTENTS[b"/c.html"]})
    assert result.examined
    assert result.facts.sha256
    assert [problem.stage for problem in result.facts.problems] == ["content/extract"]


def test_groups_are_small_neighbours_in_order():
    class Item:
        def __init__(self, size, level=0):
            self.size, self.level = size, level

    items = [Item(10), Item(10), Item(1 << 20), Item(10), Item(10, level=2), *(Item(60_000) for _ in range(12))]
    groups = list(_groups(items))
    assert [item for group in groups for item in group] == items
    assert [len(group) for group in groups] == [2, 1, 1, 1, 8, 4]
    assert all(sum(item.size for item in group) <= 512 * 1024 for group in groups if len(group) > 1)
