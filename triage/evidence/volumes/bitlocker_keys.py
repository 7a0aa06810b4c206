"""From the secrets of a keychain to the key of a BitLocker volume.

A protector gives the volume master key (VMK), which gives the full volume encryption key (FVEK). Both are wrapped with
AES in CCM mode, so that a wrong secret shows at once. Source: libbde documentation, chapter "Key protection".
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.volumes.bitlocker_metadata import (
    EXTERNAL,
    FVEK,
    KEY,
    PROTECTOR,
    STRETCH,
    VMK,
    WRAPPED,
    Entry,
    Metadata,
    read_entries,
)

_ROUNDS = 0x100000
_CLEAR, _STARTUP, _RECOVERY, _PASSWORD = 0x0000, 0x0200, 0x0800, 0x2000
_NAMES = {
    _CLEAR: "clear key",
    0x0100: "TPM",
    _STARTUP: "startup key",
    0x0500: "TPM and PIN",
    _RECOVERY: "recovery password",
    _PASSWORD: "password",
}
_RECOVERY_FORM = re.compile(rb"\s*(\d{6}(?:[-\s]*\d{6}){7})\s*")
_MAX_PROTECTORS = 32


@dataclass(frozen=True, slots=True)
class Protector:
    """One way to the volume master key.

    Attributes:
        identifier: 16 bytes; a startup key names it.
        kind: Number of its kind.
        entries: Inside it.
    """

    identifier: bytes
    kind: int
    entries: tuple[Entry, ...] = field(repr=False)

    @property
    def name(self) -> str:
        """Kind in words."""
        return _NAMES.get(self.kind, f"kind 0x{self.kind:04x}")


def protectors(metadata: Metadata) -> tuple[Protector, ...]:
    """All ways to the volume master key, in the order stored."""
    found = []
    for entry in metadata.entries:
        if entry.kind == VMK and entry.value == PROTECTOR and len(entry.data) >= 28:
            kind = int.from_bytes(entry.data[26:28], "little")
            found.append(Protector(entry.data[:16], kind, tuple(read_entries(entry.data[28:]))))
    return tuple(found[:_MAX_PROTECTORS])


def unlock(metadata: Metadata, address: str, keychain: Keychain) -> tuple[int, bytes] | None:
    """Number of the cipher and key of the volume, None where no secret gives them.

    Args:
        metadata: Of the volume.
        address: Of the volume, for the keychain.
        keychain: Every try is noted in it, and the master key.
    """
    known = keychain.recall(metadata.identity)
    if known is not None:
        return _volume_key(metadata, known.key) if known.key else None
    ways = protectors(metadata)
    for way in ways:
        if way.kind == _CLEAR:
            found = _volume_key(metadata, _unwrap_master(way, _first_key(way.entries)))
            if found is not None:
                return found
    for secret in keychain.secrets:
        masters = _masters(secret, ways)
        tried = False
        found = None
        for master in masters:
            tried = True
            found = _volume_key(metadata, master)
            if found is not None:
                keychain.note(address, "BitLocker", secret, opened=True)
                keychain.remember(metadata.identity, master)
                return found
        if tried:
            keychain.note(address, "BitLocker", secret, opened=False)
    if len(keychain):
        keychain.remember(metadata.identity, b"")
    return None


def _masters(secret: Secret, ways: tuple[Protector, ...]) -> Iterator[bytes]:
    """What a secret gives for each protector of a kind that it fits; empty where it does not fit."""
    if secret.kind is SecretKind.KEY_FILE:
        identifier, key = _external_key(secret.value)
        if key:
            named = [way for way in ways if way.kind == _STARTUP and way.identifier == identifier]
            for way in named or [way for way in ways if way.kind == _STARTUP]:
                yield _unwrap_master(way, key)
        return
    recovery = recovery_bytes(secret.value)
    for way in ways:
        begin = b""
        if way.kind == _RECOVERY and recovery:
            begin = hashlib.sha256(recovery).digest()
        elif way.kind == _RECOVERY and secret.kind is SecretKind.RECOVERY_KEY:
            yield b""
        elif way.kind == _PASSWORD and secret.kind is SecretKind.PASSWORD:
            text = secret.value.decode("utf-8", "surrogateescape").encode("utf-16-le", "surrogatepass")
            begin = hashlib.sha256(hashlib.sha256(text).digest()).digest()
        if begin:
            salt = next((entry.data[4:20] for entry in way.entries if entry.value == STRETCH), b"")
            yield _unwrap_master(way, stretch(begin, salt)) if len(salt) == 16 else b""


def recovery_bytes(value: bytes) -> bytes:
    """The 16 bytes that a recovery password stands for; none where it is not one.

    Eight groups of six digits, each a multiple of 11.
    """
    match = _RECOVERY_FORM.fullmatch(value)
    if match is None:
        return b""
    groups = [int(group) for group in re.findall(rb"\d{6}", match[1])]
    if any(group % 11 or group // 11 > 0xFFFF for group in groups):
        return b""
    return struct.pack("<8H", *(group // 11 for group in groups))


def mistyped(keychain: Keychain) -> tuple[str, ...]:
    """Recovery keys that are none of BitLocker, in words that do not repeat them."""
    words = "is not eight groups of six digits, each a multiple of 11"
    keys = keychain.of(SecretKind.RECOVERY_KEY)
    return tuple(f"{secret.shown} {words}" for secret in keys if not recovery_bytes(secret.value))[:4]


def stretch(begin: bytes, salt: bytes) -> bytes:
    """The key that 2^20 rounds of SHA-256 make of a hashed secret."""
    sha256 = hashlib.sha256
    rest = begin + salt
    last = bytes(32)
    pack = struct.Struct("<Q").pack
    for count in range(_ROUNDS):
        last = sha256(last + rest + pack(count)).digest()
    return last


def _external_key(data: bytes) -> tuple[bytes, bytes]:
    """Identifier and key of a startup key file (``.bek``); none where it is not one."""
    if len(data) < 48 or int.from_bytes(data[8:12], "little") != 48 or len(data) > 1 << 16:
        return b"", b""
    for entry in read_entries(data[48:]):
        if entry.value == EXTERNAL and len(entry.data) >= 24:
            return entry.data[:16], _first_key(tuple(read_entries(entry.data[24:])))
    return b"", b""


def _first_key(entries: tuple[Entry, ...]) -> bytes:
    return next((entry.data[4:] for entry in entries if entry.value == KEY and len(entry.data) >= 36), b"")[:32]


def _unwrap_master(way: Protector, key: bytes) -> bytes:
    """The master key; none where the key does not fit."""
    for entry in way.entries:
        if entry.value == WRAPPED:
            _, master = _unwrap(entry.data, key)
            if master:
                return master[:32]
    return b""


def _volume_key(metadata: Metadata, master: bytes) -> tuple[int, bytes] | None:
    for entry in metadata.entries:
        if entry.kind == FVEK and entry.value == WRAPPED:
            method, key = _unwrap(entry.data, master)
            if key:
                return method if method & 0x8000 else metadata.method, key
    return None


def _unwrap(data: bytes, key: bytes) -> tuple[int, bytes]:
    """Method and key that are wrapped; ``(0, b"")`` where the wrapping key does not fit."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESCCM

    if len(key) != 32 or not 28 + 12 < len(data) < 1 << 12:
        return 0, b""
    try:
        plain = AESCCM(key, tag_length=16).decrypt(data[:12], data[28:] + data[12:28], None)
    except (InvalidTag, ValueError):
        return 0, b""
    size, _, value = struct.unpack_from("<3H", plain)
    if value != KEY or not 12 < size <= len(plain):
        return 0, b""
    return int.from_bytes(plain[8:10], "little"), plain[12:size]
