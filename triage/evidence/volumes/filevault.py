"""CoreStorage: volumes of FileVault 2, and logical volumes of CoreStorage that are not encrypted, through libfvde.

Source of what is checked before the library gets the bytes: libfvde documentation "Core Storage (CS) and FileVault
Drive Encryption (FVDE) format". The library reads through file objects and never opens a path; a Fusion drive is put
together from the other volumes of the evidence. A wiped key is taken from a file ``EncryptedRoot.plist.wipekey``.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

from triage.errors import CorruptStructureError, EncryptedVolumeError, ReadFailedError, UnsupportedFormatError
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.volumes.decrypting import EncryptionLayer, SectorStream, locked
from triage.evidence.volumes.layers import LayerVolume
from triage.model.stream import Stream

METHOD = "FileVault 2 (CoreStorage)"
_MAX_VOLUMES = 64
_MAX_PHYSICAL = 8
_MAX_READ = 1 << 20
_SECTOR = 512
_MAX_PLIST = 4 << 20
_FAILURES = (OSError, ValueError, MemoryError, TypeError, RuntimeError, OverflowError)
_HINT = (
    "give the password of a user or the recovery key, and, where the boot partition is at hand, its "
    "EncryptedRoot.plist.wipekey as key file; or unlock it elsewhere and hand in an image of the plain volume"
)


def detect(stream: Stream) -> bool:
    """True for the header of a physical volume of CoreStorage."""
    head = stream.read_at(0, _SECTOR)
    return len(head) == _SECTOR and head[88:90] == b"CS" and head[8:10] == b"\x01\x00" and head[10:12] == b"\x10\x00"


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> EncryptionLayer:
    """The logical volumes, those that need no key among them.

    Raises:
        EncryptedVolumeError: None of the keys fits any of them.
        CorruptStructureError: The library refuses the structure.
        UnsupportedFormatError: The library is not installed.
        ReadFailedError: The header cannot be read.
    """
    parts = [stream, *_members(stream, others)]
    group = _Group(parts)
    try:
        count = group.count()
        if not count:
            raise CorruptStructureError("CoreStorage: no logical volume is described", hint="compare with another copy")
        volumes = [_open_volume(parts, index, address, keychain) for index in range(count)]
        details = {"format": "CoreStorage", "group": group.text("get_name"), "logical volumes": str(count)}
    finally:
        group.close()
    if all(volume.encryption for volume in volumes):
        size = sum(volume.length for volume in volumes)
        raise _locked(size, address, keychain)
    details = {name: value for name, value in details.items() if value}
    return EncryptionLayer("filevault", tuple(volumes), (), details)


def _members(stream: Stream, others: Sequence[Stream]) -> list[Stream]:
    """Other volumes of the same group: a Fusion drive has two."""
    group = stream.read_at(0, _SECTOR)[320:336]
    found: list[Stream] = []
    for other in others:
        if other is stream or len(found) >= _MAX_PHYSICAL or not any(group):
            continue
        try:
            if detect(other) and other.read_at(0, _SECTOR)[320:336] == group:
                found.append(other)
        except ReadFailedError:
            continue
    return found


def _locked(size: int, address: str, keychain: Keychain) -> EncryptedVolumeError:
    return locked(METHOD, size, address, keychain, hint=_HINT)


class _File:
    """A stream as the file object that the library reads from."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._place = 0

    def read(self, size: int | None = None) -> bytes:
        """Bytes from the place on; a failure is an ``OSError``, as the library expects."""
        rest = self._stream.size - self._place
        try:
            data = self._stream.read_at(self._place, min(rest, _MAX_READ * 16) if size is None else size)
        except ReadFailedError as error:
            raise OSError("cannot be read") from error
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> None:
        """Move the place."""
        base = {os.SEEK_CUR: self._place, os.SEEK_END: self._stream.size}.get(whence, 0)
        self._place = base + offset

    def tell(self) -> int:
        """The place."""
        return self._place

    def get_size(self) -> int:
        """Bytes in all."""
        return self._stream.size


class _Group:
    """An open volume group of the library.

    Args:
        parts: Its physical volumes.
        plist: ``EncryptedRoot.plist.wipekey``, empty where none.

    Raises:
        UnsupportedFormatError: The library is not installed.
        CorruptStructureError: It refuses the structure.
    """

    def __init__(self, parts: Sequence[Stream], plist: bytes = b"") -> None:
        try:
            import pyfvde
        except ImportError as error:
            raise UnsupportedFormatError(
                f"{METHOD} needs libfvde, which is not installed", hint="install libfvde-python"
            ) from error
        self._volume: Any = pyfvde.volume()
        self._group: Any = None
        try:
            if plist:
                self._read_plist(plist)
            self._volume.open_file_object(_File(parts[0]))
            self._volume.open_physical_volume_files_as_file_objects([_File(part) for part in parts])
            self._group = self._volume.get_volume_group()
            self._count = min(_MAX_VOLUMES, int(self._group.get_number_of_logical_volumes()))
        except _FAILURES as error:
            self.close()
            hint = "compare with another copy; a Fusion drive needs all of its disks"
            raise CorruptStructureError("CoreStorage: libfvde cannot open it", hint=hint) from error

    def _read_plist(self, plist: bytes) -> None:
        """The library takes the file by its path only: it gets one that nobody else can read, for a moment."""
        with tempfile.NamedTemporaryFile(prefix="plist-") as file:
            file.write(plist)
            file.flush()
            self._volume.read_encrypted_root_plist(file.name)

    def count(self) -> int:
        """Logical volumes of the group."""
        return self._count

    def volume(self, index: int) -> Any:
        """A logical volume of the library."""
        return self._group.get_logical_volume(index)

    def text(self, getter: str) -> str:
        """A name of the group, printable."""
        return _text(self._group, getter)

    def close(self) -> None:
        """Release the library's objects; a second call does nothing."""
        self._group = None
        try:
            self._volume.close()
        except _FAILURES:
            return


