"""Volumes without any signature that a key opens: VeraCrypt, TrueCrypt, and LUKS whose header is a key file.

Nothing proves such a volume but a key that fits, so the unit claims whatever begins like noise, comes last, and is
worth trying only where secrets were given. Normal and hidden volumes are told apart by the place of their header; where
the secrets open both, both are there. Sources: see ``veracrypt_header`` and ``luks``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from triage.errors import EncryptedVolumeError, ReadFailedError
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.randomness import is_mixed, stream_looks_like_container
from triage.evidence.volumes import luks
from triage.evidence.volumes.decrypting import EncryptionLayer, decrypting_stream, locked
from triage.evidence.volumes.key_derivation import Effort
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.signatures import recognise
from triage.evidence.volumes.veracrypt_header import (
    SIZE,
    VolumeHeader,
    mixed_secrets,
    open_header,
    open_with_keys,
    xts,
)
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream, Stream

STAGE = "evidence/veracrypt"
METHOD = "VeraCrypt or TrueCrypt"
MIN_SIZE = 16 << 10
_UNIT = 512
_GROUP = 128 << 10
"""Bytes at either end that the headers of a volume and of its hidden volume take, from version 4 on."""
_LEGACY_TAIL = 1536
"""Where the hidden header of TrueCrypt 5 stands, from the end."""
_MAX_KEY_FILES = 8
_HINT = (
    "give its password and key files; volumes with a cascade of ciphers, Serpent, Twofish, Whirlpool, Streebog or a "
    "PIM must be opened with VeraCrypt itself, and an image of the plain volume handed in"
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a header may stand."""

    offset: int
    is_hidden: bool
    is_backup: bool = False
    is_old: bool = False


def detect(stream: Stream) -> bool:
    """True where a volume begins like noise and nothing known stands in it; proves nothing."""
    if stream.size < MIN_SIZE or not is_mixed(stream.read_at(0, SIZE)):
        return False
    return recognise(stream, 0, stream.size) is None


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> EncryptionLayer:
    """The plain volumes: the normal one, the hidden one, or both.

    Raises:
        EncryptedVolumeError: None of the keys fits, which does not say that the volume is encrypted.
        ReadFailedError: The volume cannot be read.
    """
    del others
    detached = _open_detached(stream, address, keychain)
    if detached is not None:
        return detached
    volumes: list[LayerVolume] = []
    problems: list[Problem] = []
    details: dict[str, str] = {}
    for place in _places(stream):
        if any(place.is_backup and volume.description.startswith(_words(place)) for volume in volumes):
            continue
        header = _unlock(stream, place, address, keychain)
        if header is None:
            continue
        found = _open_volume(stream, place, header, f"vc{len(volumes) + 1}")
        if found is None:
            message = f"{header.program}: the header opens, but states a place beyond the end of the volume"
            problems.append(Problem(address, STAGE, Reason.CORRUPT, message, "the image may be cut short"))
            continue
        volumes.append(found)
        details["format"] = f"{header.program}, header version {header.version}"
        details["cipher"] = f"{header.cipher.upper()}-XTS 256 bits"
    if not volumes:
        remarks = ("it begins like noise", *stream_looks_like_container(stream))
        remarks += tuple(problem.message for problem in problems)
        raise _no_key(stream.size, address, keychain, remarks)
    return EncryptionLayer("veracrypt", tuple(volumes), tuple(problems), details)


def _no_key(size: int, address: str, keychain: Keychain, remarks: tuple[str, ...]) -> EncryptedVolumeError:
    return locked(f"perhaps {METHOD}", size, address, keychain, hint=_HINT, remarks=remarks)


def _open_detached(stream: Stream, address: str, keychain: Keychain) -> EncryptionLayer | None:
    """The volume with a LUKS header that was handed in as a key file."""
    for secret in keychain.of(SecretKind.KEY_FILE):
        if luks.is_header(secret.value):
            try:
                layer = luks.open_with_header(stream, MemoryStream(secret.value), address, keychain)
            except EncryptedVolumeError:
                continue
            return layer
    return None


def _places(stream: Stream) -> Iterator[_Place]:
    """Where headers may stand; the backups only where the header before them is lost."""
    size = stream.size
    yield _Place(0, is_hidden=False)
    if size > 2 * _GROUP:
        yield _Place(_GROUP // 2, is_hidden=True)
    yield _Place(size - _LEGACY_TAIL, is_hidden=True, is_old=True)
    if size > 2 * _GROUP:
        yield _Place(size - _GROUP, is_hidden=False, is_backup=True)
        yield _Place(size - _GROUP // 2, is_hidden=True, is_backup=True)


def _unlock(stream: Stream, place: _Place, address: str, keychain: Keychain) -> VolumeHeader | None:
    try:
        data = stream.read_at(place.offset, SIZE)
    except ReadFailedError:
        return None
    if len(data) < SIZE or not is_mixed(data):
        return None
    identity = hashlib.sha256(b"veracrypt" + data).digest()
    known = keychain.recall(identity)
    if known is not None:
        return open_with_keys(data, known.key)
    for secrets, candidates in _combinations(keychain):
        header = open_header(data, candidates, Effort(), only_old=place.is_old)
        for secret in secrets:
            keychain.note(address, f"{METHOD}, {_words(place)}", secret, opened=header is not None)
        if header is not None:
            keychain.remember(identity, header.unlocking)
            return header
    if len(keychain):
        keychain.remember(identity, b"")
    return None


def _combinations(keychain: Keychain) -> Iterator[tuple[tuple[Secret, ...], tuple[bytes, ...]]]:
    """Passwords and key files as they may belong together, and what the derivation gets for them.

    Each password alone, with all key files, and with each of them; key files without a password.
    """
    files = [secret for secret in keychain.of(SecretKind.KEY_FILE) if not luks.is_header(secret.value)]
    files = files[:_MAX_KEY_FILES]
    sets = [tuple(files)] if len(files) > 1 else []
    sets += [(file,) for file in files]
    passwords = list(keychain.of(SecretKind.PASSWORD))
    for password in passwords:
        yield (password,), (password.value,)
    for chosen in sets:
        values = [file.value for file in chosen]
        for password in passwords:
            yield (password, *chosen), tuple(mixed_secrets(password.value, values))
        yield chosen, tuple(mixed_secrets(b"", values))


def _open_volume(stream: Stream, place: _Place, header: VolumeHeader, name: str) -> LayerVolume | None:
    """The plain volume of a header; None where it states a place that is not there."""
    if header.version >= 4:
        start, size = header.start, header.size
    elif place.is_hidden:
        size = header.hidden_size
        start = stream.size - size - _LEGACY_TAIL
    else:
        start, size = SIZE, stream.size - SIZE
    if not 0 <= start < stream.size or start % _UNIT or size < _UNIT:
        return None
    size = min(size, stream.size - start)
    size -= size % _UNIT
    cipher = xts(header.cipher, header.key, _UNIT)
    plain = decrypting_stream(stream, start, size, cipher, _UNIT, start // _UNIT, 1)
    return LayerVolume(name, f"{_words(place)} of {header.program}", plain)


def _words(place: _Place) -> str:
    return "hidden volume" if place.is_hidden else "normal volume"
