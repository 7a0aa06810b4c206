"""Headers of VeraCrypt and TrueCrypt volumes, and the keys that could open them.

A header is 64 bytes of salt and 448 bytes that nothing tells from noise until a key fits: then they begin with ``VERA``
or ``TRUE`` and two checksums hold. Sources: VeraCrypt documentation "Encryption Scheme" and "VeraCrypt Volume Format
Specification", TrueCrypt user's guide 7.1a. Read are volumes of one cipher in XTS mode, AES or Camellia; not read are
cascades, Serpent, Twofish, Kuznyechik, the hashes Whirlpool and Streebog, modes of TrueCrypt before 5.0, PIM.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from triage.evidence.volumes.key_derivation import DerivationRefusedError, Effort, pbkdf2
from triage.evidence.volumes.sector_ciphers import BlockCipher, SectorShape, XtsCipher

SIZE = 512
SALT = 64
KEY = 64
"""Bytes of the two XTS keys of one cipher with 256 bits."""
_BODY = SIZE - SALT
_KEYS = 192
"""Where the keys begin in the encrypted part."""
_MAX_KEY_FILE = 1 << 20
"""Bytes of a key file that count."""
CIPHERS = ("aes", "camellia")
OLD_DERIVATIONS = (("sha512", 1000), ("ripemd160", 2000), ("sha1", 2000))
"""Hash and iterations of TrueCrypt, which cost next to nothing."""
NEW_DERIVATIONS = (
    ("sha512", 500_000),
    ("sha256", 500_000),
    ("blake2s-256", 500_000),
    ("ripemd160", 655_331),
)
"""Hash and iterations of VeraCrypt: some seconds for each password and header."""


@dataclass(frozen=True, slots=True)
class VolumeHeader:
    """A header that was opened.

    Attributes:
        program: ``VeraCrypt`` or ``TrueCrypt``.
        cipher: ``aes`` or ``camellia``.
        version: Of the format of the header.
        hidden_size: Bytes of the hidden volume, 0 in the header of a normal one.
        size: Bytes of the volume.
        start: Byte of the container where its data begin; from version 4 on.
        is_system: Of an encrypted system.
        key: The two keys of the data.
        unlocking: The cipher and the two keys that opened the header.
    """

    program: str
    cipher: str
    version: int
    hidden_size: int
    size: int
    start: int
    is_system: bool
    key: bytes = field(repr=False)
    unlocking: bytes = field(repr=False)


def open_header(data: bytes, secrets: Sequence[bytes], effort: Effort, *, only_old: bool) -> VolumeHeader | None:
    """The header that one of the secrets opens; None where none does.

    Args:
        data: 512 bytes as stored.
        secrets: Passwords, key files already mixed in.
        effort: Of these secrets.
        only_old: A place where only TrueCrypt has headers.
    """
    for name, iterations in OLD_DERIVATIONS if only_old else OLD_DERIVATIONS + NEW_DERIVATIONS:
        for secret in secrets:
            try:
                derived = pbkdf2(name, secret, data[:SALT], iterations, KEY, effort)
            except DerivationRefusedError:  # this machine lacks the hash, or the limit is reached
                continue
            for index in range(len(CIPHERS)):
                found = open_with_keys(data, bytes([index]) + derived)
                if found is not None:
                    return found
    return None


def open_with_keys(data: bytes, unlocking: bytes) -> VolumeHeader | None:
    """The header that a key opens; None where it does not.

    Args:
        data: 512 bytes as stored.
        unlocking: As in :attr:`VolumeHeader.unlocking`.
    """
    if len(data) != SIZE or len(unlocking) != 1 + KEY or unlocking[0] >= len(CIPHERS):
        return None
    name, key = CIPHERS[unlocking[0]], unlocking[1:]
    plain = xts(name, key, _BODY).decrypt(data[SALT:], 0)
    program = {b"TRUE": "TrueCrypt", b"VERA": "VeraCrypt"}.get(plain[:4])
    version = int.from_bytes(plain[4:6], "big")
    if program is None or zlib.crc32(plain[_KEYS:]) != int.from_bytes(plain[8:12], "big"):
        return None
    if version >= 4 and zlib.crc32(plain[: _KEYS - 4]) != int.from_bytes(plain[_KEYS - 4 : _KEYS], "big"):
        return None
    hidden_size, size, start, _, flags = struct.unpack_from(">QQQQI", plain, 28)
    volume_key = plain[_KEYS : _KEYS + KEY]
    return VolumeHeader(program, name, version, hidden_size, size, start, bool(flags & 1), volume_key, unlocking)


def xts(name: str, key: bytes, unit: int) -> XtsCipher:
    """A cipher in XTS mode.

    Args:
        name: One of :data:`CIPHERS`.
        key: 64 bytes: for the data, for the tweaks.
        unit: Bytes in a unit of data.
    """
    return XtsCipher(BlockCipher(name, key[:32]), BlockCipher(name, key[32:]), SectorShape(unit))


def mixed_secrets(password: bytes, key_files: Sequence[bytes]) -> Iterator[bytes]:
    """What the derivation gets for a password and key files: once in each length of the pool that applies.

    VeraCrypt takes a pool of 128 bytes for passwords longer than 64, TrueCrypt always one of 64.
    """
    if not key_files:
        yield password
        return
    for size in (64, 128) if len(password) > 64 else (64,):
        pool = _pool(key_files, size)
        padded = password[:size].ljust(size, b"\0")
        yield bytes((ours + theirs) & 0xFF for ours, theirs in zip(padded, pool, strict=True))


def _pool(key_files: Sequence[bytes], size: int) -> bytes:
    """Key files as they are mixed into a password: the running checksum of each byte, added up."""
    pool = [0] * size
    for data in key_files:
        place, running = 0, 0
        for at in range(min(len(data), _MAX_KEY_FILE)):
            running = zlib.crc32(data[at : at + 1], running)
            state = running ^ 0xFFFFFFFF
            for shift in (24, 16, 8, 0):
                pool[place] = (pool[place] + (state >> shift)) & 0xFF
                place = (place + 1) % size
    return bytes(pool)
