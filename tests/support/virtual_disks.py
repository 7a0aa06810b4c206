"""Writers of virtual disks, from the specifications of the formats; every field can be made wrong afterwards.

They make what no tool on Linux writes: differencing VHD and VHDX, VHDX with a log, ESX extents, VDI chains.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Mapping

from triage.evidence.containers.vhd_header import checksum_of
from triage.evidence.crc32c import crc32c

MB = 1 << 20
FREE = 0xFFFFFFFF


def pattern(length: int, seed: int = 1) -> bytes:
    """Bytes that differ from sector to sector."""
    return b"".join(bytes([(seed * 31 + number) % 251 + 1]) * 512 for number in range(-(-length // 512)))[:length]


def vhd_footer(size: int, kind: int, identity: uuid.UUID, first_size: int | None = None) -> bytes:
    raw = struct.pack(">8sIIQI4sII", b"conectix", 2, 0x10000, FREE * (FREE + 2) if kind == 2 else 512, 0, b"tst ", 0, 0)
    raw += struct.pack(">QQHBBI", first_size or size, size, 1, 1, 1, kind)
    raw = (raw + bytes(4) + identity.bytes).ljust(512, b"\x00")
    return raw[:64] + struct.pack(">I", checksum_of(raw, 64)) + raw[68:]


def vhd(
    size: int,
    blocks: Mapping[int, tuple[bytes, bytes]],
    identity: uuid.UUID,
    parent: uuid.UUID | None = None,
    parent_name: str = "",
    block: int = 65536,
) -> bytes:
    """A dynamic VHD, or a differencing one where it has a parent.

    Args:
        blocks: Sector bitmap and bytes by number of the block.
    """
    kind = 4 if parent else 3
    footer = vhd_footer(size, kind, identity)
    entries = -(-size // block)
    locator = parent_name.encode("utf-16-le")
    head = struct.pack(">8sQQIII", b"cxsparse", FREE * (FREE + 2), 2048, 0x10000, entries, block) + bytes(4)
    head += (parent or uuid.UUID(int=0)).bytes + bytes(8) + parent_name.encode("utf-16-be").ljust(512, b"\x00")
    if parent:
        head += struct.pack(">4sIIIQ", b"W2ru", 512, len(locator), 0, 1536)
    head = head.ljust(1024, b"\x00")
    head = head[:36] + struct.pack(">I", checksum_of(head, 36)) + head[40:]
    table, data = [FREE] * entries, b""
    start = 2048 + -(-entries * 4 // 512) * 512
    for number, (bitmap, content) in sorted(blocks.items()):
        table[number] = (start + len(data)) // 512
        data += bitmap.ljust(-(-len(bitmap) // 512) * 512, b"\x00") + content.ljust(block, b"\x00")
    raw = (footer + head).ljust(1536, b"\x00") + locator.ljust(512, b"\x00") + struct.pack(f">{entries}I", *table)
    return raw.ljust(start, b"\x00") + data + footer


def _region(identity: str, offset: int, length: int) -> bytes:
    return uuid.UUID(identity).bytes_le + struct.pack("<QII", offset, length, 1)


def _summed(raw: bytes, length: int, at: int = 4) -> bytes:
    raw = raw.ljust(length, b"\x00")
    return raw[:at] + struct.pack("<I", crc32c(raw[:at] + bytes(4) + raw[at + 4 :])) + raw[at + 4 :]


def vhdx_header(sequence: int, data_write: uuid.UUID, log: uuid.UUID | None = None) -> bytes:
    raw = struct.pack("<4sIQ", b"head", 0, sequence) + bytes(16) + data_write.bytes_le
    raw += (log or uuid.UUID(int=0)).bytes_le + struct.pack("<HHIQ", 0, 1, MB, MB)
    return _summed(raw, 4096)


def _locator(values: Mapping[str, str]) -> bytes:
    entries, texts = b"", b""
    base = 20 + 12 * len(values)
    for key, value in values.items():
        name, text = key.encode("utf-16-le"), value.encode("utf-16-le")
        at = base + len(texts)
        entries += struct.pack("<IIHH", at, at + len(name), len(name), len(text))
        texts += name + text
    kind = uuid.UUID("B04AEFB7-D19E-4A81-B789-25B8E9445913").bytes_le
    return kind + struct.pack("<HH", 0, len(values)) + entries + texts


def vhdx(
    size: int,
    blocks: Mapping[int, tuple[int, bytes]],
    data_write: uuid.UUID,
    parent: Mapping[str, str] | None = None,
    bitmap: bytes = b"",
    log: uuid.UUID | None = None,
) -> bytearray:
    """A VHDX with blocks of 1 MiB, its table at 3 MiB, blocks from 4 MiB on.

    Args:
        blocks: State and bytes by number of the block.
        parent: The parent locator; a differencing disk.
        bitmap: Of the first chunk, for blocks in state 7.
    """
    raw = bytearray(4 * MB)
    raw[:8] = b"vhdxfile"
    raw[65536:69632] = vhdx_header(1, uuid.UUID(int=1))
    raw[131072:135168] = vhdx_header(2, data_write, log)
    regions = struct.pack("<4sIII", b"regi", 0, 2, 0)
    regions += _region("2DC27766-F623-4200-9D64-115E9BFD4A08", 3 * MB, MB)
    regions += _region("8B7CA206-4790-4B9A-B8FE-575F050F886E", 2 * MB, MB)
    raw[196608:262144] = raw[262144:327680] = _summed(regions, 65536)
    items = [
        ("CAA16737-FA36-4D43-B3B6-33F0AA44E76B", struct.pack("<II", MB, 2 if parent else 0)),
        ("2FA54224-CD1B-4876-B211-5DBED83BF4B8", struct.pack("<Q", size)),
        ("8141BF1D-A96F-4709-BA47-F233A8FAAB5F", struct.pack("<I", 512)),
        ("CDA348C7-445D-4471-9CC9-E9885251C556", struct.pack("<I", 512)),
        ("BECA12AB-B2E6-4523-93EF-C309E000C746", uuid.UUID(int=77).bytes_le),
    ]
    if parent:
        items.append(("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C", _locator(parent)))
    table, place = struct.pack("<8sHH20x", b"metadata", 0, len(items)), 65536
    for identity, data in items:
        table += uuid.UUID(identity).bytes_le + struct.pack("<IIII", place, len(data), 4, 0)
        raw[2 * MB + place : 2 * MB + place + len(data)] = data
        place += len(data)
    raw[2 * MB : 2 * MB + len(table)] = table
    for number, (state, content) in sorted(blocks.items()):
        entry = state
        if content:
            entry |= len(raw)
            raw += content.ljust(MB, b"\x00")
        at = 3 * MB + 8 * (number + number // 4096)
        raw[at : at + 8] = struct.pack("<Q", entry)
    if bitmap:
        raw[3 * MB + 8 * 4096 : 3 * MB + 8 * 4097] = struct.pack("<Q", len(raw) | 6)
        raw += bitmap.ljust(MB, b"\x00")
    return raw


def vhdx_log_entry(
    identity: uuid.UUID, sequence: int, tail: int, pages: Mapping[int, bytes | None], flushed: int
) -> bytes:
    """One log entry; a page of None is zeroed."""
    descriptors, data = b"", b""
    for place, page in pages.items():
        if page is None:
            descriptors += struct.pack("<4sIQQQ", b"zero", 0, 4096, place, sequence)
            continue
        descriptors += b"desc" + page[4092:] + page[:8] + struct.pack("<QQ", place, sequence)
        data += b"data" + struct.pack("<I", sequence >> 32) + page[8:4092] + struct.pack("<I", sequence & FREE)
    head = -(-(64 + len(descriptors)) // 4096) * 4096
    raw = struct.pack("<4sIIIQII", b"loge", 0, head + len(data), tail, sequence, len(pages), 0)
    raw += identity.bytes_le + struct.pack("<QQ", flushed, flushed) + descriptors
    raw = raw.ljust(head, b"\x00") + data
    return _summed(raw, len(raw))


def vdi(
    size: int,
    blocks: Mapping[int, bytes | None],
    identity: uuid.UUID,
    parent: uuid.UUID | None = None,
    block: int = 65536,
) -> bytes:
    """A VDI; a block of None is one of zeros."""
    count = -(-size // block)
    table, data, used = [FREE] * count, b"", 0
    for number, content in blocks.items():
        if content is None:
            table[number] = FREE - 1
            continue
        table[number], used = used, used + 1
        data += content.ljust(block, b"\x00")
    start = 512 + -(-count * 4 // 512) * 512
    raw = b"<<< test >>>\n".ljust(64, b"\x00") + struct.pack("<IIIII", 0xBEDA107F, 0x10001, 400, 4 if parent else 1, 0)
    raw = raw.ljust(0x154, b"\x00") + struct.pack("<II", 512, start) + struct.pack("<5I", 0, 0, 0, 512, 0)
    raw += struct.pack("<QIIII", size, block, 0, count, used) + identity.bytes_le + uuid.UUID(int=3).bytes_le
    raw += (parent or uuid.UUID(int=0)).bytes_le
    return raw.ljust(512, b"\x00") + struct.pack(f"<{count}I", *table).ljust(start - 512, b"\x00") + data


def parallels(size: int, blocks: Mapping[int, bytes], extended: bool = True, block: int = 65536) -> bytes:
    """An expanding image."""
    count = -(-size // block)
    start = -(-(64 + count * 4) // block) * block
    table, data = [0] * count, b""
    for number, content in blocks.items():
        place = start + len(data)
        table[number] = place // block if extended else place // 512
        data += content.ljust(block, b"\x00")
    magic = b"WithouFreSpacExt" if extended else b"WithoutFreeSpace"
    raw = magic + struct.pack("<5IQIIIQ", 2, 16, 10, block // 512, count, size // 512, 0, start // 512, 0, 0)
    return (raw + struct.pack(f"<{count}I", *table)).ljust(start, b"\x00") + data


def cowd(size: int, grains: Mapping[int, bytes], grain: int = 512) -> bytes:
    """An ESX sparse extent."""
    span = 4096 * grain
    tables = -(-size // span)
    raw = b"COWD" + struct.pack("<6I", 1, 3, size // 512, grain // 512, 4, tables)
    directory, body, base = [0] * tables, b"", 4 * 512 + 512
    by_table: dict[int, dict[int, bytes]] = {}
    for number, content in grains.items():
        by_table.setdefault(number // 4096, {})[number % 4096] = content
    for index, entries in by_table.items():
        table = [0] * 4096
        directory[index] = (base + len(body)) // 512
        data, at = b"", base + len(body) + 16384
        for number, content in entries.items():
            table[number] = (at + len(data)) // 512
            data += content.ljust(grain, b"\x00")
        body += struct.pack("<4096I", *table) + data
    return raw.ljust(2048, b"\x00") + struct.pack(f"<{tables}I", *directory).ljust(512, b"\x00") + body


def sesparse(size: int, grains: Mapping[int, bytes | None]) -> bytes:
    """A space-efficient sparse extent of one grain table; a grain of None is one of zeros."""
    table, data = [0] * 4096, b""
    for number, content in grains.items():
        index = len(data) // 4096
        table[number] = 2 << 60 if content is None else 3 << 60 | (index & 0xFFF) << 48 | index >> 12
        data += b"" if content is None else content.ljust(4096, b"\x00")
    head = struct.pack("<9Q", 0xCAFEBABE, 0x200000001, size // 512, 8, 64, 0, 0, 0, 0) + bytes(8)
    places = [(1, 1), (2, 1), (3, 1), (8, 1), (16, 64), (80, 8), (88, 8), (128, len(data) // 512)]
    raw = head + b"".join(struct.pack("<QQ", *place) for place in places)
    volatile = struct.pack("<QQQQB", 0xCAFECAFE, 0, 0, 0, 0).ljust(512, b"\x00")
    raw = raw.ljust(512, b"\x00") + volatile
    raw = raw.ljust(8 * 512, b"\x00") + struct.pack("<Q", 1 << 60).ljust(512, b"\x00")
    return raw.ljust(16 * 512, b"\x00") + struct.pack("<4096Q", *table).ljust((128 - 16) * 512, b"\x00") + data