def _text(item: Any, getter: str) -> str:
    try:
        value = getattr(item, getter)()
    except _FAILURES:
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in str(value or "")[:128])


def _open_volume(parts: Sequence[Stream], index: int, address: str, keychain: Keychain) -> LayerVolume:
    """A logical volume: opened with the key that fits, or told to be locked."""
    name = f"fve{index + 1}"
    group = _Group(parts)
    try:
        logical = group.volume(index)
        size, is_locked = int(logical.get_size()), bool(logical.is_locked())
        words = f"CoreStorage {_text(logical, 'get_name') or 'logical volume'}"
    except _FAILURES as error:
        group.close()
        raise CorruptStructureError("CoreStorage: a logical volume cannot be read", hint="compare it") from error
    if size < _SECTOR or size > 1 << 62:
        group.close()
        raise CorruptStructureError(f"CoreStorage: impossible size of a logical volume: {size} bytes")
    if not is_locked:
        return LayerVolume(name, words, _stream(group, logical, size))
    group.close()
    opened = _unlock(parts, index, address, keychain)
    if opened is None:
        return LayerVolume(name, words, encryption=METHOD, hint=_HINT, length=size)
    group, logical = opened
    return LayerVolume(name, words, _stream(group, logical, int(logical.get_size())))


def _unlock(parts: Sequence[Stream], index: int, address: str, keychain: Keychain) -> tuple[_Group, Any] | None:
    """Group and logical volume that a secret opens.

    A key file is the list of wrapped keys, not a key: each secret is tried without one and then with each.
    """
    head = parts[0].read_at(0, _SECTOR)
    identity = hashlib.sha256(b"filevault" + index.to_bytes(2, "big") + head).digest()
    known = keychain.recall(identity)
    if known is not None and not known.key:
        return None
    plists = [secret for secret in keychain.of(SecretKind.KEY_FILE) if len(secret.value) <= _MAX_PLIST]
    secrets = list(keychain.of(SecretKind.PASSWORD, SecretKind.RECOVERY_KEY))
    for secret in secrets:
        if known is not None and secret.shown.encode() != known.key:
            continue
        for plist in (None, *plists):
            found = _try(parts, index, secret, plist.value if plist is not None else b"")
            keychain.note(address, METHOD, secret, opened=found is not None)
            if found is not None:
                keychain.remember(identity, secret.shown.encode())  # the library does not give the key away
                return found
    if secrets:
        keychain.remember(identity, b"")
    return None


def _try(parts: Sequence[Stream], index: int, secret: Secret, plist: bytes) -> tuple[_Group, Any] | None:
    text = secret.value.decode("utf-8", "surrogateescape")
    try:
        group = _Group(parts, plist)
    except CorruptStructureError:
        return None
    try:
        logical = group.volume(index)
        if secret.kind is SecretKind.PASSWORD:
            logical.set_password(text)
        else:
            logical.set_recovery_password(text.strip())
        logical.unlock()
        if not logical.is_locked():
            return group, logical
    except _FAILURES:  # says that no key could be unwrapped; what it says may repeat the secret
        pass
    group.close()
    return None


def _stream(group: _Group, logical: Any, size: int) -> SectorStream:
    """The plain bytes of a logical volume; the library's objects are used by one thread at a time."""
    lock = threading.Lock()

    def decode(offset: int, length: int) -> bytes:
        parts: list[bytes] = []
        end = offset + length
        with lock:
            while offset < end:
                try:
                    data = bytes(logical.read_buffer_at_offset(min(end - offset, _MAX_READ), offset))
                except _FAILURES as error:
                    words = f"CoreStorage: libfvde cannot read at {offset}"
                    raise ReadFailedError(words, partial=b"".join(parts)) from error
                if not data:
                    words = f"CoreStorage: libfvde returned nothing at {offset}"
                    raise ReadFailedError(words, partial=b"".join(parts))
                parts.append(data)
                offset += len(data)
        return b"".join(parts)

    return SectorStream(size - size % _SECTOR, _SECTOR, decode, group.close)
