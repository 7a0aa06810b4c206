"""Encrypted Apple disk images (``encrcdsa``, version 2), opened with a password.

The header keeps the keys of the image wrapped by a key made of the password. Every block is encrypted with AES-CBC; its
initialisation vector is an HMAC of its number. What the image decrypts to is an image again: UDIF, a sparse image or
a raw disk. Version 1 (``cdsaencr`` at the end) and keys wrapped for a certificate are refused.

Sources: "Unlocking FileVault" (Appelbaum, Weinmann), "Mac OS disk image types" (Joachim Metz), RFC 8018.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from triage.errors import CorruptStructureError, EncryptedVolumeError, UnsupportedFormatError
from triage.evidence.containers.beside import Beside, Found, Nowhere
from triage.evidence.containers.mapped_container import MAX_MEDIA, DiskContainer, claims, open_any, open_by_path
from triage.evidence.keychain import Keychain, SecretKind
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

SIGNATURE = b"encrcdsa"
OLD = b"cdsaencr"
STAGE = "evidence/encrypted-dmg"
METHOD = "encrypted disk image"
MAX_ITERATIONS = 5_000_000
"""Of PBKDF2; some 300,000 are usual. This many take two seconds a password."""
_AES, _TRIPLE_DES = 0x80000001, 17
_MAX_KEYS = 64
_MAX_WRAPPED = 4
"""Keys wrapped by passwords that are tried; one is usual."""
_KEY_BITS = {_AES: (128, 192, 256), _TRIPLE_DES: (192,)}
"""Bits of the wrapping key by its algorithm."""
_PASSPHRASE = 1


@dataclass(frozen=True, slots=True)
class _Header:
    """What the header states."""

    block: int
    size: int
    offset: int
    key_length: int
    hmac_length: int
    wrapped: tuple[_WrappedKey, ...]


@dataclass(frozen=True, slots=True)
class _WrappedKey:
    """The image's keys, wrapped by a password."""

    iterations: int
    salt: bytes
    vector: bytes
    bits: int
    algorithm: int
    blob: bytes


