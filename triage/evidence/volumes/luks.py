"""LUKS volumes of version 1 and 2, with a header of their own or a detached one.

Sources: LUKS1 On-Disk Format Specification 1.2.3, LUKS2 On-Disk Format Specification 1.1.2. Read by modules of our own:
``luks1`` and ``luks2`` (headers), ``luks_unlock`` (keys), ``sector_ciphers`` (data).
"""

from __future__ import annotations

from collections.abc import Sequence

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes import luks1, luks2
from triage.evidence.volumes.decrypting import EncryptionLayer, decrypting_stream, locked
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.luks_header import LuksHeader
from triage.evidence.volumes.luks_unlock import unlock
from triage.evidence.volumes.sector_ciphers import SectorCipher, SectorShape, check_spec, dm_crypt_cipher
from triage.evidence.volumes.signatures import recognise_readable
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/luks"
_HINT = (
    "give its password, key file, or volume key as a key file; "
    "or unlock it elsewhere and hand in an image of the plain volume"
)


class _PlainCipher:
    """``cipher_null``: the data are not encrypted."""

    def decrypt(self, data: bytes, first: int) -> bytes:
        del first
        return data


def detect(stream: Stream) -> bool:
    """True for a header at the beginning, or a second one of LUKS2 where nothing else stands at the beginning."""
    if stream.read_at(0, 8) in (luks1.MAGIC, luks2.MAGIC):
        return True
    return luks2.has_second_header(stream) and recognise_readable(stream, 0, stream.size) is None


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> EncryptionLayer:
    """The plain volume.

    Raises:
        EncryptedVolumeError: None of the keys fits.
        CorruptStructureError: The header does not hold.
        UnsupportedFormatError: A cipher or an arrangement that is not read.
        ReadFailedError: The header cannot be read.
    """
    del others
    return open_with_header(stream, stream, address, keychain)


def is_header(data: bytes) -> bool:
    """True where bytes, for instance those of a key file, begin like a header."""
    return data[:8] in (luks1.MAGIC, luks2.MAGIC)


def open_with_header(stream: Stream, material: Stream, address: str, keychain: Keychain) -> EncryptionLayer:
    """The plain volume of data and a header that may be detached.

    Args:
        stream: The encrypted data.
        material: Header and key material; the same as ``stream`` where it is not detached.
        address: Of the volume.
        keychain: Secrets to try.

    Raises:
        EncryptedVolumeError: None of the keys fits.
        CorruptStructureError: The header does not hold.
        UnsupportedFormatError: A cipher or an arrangement that is not read.
        ReadFailedError: The header cannot be read.
    """
    header = luks1.read_luks1(material) if material.read_at(0, 8) == luks1.MAGIC else luks2.read_luks2(material)
    method = f"LUKS{header.version}"
    if header.data_offset >= stream.size:
        words = f"{method}: only the header is there, the data begin at {header.data_offset} of {stream.size} bytes"
        raise CorruptStructureError(words, hint="the image may be cut short, or hold a backup of a header")
    cipher = _open_cipher(header, material, stream.size, address, keychain)
    size, problems = _size(header, stream.size, address)
    step = header.sector_size // 512
    plain = decrypting_stream(stream, header.data_offset, size, cipher, header.sector_size, header.first, step)
    volume = LayerVolume("luks1", f"{method} {header.label or header.uuid}".strip(), plain)
    return EncryptionLayer("luks", (volume,), problems, _details(header))


def _size(header: LuksHeader, available: int, address: str) -> tuple[int, tuple[Problem, ...]]:
    """Bytes of the data as far as they are there, and what does not hold."""
    method = f"LUKS{header.version}"
    problems = [
        Problem(address, STAGE, Reason.CORRUPT, f"{method}: {words}", examined_anyway=True) for words in header.remarks
    ]
    rest = available - header.data_offset
    size = header.data_size or rest
    if size > rest:
        words = f"{method}: the data reach {size - rest} bytes beyond the end of the volume"
        hint = "the image may be cut short; compare with another copy"
        problems.append(Problem(address, STAGE, Reason.TRUNCATED, words, hint, min(size - rest, 1 << 48)))
    size = min(size, rest)
    return size - size % header.sector_size, tuple(problems)


def _open_cipher(header: LuksHeader, material: Stream, size: int, address: str, keychain: Keychain) -> SectorCipher:
    remarks = list(header.remarks)
    if header.spec.startswith("cipher_null-"):
        return _PlainCipher()
    shape = SectorShape(header.sector_size, header.sector_size // 512)
    try:
        if header.key_size:
            check_spec(header.spec, header.key_size)
    except ValueError as error:
        raise _unsupported(header, error) from error
    key = unlock(header, material, address, keychain, remarks)
    if key is None:
        if not header.slots:
            remarks.append("the header has no keyslot that can be used")
        if header.tokens:
            remarks.append("other ways to its key: " + ", ".join(header.tokens[:8]))
        raise locked(
            f"LUKS{header.version} ({header.spec})", size, address, keychain, hint=_HINT, remarks=tuple(remarks)
        )
    try:
        return dm_crypt_cipher(header.spec, key, shape)
    except ValueError as error:
        raise _unsupported(header, error) from error


def _unsupported(header: LuksHeader, error: ValueError) -> UnsupportedFormatError:
    return UnsupportedFormatError(
        f"LUKS{header.version}: {error}", hint="unlock it elsewhere and hand in an image of the plain volume"
    )


def _details(header: LuksHeader) -> dict[str, str]:
    details = {
        "format": f"LUKS{header.version}",
        "uuid": header.uuid,
        "label": header.label,
        "cipher": header.spec,
        "key size": f"{header.key_size * 8} bits",
        "sector size": str(header.sector_size),
        "keyslots": ", ".join(f"{slot.number} ({slot.kdf})" for slot in header.slots),
        "tokens": ", ".join(header.tokens),
    }
    return {name: value for name, value in details.items() if value}
