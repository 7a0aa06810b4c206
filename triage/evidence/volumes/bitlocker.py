"""BitLocker volumes of Windows Vista and later, BitLocker To Go, and volumes that were decrypted and kept the metadata.

Sources: libbde documentation "BitLocker Drive Encryption (BDE) format specification". Read by modules of our own:
``bitlocker_metadata``, ``bitlocker_keys``, ``bitlocker_ciphers``. Where the metadata stand, the plain volume has zeros:
the file system marks those places as used and never reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from triage.errors import EncryptedVolumeError, ReadFailedError, UnsupportedFormatError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes.bitlocker_ciphers import METHODS, make_cipher
from triage.evidence.volumes.bitlocker_keys import mistyped, protectors, unlock
from triage.evidence.volumes.bitlocker_metadata import (
    DECRYPTED,
    ENCRYPTED,
    Metadata,
    is_bitlocker,
    read_metadata,
)
from triage.evidence.volumes.decrypting import EncryptionLayer, SectorStream, locked, read_sectors
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.sector_ciphers import SectorCipher
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/bitlocker"
_MAX_HEADER = 1 << 32
"""Bytes of the first sectors that are kept elsewhere; To Go moves its whole discovery volume."""
_VISTA_PLAIN = 0x2000
"""Bytes at the beginning that Windows Vista leaves as they are."""
_ELSEWHERE = "unlock it elsewhere and hand in an image of the plain volume"


def detect(stream: Stream) -> bool:
    """True for the boot sector of a volume with BitLocker."""
    return is_bitlocker(stream.read_at(0, 512))


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> EncryptionLayer:
    """The plain volume.

    Raises:
        EncryptedVolumeError: None of the keys fits.
        CorruptStructureError: The metadata do not hold.
        UnsupportedFormatError: A cipher or state that is not read.
        ReadFailedError: The boot sector cannot be read.
    """
    del others
    metadata = read_metadata(stream)
    cipher: SectorCipher | None = None
    unit = 1
    if metadata.state != DECRYPTED:
        if metadata.is_on_write and metadata.state != ENCRYPTED:
            raise UnsupportedFormatError(
                "BitLocker whose used space is still being encrypted (encrypt on write), not read", hint=_ELSEWHERE
            )
        found = unlock(metadata, address, keychain)
        if found is None:
            raise _locked(metadata, stream.size, address, keychain)
        try:
            cipher, unit = make_cipher(*found, metadata.sector_size)
        except ValueError as error:
            raise UnsupportedFormatError(f"BitLocker: {error}", hint=_ELSEWHERE) from error
    plain = _Volume(stream, metadata, cipher, unit)
    size = stream.size - stream.size % metadata.sector_size
    words = metadata.description or ("decrypted volume" if cipher is None else "encrypted volume")
    volume = LayerVolume("bde1", f"BitLocker {words}", SectorStream(size, metadata.sector_size, plain.decode))
    problems = tuple(_problems(metadata, stream.size, address))
    return EncryptionLayer("bitlocker", (volume,), problems, _details(metadata), replaces=not metadata.is_to_go)


class _Volume:
    """Which bytes of the plain volume stand where, encrypted or not."""

    def __init__(self, stream: Stream, metadata: Metadata, cipher: SectorCipher | None, unit: int) -> None:
        self._stream = stream
        self._metadata = metadata
        self._cipher = cipher
        self._unit = unit
        self._encrypted = 0
        if cipher is not None:
            limit = metadata.encrypted_size
            self._encrypted = limit if limit else stream.size
        size = metadata.sector_size
        holes = [(place, place + metadata.region) for place in metadata.places]
        self._moved = min(metadata.header_size, _MAX_HEADER) // size * size
        if self._moved:
            holes.append((metadata.header_offset, metadata.header_offset + self._moved))
        self._holes = sorted((begin, end) for begin, end in holes if 0 < begin < 1 << 62 and begin % size == 0)
        self._moved_is_plain = self._is_moved_plain()

    def decode(self, offset: int, length: int) -> bytes:
        """Plain bytes of a range of sectors.

        Raises:
            ReadFailedError: With what came before in ``partial``.
        """
        parts: list[bytes] = []
        for place, size, source, is_plain in self._pieces(offset, offset + length):
            if source < 0:
                parts.append(bytes(size))
                continue
            data, failed = read_sectors(self._stream, source, size, self._metadata.sector_size)
            if data and not is_plain and self._cipher is not None:
                data = self._cipher.decrypt(data, source // self._unit)
            parts.append(self._vista(place, data) if self._metadata.version == 1 else data)
            if failed is not None:
                partial = b"".join(parts)
                raise ReadFailedError(failed.message, hint=failed.hint, partial=partial) from failed
        return b"".join(parts)

    def _pieces(self, offset: int, end: int) -> Iterator[tuple[int, int, int, bool]]:
        """Ranges as ``(place, length, where it is kept, is plain)``; -1 for what reads as zeros."""
        while offset < end:
            stop, source, is_plain = self._piece(offset)
            stop = min(stop, end)
            yield offset, stop - offset, source, is_plain
            offset = stop

    def _piece(self, offset: int) -> tuple[int, int, bool]:
        if offset < self._moved:
            return self._moved, self._metadata.header_offset + offset, self._moved_is_plain
        stop = 1 << 63
        for begin, end in self._holes:
            if begin <= offset < end:
                return end, -1, True
            if begin > offset:
                stop = min(stop, begin)
        if self._metadata.version == 1 and offset < _VISTA_PLAIN:
            return min(stop, _VISTA_PLAIN), offset, True
        if offset < self._encrypted:
            return min(stop, self._encrypted), offset, False
        return stop, offset, True

    def _is_moved_plain(self) -> bool:
        """The first sectors are kept as they are: a boot sector can be seen where they are kept."""
        if self._cipher is None or not self._moved:
            return True
        try:
            boot = self._stream.read_at(self._metadata.header_offset, 512)
        except ReadFailedError:
            return False
        return boot[:1] in (b"\xeb", b"\xe9") and boot[510:512] == b"\x55\xaa"

    def _vista(self, place: int, data: bytes) -> bytes:
        """The boot sector as NTFS has it; Vista puts its signature and the place of its metadata into it."""
        if place or len(data) < 512:
            return data
        mirror = self._metadata.mirror.to_bytes(8, "little")
        return data[:3] + b"NTFS    " + data[11:56] + mirror + data[64:]


def _locked(metadata: Metadata, size: int, address: str, keychain: Keychain) -> EncryptedVolumeError:
    names = list(dict.fromkeys(way.name for way in protectors(metadata)))
    remarks = (f"it opens with: {', '.join(names)}" if names else "no key protector is there", *mistyped(keychain))
    hint = "give its password, 48-digit recovery password (recovery key) or startup key file (.bek); "
    return locked(_method(metadata), size, address, keychain, hint=hint + "or " + _ELSEWHERE, remarks=remarks)


def _method(metadata: Metadata) -> str:
    name = "BitLocker To Go" if metadata.is_to_go else "BitLocker"
    if metadata.version == 1:
        name += " of Windows Vista"
    return f"{name} ({METHODS[metadata.method]})" if metadata.method in METHODS else name


def _problems(metadata: Metadata, size: int, address: str) -> Iterator[Problem]:
    for words in metadata.remarks:
        yield Problem(address, STAGE, Reason.CORRUPT, f"BitLocker: {words}", examined_anyway=True)
    missing = (metadata.encrypted_size or 0) - size
    if missing > 0:
        words = f"BitLocker: the volume reaches {missing} bytes beyond the end of the image"
        hint = "the image may be cut short; compare with another copy"
        yield Problem(address, STAGE, Reason.TRUNCATED, words, hint, min(missing, 1 << 48))
    if metadata.state not in (DECRYPTED, ENCRYPTED) or (metadata.is_on_write and metadata.state == ENCRYPTED):
        words = "BitLocker: encryption or decryption was under way; sectors at the border may read wrong"
        yield Problem(
            address, STAGE, Reason.MISMATCH, words, "compare with a fully decrypted copy", examined_anyway=True
        )


def _details(metadata: Metadata) -> dict[str, str]:
    guid = metadata.identifier
    fields = guid[3::-1].hex(), guid[5:3:-1].hex(), guid[7:5:-1].hex(), guid[8:10].hex(), guid[10:].hex()
    details = {
        "format": "BitLocker, Windows Vista" if metadata.version == 1 else "BitLocker",
        "identifier": "-".join(fields),
        "description": metadata.description,
        "cipher": METHODS.get(metadata.method, "none" if metadata.state == DECRYPTED else f"0x{metadata.method:04x}"),
        "protectors": ", ".join(way.name for way in protectors(metadata)),
        "state": {DECRYPTED: "decrypted", ENCRYPTED: "encrypted"}.get(metadata.state, f"changing ({metadata.state})"),
    }
    return {name: value for name, value in details.items() if value}
