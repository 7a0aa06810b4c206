"""Ciphers of BitLocker: AES in CBC mode with or without the Elephant diffuser, AES in XTS mode.

Source: Ferguson, "AES-CBC + Elephant diffuser"; libbde documentation, chapter "Encryption methods".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from triage.evidence.volumes.sector_ciphers import (
    BLOCK,
    BlockCipher,
    CbcCipher,
    SectorCipher,
    SectorShape,
    XtsCipher,
    plain64,
)

METHODS = {
    0x8000: "AES-CBC 128 bits with diffuser",
    0x8001: "AES-CBC 256 bits with diffuser",
    0x8002: "AES-CBC 128 bits",
    0x8003: "AES-CBC 256 bits",
    0x8004: "AES-XTS 128 bits",
    0x8005: "AES-XTS 256 bits",
}
_A_TURNS = (9, 0, 13, 0)
_B_TURNS = (0, 10, 0, 25)

Words32 = np.ndarray[Any, np.dtype[np.uint32]]


class ElephantCipher:
    """CBC, then the diffusers backwards, then the key of the sector.

    Args:
        inner: AES in CBC mode.
        tweak: AES with the second key.
        shape: Sectors, counted in bytes.
    """

    def __init__(self, inner: CbcCipher, tweak: BlockCipher, shape: SectorShape) -> None:
        self._inner = inner
        self._tweak = tweak
        self._shape = shape

    def decrypt(self, data: bytes, first: int) -> bytes:
        """See :class:`~triage.evidence.volumes.sector_ciphers.SectorCipher`."""
        size = self._shape.size
        rows = np.frombuffer(self._inner.decrypt(data, first), dtype="<u4").reshape(-1, size // 4)
        words = np.ascontiguousarray(rows.T).astype(np.uint32)
        for _ in range(3):
            _undo_b(words)
        for _ in range(5):
            _undo_a(words)
        plain = np.ascontiguousarray(words.T).astype("<u4").view(np.uint8).reshape(-1, size)
        return (plain ^ self._sector_keys(data, first)).tobytes()

    def _sector_keys(self, data: bytes, first: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        numbers = self._shape.numbers(data, first)
        starts = np.frombuffer(plain64(numbers), dtype=np.uint8).reshape(-1, BLOCK)
        halves = np.repeat(starts[:, None, :], 2, axis=1)
        halves[:, 1, BLOCK - 1] |= 0x80
        keys = np.frombuffer(self._tweak.encrypt(halves.tobytes()), dtype=np.uint8).reshape(-1, 2 * BLOCK)
        return np.tile(keys, (1, self._shape.size // (2 * BLOCK)))


def _undo_a(words: Words32) -> None:
    """One cycle of diffuser A, backwards; a row is one word of every sector."""
    count = len(words)
    for index in range(count):
        words[index] += words[index - 2] ^ _turned(words[index - 5], _A_TURNS[index % 4])


def _undo_b(words: Words32) -> None:
    """One cycle of diffuser B, backwards."""
    count = len(words)
    for index in range(count):
        words[index] += words[(index + 2) % count] ^ _turned(words[(index + 5) % count], _B_TURNS[index % 4])


def _turned(word: Words32, bits: int) -> Words32:
    if not bits:
        return word
    return (word << np.uint32(bits)) | (word >> np.uint32(32 - bits))


def make_cipher(method: int, key: bytes, sector_size: int) -> tuple[SectorCipher, int]:
    """The cipher of a method, and how many bytes of a volume one step of its numbers stands for.

    Args:
        method: Number in the metadata.
        key: As unwrapped.
        sector_size: Bytes.

    Raises:
        ValueError: The method is not known, or the key is too short for it.
    """
    length = 32 if method & 1 else 16
    if method not in METHODS:
        raise ValueError(f"encryption method not read by this version: 0x{method:04x}")
    needed = {0x8000: 32 + length, 0x8001: 64, 0x8002: 16, 0x8003: 32, 0x8004: 32, 0x8005: 64}[method]
    if len(key) < needed:
        raise ValueError(f"the key is too short for {METHODS[method]}: {len(key)} bytes")
    if method >= 0x8004:
        ciphers = BlockCipher("aes", key[:length]), BlockCipher("aes", key[length : 2 * length])
        return XtsCipher(*ciphers, SectorShape(sector_size)), sector_size
    shape = SectorShape(sector_size, sector_size)
    block_cipher = BlockCipher("aes", key[:length])
    inner = CbcCipher(block_cipher, shape, lambda numbers: block_cipher.encrypt(plain64(numbers)))
    if method >= 0x8002:
        return inner, 1
    return ElephantCipher(inner, BlockCipher("aes", key[32 : 32 + length]), shape), 1
