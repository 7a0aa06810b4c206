"""Whatever stands in a rule file, only errors of our family come out, and a check never raises (U01, U03, U06)."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from triage.errors import RuleError
from triage.ruleset import check_rules, load_rules

from_files = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
SAMPLES = ("sample-not-hit", "miss-hit", "sample-too-costly")
TOML = b"""\
[pack]
id = "x/y"
language = "fr"
match = "substring"
encodings = ["cp1251"]
normalise = ["nfkc"]
[[term]]
term = 'a(?:b|c){1,3}'
kind = "regex"
weight = 0.5
sample = "abb"
[[term]]
term = "word"
"""
YARA = b"""\
import "pe"
private global rule A : t { meta: score = 7 indicator = "move.transfer" strings: $a = "x\\x41" wide $b = /a[b-c]{2}/i
$c = { 4D 5A [2-4] (00|01) } condition: any of them and filename != "" and pe.number_of_sections > 1 } /* c */
include "x.yar"
rule B { condition: A }
"""
CATALOGUE = b"""\
[[indicator]]
id = "lab.x"
name = "X"
element = "act"
base_weight = 0.1
sources = []
[thresholds]
high = 0.7
[classes]
a = ["b"]
[[artefact]]
id = "b"
globs = ["*"]
value = 1
"""


def examine(name, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        issues = check_rules([path], shipped=False)
        refusals = []
        try:
            load_rules([path], shipped=False)
        except RuleError as error:
            refusals.append(str(error))
        # A load refuses what the check calls an error, samples apart: they are run by the check alone.
        errors = [i for i in issues if i.severity == "error" and i.code not in SAMPLES]
        assert bool(refusals) == bool(errors), (refusals, errors)
        assert all(refusal.encode("utf-8") for refusal in refusals)
        for issue in issues:
            f"{issue.path}{issue.message}{issue.hint}".encode()


@st.composite
def mutated(draw, *seeds):
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        data[start:end] = draw(
            st.binary(max_size=6)
            | st.sampled_from([b'"', b"'", b"[", b"{", b"(", b"/*", b"[[", b"\r", b"=", b"\\", b"*", b"0", b"true"])
        )
    return bytes(data)


@pytest.mark.parametrize("name", ["x.toml", "x.yar", "x.txt"])
@from_files
@given(data=st.binary(max_size=200))
def test_any_bytes(shipped, name, data):
    examine(name, data)


@from_files
@given(data=mutated(TOML, CATALOGUE))
def test_broken_toml(shipped, data):
    examine("x.toml", data)


@from_files
@given(data=mutated(YARA, YARA.replace(b'include "x.yar"\n', b"")))
def test_broken_yara(shipped, data):
    examine("lab.yar", data)


@pytest.mark.parametrize("name", ["x.toml", "x.yar", "x.txt"])
def test_every_beginning_of_a_valid_file(shipped, name):
    data = {"x.toml": TOML, "x.yar": YARA.replace(b'include "x.yar"\n', b""), "x.txt": "wörd\nпаспорт\n".encode()}[name]
    for length in range(0, len(data), 7):
        examine(name, data[:length])
