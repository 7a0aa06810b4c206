"""One row a finding, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.documents import line, make_document, make_finding
from tests.support.hostile import hostile_document
from triage.model.document import Document
from triage.reporters import render
from triage.reporters.csv_table import COLUMNS, MAX_CELL, cell, render_csv


def rows_of(document: Document) -> list[dict[str, str]]:
    out = io.StringIO()
    render("csv", document, out)
    text = out.getvalue()
    assert text.startswith("\ufeff")
    assert "\n" not in text.replace("\r\n", "")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_one_row_a_finding_with_all_columns() -> None:
    document = make_document()
    rows = rows_of(document)
    assert [row["id"] for row in rows] == [finding.id for finding in document.findings]
    assert tuple(rows[0]) == COLUMNS
    assert rows[0]["rank"] == "1"
    assert rows[0]["score"] == "0.96"
    assert rows[0]["mtime"] == "2024-03-19T21:40:00Z"
    assert "control.debt_bondage [bg] you still owe (+0.240000): дължиш ми още" in rows[0]["reasons"]
    assert rows[0]["adjustments"] == "2 elements of the offence covered (+0.070000)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@SUM(A1)", "'@SUM(A1)"), ("\t=1", "'\\x09=1"),
        ("\rx", "'\\x0dx"), ("\nx", "'\\x0ax"), ("\0=1", "'\\x00=1"), ("  =1", "'  =1"), ("＝1", "'＝1"),
        ("'=1", "''=1"),
        ("x;=1;+2", "x;'=1;'+2"), ("plain", "plain"), ("a-b=c", "a-b=c"), ("p2:/=cmd", "p2:/=cmd"), ("", ""),
    ],
)  # fmt: skip
def test_o02_formulas_are_neutralised(text: str, shown: str) -> None:
    assert cell(text) == shown


@given(st.text(st.characters(codec=None), max_size=60))
def test_property_no_cell_begins_like_a_formula(text: str) -> None:
    shown = cell(text)
    shown.encode("utf-8")
    assert not re.match(r"\s*[=+\-@\t\r\n\0]", shown)
    assert "\n" not in shown
    assert "\r" not in shown


def test_o02_hostile_documents_give_one_row_each_and_no_formula() -> None:
    document = hostile_document()
    rows = rows_of(document)
    assert len(rows) == len(document.findings)
    for row in rows:
        for name, value in row.items():
            if name not in ("rank", "score", "urgency", "size", "meta_address"):
                assert not re.match(r"\s*[=+\-@]", value), (name, value)
            assert len(value) <= MAX_CELL + 60


def test_quoted_evidence_is_masked_and_addresses_are_not() -> None:
    row = rows_of(make_document())[0]
    assert "+359 88" not in row["excerpt"]
    assert "141" in row["excerpt"]
    assert "359880000141" in row["path"]
    out = io.StringIO()
    render_csv(make_document(), out, masked=False)
    assert "+359 88 000 0141" in out.getvalue()


def test_a_broken_score_gives_an_empty_cell() -> None:
    finding = replace(make_finding(lines=(line("x", 0.1),)), score=float("nan"))
    assert rows_of(make_document((finding,)))[0]["score"] == ""
