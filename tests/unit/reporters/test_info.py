"""The layers of evidence for a terminal."""

from __future__ import annotations

import io

import pytest

from tests.support.documents import evidence_reports, problems
from tests.support.hostile import hostile_document
from triage.model.volume import EvidenceSource
from triage.reporters.info import Layers, render_info
from triage.reporters.sanitise import cell_width


def shown(layers: list[Layers], width: int = 100) -> str:
    out = io.StringIO()
    render_info(layers, out, width=width)
    return out.getvalue()


def sample() -> list[Layers]:
    first, second = evidence_reports()
    return [Layers(first.source, first.volumes, problems()[4:]), Layers(second.source, second.volumes)]


def test_container_volumes_file_systems_encryption_and_what_is_not_supported() -> None:
    text = shown(sample())
    flat = " ".join(text.split())
    for part in (
        "container ewf",
        "segments 2",
        "size 238.5 GiB (256,060,514,304 bytes)",
        "stored md5 9e107d9d372bb6826bd81d3542a419d6",
        "examiner Ivanova",
        "p2 105906176 200000000000 186.3 GiB ntfs, blocks of 4096 bytes",
        "gpt Basic data partition",
        "encrypted: BitLocker",
        "not supported: ZFS: no reader for this file system",
        "encrypted (46.6 GiB): encrypted volume: BitLocker",
        "hint: give the recovery key with --key-file",
    ):
        assert part in flat, part
    assert text.index("laptop.E01") < text.index("stick.dd")


@pytest.mark.parametrize("width", [40, 75, 76, 100])
def test_it_fits_and_is_inert(width: int) -> None:
    hostile = [
        Layers(report.source, report.volumes, hostile_document().problems) for report in hostile_document().evidence
    ]
    for layers in (sample(), hostile):
        text = shown(layers, width)
        assert "\x1b" not in text
        assert "\u202e" not in text
        for part in text.split("\n"):
            assert cell_width(part) <= width


def test_no_volume_is_said() -> None:
    assert "no volume was found" in shown([Layers(EvidenceSource("x", (), "raw", 0), ())])
