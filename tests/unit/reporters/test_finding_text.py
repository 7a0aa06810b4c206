"""One finding explained: excerpts, arithmetic, metadata, bytes, checks."""

from __future__ import annotations

import io
import re

import pytest

from tests.support.documents import INDICATORS, evidence_reports, line, make_document, make_finding
from tests.support.hostile import hostile_document
from triage.model.finding import Finding
from triage.reporters.checks import Place
from triage.reporters.finding_text import render_finding
from triage.reporters.sanitise import cell_width


def shown(finding: Finding, **options: object) -> str:
    out = io.StringIO()
    render_finding(finding, out, indicators=INDICATORS, **{"width": 80, **options})  # type: ignore[arg-type]
    return out.getvalue()


def test_everything_that_explains_a_finding_is_there() -> None:
    report = evidence_reports()[0]
    text = shown(
        make_document().findings[0],
        data=b"bytes of it",
        data_offset=1184,
        place=Place(report.source, report.volumes[2]),
    )
    for part in (
        "A PERSON MAY BE AT RISK NOW",
        "Withholding of identity documents  offset 1200 (0x4b0), 43 bytes, bg, utf-8",
        "keywords/bg#12: keep the passport",
        "утре идва новата, ти [паспорта остава при мен], докато не върне всичко.",
        "meta address  1001",
        "mtime         2024-03-19T21:40:00Z",
        "Innocent readings\n  Hotels, banks, employers.",
        "Bytes of the content from offset 1184 (0x4a0)\n000004a0  62 79 74 65 73 20 6f 66  20 69 74 ",
        "icat -i ewf -f ntfs -o 206848 /evidence/laptop.E01 1001 | sha256sum",
    ):
        assert part in text, part


def test_the_printed_lines_add_up_to_the_printed_score() -> None:
    for finding in make_document().findings:
        block = shown(finding).partition("Arithmetic")[2]
        numbers = [float(number) for number in re.findall(r"^ +([+-]\d\.\d{6})  ", block, re.MULTILINE)]
        assert round(sum(numbers[:-1]), 6) == numbers[-1] == finding.score


@pytest.mark.parametrize("width", [40, 80, 160])
def test_n01_n04_hostile_findings_are_inert_and_fit(width: int) -> None:
    for finding in hostile_document().findings:
        text = shown(finding, width=width, data=bytes(range(256)))
        assert not [character for character in text if ord(character) < 32 and character != "\n"]
        assert "\u202e" not in text
        for part in text.split("\n"):
            assert cell_width(part) <= width


def test_long_passages_and_many_hits_are_bounded() -> None:
    long = make_finding(lines=(line("x", 0.5, excerpt="b" * 10**6 + "match" + "a" * 10**6, matched="match"),))
    assert "[match]" in shown(long).replace("\n    ", "")
    assert len(shown(long)) < 4000
    many = make_finding(lines=tuple(line(f"hit {n}", 0.001, matched="m") for n in range(100)))
    assert "and 60 more hits" in shown(many)
    assert shown(many).count("+0.001000") == 100


def test_other_places_are_listed_up_to_a_limit() -> None:
    text = shown(make_finding(also_at=tuple(f"x p1:/{n}" for n in range(50))))
    assert "x p1:/19" in text
    assert "x p1:/20" not in text
    assert "and 30 more" in text


def test_a_match_in_another_content_names_it() -> None:
    text = shown(make_finding(lines=(line("x", 0.5, matched="m", address="laptop.E01 p2:/a.zip!/b.txt"),)))
    assert "in laptop.E01 p2:/a.zip!/b.txt" in " ".join(text.split())