class DecryptedStream:
    """The bytes that an encrypted image holds.

    Args:
        stream: The image.
        size: Bytes of what it holds.
        offset: Where the encrypted blocks begin.
        block: Bytes in a block.
        key: AES key.
        hmac_key: For the initialisation vectors.
    """

    def __init__(self, stream: Stream, size: int, offset: int, block: int, key: bytes, hmac_key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.algorithms import AES

        self._stream = stream
        self._size = size
        self._offset = offset
        self._block = block
        self._cipher = AES(key)
        self._hmac_key = hmac_key

    @property
    def size(self) -> int:
        """Bytes in the stream."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. Fewer where the image was cut short.

        Raises:
            ReadFailedError: The image cannot be read.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        end = min(offset + length, self._size)
        first, last = offset // self._block, (end - 1) // self._block
        stored = self._stream.read_at(self._offset + first * self._block, (last - first + 1) * self._block)
        start = first * self._block
        return b"".join(self._decrypt(stored, first))[offset - start : end - start]

    def _decrypt(self, stored: bytes, number: int) -> Iterator[bytes]:
        from cryptography.hazmat.primitives.ciphers import Cipher
        from cryptography.hazmat.primitives.ciphers.modes import CBC

        for at in range(0, len(stored) & ~15, self._block):
            vector = hmac.digest(self._hmac_key, number.to_bytes(4, "big"), "sha1")[:16]
            machine = Cipher(self._cipher, CBC(vector)).decryptor()
            part = stored[at : at + self._block]
            yield machine.update(part[: len(part) & ~15])
            number = number + 1 & 0xFFFFFFFF

    def close(self) -> None:
        """Nothing to release: the image is its owner's to close."""


def is_image(head: bytes, stream: Stream) -> bool:
    """True for the signatures of both versions."""
    return head.startswith(SIGNATURE) or stream.read_at(max(0, stream.size - 8), 8) == OLD


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signatures of both versions."""
    return claims(paths, lambda stream: is_image(head, stream))


def open_container(paths: tuple[Path, ...], evidence_name: str, keychain: Keychain | None = None) -> DiskContainer:
    """An encrypted Apple disk image.

    Args:
        paths: The image, one file.
        evidence_name: For the addresses of Problems, and for the keychain's notes.
        keychain: Passwords to try.

    Raises:
        SourceNotFoundError: The file cannot be read.
        EncryptedVolumeError: No password fits, or version 1.
        UnsupportedFormatError: A method that is not read, or ``cryptography`` is not installed.
        CorruptStructureError: The header does not hold, or what it decrypts to.
    """

    def opener(stream: Stream, name: str, beside: Beside) -> DiskContainer:
        return open_stream(stream, name, beside, keychain)

    return open_by_path(paths, evidence_name, opener)


def open_stream(
    stream: Stream, name: str, beside: Beside | None = None, keychain: Keychain | None = None
) -> DiskContainer:
    """An encrypted Apple disk image in a stream.

    Args:
        stream: The image; stays the caller's to close.
        name: Name of the evidence, for Problems and for the keychain's notes.
        beside: Not needed.
        keychain: Passwords to try.

    Raises:
        EvidenceError: See :func:`open_container`.
    """
    del beside
    if stream.read_at(0, 8) != SIGNATURE:
        raise EncryptedVolumeError(
            "encrypted Apple disk image of version 1, which is not read",
            hint="convert it with its password: `hdiutil convert -format UDTO` on macOS",
        )
    header = _read_header(stream)
    key, hmac_key = _unlock(header, name, keychain or Keychain())
    decrypted = DecryptedStream(stream, header.size, header.offset, header.block, key, hmac_key)
    inner = open_any(Found(decrypted, name, Nowhere()), name)
    problems: tuple[Problem, ...] = ()
    missing = header.offset + header.size - stream.size
    if missing > 0:
        message = f"the image ends {missing} bytes before what it holds does"
        hint = "compare with another copy of the image; what is missing reads as zeros"
        problems = (Problem(name, STAGE, Reason.TRUNCATED, message, hint, missing),)
    details = {"encryption": f"AES-{header.key_length * 8}", "inside": inner.name, **inner.details}
    return DiskContainer("encrypted-dmg", inner.media, details, problems, (inner,), inner.sector_size)


def _read_header(stream: Stream) -> _Header:
    """The header.

    Raises:
        UnsupportedFormatError: A method that is not read.
        CorruptStructureError: The numbers do not hold.
    """
    head = stream.read_at(0, 76)
    if len(head) < 76:
        raise CorruptStructureError("damaged encrypted disk image: the header is cut short")
    version, vector, mode, algorithm, key_bits, hmac_algorithm, hmac_bits = struct.unpack_from(">7I", head, 8)
    block, size, offset, count = struct.unpack_from(">IQQI", head, 52)
    if version != 2 or algorithm != _AES or mode not in (5, 6) or vector != 16 or key_bits not in (128, 256):
        raise UnsupportedFormatError(
            f"encrypted disk image of version {version}, algorithm {algorithm:#x} with {key_bits} bits, mode {mode}, "
            "which is not read"
        )
    if hmac_bits != 160 or hmac_algorithm != 91:
        raise UnsupportedFormatError(f"encrypted disk image with the algorithm {hmac_algorithm} of {hmac_bits} bits")
    if not 512 <= block <= 1 << 20 or block % 16 or not 0 < count <= _MAX_KEYS or not 0 < size < MAX_MEDIA:
        raise CorruptStructureError(
            f"damaged encrypted disk image: blocks of {block} bytes, {count} keys, {size} bytes",
            hint="compare with another copy of the image",
        )
    wrapped: list[_WrappedKey] = []
    for number in range(count):
        entry = stream.read_at(76 + number * 20, 20)
        if len(entry) == 20:
            kind, place, length = struct.unpack(">IQQ", entry)
            if kind == _PASSPHRASE and len(wrapped) < _MAX_WRAPPED:
                wrapped.append(_read_key(stream.read_at(place, min(length, 4096))))
    return _Header(block, size, offset, key_bits // 8, hmac_bits // 8, tuple(wrapped))


def _read_key(data: bytes) -> _WrappedKey:
    """One wrapped key.

    Raises:
        UnsupportedFormatError: A method that is not read.
        CorruptStructureError: The numbers do not hold.
    """
    if len(data) < 108:
        raise CorruptStructureError("damaged encrypted disk image: a wrapped key is cut short")
    kdf, hash_kind, iterations, salt_length = struct.unpack_from(">4I", data)
    vector_length = int.from_bytes(data[48:52], "big")
    bits, algorithm, padding, mode, length = struct.unpack_from(">5I", data, 84)
    if kdf != 103 or hash_kind != 0 or mode != 6 or padding != 7 or algorithm not in _KEY_BITS:
        raise UnsupportedFormatError(
            f"encrypted disk image whose key is wrapped by the method {kdf}, {hash_kind}, {algorithm:#x}, {mode}, "
            f"{padding}, which is not read"
        )
    blob = data[104 : 104 + length]
    if salt_length > 32 or vector_length > 32 or not 0 < iterations <= MAX_ITERATIONS:
        raise CorruptStructureError(
            f"damaged encrypted disk image: salt of {salt_length} bytes, {iterations} iterations"
        )
    unit = 16 if algorithm == _AES else 8
    if len(blob) != length or not blob or length % unit or vector_length < unit or bits not in _KEY_BITS[algorithm]:
        raise CorruptStructureError(f"damaged encrypted disk image: a wrapped key of {length} bytes")
    return _WrappedKey(iterations, data[16 : 16 + salt_length], data[52 : 52 + unit], bits, algorithm, blob)


def _unlock(header: _Header, name: str, keychain: Keychain) -> tuple[bytes, bytes]:
    """AES key and HMAC key.

    Raises:
        EncryptedVolumeError: No password fits.
        UnsupportedFormatError: ``cryptography`` is not installed.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise UnsupportedFormatError(
            "encrypted disk images need cryptography, which is not installed", hint="install cryptography"
        ) from error
    if not header.wrapped:
        raise EncryptedVolumeError(
            f"{METHOD}, AES-{header.key_length * 8}, which no password opens, only a certificate", address=name
        )
    for secret in keychain.of(SecretKind.PASSWORD):
        for wrapped in header.wrapped:
            keys = _unwrap(wrapped, secret.value)
            if keys is not None and len(keys) >= header.key_length + header.hmac_length:
                keychain.note(name, METHOD, secret, opened=True)
                return keys[: header.key_length], keys[header.key_length : header.key_length + header.hmac_length]
        keychain.note(name, METHOD, secret, opened=False)
    raise EncryptedVolumeError(
        f"{METHOD}, AES-{header.key_length * 8}; {keychain.tried(name)}",
        hint="give its password",
        address=name,
    )


def _unwrap(wrapped: _WrappedKey, password: bytes) -> bytes | None:
    """The keys, None where the password is another one."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    key = hashlib.pbkdf2_hmac("sha1", password, wrapped.salt, wrapped.iterations, wrapped.bits // 8)
    cipher = AES(key) if wrapped.algorithm == _AES else TripleDES(key)
    machine = Cipher(cipher, CBC(wrapped.vector)).decryptor()
    plain = machine.update(wrapped.blob)
    fill = plain[-1]
    if not 0 < fill <= len(wrapped.vector) or plain[-fill:] != bytes([fill]) * fill:
        return None
    plain = plain[:-fill]
    return plain[:-5] if plain.endswith(b"CKIE\x00") else None
