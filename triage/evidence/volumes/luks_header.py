"""What a LUKS header of either version says, in one shape.

Checks of what both versions share stand here, so that nothing behind the headers meets an impossible number.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.errors import CorruptStructureError

MAX_KEY = 512
"""Bytes of a volume key; the largest in use has 128."""
MAX_STRIPES = 65536
MAX_MATERIAL = 16 << 20
"""Bytes of the key material of one slot; usual are 256 KiB."""
SECTOR = 512
"""Bytes in a sector of key material, and the unit in which dm-crypt counts, whatever the size of a sector."""


@dataclass(frozen=True, slots=True)
class LuksSlot:
    """One keyslot.

    Attributes:
        number: Of the slot.
        key_size: Bytes of the key that it gives.
        kdf: ``pbkdf2``, ``argon2i``, ``argon2id`` or what else the header says.
        kdf_hash: Of PBKDF2.
        salt: For the derivation.
        cost: Iterations or passes.
        memory: KiB of Argon2.
        lanes: Of Argon2.
        area_offset: Byte of the header where the key material begins.
        area_spec: Cipher of the key material.
        area_key_size: Bytes of the derived key.
        stripes: Of the anti-forensic splitter.
        split_hash: Its hash.
        priority: Greater ones are tried first.
    """

    number: int
    key_size: int
    kdf: str
    kdf_hash: str
    salt: bytes = field(repr=False)
    cost: int
    memory: int
    lanes: int
    area_offset: int
    area_spec: str
    area_key_size: int
    stripes: int
    split_hash: str
    priority: int = 1

    @property
    def is_possible(self) -> bool:
        """Its numbers can be worked with."""
        return (
            0 < self.key_size <= MAX_KEY
            and 0 < self.area_key_size <= MAX_KEY
            and 0 < self.stripes <= MAX_STRIPES
            and self.key_size * self.stripes <= MAX_MATERIAL
            and self.area_offset > 0
        )


@dataclass(frozen=True, slots=True)
class LuksDigest:
    """How the volume key is told to be right.

    Attributes:
        hash: Of PBKDF2.
        salt: Of it.
        iterations: Of it.
        value: What must come out.
    """

    hash: str
    salt: bytes
    iterations: int
    value: bytes


@dataclass(frozen=True, slots=True)
class LuksHeader:
    """A header.

    Attributes:
        version: 1 or 2.
        uuid: As stored.
        label: As stored, empty in version 1.
        spec: Cipher of the data.
        key_size: Bytes of the volume key.
        digest: Of the volume key.
        slots: In the order to try.
        data_offset: Byte of the volume where the data begin.
        data_size: Bytes of the data, 0 where they reach to the end of the volume.
        sector_size: Bytes in a sector of the data.
        first: Number of the first sector, in units of 512 bytes.
        identity: Digest of the header.
        remarks: What does not hold, in words.
        tokens: Kinds of tokens: other ways to a key, such as a TPM.
    """

    version: int
    uuid: str
    label: str
    spec: str
    key_size: int
    digest: LuksDigest
    slots: tuple[LuksSlot, ...]
    data_offset: int
    data_size: int
    sector_size: int
    first: int
    identity: bytes
    remarks: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()


def printable(text: str) -> str:
    """At most 128 characters that can be shown; control characters count as ends."""
    return "".join(character if character.isprintable() else "?" for character in text[:128])


def corrupt(version: int, words: str) -> CorruptStructureError:
    """A header that does not hold."""
    return CorruptStructureError(
        f"LUKS{version} header does not hold: {words}", hint="look for a backup of the header; hand it in as key file"
    )
