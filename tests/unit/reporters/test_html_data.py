"""The embedded data of the HTML report: bounded, masked, and the lines still add up."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.documents import line, make_document, make_finding, many_findings
from tests.support.hostile import hostile_document
from triage.model.document import Document
from triage.reporters import html_data
from triage.reporters.html_data import CHUNK, MAX_LINES, PageData, excerpt, script_json, strongest_lines
from triage.reporters.masking import mask_selectors


def read(document: Document, **options: Any) -> tuple[dict[str, Any], list[list[Any]]]:
    data = PageData(document, options.get("mask", mask_selectors))
    details = [detail for chunk in data.chunks for detail in json.loads(chunk)["details"]]
    return json.loads(data.index), details


def test_every_finding_has_a_row_and_details_in_rank_order() -> None:
    document = make_document(tuple(many_findings(CHUNK * 2 + 1)))
    data = PageData(document, str)
    assert len(data.chunks) == 3
    index, details = read(document)
    assert [row[12] for row in index["rows"]] == [finding.rank for finding in document.findings]
    assert len(details) == len(index["rows"])


def test_more_lines_than_the_limit_are_summed_so_that_all_add_up() -> None:
    lines = tuple(line(f"hit {n}", round(0.001 * (n % 7) + 0.001, 6), indicator="x", matched="m") for n in range(100))
    finding = make_finding(lines=(*lines, line("cap", -0.05, kind="adjustment")))
    _, (detail,) = read(make_document((finding,)))
    shown, (count, rest) = detail[8], detail[9]
    assert len(shown) == MAX_LINES
    assert count == 101 - MAX_LINES
    assert round(sum(part[1] for part in shown) + rest, 6) == finding.score
    assert any(part[1] == -0.05 for part in shown)


def test_strongest_lines_keep_their_order() -> None:
    lines = [line("a", 0.1), line("b", -0.5), line("c", 0.3)]
    kept, rest = strongest_lines(lines, 2)
    assert [part.label for part in kept] == ["b", "c"]
    assert [part.label for part in rest] == ["a"]


def test_o01_long_excerpts_are_cut_around_the_match() -> None:
    long = line("x", 0.5, excerpt="b" * 3_000_000 + "match" + "a" * 2_000_000, matched="match")
    before, match, after = excerpt(long, str)
    assert match == "match"
    assert before.startswith("…b")
    assert after.endswith("a…")
    assert len(before + match + after) <= 2002
    assert len("".join(excerpt(line("x", 0.5, matched="m" * 10_000), str))) <= 2001


def test_the_match_stays_marked_when_its_surroundings_are_masked() -> None:
    hit = line("x", 0.5, excerpt="+44 7700 900123 keep her passport x@example.com", matched="keep her passport")
    assert excerpt(hit, mask_selectors) == ("+•• •••• •••123 ", "keep her passport", " •@example.com")


def test_a_page_that_is_full_gets_short_excerpts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_data, "MAX_CHARACTERS", 0)
    finding = make_finding(lines=(line("x", 0.5, excerpt="b" * 900 + "match" + "a" * 900, matched="match"),))
    _, (detail,) = read(make_document((finding,)))
    assert len("".join(detail[8][0][5:8])) <= html_data.SHORT_EXCERPT + 2


def test_findings_beyond_the_limit_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html_data, "MAX_FINDINGS", 3)
    index, details = read(make_document())
    assert len(index["rows"]) == len(details) == 3


def test_a_name_of_64_kib_is_bounded() -> None:
    for row in read(hostile_document())[0]["rows"]:
        assert len(row[4]) <= 2 * html_data.MAX_PATH


def test_hundreds_of_copies_are_counted_and_some_listed() -> None:
    finding = make_finding(also_at=tuple(f"x p1:/{n}" for n in range(500)))
    _, (detail,) = read(make_document((finding,)))
    assert len(detail[14]) == 20
    assert detail[15] == 500


def test_no_selector_survives_masking_and_all_are_there_without() -> None:
    for value in ("+359 88 000 0141", "maria.k@example.com", "359880000141", "+44 7700 900123"):
        masked, plain = PageData(make_document(), mask_selectors), PageData(make_document(), str)
        assert value not in masked.index + "".join(masked.chunks)
        assert value in plain.index + "".join(plain.chunks)


def test_o01_script_json_cannot_end_its_element() -> None:
    text = script_json({"x": "</script><!--<script>&amp;\u2028"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"x": "</script><!--<script>&amp;\u2028"}


def test_a_broken_number_becomes_null() -> None:
    finding = make_finding(lines=(line("x", float("nan"), indicator="y", matched="m"),), score=float("nan"))
    index, (detail,) = read(make_document((finding,)))
    assert index["rows"][0][2] is None
    assert detail[8][0][1] is None
