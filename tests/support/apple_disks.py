"""Writers of Apple disk images: UDIF, sparse image, sparse bundle, ASIF, encrypted; from the formats' descriptions."""

from __future__ import annotations

import bz2
import hashlib
import hmac
import lzma
import plistlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

RAW, ZERO, ADC, ZLIB, BZIP2, LZFSE, LZMA = 1, 0, 0x80000004, 0x80000005, 0x80000006, 0x80000007, 0x80000008


def adc(data: bytes) -> bytes:
    """ADC that uses all three codes where it can: runs of one byte become overlapping copies."""
    out, at = b"", 0
    while at < len(data):
        run = 1
        while at + run < len(data) and run < 4000 and data[at + run] == data[at]:
            run += 1
        if run > 8:
            out += bytes([0x80, data[at]])
            left = run - 1
            while left >= 4:
                count = min(left, 67)
                out += bytes([0x40 | count - 4, 0, 0])
                left -= count
            if left == 3:
                out, left = out + bytes([0, 0]), 0
            if left:
                out += bytes([0x80 | left - 1]) + data[at : at + left]
            at += run
            continue
        part = data[at : at + 128]
        out += bytes([0x80 | len(part) - 1]) + part
        at += len(part)
    return out


PACK = {RAW: bytes, ADC: adc, ZLIB: zlib.compress, BZIP2: bz2.compress, LZMA: lzma.compress}


def table(chunks: Sequence[tuple[int, int, int, int, int]], first: int, sectors: int) -> bytes:
    """A table of ``(kind, sector, sectors, place, stored)``."""
    raw = struct.pack(">4sIQQQII", b"mish", 1, first, sectors, 0, 0, len(chunks)).ljust(200, b"\x00")
    raw += struct.pack(">I", len(chunks) + 1)
    for kind, sector, count, place, stored in chunks:
        raw += struct.pack(">IIQQQQ", kind, 0, sector, count, place, stored)
    return raw + struct.pack(">IIQQQQ", 0xFFFFFFFF, 0, sectors, 0, 0, 0)


def koly(data_length: int, plist: tuple[int, int], fork: tuple[int, int], sectors: int, segments: int = 1) -> bytes:
    raw = struct.pack(">4sIIIQQQQQII", b"koly", 4, 512, 1, 0, 0, data_length, *fork, 1, segments)
    raw = raw.ljust(216, b"\x00") + struct.pack(">QQ", *plist)
    return raw.ljust(492, b"\x00") + struct.pack(">Q", sectors).ljust(20, b"\x00")


def resource_fork(items: Sequence[bytes]) -> bytes:
    """A resource fork with ``blkx`` items."""
    data = b"".join(struct.pack(">I", len(item)) + item for item in items)
    places, at = [], 0
    for item in items:
        places.append(at)
        at += 4 + len(item)
    types = struct.pack(">H4sHH", 0, b"blkx", len(items) - 1, 10)
    for number, place in enumerate(places):
        types += struct.pack(">HHII", number, 0xFFFF, place, 0)
    rmap = bytes(24) + struct.pack(">HH", 28, 28 + len(types)) + types
    head = struct.pack(">IIII", 256, 256 + len(data), len(data), len(rmap))
    return head.ljust(256, b"\x00") + data + rmap


