"""Volumes of BitLocker, made byte by byte: metadata in three copies, protectors, and data of any kind."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

SIGNATURE = b"-FVE-FS-"
NORMAL = bytes.fromhex("3bd66749292ed84a8399f6a339e3d001")
ON_WRITE = bytes.fromhex("3b4da89280dd0e4d9e4eb1e3284eaed8")
PLACES = (0x40000, 0x80000, 0xC0000)
HEADER_PLACE, HEADER_SIZE = 0x50000, 0x2000
SIZE = 0x100000
MASTER = bytes(range(32))
RECOVERY = "000011-000022-000033-000044-720885-000066-000077-000088"
KEY_LENGTHS = {0x8000: 64, 0x8001: 64, 0x8002: 16, 0x8003: 32, 0x8004: 32, 0x8005: 64}


def entry(kind: int, value: int, data: bytes) -> bytes:
    return struct.pack("<4H", 8 + len(data), kind, value, 1) + data


def wrap(key: bytes, method: int, secret: bytes, nonce: int = 1) -> bytes:
    """A key as BitLocker wraps it in another: AES-CCM over an entry of its own."""
    inner = struct.pack("<4HI", 12 + len(secret), 0, 1, 1, method) + secret
    number = struct.pack("<QI", 0x01D7BC6F00000000, nonce)
    sealed = AESCCM(key, tag_length=16).encrypt(number, inner, None)
    return number + sealed[-16:] + sealed[:-16]


def protector(kind: int, *entries: bytes, identifier: bytes = bytes(16)) -> bytes:
    return entry(2, 8, identifier + bytes(8) + struct.pack("<HH", 0, kind) + b"".join(entries))


def clear_protector(key: bytes = b"c" * 32) -> bytes:
    return protector(0, entry(0, 1, struct.pack("<I", 0x2000) + key), entry(0, 5, wrap(key, 0x2003, MASTER)))


def startup_protector(key: bytes = b"s" * 32, identifier: bytes = b"i" * 16) -> bytes:
    return protector(0x0200, entry(0, 5, wrap(key, 0x2003, MASTER)), identifier=identifier)


def stretched_protector(kind: int, key: bytes, salt: bytes) -> bytes:
    return protector(kind, entry(0, 3, struct.pack("<I", 0x1000) + salt), entry(0, 5, wrap(key, 0x2003, MASTER)))


def startup_file(key: bytes = b"s" * 32, identifier: bytes = b"i" * 16) -> bytes:
    inner = identifier + bytes(8) + entry(0, 2, "ExternalKey\0".encode("utf-16-le"))
    body = entry(6, 9, inner + entry(0, 1, struct.pack("<I", 0x2002) + key))
    return struct.pack("<4I", 48 + len(body), 1, 48, 48 + len(body)) + identifier + bytes(16) + body


def stretched(begin: bytes, salt: bytes) -> bytes:
    """The slow way from the documentation: a structure that is hashed 2^20 times."""
    last = bytes(32)
    for count in range(1 << 20):
        last = hashlib.sha256(struct.pack("<32s32s16sQ", last, begin, salt, count)).digest()
    return last


@dataclass
class BitlockerImage:
    """A volume; ``data`` is what stands in it where no metadata do."""

    method: int = 0x8004
    protectors: tuple[bytes, ...] = field(default_factory=lambda: (clear_protector(),))
    version: int = 2
    state: int = 4
    encrypted_size: int = SIZE
    sector_size: int = 512
    guid: bytes = NORMAL
    to_go: bool = False
    volume_key: bytes = b""
    break_sums: bool = False

    def key(self) -> bytes:
        return self.volume_key or hashlib.sha512(b"volume key").digest()[: KEY_LENGTHS[self.method]]

    def block(self) -> bytes:
        entries = entry(7, 2, "LAB X: 1/1/2024\0".encode("utf-16-le")) + b"".join(self.protectors)
        entries += entry(3, 5, wrap(MASTER, self.method, self.key(), 9))
        last = 0x3F
        if self.version == 2:
            entries += entry(15, 15, struct.pack("<QQ", HEADER_PLACE, HEADER_SIZE))
            last = HEADER_PLACE
        length = 48 + len(entries)
        size = -(-(64 + length) // 16) * 16
        head = SIGNATURE + struct.pack("<4H", size // (16 if self.version == 2 else 1), self.version, self.state, 4)
        sectors = HEADER_SIZE // self.sector_size
        head += struct.pack("<QII4Q", self.encrypted_size if self.version == 2 else 0, 0, sectors, *PLACES, last)
        head += struct.pack("<4I16sIHHQ", length, 1, 48, length, b"G" * 16, 10, self.method, self.method, 0)
        block = (head + entries).ljust(size, b"\0")
        check = zlib.crc32(block) ^ self.break_sums
        return block + struct.pack("<HHI", 0x10000 - size & 0xFFFF, self.version, check)

    def boot(self) -> bytes:
        boot = bytearray(512)
        boot[:11] = b"\xeb\x58\x90" + (b"MSWIN4.1" if self.to_go else SIGNATURE)
        boot[11:14] = struct.pack("<HB", self.sector_size, 8)
        boot[510:] = b"\x55\xaa"
        at = 424 if self.to_go else 160
        if self.version == 1:
            boot[:3] = b"\xeb\x52\x90"
            boot[40:48] = struct.pack("<Q", SIZE // self.sector_size)
            boot[48:64] = struct.pack("<QQ", 4, PLACES[0] // (self.sector_size * 8))
        else:
            boot[at : at + 40] = self.guid + struct.pack("<3Q", *PLACES)
        return bytes(boot)

    def build(self, data: bytes) -> bytes:
        image = bytearray(data)
        image[:512] = self.boot()
        for place in PLACES:
            block = self.block()
            image[place : place + 0x4000] = bytes(0x4000)
            image[place : place + len(block)] = block
        return bytes(image)
