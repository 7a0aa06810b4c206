"""The room as a whole: every reporter is registered, loads, and writes text that any UTF-8 stream takes."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import triage.reporters
from tests.support.documents import empty_document, make_document
from tests.support.hostile import hostile_document
from triage.errors import OutputNotWritableError, ReportError
from triage.model.document import Document
from triage.reporters import REPORTERS, render, reporter

NAMES = [candidate.name for candidate in REPORTERS]


def test_names_are_those_of_the_contract_in_order() -> None:
    assert NAMES == ["table", "jsonl", "json", "csv", "html"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [make_document, hostile_document, empty_document])
def test_every_reporter_writes_valid_utf8_and_the_same_bytes_twice(name: str, make: object) -> None:
    document: Document = make()  # type: ignore[operator]
    first, second = io.StringIO(), io.StringIO()
    render(name, document, first)
    render(name, document, second)
    assert first.getvalue() == second.getvalue()
    assert first.getvalue().encode("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_no_report_holds_a_raw_control_bidi_or_zero_width_character(name: str) -> None:
    """N01, N02, O01: only line ends are left, in excerpts of HTML tabs, in CSV the byte order mark."""
    out = io.StringIO()
    render(name, hostile_document(), out)
    text = out.getvalue().removeprefix("\ufeff")
    allowed = {"csv": {"\n", "\r"}, "html": {"\n", "\t"}}.get(name, {"\n"})
    forbidden = {chr(code) for code in (*range(32), *range(127, 160))} - allowed
    forbidden |= set("\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2028\u2029\u2060\u2066\u2069\ufeff\u00ad\u3164")
    assert not forbidden & set(text)


@pytest.mark.parametrize("name", ["table", "csv"])
def test_reports_without_a_run_block_do_not_depend_on_clock_or_host(name: str) -> None:
    document = make_document()
    other = replace(document, run=replace(document.run, started="2027-01-01T00:00:00Z", host="elsewhere"))
    one, two = io.StringIO(), io.StringIO()
    render(name, document, one)
    render(name, other, two)
    assert one.getvalue() == two.getvalue()


def test_unknown_format_says_which_there_are() -> None:
    with pytest.raises(ReportError, match="no such report format: pdf") as caught:
        reporter("pdf")
    assert caught.value.hint == "one of: table, jsonl, json, csv, html"


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


class Closed(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_is_an_output_error_and_a_closed_pipe_stays_one(name: str) -> None:
    """O05."""
    with pytest.raises(OutputNotWritableError, match="No space left on device"):
        render(name, make_document(), Full())
    with pytest.raises(BrokenPipeError):
        render(name, make_document(), Closed())


def test_importing_the_room_imports_neither_rich_nor_jinja2() -> None:
    code = "import sys, triage.reporters; sys.exit('rich' in sys.modules or 'jinja2' in sys.modules)"
    root = Path(triage.reporters.__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_templates_and_assets_are_in_the_package() -> None:
    folder = Path(triage.reporters.__file__).parent
    for name in ("report.css", "data.js", "finding.js", "page.js"):
        assert (folder / "assets" / name).is_file()
    for name in ("report", "page_one", "findings", "appendix"):
        assert (folder / "templates" / f"{name}.html.j2").is_file()
