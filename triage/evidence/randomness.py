"""How much bytes look like noise, and whether a file or volume could be an encrypted container.

Containers of VeraCrypt and TrueCrypt have no signature by design: nothing tells them from random bytes. So this is a
measure with its reasons, no statement. Compressed data come close in entropy, but the chi-square test over some ten
thousand bytes tells most of them apart: random bytes give about 255, those of deflate, bzip2 and Zstandard 450 to
several thousand. LZMA is as even as noise and is known by its signature only.

Pure functions over bytes, without third parties, so that files inside a file system can be measured as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log2

from triage.model.stream import Stream

MIN_SIZE = 299_008
"""Bytes of the smallest container that VeraCrypt makes for a FAT volume: 292 KiB."""
MIN_NAMED_SIZE = 19_456
"""Bytes of the smallest container of TrueCrypt: 19 KiB. So small a file is believed only where its name says so too."""
MIN_ENTROPY = 7.99
"""Bits for each byte, over all samples."""
CHI_SQUARE = (150.0, 375.0)
"""Range of the chi-square test over 256 values; random bytes leave it once in a hundred thousand times."""
SAMPLE = 32 << 10
SAMPLES = 8
"""How much is looked at: 256 KiB spread evenly, the beginning and the end among them."""
_BLOCK = 512
_MIN_DISTINCT = 180
"""Different values among 512 random bytes: 221 on average, and never as few as this."""
_LIKELY_SIGNATURES = (
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!",
    b"\x1f\x8b",
    b"BZh",
    b"\xfd7zXZ\x00",
    b"\x5d\x00\x00",
    b"\x28\xb5\x2f\xfd",
    b"\x04\x22\x4d\x18",
    b"\xff\xd8\xff",
    b"\x89PNG",
    b"%PDF",
    b"LUKS\xba\xbe",
    b"SKUL\xba\xbe",
    b"Salted__",
    b"encrcdsa",
    b"-----BEGIN",
    b"age-encryption",
    b"OggS",
    b"ID3",
    b"RIFF",
    b"EVF\x09",
    b"MSCF",
    b"hsqs",
)


@dataclass(frozen=True, slots=True)
class Randomness:
    """How bytes are spread.

    Attributes:
        count: Bytes measured.
        entropy: Bits for each byte, 0 to 8.
        chi_square: Against 256 values that are all as frequent; about 255 for random bytes, whatever their number.
    """

    count: int
    entropy: float
    chi_square: float


def measure(*samples: bytes) -> Randomness:
    """How the bytes of all samples together are spread."""
    counts: Counter[int] = Counter()
    for sample in samples:
        counts.update(sample)
    total = counts.total()
    if not total:
        return Randomness(0, 0.0, 0.0)
    entropy = abs(sum(count / total * log2(count / total) for count in counts.values()))
    expected = total / 256
    chi_square = sum((counts[value] - expected) ** 2 for value in range(256)) / expected
    return Randomness(total, entropy, chi_square)


def sample_places(size: int) -> tuple[tuple[int, int], ...]:
    """Offset and length of what to look at: evenly spread, the beginning and the end among them."""
    if size <= SAMPLE * SAMPLES:
        return ((0, size),) if size > 0 else ()
    step = (size - SAMPLE) // (SAMPLES - 1)
    return (*((index * step, SAMPLE) for index in range(SAMPLES - 1)), (size - SAMPLE, SAMPLE))


def looks_like_container(size: int, samples: Sequence[bytes], least: int = MIN_SIZE) -> tuple[str, ...]:
    """Why a file or volume could be a container of VeraCrypt or TrueCrypt.

    Args:
        size: Bytes in all.
        samples: Its bytes at :func:`sample_places`, in that order.
        least: Bytes below which it is none.

    Returns:
        The reasons in words; none where one of them does not hold.
    """
    if size < least or size % _BLOCK or not samples or len(samples[0]) < _BLOCK:
        return ()
    head = samples[0][:_BLOCK]
    if head.startswith(_LIKELY_SIGNATURES) or head[4:8] == b"ftyp":
        return ()
    if not all(is_mixed(sample[at : at + _BLOCK]) for sample in samples for at in (0, len(sample) - _BLOCK)):
        return ()
    found = measure(*samples)
    if found.entropy < _least_entropy(found.count) or not CHI_SQUARE[0] <= found.chi_square <= CHI_SQUARE[1]:
        return ()
    return (
        f"size of {size} bytes is a multiple of 512 and not below {least}",
        "no signature at the beginning",
        f"entropy of {found.entropy:.4f} bits per byte over {found.count} bytes",
        f"chi-square of {found.chi_square:.0f}, as random bytes have (about 255); compressed data mostly have more",
    )


def stream_looks_like_container(stream: Stream) -> tuple[str, ...]:
    """As :func:`looks_like_container`, reading the samples; cheap where the first one rules it out.

    Raises:
        ReadFailedError: A sample cannot be read.
    """
    size = stream.size
    if size < MIN_SIZE or size % _BLOCK or not is_mixed(stream.read_at(0, _BLOCK)):
        return ()
    return looks_like_container(size, [stream.read_at(*place) for place in sample_places(size)])


def noise_reasons(stream: Stream, *, named: bool) -> tuple[str, ...]:
    """As :func:`stream_looks_like_container`, for a file, which may be as small as TrueCrypt makes them.

    Args:
        stream: The file.
        named: Its name is that of a container.

    Raises:
        ReadFailedError: A sample cannot be read.
    """
    least = MIN_NAMED_SIZE if named else MIN_SIZE
    size = stream.size
    if size < least or size % _BLOCK or not is_mixed(stream.read_at(0, _BLOCK)):
        return ()
    return looks_like_container(size, [stream.read_at(*place) for place in sample_places(size)], least)


def _least_entropy(count: int) -> float:
    """Entropy that random bytes always have; a small sample has less of it than a large one.

    The expectation for ``count`` bytes is about ``8 - 255 / (2 ln 2 count)``; twice that deficit is never seen.
    """
    return min(MIN_ENTROPY, 8 - 255 / (log(2) * max(count, 1)))


def is_mixed(block: bytes) -> bool:
    """True where the bytes of a block, 512 of them, are as different as random ones are."""
    return len(set(block)) >= min(_MIN_DISTINCT, len(block) // 3)
