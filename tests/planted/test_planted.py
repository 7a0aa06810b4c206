"""Planted strings: each found once, where it lies, on disks that can be made here; and the table says what it is about."""

from __future__ import annotations

import re

import pytest

from tests.planted.disk import PASSWORD, disk_of, fragmented, layers
from tests.planted.measure import DOCUMENT, measure
from tests.planted.strings import SCRIPTS, VARIANTS
from tests.planted.volumes import KINDS
from triage.ruleset import load_rules

TESTED = {"fat12", "ext4"}
"""The others take minutes, and are measured when the table is written."""


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in TESTED], ids=lambda kind: kind.name)
def test_every_state_of_a_file_system(kind):
    if kind.missing():
        pytest.skip(kind.missing())
    outcome = measure(lambda scratch, plan: disk_of(kind, scratch, plan))
    assert outcome.wrong == []
    assert sum(outcome.planted.values()) > 10 * len(VARIANTS)


def test_a_string_that_a_fragment_cuts_is_found_in_the_file():
    outcome = measure(fragmented)
    assert outcome.wrong == []
    assert sum(outcome.right.values()) == len(VARIANTS)


def test_layers():
    outcome = measure(layers, "--password", PASSWORD)
    assert outcome.wrong == []
    assert sum(outcome.right.values()) == 7 * len(VARIANTS)


def test_the_table_has_every_file_system_encoding_and_state():
    """It is written by hand of nobody: what the program that makes it knows stands in it, and nothing is left out."""
    text = DOCUMENT.read_text("utf-8")
    (header,) = [line for line in text.splitlines() if line.startswith("| state | fat12")]
    assert [cell.strip() for cell in header.strip("|").split("|")][1:] == [kind.name for kind in KINDS]
    for language, (script, _, _) in SCRIPTS.items():
        names = ", ".join(variant.encoding for variant in VARIANTS if variant.language == language)
        assert f"| {script} | {names} |" in text
    cells = [tuple(map(int, found)) for found in re.findall(r" (\d+)/(\d+) ", text)]
    right, planted = map(int, re.search(r"^(\d+) of (\d+) were found as", text, re.M).groups())
    assert (sum(cell[0] for cell in cells), sum(cell[1] for cell in cells)) == (right, planted)
    assert right == planted, "what is not found stands in the table, and is to be explained here"


@pytest.mark.parametrize("language", sorted(SCRIPTS))
def test_the_encodings_are_those_of_the_shipped_packs(language):
    """A code page that a pack of the language looks in is planted, or gives the same bytes as one that is."""
    planted = {variant.word.encode(variant.encoding) for variant in VARIANTS if variant.language == language}
    terms = load_rules(languages=[language]).keywords
    shipped = {name for term in terms if term.rule.startswith(f"keywords/{language}") for name in term.encodings}
    assert {SCRIPTS[language][1].encode(name) for name in shipped} <= planted
