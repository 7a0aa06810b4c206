"""Keys of encrypted volumes of APFS: from a password or recovery key to the cipher of a volume.

Format as in Apple File System Reference (Apple, 2020-06-22), chapter Encryption. The container's keybag is encrypted
with the identifier of the container, that of a volume with the identifier of the volume (AES-XTS). The first holds the
wrapped key of each volume and where its keybag lies; the second the key-encryption keys, one for each user and for the
recovery key, wrapped with a key from PBKDF2 (SHA-256) over the secret. Wrapping is RFC 3394.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems.apfs.container import Container
from triage.evidence.filesystems.apfs.objects import is_sound
from triage.evidence.filesystems.apfs.state import Cipher
from triage.evidence.filesystems.apfs.volume import VolumeSuperblock
from triage.evidence.keychain import Keychain, SecretKind
from triage.evidence.volumes.key_derivation import DerivationRefusedError, Effort, pbkdf2
from triage.evidence.volumes.sector_ciphers import BlockCipher, SectorShape, XtsCipher

METHOD = "APFS"
RECOVERY = UUID("ebc6c064-0000-11aa-aa11-00306543ecac")
MAX_KEYBAG = 1 << 20
MAX_ENTRIES = 1024

_VOLUME_KEY, _UNLOCK_RECORDS, _PASSPHRASE_HINT = 2, 3, 4
_HALF_KEY = 0x2
"""Flag of a key that came from CoreStorage: 128 bits."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a keybag.

    Attributes:
        owner: Volume, user, or a name for the recovery key.
        tag: What it is.
        data: Its bytes.
    """

    owner: UUID
    tag: int
    data: bytes


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A wrapped key.

    Attributes:
        identifier: Of the volume or user.
        flags: First four bytes of them.
        wrapped: The key.
        iterations: Of PBKDF2, 0 where the key is wrapped with another key.
        salt: Of PBKDF2.
    """

    identifier: bytes
    flags: int
    wrapped: bytes
    iterations: int
    salt: bytes


def unlock(container: Container, volume: VolumeSuperblock, address: str, keychain: Keychain) -> Cipher:
    """The cipher of a volume, with the first secret that fits.

    Raises:
        EncryptedVolumeError: None fits.
        UnsupportedFormatError: The keys are kept elsewhere, or each file has a key of its own.
        EvidenceError: The keybags do not hold or cannot be read.
    """
    if not volume.one_key:
        raise UnsupportedFormatError(
            "encrypted by hardware or with a key for each file", hint="only the device itself can decrypt it"
        )
    place = container.superblock.keybag
    if not all(place):
        raise UnsupportedFormatError("the keys of the volume are not in the container",
                                     hint="only the device itself can decrypt it")  # fmt: skip
    outer = tuple(_keybag(container, place, container.superblock.identifier))
    own = UUID(bytes=volume.identifier)
    wrapped = next((parse_key(entry.data) for entry in outer if entry.owner == own and entry.tag == _VOLUME_KEY), None)
    records = next((entry.data for entry in outer if entry.owner == own and entry.tag == _UNLOCK_RECORDS), b"")
    if wrapped is None or len(records) < 16:
        raise CorruptStructureError("APFS: the keybag of the container has no key of the volume")
    inner = tuple(_keybag(container, struct.unpack_from("<QQ", records), volume.identifier))
    for secret in keychain.of(SecretKind.PASSWORD, SecretKind.RECOVERY_KEY):
        key = _volume_key(secret.value, secret.kind, wrapped, inner)
        keychain.note(address, METHOD, secret, opened=key is not None)
        if key is not None:
            return volume_cipher(key, SectorShape())
    said = next((entry.data for entry in inner if entry.tag == _PASSPHRASE_HINT), b"")
    hint = "give the password of a user or the recovery key"
    if said:
        hint += f"; the password hint stored with it is {said[:120].decode('utf-8', 'replace')!r}"
    size = volume.used * container.superblock.block_size
    raise EncryptedVolumeError(f"encrypted volume: {METHOD}, {size} bytes; {keychain.tried(address)}", hint=hint,
                               address=address)  # fmt: skip


