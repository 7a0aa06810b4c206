"""What counts as noise, and what does not although it comes close."""

from __future__ import annotations

import bz2
import itertools
import lzma
import random
import zlib

import pytest

from triage.evidence.randomness import (
    MIN_SIZE,
    SAMPLE,
    SAMPLES,
    looks_like_container,
    measure,
    sample_places,
    stream_looks_like_container,
)
from triage.model.stream import MemoryStream

NOISE = random.Random(21).randbytes(1 << 20)
WORDS = [random.Random(number).randbytes(3 + number % 7).hex().encode() for number in range(4000)]
TEXT = b" ".join(random.Random(4).choices(WORDS, range(4000), k=400_000))


def reasons(data: bytes) -> tuple[str, ...]:
    return stream_looks_like_container(MemoryStream(data))


def test_measures() -> None:
    assert measure(bytes(1000)).entropy == 0 and measure(b"").count == 0
    even = measure(bytes(range(256)) * 4)
    assert even.entropy == pytest.approx(8) and even.chi_square == 0
    assert measure(bytes(256)).chi_square == pytest.approx(255 * 256)
    assert 150 < measure(NOISE).chi_square < 375


@pytest.mark.parametrize("seed", range(30))
def test_noise_is_told_with_its_reasons(seed: int) -> None:
    found = reasons(random.Random(seed).randbytes(MIN_SIZE + 512 * seed))
    assert len(found) == 4 and "multiple of 512" in found[0] and "7.99" in found[2] and "chi-square" in found[3]


@pytest.mark.parametrize(
    "data",
    (
        NOISE[: MIN_SIZE - 512],
        NOISE[: MIN_SIZE + 1],
        b"PK\x03\x04" + NOISE[4:],
        b"\x00\x00\x00\x20ftypmp42" + NOISE[12:],
        bytes(512) + NOISE[512:],
        NOISE[:-512] + bytes(512),
        NOISE[: 1 << 19] + bytes(1 << 19),
        bytes(range(256)) * 4096,
        b"",
    ),
)
def test_what_does_not_fit(data: bytes) -> None:
    assert reasons(data) == ()


@pytest.mark.parametrize("pack", (zlib.compress, bz2.compress))
def test_compressed_data_without_their_signature(pack) -> None:
    packed = pack(TEXT)[64:]
    packed = packed[: len(packed) // 512 * 512]
    assert len(packed) > MIN_SIZE and measure(packed).entropy > 7.9
    assert reasons(packed) == ()


def test_lzma_is_known_by_its_signature_only() -> None:
    packed = lzma.compress(TEXT, lzma.FORMAT_ALONE)
    assert reasons(packed[: len(packed) // 512 * 512]) == ()


def test_samples_cover_beginning_and_end() -> None:
    for size in (1, 1000, SAMPLE * SAMPLES, SAMPLE * SAMPLES + 1, 1 << 40):
        places = sample_places(size)
        assert places[0][0] == 0 and sum(places[-1]) == size
        assert all(a + length <= b for (a, length), (b, _) in itertools.pairwise(places))
        assert sum(length for _, length in places) <= SAMPLE * SAMPLES
    assert sample_places(0) == ()


def test_samples_that_are_missing() -> None:
    assert looks_like_container(1 << 20, []) == ()
    assert looks_like_container(1 << 20, [b""]) == ()
