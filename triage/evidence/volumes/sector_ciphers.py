"""Ciphers of encrypted volumes: many sectors at a time, each with its own start value.

One call of the block cipher for a whole batch of sectors, in its plain mode, and the chaining around it as arithmetic
on arrays: that is what makes reading a volume as fast as the cipher itself. A call for every sector is many times
slower.

Sources: IEEE 1619 (XTS), NIST SP 800-38A (CBC, ECB), cryptsetup's description of the dm-crypt start values
(``plain``, ``plain64``, ``plain64be``, ``benbi``, ``essiv``, ``null``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

BLOCK = 16
"""Bytes in a block of every cipher that is read here."""
_ONE, _TWO, _SEVEN = np.uint64(1), np.uint64(2), np.uint64(7)
_MOST_BITS = 32
"""By how many bits a tweak is shifted at once; what runs over must stay in one word."""

Words = np.ndarray[Any, np.dtype[np.uint64]]


class SectorCipher(Protocol):
    """Decrypts whole sectors."""

    def decrypt(self, data: bytes, first: int) -> bytes:
        """The plain bytes.

        Args:
            data: Whole sectors, one behind the other.
            first: Number of the first one, in the counting of the format.
        """
        ...


@dataclass(frozen=True, slots=True)
class SectorShape:
    """How a format counts its sectors.

    Attributes:
        size: Bytes in a sector, a multiple of 16.
        step: By how much the number grows from one sector to the next.
    """

    size: int = 512
    step: int = 1

    def numbers(self, data: bytes, first: int) -> Words:
        """The number of each sector of a batch; they wrap at 64 bits, as the formats have them."""
        count = len(data) // self.size
        steps = np.arange(count, dtype=np.uint64) * np.uint64(self.step)
        return steps + np.uint64(first & 0xFFFFFFFFFFFFFFFF)


class BlockCipher:
    """AES or Camellia, block by block.

    Args:
        name: ``aes`` or ``camellia``.
        key: 16, 24 or 32 bytes.

    Raises:
        ValueError: The cipher is not read, or the key has an impossible length.
    """

    def __init__(self, name: str, key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

        if len(key) not in (16, 24, 32):
            raise ValueError(f"impossible length of a key: {len(key)} bytes")
        algorithm: Any
        if name == "aes":
            algorithm = algorithms.AES(key)
        elif name == "camellia":
            algorithm = _camellia()(key)
        else:
            raise ValueError(f"cipher not read: {name}")
        cipher = Cipher(algorithm, modes.ECB())
        self._encryptor = cipher.encryptor()
        self._decryptor = cipher.decryptor()

    def encrypt(self, data: bytes) -> bytes:
        """Whole blocks, each for itself."""
        return bytes(self._encryptor.update(data))

    def decrypt(self, data: bytes) -> bytes:
        """Whole blocks, each for itself."""
        return bytes(self._decryptor.update(data))


def _camellia() -> Any:
    """The library moved it from one place to another."""
    from cryptography.hazmat.decrepit.ciphers import algorithms as late
    from cryptography.hazmat.primitives.ciphers import algorithms as early

    return late.Camellia if hasattr(late, "Camellia") else early.Camellia


class EcbCipher:
    """Every block for itself; the number of the sector plays no part."""

    def __init__(self, cipher: BlockCipher) -> None:
        self._cipher = cipher

    def decrypt(self, data: bytes, first: int) -> bytes:
        """See :class:`SectorCipher`."""
        del first
        return self._cipher.decrypt(data)


class CbcCipher:
    """Chained blocks; the start value comes from the number of the sector.

    Args:
        cipher: Block cipher with the key of the volume.
        shape: How sectors are counted.
        start_values: Makes 16 bytes for each number.
    """

    def __init__(self, cipher: BlockCipher, shape: SectorShape, start_values: Callable[[Words], bytes]) -> None:
        self._cipher = cipher
        self._shape = shape
        self._start_values = start_values

    def decrypt(self, data: bytes, first: int) -> bytes:
        """See :class:`SectorCipher`."""
        size = self._shape.size
        before = np.empty((len(data) // size, size), dtype=np.uint8)
        before[:, BLOCK:] = np.frombuffer(data, dtype=np.uint8).reshape(-1, size)[:, :-BLOCK]
        values = self._start_values(self._shape.numbers(data, first))
        before[:, :BLOCK] = np.frombuffer(values, dtype=np.uint8).reshape(-1, BLOCK)
        plain = np.frombuffer(self._cipher.decrypt(data), dtype=np.uint64)
        return (plain ^ before.reshape(-1).view(np.uint64)).tobytes()


class XtsCipher:
    """Blocks with tweaks from the number of the sector.

    Args:
        data_cipher: With the first half of the key.
        tweak_cipher: With the second half.
        shape: How sectors are counted.
        start_values: Makes 16 bytes for each number; the number itself where not given.
    """

    def __init__(
        self,
        data_cipher: BlockCipher,
        tweak_cipher: BlockCipher,
        shape: SectorShape,
        start_values: Callable[[Words], bytes] | None = None,
    ) -> None:
        self._data_cipher = data_cipher
        self._tweak_cipher = tweak_cipher
        self._shape = shape
        self._start_values = start_values or plain64

    def decrypt(self, data: bytes, first: int) -> bytes:
        """See :class:`SectorCipher`."""
        tweaks = self._tweaks(self._shape.numbers(data, first))
        mixed = (np.frombuffer(data, dtype="<u8") ^ tweaks).tobytes()
        plain = np.frombuffer(self._data_cipher.decrypt(mixed), dtype="<u8")
        return (plain ^ tweaks).tobytes()

    def _tweaks(self, numbers: Words) -> Words:
        """One for each block: that of the sector, multiplied by x again and again.

        What is there already is multiplied all at once: by x, x^2, x^4 ... and by x^32 from then on.
        """
        blocks = self._shape.size // BLOCK
        tweaks = np.empty((len(numbers), blocks, 2), dtype="<u8")
        begin = self._tweak_cipher.encrypt(self._start_values(numbers))
        tweaks[:, 0] = np.frombuffer(begin, dtype="<u8").reshape(-1, 2)
        done = 1
        while done < blocks:
            power = min(done, _MOST_BITS)
            count = min(power, blocks - done)
            low, high = (
                tweaks[:, done - power : done - power + count, 0],
                tweaks[:, done - power : done - power + count, 1],
            )
            up, down = np.uint64(power), np.uint64(64 - power)
            over = high >> down
            tweaks[:, done : done + count, 1] = (high << up) | (low >> down)
            # The polynomial is x^128 + x^7 + x^2 + x + 1, so what runs over comes back in four places.
            tweaks[:, done : done + count, 0] = (low << up) ^ over ^ (over << _ONE) ^ (over << _TWO) ^ (over << _SEVEN)
            done += count
        return tweaks.reshape(-1)


def plain64(numbers: Words) -> bytes:
    """The number, little-endian."""
    values = np.zeros((len(numbers), 2), dtype="<u8")
    values[:, 0] = numbers
    return values.tobytes()


def _plain(numbers: Words) -> bytes:
    """The low 32 bits of the number, little-endian."""
    return plain64(numbers & np.uint64(0xFFFFFFFF))


def _plain64be(numbers: Words) -> bytes:
    values = np.zeros((len(numbers), 2), dtype=">u8")
    values[:, 1] = numbers
    return values.tobytes()


def _benbi(numbers: Words) -> bytes:
    """Big-endian count of blocks from 1; dm-crypt counts 512-byte sectors of 32 blocks."""
    return _plain64be(numbers * np.uint64(32) + _ONE)


def _null(numbers: Words) -> bytes:
    return bytes(BLOCK * len(numbers))


_GENERATORS: dict[str, Callable[[Words], bytes]] = {
    "plain": _plain,
    "plain64": plain64,
    "plain64be": _plain64be,
    "benbi": _benbi,
    "null": _null,
}
_KNOWN_UNREAD = ("serpent", "twofish", "cast5", "blowfish", "des3_ede", "anubis", "aria", "sm4", "capi:", "xchacha")
KEY_SIZES = {"xts": (32, 48, 64), "cbc": (16, 24, 32), "ecb": (16, 24, 32)}


def dm_crypt_cipher(spec: str, key: bytes, shape: SectorShape) -> SectorCipher:
    """The cipher of a dm-crypt specification such as ``aes-xts-plain64`` or ``aes-cbc-essiv:sha256``.

    Args:
        spec: Cipher, mode and start value.
        key: Key of the volume.
        shape: How sectors are counted.

    Raises:
        ValueError: It is not read here, or the key does not fit; says what and why.
    """
    name, _, rest = spec.partition("-")
    mode, _, generator = rest.partition("-")
    check_spec(spec, len(key))
    if mode == "ecb":
        return EcbCipher(BlockCipher(name, key))
    if mode == "xts":
        half = len(key) // 2
        ciphers = BlockCipher(name, key[:half]), BlockCipher(name, key[half:])
        return XtsCipher(*ciphers, shape, _generator(generator, name, key))
    return CbcCipher(BlockCipher(name, key), shape, _generator(generator, name, key))


def check_spec(spec: str, key_length: int) -> None:
    """Nothing where a dm-crypt specification is read here.

    Raises:
        ValueError: It is not, or no key of that length fits; says what and why.
    """
    name, _, rest = spec.partition("-")
    mode, _, generator = rest.partition("-")
    shown = spec[:64] if spec.isprintable() and spec.isascii() else "unprintable"
    if name not in ("aes", "camellia"):
        known = name in _KNOWN_UNREAD or name.startswith("capi:")
        raise ValueError(f"cipher not read by this version: {shown}" if known else f"unknown cipher: {shown}")
    if mode not in KEY_SIZES:
        raise ValueError(f"mode of the cipher not read by this version: {shown}")
    if key_length not in KEY_SIZES[mode]:
        raise ValueError(f"impossible length of a key for {shown}: {key_length} bytes")
    base, _, hash_name = generator.partition(":")
    if mode == "ecb" and not generator:
        return
    if base == "essiv":
        essiv_hash(hash_name)
    elif base not in _GENERATORS:
        raise ValueError(f"start value of the cipher not read by this version: {shown}")


def essiv_hash(name: str) -> str:
    """Name of a hash for ESSIV, whose digest must be a key.

    Raises:
        ValueError: It is not.
    """
    if name not in ("sha256", "md5"):
        raise ValueError(f"hash of the start value not read by this version: {name[:32]!r}")
    return name


def _generator(text: str, name: str, key: bytes) -> Callable[[Words], bytes]:
    base, _, hash_name = text.partition(":")
    if base != "essiv":
        return _GENERATORS[base]
    salted = BlockCipher(name, hashlib.new(essiv_hash(hash_name), key, usedforsecurity=False).digest())
    return lambda numbers: salted.encrypt(plain64(numbers))