def volume_cipher(key: bytes, shape: SectorShape) -> Cipher:
    """AES-XTS with a key of 256 bits, or with two of 128 bits each that are the same."""
    return XtsCipher(BlockCipher("aes", key[:16]), BlockCipher("aes", key[16:32]), shape)


def _volume_key(secret: bytes, kind: SecretKind, wrapped: WrappedKey, entries: tuple[Entry, ...]) -> bytes | None:
    """The key of the volume where the secret opens one of the key-encryption keys."""
    effort = Effort()
    for entry in entries:
        if entry.tag != _UNLOCK_RECORDS or (entry.owner == RECOVERY) != (kind is SecretKind.RECOVERY_KEY):
            continue
        try:
            record = parse_key(entry.data)
            size = 16 if record.flags & _HALF_KEY else 32
            derived = pbkdf2("sha256", secret, record.salt, record.iterations, size, effort)
            inner = _unwrapped(derived, record.wrapped)
            key = None if inner is None else _unwrapped(inner, wrapped.wrapped)
        except (EvidenceError, DerivationRefusedError):
            continue
        if key is not None and len(key) == 16:
            return key + hashlib.sha256(key + wrapped.identifier).digest()[:16]
        if key is not None and len(key) >= 32:
            return key[:32]
    return None


def _unwrapped(key: bytes, wrapped: bytes) -> bytes | None:
    """A key by RFC 3394; None where it does not fit."""
    from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap

    if len(key) not in (16, 24, 32):
        return None
    try:
        return aes_key_unwrap(key, wrapped)
    except (InvalidUnwrap, ValueError):
        return None


# --- keybags ----------------------------------------------------------------------------------------------------------
def _keybag(container: Container, place: tuple[int, int], identifier: bytes) -> Iterator[Entry]:
    """Entries of a keybag.

    Raises:
        EvidenceError: It does not hold or cannot be read.
    """
    size = container.superblock.block_size
    first, count = place
    if not 0 < count * size <= MAX_KEYBAG:
        raise CorruptStructureError(f"APFS: keybag of {count} blocks")
    data = container.blocks.read(first, count)
    shape = SectorShape()
    plain = volume_cipher(identifier * 2, shape).decrypt(data, first * (size // shape.size))
    if not is_sound(plain):
        raise CorruptStructureError("APFS: the checksum of a keybag does not fit")
    entries, length = struct.unpack_from("<HI", plain, 34)
    position = 48
    for _ in range(min(entries, MAX_ENTRIES)):
        if position + 24 > min(len(plain), 48 + length + 32):
            return
        tag, size = struct.unpack_from("<HH", plain, position + 16)
        data = plain[position + 24 : position + 24 + size]
        yield Entry(UUID(bytes=plain[position : position + 16]), tag, data)
        position += 24 + size + 15 & ~15


def parse_key(data: bytes) -> WrappedKey:
    """A wrapped key from its DER.

    Raises:
        CorruptStructureError: It is none.
    """
    outer = dict(_items(_first(data, 0x30)))
    inner = dict(_items(outer.get(0xA3, b"")))
    if 0x83 not in inner:
        raise CorruptStructureError("APFS: the record of a key does not hold")
    flags = int.from_bytes(inner.get(0x82, b"")[:4], "little")
    iterations = int.from_bytes(inner.get(0x84, b"")[:8], "big")
    return WrappedKey(inner.get(0x81, b""), flags, inner[0x83], iterations, inner.get(0x85, b""))


def _first(data: bytes, tag: int) -> bytes:
    return next((value for found, value in _items(data) if found == tag), b"")


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values of a level of DER."""
    position = 0
    while position + 2 <= len(data):
        tag, length = data[position], data[position + 1]
        position += 2
        if length & 0x80:
            more = length & 0x7F
            length = int.from_bytes(data[position : position + more], "big")
            position += more
        if length > len(data) - position:
            return
        yield tag, data[position : position + length]
        position += length
