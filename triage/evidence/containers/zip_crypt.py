"""Encrypted members of a ZIP archive: the old cipher of PKWARE and AES as WinZip writes it.

The old cipher tells a wrong password by one byte only, so what it lets through is proven by the checksum of a member
before it counts. AES has a check of two bytes, and a code over the encrypted bytes that is proven for a first member.

Sources: PKWARE APPNOTE.TXT 6.3.10, section 6.1; WinZip, "AES Encryption Information: Encryption Specification AE-1 and
AE-2", 1.04.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Iterable

from triage.errors import EncryptedVolumeError, ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.logical_stream import STEP, Readable
from triage.evidence.containers.zip_headers import SIZES_BEHIND_FLAG, Header
from triage.evidence.containers.zip_methods import make_decoder
from triage.evidence.keychain import Keychain, Secret, SecretKind

HEADER = 12
"""Bytes in front of what the old cipher encrypts."""
MAX_PROVEN = 4 << 20
"""Bytes of a member that are decrypted to prove a password; of a larger one only so many."""
MAX_PASSWORDS = 10_000
_ITERATIONS = 1000
_VERIFIER = 2
_CODE = 10
_KEY_BYTES = {1: 16, 2: 24, 3: 32}
_STRONG_FLAG = 0x40


def _table() -> tuple[int, ...]:
    values = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0xEDB88320 if number & 1 else 0)
        values.append(number)
    return tuple(values)


_CRC = _table()


class ZipCryptoSource:
    """What the old cipher encrypted, in the clear; read in order, and from the beginning again where that is not kept.

    Args:
        source: The archive.
        start: First encrypted byte, that of the header.
        end: Behind the last one.
        password: As bytes.

    Attributes:
        check: Last byte of the header, which tells most wrong passwords.
    """

    def __init__(self, source: Readable, start: int, end: int, password: bytes) -> None:
        self._source = source
        self._start = start
        self._end = end
        self._password = password
        self._keys = (0, 0, 0)
        self._position = start
        self.check = self._begin()

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes by their place in the archive; those of the header are not given."""
        if offset < self._position:
            self._begin()
        while self._position < offset:
            if not self._decrypt(min(STEP, offset - self._position)):
                return b""
        return self._decrypt(max(0, min(length, self._end - offset)))

    def _begin(self) -> int:
        keys = (0x12345678, 0x23456789, 0x34567890)
        for byte in self._password:
            keys = _mixed(keys, byte)
        self._keys, self._position = keys, self._start
        header = self._decrypt(HEADER)
        return header[-1] if len(header) == HEADER else -1

    def _decrypt(self, length: int) -> bytes:
        data = self._source.read_at(self._position, length) if length else b""
        one, two, three = self._keys
        out = bytearray(len(data))
        crc = _CRC
        for index, byte in enumerate(data):
            word = three | 2
            plain = byte ^ (word * (word ^ 1) >> 8 & 0xFF)
            out[index] = plain
            one = crc[(one ^ plain) & 0xFF] ^ one >> 8
            two = ((two + (one & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
            three = crc[(three ^ two >> 24) & 0xFF] ^ three >> 8
        self._keys = (one, two, three)
        self._position += len(data)
        return bytes(out)


def _mixed(keys: tuple[int, int, int], byte: int) -> tuple[int, int, int]:
    one, two, three = keys
    one = _CRC[(one ^ byte) & 0xFF] ^ one >> 8
    two = ((two + (one & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
    return one, two, _CRC[(three ^ two >> 24) & 0xFF] ^ three >> 8


class AesSource:
    """What AES encrypted, in the clear.

    Args:
        source: The archive.
        start: First encrypted byte.
        end: Behind the last one.
        key: Of AES.
    """

    def __init__(self, source: Readable, start: int, end: int, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        self._source = source
        self._start = start
        self._end = end
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes by their place in the archive."""
        length = max(0, min(length, self._end - offset))
        if offset < self._start or not length:
            return b""
        first = (offset - self._start) // 16
        begin = self._start + first * 16
        data = self._source.read_at(begin, offset + length - begin)
        # The counter counts upwards from 1 and its lowest byte comes first, unlike that of the usual mode.
        blocks = b"".join((first + 1 + n).to_bytes(16, "little") for n in range(-(-len(data) // 16)))
        stream = self._cipher.encryptor().update(blocks)[: len(data)]
        plain = (int.from_bytes(data, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(data), "big")
        return plain[offset - begin :]


class ZipKeys:
    """Passwords for the members of one archive; what fitted once is tried first.

    Args:
        keychain: Where they are from.
        name: Of the evidence, for the keychain's notes.
    """

    def __init__(self, keychain: Keychain, name: str) -> None:
        secrets = [secret for _, secret in zip(range(MAX_PASSWORDS), keychain.of(SecretKind.PASSWORD), strict=False)]
        self._keychain = keychain
        self._name = name
        self._secrets: list[Secret] = secrets
        self._proven: set[bytes] = set()

    def open(self, source: Readable, stated: Header, local: Header, end: int) -> tuple[Readable, int, int]:
        """A member in the clear: what to read it from, where it begins there, and where it ends.

        Raises:
            EncryptedVolumeError: No password fits.
            UnsupportedFormatError: It is encrypted in a way that is not read.
        """
        if stated.flags & _STRONG_FLAG:
            raise UnsupportedFormatError("the member is encrypted with PKWARE's strong encryption, which is not read")
        method = f"AES-{_KEY_BYTES[stated.aes] * 8}" if stated.aes in _KEY_BYTES else "ZipCrypto"
        if stated.aes and stated.aes not in _KEY_BYTES:
            raise UnsupportedFormatError(f"the member is encrypted with AES of strength {stated.aes}")
        for secret in self._secrets:
            found = self._aes(source, stated, local, end, secret.value) if stated.aes else self._old(
                source, stated, local, end, secret.value
            )  # fmt: skip
            self._keychain.note(self._name, f"ZIP, {method}", secret, opened=found is not None)
            if found is not None:
                self._secrets.remove(secret)
                self._secrets.insert(0, secret)
                return found
        tried = "none of the passwords fits" if self._secrets else "no password is at hand"
        raise EncryptedVolumeError(f"the member is encrypted: {method}; {tried}", hint="give it with --password")

    def _old(
        self, source: Readable, stated: Header, local: Header, end: int, password: bytes
    ) -> tuple[Readable, int, int] | None:
        inner = ZipCryptoSource(source, local.start, end, password)
        checks = {stated.crc >> 24, local.crc >> 24}
        if (stated.flags | local.flags) & SIZES_BEHIND_FLAG:
            checks |= {stated.dos_time >> 8, local.dos_time >> 8}
        if inner.check not in checks:
            return None
        begin = local.start + HEADER
        if password not in self._proven and not self._holds(inner, stated, begin, end):
            return None
        self._proven.add(password)
        return inner, begin, end

    def _aes(
        self, source: Readable, stated: Header, local: Header, end: int, password: bytes
    ) -> tuple[Readable, int, int] | None:
        size = _KEY_BYTES[stated.aes]
        salt = source.read_at(local.start, size // 2)
        begin = local.start + size // 2 + _VERIFIER
        stop = end - _CODE
        if stop < begin:
            return None
        derived = hashlib.pbkdf2_hmac("sha1", password, salt, _ITERATIONS, 2 * size + _VERIFIER)
        if derived[2 * size :] != source.read_at(local.start + size // 2, _VERIFIER):
            return None
        if password not in self._proven and not _code_holds(source, begin, stop, derived[size : 2 * size]):
            return None
        self._proven.add(password)
        return AesSource(source, begin, stop, derived[:size]), begin, stop

    def _holds(self, inner: ZipCryptoSource, stated: Header, begin: int, end: int) -> bool:
        """The decrypted member unpacks, and has its checksum where it is not too large to look at all of it."""
        crc = size = 0
        try:
            decoder = make_decoder(inner, begin, end, stated.method, stated.size)()
            while size < MAX_PROVEN and (piece := decoder.read(min(STEP, MAX_PROVEN - size))):
                crc = zlib.crc32(piece, crc)
                size += len(piece)
        except (ReadFailedError, UnsupportedFormatError):
            return False
        return size >= MAX_PROVEN or crc == stated.crc


def _code_holds(source: Readable, begin: int, stop: int, key: bytes) -> bool:
    """The code behind the encrypted bytes, where they are not too many to look at."""
    if stop - begin > 16 * MAX_PROVEN:
        return True
    machine = hmac.new(key, digestmod="sha1")
    for piece in _steps(source, begin, stop):
        machine.update(piece)
    return hmac.compare_digest(machine.digest()[:_CODE], source.read_at(stop, _CODE))


def _steps(source: Readable, begin: int, stop: int) -> Iterable[bytes]:
    while begin < stop and (piece := source.read_at(begin, min(STEP, stop - begin))):
        yield piece
        begin += len(piece)
