"""What a scope left out, in every report: counted, worded, escaped, and valid by the schema."""

import io
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.support.documents import make_document
from triage.model.scope import LeftOut, ScopeReason, ScopeReport, Withheld
from triage.ranking.not_examined import not_examined
from triage.reporters import render
from triage.reporters.overview import state_text
from triage.reporters.scope_text import lines, summary_line

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/report-schema.json").read_text("utf-8"))
HOSTILE = "x\x1b[31m<script>\u202e=1+1"
SCOPE = ScopeReport(
    name=f"Warrant {HOSTILE}",
    authority="a court",
    digest="0" * 64,
    rules=("in scope: users greg", f"excluded: paths {HOSTILE}"),
    evidence=((f"other {HOSTILE}.E01", ScopeReason.EVIDENCE, 1 << 40),),
    volumes=(("laptop.E01 p3:/", ScopeReason.EXCLUDED_VOLUME, 5 << 20),),
    entries=(LeftOut(ScopeReason.USER, 1200, 3 << 30), LeftOut(ScopeReason.TYPE_BY_CONTENT, 7, 900)),
    members=(LeftOut(ScopeReason.EXCLUDED_PATH, 3, 30),),
    withheld=Withheld(2, 4096, (f"laptop.E01 p2:(withheld, entry 7) {HOSTILE}", "laptop.E01 p2:(withheld, entry 9)")),
    examined=40,
    unmatched=("[exclude] paths: /lwa",),
)


def written(name, **changes):
    out = io.StringIO()
    render(name, make_document(**changes), out)
    return out.getvalue()


@pytest.mark.parametrize("scope", [None, SCOPE])
def test_json_with_and_without_a_scope_is_valid(scope):
    document = json.loads(written("json", scope=scope))
    Draft202012Validator({**SCHEMA, "oneOf": [{"$ref": "#/$defs/document"}]}).validate(document)
    assert (document["scope"] is None) is (scope is None)
    if scope is not None:
        assert document["scope"]["heads_read"] == 7 and document["scope"]["in_scope"] == 40
        assert document["scope"]["entries"][0] == {"reason": "user", "count": 1200, "bytes": 3 << 30}


@pytest.mark.parametrize("name", ["table", "html", "csv", "jsonl"])
def test_nothing_of_it_reaches_a_report_raw(name):
    text = written(name, scope=SCOPE)
    assert "\x1b[31m<" not in text and "\u202e" not in text
    assert name != "html" or "x<script>" not in text
    if name in ("table", "html"):
        joined = " ".join(text.split())
        for said in ("of other users", "excluded volumes", "/lwa", "the first 64 KiB", "privileged, withheld"):
            assert said in joined, said


def test_a_document_without_a_scope_says_nothing_of_one():
    assert "ut of scope" not in written("table") and 'id="scope"' not in written("html")


def test_the_words():
    said = "\n".join(lines(SCOPE))
    assert "1,200 entries, 3.0 GiB: of other users" in said and "3 members of archives" in said
    assert summary_line(SCOPE).endswith(
        "2 sources or volumes and 1,207 entries and 3 members of archives out of scope (1.0 TiB); "
        "2 withheld as privileged (4.0 KiB)."
    )
    empty = ScopeReport("W", "", "0" * 64, ())
    assert summary_line(empty) == "Scope W: nothing was left out." and lines(empty) == []


def test_the_headline_and_page_one_tell_it():
    document = make_document(scope=SCOPE, problems=(), state="complete")
    assert "Everything in scope was examined." in state_text(document)
    assert "1,207 entries, 1.0 TiB; 2 withheld as privileged" in state_text(document)
    answer = not_examined((), (), (), (), 0, (), {}, SCOPE)
    assert "1,207 entries" in answer.verdict and any("user 1,200" in item for item in answer.items)
    assert any("/lwa" in item for item in answer.items)


def test_a_scope_that_left_nothing_is_told_as_such():
    empty = ScopeReport("W", "", "0" * 64, (), entries=(LeftOut(ScopeReason.PATH, 9, 9),))
    assert empty.is_empty and "nothing was read" in state_text(make_document(scope=empty, state="complete"))
