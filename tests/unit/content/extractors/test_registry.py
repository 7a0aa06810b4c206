"""The registry of extractors, and what belongs to no one of them."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

import triage.content.extractors as room
from triage.content.extractors import EXTRACTORS, extract
from triage.content.kinds import KINDS
from triage.model.content import ContentType

SHARED = {"__init__", "interface", "text_builder", "encodings", "entities", "dialects"}


def test_every_extractor_is_a_module_with_a_test() -> None:
    folder = Path(room.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - SHARED == {unit.name for unit in EXTRACTORS}
    for unit in EXTRACTORS:
        assert callable(importlib.import_module(unit.module).extract)
        assert (Path(__file__).parent / f"test_{unit.name}.py").exists()
        assert unit.summary


def test_every_type_is_read_once_and_known() -> None:
    read = [mime for unit in EXTRACTORS for mime in unit.mimes]
    assert len(set(read)) == len(read)
    known = {kind.mime for kind in KINDS.values()}
    aliases = {"text/xml", "application/xhtml+xml", "+xml"}
    assert set(read) - aliases <= known


def test_kinds_of_xml_are_read_by_their_ending() -> None:
    for mime in ("image/svg+xml", "application/gpx+xml", "application/vnd.google-earth.kml+xml"):
        assert extract(ContentType(mime, "x", "text"), b"<svg><text>de<tspan>bt &#1076;</tspan></text></svg>")


@pytest.mark.parametrize("mime", sorted({kind.mime for kind in KINDS.values()}))
def test_any_bytes_of_any_type_raise_nothing(mime: str) -> None:
    turn = random.Random(mime)
    for data in (b"", b"<", b"{\\rtf1", turn.randbytes(300), bytes(40), b"\xff" * 40):
        assert isinstance(extract(ContentType(mime, "x", "signature"), data), tuple)
