"""The checksums of Btrfs: crc32c, xxhash64, sha256 and blake2b of 256 bits.

Source: "On-disk format" and "Checksumming" of the Btrfs documentation; RFC 3720 for crc32c, the xxHash specification.
The two that are not in the standard library are taken out of frames that other formats put around the same bytes: a
snappy frame holds crc32c, a zstd frame the lower half of xxhash64. That is a hundred times faster than computing them
here, which is done where those modules are absent.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

from triage.evidence.crc32c import crc32c as crc32c_by_bytes

CRC32C, XXHASH64, SHA256, BLAKE2B = range(4)
NAMES = ("crc32c", "xxhash64", "sha256", "blake2b")
_SIZES = (4, 8, 32, 32)
_MASK32, _MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
_SNAPPY_MOST = 65536
"""Bytes in one chunk of a snappy frame: the first checksum is that of all only up to here."""
_P1, _P2, _P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
_P4, _P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def is_known(kind: int) -> bool:
    """True for a checksum that can be verified."""
    return 0 <= kind < len(NAMES)


def holds(kind: int, stored: bytes, data: bytes) -> bool:
    """True where a stored checksum is that of the data.

    Args:
        kind: Number of the checksum in the superblock; one that :func:`is_known`.
        stored: At least as many bytes as the checksum has.
        data: What it is the checksum of.
    """
    size = _SIZES[kind]
    if kind == XXHASH64:
        low = _low_half_by_zstd(data)
        if low is not None:
            return stored[:4] == low
    return stored[:size] == digest(kind, data)


def digest(kind: int, data: bytes) -> bytes:
    """The checksum as it is stored."""
    if kind == CRC32C:
        return crc32c(data).to_bytes(4, "little")
    if kind == XXHASH64:
        return xxhash64(data).to_bytes(8, "little")
    if kind == SHA256:
        return hashlib.sha256(data).digest()
    return hashlib.blake2b(data, digest_size=32).digest()


def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), reflected, start and end inverted."""
    module = _module("cramjam")
    if module is not None and 0 < len(data) <= _SNAPPY_MOST:
        frame = bytes(module.snappy.compress(data))
        if frame[:4] == b"\xff\x06\x00\x00" and len(frame) >= 18:
            masked = (int.from_bytes(frame[14:18], "little") - 0xA282EAD8) & _MASK32
            return ((masked >> 17) | (masked << 15)) & _MASK32
    return crc32c_by_bytes(data)


def xxhash64(data: bytes) -> int:
    """XXH64 with seed 0."""
    words = memoryview(data)
    position, length = 0, len(data)
    if length >= 32:
        lanes = [(_P1 + _P2) & _MASK64, _P2, 0, -_P1 & _MASK64]
        while position + 32 <= length:
            for lane in range(4):
                value = int.from_bytes(words[position + 8 * lane : position + 8 * lane + 8], "little")
                lanes[lane] = _round(lanes[lane], value)
            position += 32
        result = sum(_rotate(lane, turn) for lane, turn in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK64
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * _P1 + _P4) & _MASK64
    else:
        result = _P5
    return _finish((result + length) & _MASK64, words[position:])


def _finish(result: int, rest: memoryview) -> int:
    while len(rest) >= 8:
        result ^= _round(0, int.from_bytes(rest[:8], "little"))
        result = (_rotate(result, 27) * _P1 + _P4) & _MASK64
        rest = rest[8:]
    if len(rest) >= 4:
        result ^= int.from_bytes(rest[:4], "little") * _P1 & _MASK64
        result = (_rotate(result, 23) * _P2 + _P3) & _MASK64
        rest = rest[4:]
    for byte in rest:
        result ^= byte * _P5 & _MASK64
        result = _rotate(result, 11) * _P1 & _MASK64
    result = (result ^ (result >> 33)) * _P2 & _MASK64
    result = (result ^ (result >> 29)) * _P3 & _MASK64
    return result ^ (result >> 32)


def _round(lane: int, value: int) -> int:
    return _rotate((lane + value * _P2) & _MASK64, 31) * _P1 & _MASK64


def _rotate(value: int, turn: int) -> int:
    return ((value << turn) | (value >> (64 - turn))) & _MASK64


def _low_half_by_zstd(data: bytes) -> bytes | None:
    """Lower four bytes of xxhash64 as a zstd frame ends with them; None where that is not to be had."""
    module = _module("zstandard")
    if module is None or not data:
        return None
    frame = bytes(module.ZstdCompressor(level=1, write_checksum=True).compress(data))
    return frame[-4:]


@cache
def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        return None
