"""LUKS volumes of both versions, made byte by byte, with the ciphers applied sector by sector."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

AREA = 0x8000
STRIPES = 4
SALT = b"s" * 32


def encrypt(spec: str, key: bytes, data: bytes, sector_size: int = 512, first: int = 0) -> bytes:
    """Data as dm-crypt stores them; numbers count 512 bytes whatever the sector size."""
    name, mode, *rest = spec.split("-", 2)
    generator = rest[0] if rest else ""
    assert name == "aes"
    parts = []
    for at in range(0, len(data), sector_size):
        number = first + at // 512
        start = number.to_bytes(16, "little")
        if generator == "plain":
            start = (number & 0xFFFFFFFF).to_bytes(16, "little")
        elif generator == "plain64be":
            start = number.to_bytes(16, "big")
        elif generator == "benbi":
            start = (number * 32 + 1).to_bytes(16, "big")
        elif generator == "null":
            start = bytes(16)
        elif generator.startswith("essiv"):
            salt = hashlib.new(generator.partition(":")[2], key).digest()
            start = Cipher(algorithms.AES(salt), modes.ECB()).encryptor().update(start)
        chosen = {"xts": modes.XTS, "cbc": modes.CBC}.get(mode)
        cipher = Cipher(algorithms.AES(key), chosen(start) if chosen else modes.ECB())
        parts.append(cipher.encryptor().update(data[at : at + sector_size]))
    return b"".join(parts)


def split(key: bytes, stripes: int, name: str) -> bytes:
    """The anti-forensic splitter, forwards."""
    size = hashlib.new(name).digest_size
    running = bytes(len(key))
    parts = []
    for index in range(stripes - 1):
        piece = hashlib.shake_128(bytes([index])).digest(len(key))
        parts.append(piece)
        mixed = bytes(a ^ b for a, b in zip(running, piece, strict=True))
        running = b"".join(
            hashlib.new(name, struct.pack(">I", at // size) + mixed[at : at + size]).digest()
            for at in range(0, len(mixed), size)
        )[: len(key)]
    parts.append(bytes(a ^ b for a, b in zip(running, key, strict=True)))
    return b"".join(parts)


@dataclass
class LuksImage:
    """A volume with one keyslot."""

    version: int = 2
    spec: str = "aes-xts-plain64"
    password: bytes = b"correct horse"
    key: bytes = bytes(range(64))
    name: str = "sha256"
    sector_size: int = 512
    kdf: dict[str, Any] = field(default_factory=lambda: {"type": "pbkdf2", "hash": "sha256", "iterations": 1000})
    iv_tweak: int = 0
    segment: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, Any] = field(default_factory=dict)
    label: str = "evidence"
    detached: bool = False

    def build(self, data: bytes) -> bytes:
        return self.header().ljust(self.offset, b"\0") + self.encrypted(data)

    @property
    def offset(self) -> int:
        return 0x10000

    def encrypted(self, data: bytes) -> bytes:
        return encrypt(self.spec, self.key, data, self.sector_size, self.iv_tweak)

    def derived(self) -> bytes:
        if self.version == 1 or self.kdf["type"] == "pbkdf2":
            name = self.name if self.version == 1 else self.kdf["hash"]
            return hashlib.pbkdf2_hmac(name, self.password, SALT, 1000, len(self.key))
        from argon2.low_level import Type, hash_secret_raw

        kind = Type.I if self.kdf["type"] == "argon2i" else Type.ID
        costs = self.kdf["time"], self.kdf["memory"], self.kdf["cpus"]
        return hash_secret_raw(self.password, SALT, *costs, len(self.key), kind)

    def area(self) -> bytes:
        plain = split(self.key, STRIPES, self.name)
        padded = plain.ljust(-(-len(plain) // 512) * 512, b"\0")
        return encrypt(self.spec, self.derived(), padded)

    def header(self) -> bytes:
        head = self.luks1() if self.version == 1 else self.luks2(0) + self.luks2(0x4000)
        return head.ljust(AREA, b"\0") + self.area()

    def luks1(self) -> bytes:
        name, _, mode = self.spec.partition("-")
        digest = hashlib.pbkdf2_hmac(self.name, self.key, SALT, 1000, 20)
        head = struct.pack(">6sH32s32s32s", b"LUKS\xba\xbe", 1, name.encode(), mode.encode(), self.name.encode())
        payload = 0 if self.detached else self.offset // 512
        head += struct.pack(">II20s32sI40s", payload, len(self.key), digest, SALT, 1000, b"uuid-1")
        slot = struct.pack(">II32sII", 0x00AC71F3, 1000, SALT, AREA // 512, STRIPES)
        return head + slot + 7 * struct.pack(">II32sII", 0x0000DEAD, 0, b"", 8, 4000)

    def table(self) -> dict[str, Any]:
        digest = hashlib.pbkdf2_hmac("sha256", self.key, SALT, 1000, 32)
        salt = base64.b64encode(SALT).decode()
        size = len(self.key)
        area = {"type": "raw", "offset": str(AREA), "size": "32768", "encryption": self.spec, "key_size": size}
        slot = {
            "type": "luks2",
            "key_size": size,
            "af": {"type": "luks1", "stripes": STRIPES, "hash": self.name},
            "area": area,
            "kdf": {"salt": salt, **self.kdf},
        }
        segment = {
            "type": "crypt",
            "offset": "0" if self.detached else str(self.offset),
            "size": "dynamic",
            "iv_tweak": str(self.iv_tweak),
            "encryption": self.spec,
            "sector_size": self.sector_size,
            **self.segment,
        }
        value = {
            **{"type": "pbkdf2", "keyslots": ["0"], "segments": ["0"], "hash": "sha256", "iterations": 1000},
            **{"salt": salt, "digest": base64.b64encode(digest).decode()},
        }
        return {
            **{"keyslots": {"0": slot}, "tokens": self.tokens, "segments": {"0": segment}, "digests": {"0": value}},
            "config": {"json_size": "12288", "keyslots_size": "32768", **self.config},
        }

    def luks2(self, place: int) -> bytes:
        magic = b"SKUL\xba\xbe" if place else b"LUKS\xba\xbe"
        text = json.dumps(self.table()).encode().ljust(0x4000 - 4096, b"\0")
        head = struct.pack(">6sHQQ48s32s64s40s48sQ184s", magic, 2, 0x4000, 3, *self._names(), b"", place, b"")
        binary = (head + bytes(64)).ljust(4096, b"\0")
        check = hashlib.sha256(binary + text).digest()
        return (head + check.ljust(64, b"\0")).ljust(4096, b"\0") + text

    def _names(self) -> tuple[bytes, bytes, bytes, bytes]:
        return self.label.encode(), b"sha256", SALT, b"uuid-2"
