"""From a password to a key, within limits that a hostile header cannot stretch.

PBKDF2, Argon2, and the anti-forensic splitter of LUKS.

Sources: RFC 8018 (PBKDF2), RFC 9106 (Argon2), LUKS1 On-Disk Format Specification 1.2.3 (AFmerge).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

MAX_SECONDS = 60.0
"""Estimated seconds of one derivation; common ones take two."""
MAX_SECONDS_FOR_SECRET = 120.0
"""Estimated seconds of all derivations of one secret on one volume."""
MAX_MEMORY = 4 << 20
"""KiB of memory of Argon2: the most that cryptsetup ever asks for, 4 GiB."""
MAX_LANES = 64
_PBKDF2_RATE = 1_000_000
"""Blocks of PBKDF2 for a second, on a slow machine."""
_ARGON2_RATE = 1 << 20
"""KiB and pass of Argon2 for a second, on a slow machine."""

_HASHES = {
    **{name: name for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160", "sm3")},
    **{f"sha3-{bits}": f"sha3_{bits}" for bits in (224, 256, 384, 512)},
    "blake2b-512": "blake2b",
    "blake2s-256": "blake2s",
}


class DerivationRefusedError(ValueError):
    """A derivation that is not done: its parameters are impossible, not read or beyond the limits; says which."""


@dataclass(slots=True)
class Effort:
    """Estimated seconds that one secret has cost on a volume; an estimate, so that it is the same on every machine.

    Attributes:
        seconds: So far.
    """

    seconds: float = 0.0

    def spend(self, seconds: float, words: str) -> None:
        """Count a derivation that is about to be done.

        Raises:
            DerivationRefusedError: It is beyond the limits.
        """
        if seconds > MAX_SECONDS:
            raise DerivationRefusedError(f"{words}: more than {MAX_SECONDS:.0f} s by estimate")
        if self.seconds + seconds > MAX_SECONDS_FOR_SECRET:
            raise DerivationRefusedError(
                f"{words}: more than {MAX_SECONDS_FOR_SECRET:.0f} s by estimate together with those before"
            )
        self.seconds += seconds


def hash_name(name: str) -> str:
    """The name that ``hashlib`` has for a hash of a header.

    Raises:
        DerivationRefusedError: It is not known, or this machine does not have it.
    """
    found = _HASHES.get(name.lower())
    if found is None or not _is_there(found):
        shown = name[:32] if name.isascii() and name.isprintable() else "unprintable"
        raise DerivationRefusedError(f"hash not read by this version: {shown}")
    return found


def _is_there(known: str) -> bool:
    """This machine has the hash; one that is listed may still be switched off."""
    try:
        hashlib.new(known, usedforsecurity=False)
    except ValueError:
        return False
    return True


def digest_size(name: str) -> int:
    """Bytes of a digest.

    Raises:
        DerivationRefusedError: See :func:`hash_name`.
    """
    return hashlib.new(hash_name(name), usedforsecurity=False).digest_size


def pbkdf2(name: str, secret: bytes, salt: bytes, iterations: int, length: int, effort: Effort) -> bytes:
    """A key by PBKDF2 with HMAC.

    Raises:
        DerivationRefusedError: Unknown hash, impossible parameters, or too much work.
    """
    known = hash_name(name)
    if iterations < 1 or not 0 < length <= 512:
        raise DerivationRefusedError(f"impossible PBKDF2: {iterations} iterations, {length} bytes")
    blocks = -(-length // digest_size(name))
    effort.spend(iterations * blocks / _PBKDF2_RATE, f"PBKDF2 with {iterations} iterations")
    try:
        return hashlib.pbkdf2_hmac(known, secret, salt, iterations, length)
    except (ValueError, OverflowError, MemoryError) as error:
        raise DerivationRefusedError(f"PBKDF2 with {known} is not possible on this machine") from error


def argon2(
    name: str, secret: bytes, salt: bytes, passes: int, memory: int, lanes: int, length: int, effort: Effort
) -> bytes:
    """A key by Argon2i or Argon2id, version 1.3.

    Args:
        name: ``argon2i`` or ``argon2id``.
        secret: Password.
        salt: 8 bytes or more.
        passes: Time cost.
        memory: KiB.
        lanes: Parallelism.
        length: Bytes of the key.
        effort: Of the secret.

    Raises:
        DerivationRefusedError: Impossible parameters, too much work or memory, or no library.
    """
    words = f"{name} with {memory} KiB, {passes} passes and {lanes} lanes"
    if name not in ("argon2i", "argon2id") or passes < 1 or not 1 <= lanes <= MAX_LANES or not 4 <= length <= 512:
        raise DerivationRefusedError(f"impossible or not read: {words[:120]}")
    if memory > MAX_MEMORY:
        raise DerivationRefusedError(f"{words}: more than {MAX_MEMORY} KiB of memory")
    if memory < 8 * lanes or not 8 <= len(salt) <= 1024:
        raise DerivationRefusedError(f"impossible: {words}, salt of {len(salt)} bytes")
    effort.spend(passes * memory / _ARGON2_RATE, words)
    try:
        from argon2.exceptions import HashingError
        from argon2.low_level import Type, hash_secret_raw
    except ImportError as error:
        raise DerivationRefusedError(f"{name} needs argon2-cffi, which is not installed") from error
    kind = Type.I if name == "argon2i" else Type.ID
    try:
        return hash_secret_raw(secret, salt, passes, memory, lanes, length, kind)
    except (HashingError, MemoryError, OverflowError) as error:
        raise DerivationRefusedError(f"{words}: the memory is not there") from error


def merge_stripes(data: bytes, key_size: int, stripes: int, name: str) -> bytes:
    """The key that the anti-forensic splitter spread over stripes.

    Args:
        data: ``key_size * stripes`` bytes.
        key_size: Bytes of the key.
        stripes: Number of pieces.
        name: Hash.

    Raises:
        DerivationRefusedError: Unknown hash.
    """
    known = hash_name(name)
    merged = bytes(key_size)
    for index in range(stripes):
        piece = data[index * key_size : (index + 1) * key_size]
        mixed = int.from_bytes(merged, "big") ^ int.from_bytes(piece, "big")
        merged = mixed.to_bytes(key_size, "big")
        if index < stripes - 1:
            merged = _diffuse(merged, known)
    return merged


def _diffuse(data: bytes, known: str) -> bytes:
    """Every part as long as a digest is replaced by the digest of its number and itself."""
    size = hashlib.new(known, usedforsecurity=False).digest_size
    parts = [
        hashlib.new(known, (at // size).to_bytes(4, "big") + data[at : at + size], usedforsecurity=False).digest()
        for at in range(0, len(data), size)
    ]
    return b"".join(parts)[: len(data)]
