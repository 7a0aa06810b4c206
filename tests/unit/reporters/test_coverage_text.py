"""The coverage in words: every part and reason has one, shares never round up to all or down to nothing."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.documents import coverage, evidence_reports, make_document
from tests.support.hostile import hostile_document
from triage.model.coverage import CoverageRow, CoverageTable, Part, Unexamined
from triage.model.document import Document
from triage.reporters.coverage_terminal import MAX_SOURCES
from triage.reporters.coverage_text import (
    BASIS_WORDS,
    PART_WORDS,
    UNEXAMINED_WORDS,
    inner_tables,
    missed_text,
    percent,
    summary_line,
)
from triage.reporters.document_json import summary_dict
from triage.reporters.html import render_html
from triage.reporters.table import render_table

BAD = "\x1b[2J\u202e</script><b>"


def table_text(document: Document, width: int = 100) -> str:
    out = io.StringIO()
    render_table(document, out, width=width)
    return out.getvalue()


def html_text(document: Document) -> str:
    out = io.StringIO()
    render_html(document, out)
    return out.getvalue()


def test_every_part_and_every_reason_has_words() -> None:
    assert set(PART_WORDS) == set(Part)
    assert set(UNEXAMINED_WORDS) == set(Unexamined)
    assert len(set(PART_WORDS.values())) == len(Part)


@given(st.integers(0, 1 << 62), st.integers(0, 1 << 62))
def test_a_share_is_all_or_nothing_only_where_it_is(part: int, rest: int) -> None:
    text = percent(part, part + rest)
    assert (text == "100 %") == (rest == 0 and part > 0)
    assert (text == "0 %") == (part == 0 and rest > 0)


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "-"), (1, 3, "33.3 %"), (999_999, 1_000_000, ">99.9 %"), (1, 1_000_000, "<0.1 %"), (5, 4, "100 %")],
)
def test_shares(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_what_is_missing_is_told_by_reason_the_most_first() -> None:
    rows = [
        CoverageRow(Part.ALLOCATED, 100, 80, {Unexamined.FAILED: 5, Unexamined.LIMIT: 15}),
        CoverageRow(Part.SLACK, 30, 0, {Unexamined.FAILED: 30}),
        CoverageRow(Part.OPENED, 7, 0, {}, 7),
    ]
    assert missed_text(rows) == "35 bytes failed, 15 bytes beyond a limit, 7 bytes told of the volumes inside"
    assert missed_text([]) == ""


def test_a_volume_that_only_holds_others_is_not_shown_by_itself() -> None:
    outer = CoverageTable("p4", "", "volume", 7, (CoverageRow(Part.OPENED, 7, 0, {}, 7),))
    report = replace(evidence_reports()[0], coverage=(outer, outer, *coverage()[1:]))
    assert [table.volume for table in inner_tables(report)] == ["p4.lv1"]
    assert summary_line(outer) == "7 bytes, opened: see the volumes inside"


def test_the_terminal_has_a_row_for_each_part_and_a_line_for_each_volume_inside() -> None:
    text = table_text(make_document())
    block = " ".join(text.split("Coverage\n")[1].split())
    assert "laptop.E01: 238.5 GiB, of which 72.7 % examined" in block
    assert "files 167.6 GiB 95.1 % 8.2 GiB beyond a limit, 110 bytes failed" in block
    assert "encrypted 46.6 GiB 0 % 46.6 GiB encrypted" in block
    assert "opened 4.7 GiB 4.7 GiB told of the volumes inside" in block
    assert "p4.lv1 ext4, root: 3.7 GiB, of which >99.9 % examined" in block
    assert "stick" not in block


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    block = table_text(make_document(), width).split("Coverage\n")[1]
    assert max(map(len, block.splitlines())) <= width


def test_of_many_sources_each_has_one_line() -> None:
    first = evidence_reports()[0]
    many = tuple(
        replace(first, source=replace(first.source, name=f"disk{number}.E01")) for number in range(MAX_SOURCES + 1)
    )
    block = table_text(make_document(evidence=many)).split("Coverage\n")[1]
    assert all(f"disk{number}.E01: " in block for number in range(MAX_SOURCES + 1))
    assert "files " not in block
    assert "report.json" in block


def test_the_page_has_the_bytes_to_the_byte_and_the_tables_of_volumes_inside() -> None:
    text = html_text(make_document())
    assert "Every byte once: 238.5 GiB, of which 72.7 % examined (bytes of the image)" in text
    assert "180,000,000,000" in text
    assert "8.2 GiB beyond a limit, 110 bytes failed" in text
    assert "Inside: <bdi>p4.lv1</bdi>" in text
    assert all(basis in ("media", "volume", "pool", "files") for basis in BASIS_WORDS)


def test_names_from_evidence_reach_no_report_raw() -> None:
    table = CoverageTable(BAD, BAD, "volume", 9, (CoverageRow(Part.ALLOCATED, 9, 9),))
    document = hostile_document()
    report = replace(document.evidence[0], coverage=(replace(coverage()[0], volume=""), table))
    document = replace(document, evidence=(report,))
    for text in (table_text(document), html_text(document)):
        assert "\x1b" not in text and "\u202e" not in text
    assert "</script><b>" not in html_text(document)


def test_json_has_exact_integers_that_add_up() -> None:
    (first, *_), _ = (source["coverage"] for source in summary_dict(make_document())["evidence"])
    assert first["size"] == 256_060_514_304 == sum(row["bytes"] for row in first["rows"])
    for row in first["rows"]:
        missed = sum(part["bytes"] for part in row["not_examined"])
        assert row["bytes"] == row["examined"] + missed + row["told_below"]
    assert first["size"] == first["examined"] + first["not_examined"] + sum(row["told_below"] for row in first["rows"])
