"""The scope file in the documents holds, and names everything that the program reads."""

import re
import tomllib
from pathlib import Path

import pytest

from triage.model.scope import ScopeReason
from triage.reporters.scope_text import SCOPE_WORDS
from triage.ruleset.scope_file import LISTS, TABLES, TIMES, read_scope

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs/scope-example.toml"
GUIDE = (ROOT / "docs/guide.md").read_text("utf-8")
SECTION = GUIDE.split("## What may be looked at\n")[1].split("\n## ")[0]


def test_the_example_holds_and_has_every_key():
    scope = read_scope(EXAMPLE)
    data = tomllib.loads(EXAMPLE.read_text("utf-8"))
    assert set(data) == set(TABLES)
    assert set(data["scope"]) == {"name", "authority", "note", "space", "slack", "case"}
    assert set(data["include"]) == set(LISTS)
    assert set(data["times"]) == {"of", "undated", "ranges"}
    assert set(data["privileged"]) | {"encodings"} == {"terms", "match", "show_path", "encodings"}
    assert scope.times is not None and scope.privileged is not None


def test_the_file_in_the_guide_holds(tmp_path):
    text = "\n".join(line[4:] for line in SECTION.splitlines() if line.startswith("    ") and "triage scan" not in line)
    path = tmp_path / "scope.toml"
    path.write_text(text + "\n")
    scope = read_scope(path)
    assert scope.include.users[0] == "greg" and scope.privileged is not None


def test_the_guide_names_every_list_and_time():
    assert {name for name in (*LISTS, *TIMES) if f"`{name}`" not in SECTION} == set()


@pytest.mark.parametrize("words", [SCOPE_WORDS])
def test_every_reason_has_words_and_stands_in_the_schema(words):
    assert set(words) == set(ScopeReason)
    text = (ROOT / "docs/report-schema.md").read_text("utf-8").split("Scope\nreasons:")[1].split("\n\n")[0]
    assert set(re.findall(r"`([a-z-]+)`", text)) == {reason.value for reason in ScopeReason}
