"""Files of noise: told with their reasons, and nothing else is."""

import random
import zlib

import pytest

from triage.content.identify import identify
from triage.detectors.noise_file import NoiseFileDetector
from triage.model.content import ContentNames
from triage.model.rules import NOISE_RULE
from triage.model.stream import MemoryStream
from triage.ruleset.builtin import BUILTIN

NOISE = random.Random(3).randbytes(1 << 20)
SMALL = 20 << 10


def names(name):
    return ContentNames("x", name, name, "." + name.rpartition(".")[2] if "." in name else "")


def found(data, name="holiday"):
    detection = NoiseFileDetector().scan(data, names(name), identify(data[:65536], len(data), name.encode()))
    assert not detection.problems
    assert len(detection.hits) == len(detection.counts)
    return [hit.matched for hit in detection.hits]


def test_noise_is_told_with_every_reason():
    (words,) = found(NOISE)
    for part in ("1048576 bytes is a multiple of 512", "no signature", "entropy of 7.99", "chi-square of"):
        assert part in words
    assert "ends in" not in words


def test_what_the_name_adds():
    assert "ends in .hc, as such programs propose" in found(NOISE, "holiday.hc")[0]
    assert "ends in .jpg, and nothing in it is of a known type" in found(NOISE, "holiday.jpg")[0]


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_are_always_told(seed):
    """The smallest sizes have the widest spread."""
    chance = random.Random(seed)
    assert found(chance.randbytes(299_008))
    assert found(chance.randbytes(19_456), "a.tc")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (NOISE[:-1], "a"),
        (NOISE[:SMALL], "a.bin"),
        (NOISE[:19_456], "a.dat"),
        (NOISE[:18_432], "a.hc"),
        (bytes(1 << 20), "a.hc"),
        (b"%PDF-1.7\n" + NOISE[9:], "a.pdf"),
        (b"PK\x03\x04" + NOISE[4:], "a"),
        (NOISE[: 1 << 19] + bytes(1 << 19), "a"),
        (zlib.compress(b"".join(b"%d," % (n * n) for n in range(400_000)))[512 : 512 + (299_008 // 512 + 1) * 512], "a"),
        (NOISE.hex().encode(), "a"),
        (b"", "a.hc"),
    ],
)  # fmt: skip
def test_what_is_not_told(data, name):
    assert found(data, name) == []


def test_large_files_are_sampled():
    class Counting(MemoryStream):
        read = 0

        def read_at(self, offset, length):
            Counting.read += length
            return super().read_at(offset, length)

    data = NOISE * 16
    kind = identify(data[:65536], len(data), b"a")
    assert NoiseFileDetector().scan_stream(Counting(data), names("a"), kind).hits
    assert Counting.read < 1 << 19


def test_the_rule_is_a_note_and_says_what_else_it_may_be():
    """It never raises a score."""
    rule = BUILTIN[NOISE_RULE]
    assert (rule.id, rule.role) == (NOISE_RULE, "note")
    assert "test data" in rule.gloss
