"""From the secrets of a keychain to the volume key of LUKS: keyslots, and keys that are handed in as they are."""

from __future__ import annotations

import hmac
from collections.abc import Iterator

from triage.errors import ReadFailedError
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.volumes.key_derivation import (
    DerivationRefusedError,
    Effort,
    argon2,
    merge_stripes,
    pbkdf2,
)
from triage.evidence.volumes.luks_header import SECTOR, LuksHeader, LuksSlot
from triage.evidence.volumes.sector_ciphers import KEY_SIZES, SectorShape, dm_crypt_cipher
from triage.model.stream import Stream

_MAX_REMARKS = 8
_SHAPE = SectorShape(SECTOR)


def unlock(header: LuksHeader, material: Stream, address: str, keychain: Keychain, remarks: list[str]) -> bytes | None:
    """The volume key, None where no secret gives it.

    Args:
        header: Of the volume.
        material: Where the header and the key material stand: the volume or a detached header.
        address: Of the volume, for the keychain.
        keychain: Every try is noted in it, and the key.
        remarks: What stood in the way is added.
    """
    known = keychain.recall(header.identity)
    if known is not None:
        remarks.extend(words for words in known.remarks if words not in remarks)
        return known.key or None
    for secret in keychain.of(SecretKind.PASSWORD, SecretKind.KEY_FILE, SecretKind.RECOVERY_KEY):
        key = _try_secret(header, material, secret, remarks)
        keychain.note(address, f"LUKS{header.version}", secret, opened=key is not None)
        if key is not None:
            keychain.remember(header.identity, key)
            return key
    if len(keychain):
        keychain.remember(header.identity, b"", remarks)
    return None


def _try_secret(header: LuksHeader, material: Stream, secret: Secret, remarks: list[str]) -> bytes | None:
    effort = Effort()
    for key in _candidates(header, material, secret, effort, remarks):
        try:
            if _is_right(header, key, effort):
                return key
        except DerivationRefusedError as error:
            _remark(remarks, f"the volume key cannot be checked: {error}")
            return None
    return None


def _candidates(
    header: LuksHeader, material: Stream, secret: Secret, effort: Effort, remarks: list[str]
) -> Iterator[bytes]:
    """Volume keys that a secret may stand for; the cheap one first: the key itself, as a file."""
    sizes = {header.key_size} if header.key_size else {size for sizes in KEY_SIZES.values() for size in sizes}
    if secret.kind is SecretKind.KEY_FILE and len(secret.value) in sizes:
        yield secret.value
    for slot in header.slots:
        try:
            yield _open_slot(slot, material, secret.value, effort)
        except (DerivationRefusedError, ReadFailedError, ValueError) as error:
            _remark(remarks, f"keyslot {slot.number} not tried: {error}")


def _open_slot(slot: LuksSlot, material: Stream, secret: bytes, effort: Effort) -> bytes:
    """What a keyslot gives for a secret, right or wrong.

    Raises:
        DerivationRefusedError: The derivation is not done.
        ReadFailedError: The key material cannot be read.
        ValueError: The cipher of the key material is not read.
    """
    length = slot.key_size * slot.stripes
    rounded = -(-length // SECTOR) * SECTOR
    if slot.area_offset + length > material.size:
        raise ReadFailedError("the key material lies beyond the end of the volume")
    data = material.read_at(slot.area_offset, rounded)
    data += bytes(rounded - len(data))
    if not any(data):
        raise ReadFailedError("the key material is zeros")
    if slot.kdf == "pbkdf2":
        derived = pbkdf2(slot.kdf_hash, secret, slot.salt, slot.cost, slot.area_key_size, effort)
    else:
        costs = slot.cost, slot.memory, slot.lanes, slot.area_key_size
        derived = argon2(slot.kdf, secret, slot.salt, *costs, effort)
    plain = dm_crypt_cipher(slot.area_spec, derived, _SHAPE).decrypt(data, 0)
    return merge_stripes(plain[:length], slot.key_size, slot.stripes, slot.split_hash)


def _is_right(header: LuksHeader, key: bytes, effort: Effort) -> bool:
    digest = header.digest
    found = pbkdf2(digest.hash, key, digest.salt, digest.iterations, len(digest.value), effort)
    return hmac.compare_digest(found, digest.value)


def _remark(remarks: list[str], words: str) -> None:
    if words not in remarks and len(remarks) < _MAX_REMARKS:
        remarks.append(words)