def udif(media: bytes, kinds: Sequence[int], chunk: int = 65536, *, old: bool = False) -> bytes:
    """An image whose chunks are stored by the kinds in turn, in two tables; ``old`` has a resource fork, no list."""
    body, tables = b"", []
    half = len(media) // chunk // 2 * chunk
    for start, end in ((0, half), (half, len(media))):
        chunks = []
        for number, at in enumerate(range(start, end, chunk)):
            kind = kinds[number % len(kinds)]
            part = media[at : min(at + chunk, end)]
            stored = b"" if kind == ZERO else PACK[kind](part)
            chunks.append((kind, (at - start) // 512, len(part) // 512, len(body), len(stored)))
            body += stored
        tables.append(table(chunks, start // 512, (end - start) // 512))
    if old:
        fork = resource_fork(tables)
        return body + fork + koly(len(body), (0, 0), (len(body), len(fork)), len(media) // 512)
    items = [{"Attributes": "0x0050", "Data": item, "ID": str(number)} for number, item in enumerate(tables)]
    text = plistlib.dumps({"resource-fork": {"blkx": items}}, fmt=plistlib.FMT_XML)
    return body + text + koly(len(body), (len(body), len(text)), (0, 0), len(media) // 512)


def sparse_image(size: int, bands: Sequence[tuple[int, bytes]], band: int = 1 << 20, per_node: int = 0x3F0) -> bytes:
    """A sparse image; bands in the order written, a further node after ``per_node`` of them."""
    first, rest = bands[:per_node], bands[per_node:]
    following = 4096 + 0x3F0 * band if rest else 0
    sectors = size // 512
    raw = struct.pack(">4sIIIIQQ", b"sprs", 3, band // 512, 1, sectors, following, sectors).ljust(64, b"\x00")
    raw += b"".join(struct.pack(">I", number + 1) for number, _ in first)
    raw = raw.ljust(4096, b"\x00") + b"".join(data.ljust(band, b"\x00") for _, data in first)
    if rest:
        node = struct.pack(">4sIIQ", b"sprs", 1, 0, 0).ljust(56, b"\x00")
        node += b"".join(struct.pack(">I", number + 1) for number, _ in rest)
        raw = raw.ljust(following, b"\x00") + node.ljust(4096, b"\x00")
        raw += b"".join(data.ljust(band, b"\x00") for _, data in rest)
    return raw


def sparse_bundle(folder: Path, size: int, bands: Mapping[int, bytes], band: int = 1 << 20, token: bytes = b"") -> Path:
    """A sparse bundle."""
    (folder / "bands").mkdir(parents=True)
    values = {"band-size": band, "size": size, "diskimage-bundle-type": "com.apple.diskimage.sparsebundle"}
    for name in ("Info.plist", "Info.bckup"):
        (folder / name).write_bytes(plistlib.dumps(values))
    (folder / "token").write_bytes(token)
    for number, data in bands.items():
        (folder / "bands" / f"{number:x}").write_bytes(data)
    return folder


def asif(size: int, chunks: Mapping[int, tuple[int, bytes]], states: bytes = b"", chunk: int = 65536) -> bytearray:
    """An ASIF image of one table of one group; ``states`` are the sector states from the first sector on.

    Args:
        chunks: Status (1 whole, 3 partly) and bytes by number of the chunk.
    """
    raw = bytearray(3 * chunk)
    raw[:76] = struct.pack(
        ">4sIIIQQ16sQQIHHI", b"shdw", 1, 512, 0, 512, 1024, bytes(range(16)), size // 512, 1 << 40, chunk, 512, 0, 0
    )
    raw[512:528], raw[1024:1040] = struct.pack(">QQ", 1, 9999), struct.pack(">QQ", 2, 1)
    raw[2 * chunk : 2 * chunk + len(states)] = states
    raw[chunk + 8 * 2048 : chunk + 8 * 2049] = struct.pack(">Q", 2)
    for number, (status, data) in chunks.items():
        raw[chunk + 8 * number : chunk + 8 * number + 8] = struct.pack(">Q", status << 62 | len(raw) // chunk)
        raw += data.ljust(chunk, b"\x00")
    return raw


def encrypted(
    inner: bytes, password: bytes, *, bits: int = 256, block: int = 4096, iterations: int = 1000, aes_wrap: bool = False
) -> bytes:
    """An encrypted image, version 2."""
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher
    from cryptography.hazmat.primitives.ciphers.algorithms import AES
    from cryptography.hazmat.primitives.ciphers.modes import CBC

    key, hmac_key = bytes(range(bits // 8)), bytes(range(100, 120))
    plain = key + hmac_key + b"CKIE\x00"
    unit, wrap_bits = (16, 256) if aes_wrap else (8, 192)
    fill = unit - len(plain) % unit
    plain += bytes([fill]) * fill
    wrapping = hashlib.pbkdf2_hmac("sha1", password, b"s" * 20, iterations, wrap_bits // 8)
    machine = Cipher(AES(wrapping) if aes_wrap else TripleDES(wrapping), CBC(b"v" * unit)).encryptor()
    blob = machine.update(plain)
    wrapped = struct.pack(">IIII", 103, 0, iterations, 20) + (b"s" * 20).ljust(32, b"\x00")
    wrapped += struct.pack(">I", unit) + (b"v" * unit).ljust(32, b"\x00")
    wrapped += struct.pack(">IIIII", wrap_bits, 0x80000001 if aes_wrap else 17, 7, 6, len(blob)) + blob
    raw = struct.pack(">8s7I", b"encrcdsa", 2, 16, 5, 0x80000001, bits, 91, 160) + bytes(16)
    raw += struct.pack(">IQQI", block, len(inner), 8192, 1) + struct.pack(">IQQ", 1, 96, len(wrapped)) + wrapped
    raw = raw.ljust(8192, b"\x00")
    for number, at in enumerate(range(0, len(inner), block)):
        part = inner[at : at + block]
        part = part.ljust(-(-len(part) // block) * block, b"\x00")
        vector = hmac.digest(hmac_key, struct.pack(">I", number), "sha1")[:16]
        raw += Cipher(AES(key), CBC(vector)).encryptor().update(part)
    return raw
