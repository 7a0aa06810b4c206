"""JSONL, JSON and the layers of evidence against the documented schema."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.support.documents import empty_document, evidence_reports, line, make_document, make_finding, problems
from tests.support.hostile import HOSTILE_NAMES, hostile_document
from triage.model.address import Address
from triage.model.document import Document
from triage.reporters import render
from triage.reporters.csv_table import COLUMNS
from triage.reporters.finding_json import finding_dict
from triage.reporters.info import Layers, render_info_json

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA: dict[str, Any] = json.loads((DOCS / "report-schema.json").read_text(encoding="utf-8"))
CONTRACT = [
    "rank", "id", "address", "path", "evidence", "unit", "type", "size", "state", "times", "hashes", "priority",
    "score", "urgency", "elements", "reasons", "selectors", "damped_by", "innocent", "caveats",
]  # fmt: skip
ADDITIONS = ["adjustments", "also_at", "type_name", "owner", "meta_address", "excerpt", "notes"]
DOCUMENTS = pytest.mark.parametrize("make", [make_document, hostile_document, empty_document])


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMA["$defs"]})


def lines_of(document: Document) -> list[dict[str, Any]]:
    out = io.StringIO()
    render("jsonl", document, out)
    return [json.loads(text) for text in out.getvalue().splitlines()]


def json_of(document: Document) -> dict[str, Any]:
    out = io.StringIO()
    render("json", document, out)
    value: dict[str, Any] = json.loads(out.getvalue())
    return value


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@DOCUMENTS
def test_reports_validate(make: Any) -> None:
    document = make()
    *findings, summary = lines_of(document)
    for finding in findings:
        validator("finding").validate(finding)
    validator("summary_line").validate(summary)
    validator("document").validate(json_of(document))
    assert len(findings) == len(document.findings)


def test_the_schema_refuses_what_is_not_in_it() -> None:
    good = lines_of(make_document())[0]
    for bad in ({**good, "extra": 1}, {**good, "score": 1.5}, {k: v for k, v in good.items() if k != "reasons"}):
        assert not validator("finding").is_valid(bad)
    summary = lines_of(make_document())[-1]
    assert not validator("summary_line").is_valid({"summary": {**summary["summary"], "extra2": 1}})


def test_keys_come_in_the_order_of_the_contract() -> None:
    for finding in lines_of(make_document())[:-1]:
        assert list(finding) == CONTRACT + ADDITIONS
    assert list(SCHEMA["$defs"]["finding"]["properties"]) == [*CONTRACT, *ADDITIONS, "escaped"]


@DOCUMENTS
def test_reasons_and_adjustments_add_up_to_the_score(make: Any) -> None:
    for finding in lines_of(make())[:-1]:
        total = sum(part["contribution"] for part in finding["reasons"] + finding["adjustments"])
        assert round(total, 6) == finding["score"]


def test_findings_are_in_rank_order_and_the_summary_is_last() -> None:
    *findings, summary = lines_of(make_document())
    assert [finding["rank"] for finding in findings] == list(range(1, len(findings) + 1))
    assert list(summary) == ["summary"]
    assert summary["summary"]["counts"] == {
        "findings": 8, "urgent": 2, "critical": 2, "high": 1, "medium": 1, "low": 3, "info": 1,
    }  # fmt: skip
    assert summary["summary"]["not_examined"]["by_reason"][0] == {
        "reason": "encrypted", "problems": 2, "bytes": 50_734_003_200,
    }  # fmt: skip


def test_json_holds_what_jsonl_holds() -> None:
    document = make_document()
    *findings, summary = lines_of(document)
    assert json_of(document) == {**summary["summary"], "findings": findings}


def test_clock_host_and_full_paths_stand_in_run_only() -> None:
    document = make_document()
    moved = tuple(
        replace(report, source=replace(report.source, paths=tuple(Path("/x") / p.name for p in report.source.paths)))
        for report in document.evidence
    )
    run = replace(document.run, started="2030-01-01T00:00:00Z", seconds=1.0, host="b", workers=9, command=("other",))
    one, two = json_of(document), json_of(replace(document, evidence=moved, run=run))
    assert one.pop("run") != two.pop("run")
    assert one == two


def test_excerpt_is_the_one_of_the_strongest_hit() -> None:
    finding = make_finding(
        lines=(
            line("weak", 0.1, excerpt="weak text"),
            line("strong", 0.3, matched="bare match"),
            line("cap", 0.5, kind="x"),
        )
    )
    assert finding_dict(finding)["excerpt"] == "bare match"
    assert finding_dict(make_finding(lines=(line("cap", 0.1, kind="adjustment"),)))["excerpt"] == ""


def test_times_and_hashes_have_a_fixed_order_whatever_the_case_gives() -> None:
    finding = make_finding(times={"dtime": "d", "mtime": "m"}, hashes={"sha256": "c", "zz": "z", "md5": "a"})
    assert list(finding_dict(finding)["times"]) == ["mtime", "dtime"]
    assert list(finding_dict(finding)["hashes"]) == ["md5", "sha256", "zz"]


def test_o02_o03_jsonl_keeps_exact_values_of_hostile_names() -> None:
    *findings, _ = lines_of(hostile_document())
    for finding, name in zip(findings, HOSTILE_NAMES, strict=True):
        assert Address.parse(finding["address"]).path == name
        text = finding["reasons"][0]["matched"]
        if "/reasons/0/matched" in finding.get("escaped", ()):
            from triage.reporters.json_text import unescape_text

            text = unescape_text(text)
        assert text == name.decode("utf-8", "surrogateescape")[1:]


def test_a_broken_number_gives_null_and_not_nan() -> None:
    broken = replace(make_finding(), score=float("nan"))
    document = make_document((broken,))
    assert lines_of(document)[0]["score"] is None
    assert json_of(document)["findings"][0]["score"] is None


def test_info_validates() -> None:
    for reports in (evidence_reports(), hostile_document().evidence):
        out = io.StringIO()
        render_info_json([Layers(report.source, report.volumes, problems()) for report in reports], out)
        validator("info").validate(json.loads(out.getvalue()))


def keys_of(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*(keys_of(inner) for inner in schema), set())
    if not isinstance(schema, dict):
        return set()
    own = set(schema["properties"]) if isinstance(schema.get("properties"), dict) else set()
    return own.union(*(keys_of(inner) for inner in schema.values()), set())


def test_every_key_and_column_is_explained() -> None:
    words = set(re.findall(r"`([^`\s]+)`", (DOCS / "report-schema.md").read_text(encoding="utf-8")))
    assert keys_of(SCHEMA) <= words
    assert set(COLUMNS) <= words
    assert set(SCHEMA["$defs"]["problem_reason"]["enum"]) <= words
