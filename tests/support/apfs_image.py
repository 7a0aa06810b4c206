"""Writes containers of APFS: volumes, snapshots, earlier checkpoints, encryption.

After Apple File System Reference. Blocks are never used twice, so that earlier checkpoints stay readable unless a test
writes over them. What is left out (reaper, extent references, free queues) no reader of files needs.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

BS = 4096
NAME_KIND, INODE_KIND, XATTR_KIND, EXTENT_KIND = 9, 3, 4, 8
DIR, REG, LNK = 0o040755, 0o100644, 0o120777
CONTAINER_ID = bytes(range(16))
NOW = 1_700_000_000_000_000_000


def fletcher(block: bytes) -> int:
    first = second = 0
    for (word,) in struct.iter_unpack("<I", block[8:]):
        first = (first + word) % 0xFFFFFFFF
        second = (second + first) % 0xFFFFFFFF
    low = 0xFFFFFFFF - (first + second) % 0xFFFFFFFF
    return (0xFFFFFFFF - (first + low) % 0xFFFFFFFF) << 32 | low


def sealed(oid: int, xid: int, kind: int, subtype: int, body: bytes, size: int = BS) -> bytes:
    """An object: header, body (that begins at byte 32), checksum."""
    block = (bytes(8) + struct.pack("<QQII", oid, xid, kind, subtype) + body).ljust(size, b"\0")
    assert len(block) == size
    return struct.pack("<Q", fletcher(block)) + block[8:]


# --- records ----------------------------------------------------------------------------------------------------------
def head(oid: int, kind: int) -> bytes:
    return struct.pack("<Q", kind << 60 | oid)


def inode(oid: int, mode: int, *, parent: int = 2, size: int | None = None, flags: int = 0, data: int = 0,
          when: int = NOW, owner: int = 501) -> tuple[bytes, bytes]:  # fmt: skip
    value = struct.pack("<QQqqqqQiIIIIIHHQ", parent, data or oid, when, when + 1, when + 2, when + 3, 0, 1, 0, 0,
                        flags, owner, 20, mode, 0, 0)  # fmt: skip
    fields = [(4, b"name\0")]
    if size is not None:
        fields.append((8, struct.pack("<QQQQQ", size, -(-size // BS) * BS, 0, 0, 0)))
    blob = struct.pack("<HH", len(fields), sum(-(-len(data) // 8) * 8 for _, data in fields))
    blob += b"".join(struct.pack("<BBH", number, 0, len(data)) for number, data in fields)
    blob += b"".join(data.ljust(-(-len(data) // 8) * 8, b"\0") for _, data in fields)
    return head(oid, INODE_KIND), value + blob


def name(parent: int, text: bytes, oid: int, kind: int = 8) -> tuple[bytes, bytes]:
    hashed = (zlib.crc32(text) & 0x3FFFFF) << 10 | len(text) + 1
    return head(parent, NAME_KIND) + struct.pack("<I", hashed) + text + b"\0", struct.pack("<QQH", oid, NOW, kind)


def xattr(oid: int, text: bytes, value: bytes) -> tuple[bytes, bytes]:
    return (head(oid, XATTR_KIND) + struct.pack("<H", len(text) + 1) + text + b"\0",
            struct.pack("<HH", 2, len(value)) + value)  # fmt: skip


def xattr_stream(oid: int, text: bytes, stream: int, size: int) -> tuple[bytes, bytes]:
    return (head(oid, XATTR_KIND) + struct.pack("<H", len(text) + 1) + text + b"\0",
            struct.pack("<HHQQQQQQ", 1, 48, stream, size, -(-size // BS) * BS, 0, 0, 0))  # fmt: skip


def extent(oid: int, offset: int, length: int, block: int, tweak: int = 0) -> tuple[bytes, bytes]:
    return head(oid, EXTENT_KIND) + struct.pack("<Q", offset), struct.pack("<QQQ", length, block, tweak)


def _order(record: tuple[bytes, bytes]) -> tuple[int, int, bytes, int]:
    key = struct.unpack_from("<Q", record[0])[0]
    oid, kind = key & (1 << 60) - 1, key >> 60
    if kind == EXTENT_KIND:
        return oid, kind, b"", struct.unpack_from("<Q", record[0], 8)[0]
    if kind == NAME_KIND:
        return oid, kind, record[0][12:], struct.unpack_from("<I", record[0], 8)[0] >> 10
    return oid, kind, record[0][8:], 0


def order(records: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Records as a tree has them: by object, kind, then hash, place or name."""
    return sorted(records, key=lambda record: (*_order(record)[:2], _order(record)[3], _order(record)[2]))


# --- trees ------------------------------------------------------------------------------------------------------------
def node_body(level: int, entries: list[tuple[bytes, bytes]], *, root: bool, fixed: tuple[int, int] | None = None,
              count: int = 0) -> bytes:  # fmt: skip
    """Bytes of a node from byte 32 on."""
    end = BS - (40 if root else 0)
    flags = (1 if root else 0) | (0 if level else 2) | (4 if fixed else 0)
    toc, keys, values = b"", b"", b""
    for key, value in entries:
        values = value + values
        place = (len(keys), len(key), len(values), len(value))
        toc += struct.pack("<HH", place[0], place[2]) if fixed else struct.pack("<HHHH", *place)
        keys += key
    table = -(-len(toc) // 64) * 64
    free = end - 56 - table - len(keys) - len(values)
    assert free >= 0, "node too full"
    body = struct.pack("<HHIHHHHHHHH", flags, level, len(entries), 0, table, len(keys), free, 0xFFFF, 0, 0xFFFF, 0)
    body += toc.ljust(table, b"\0") + keys + bytes(free) + values
    if root:
        sizes = fixed or (0, 0)
        body += struct.pack("<IIIIIIQQ", 0, BS, *sizes, 32, 64, count or len(entries), 1)
    return body


def split(entries: list[tuple[bytes, bytes]], room: int) -> list[list[tuple[bytes, bytes]]]:
    found: list[list[tuple[bytes, bytes]]] = [[]]
    used = 0
    for key, value in entries:
        cost = len(key) + len(value) + 8
        if found[-1] and used + cost > room:
            found.append([])
            used = 0
        found[-1].append((key, value))
        used += cost
    return found


def tree_nodes(entries: list[tuple[bytes, bytes]], root: int, first: int, room: int) -> list[tuple[int, int, list]]:
    """Nodes of a tree as (identifier, level, entries), the root last."""
    found: list[tuple[int, int, list]] = []
    level = 0
    while True:
        groups = split(entries, room)
        if len(groups) == 1:
            return [*found, (root, level, groups[0])]
        above = []
        for group in groups:
            found.append((first, level, group))
            above.append((group[0][0], struct.pack("<Q", first)))
            first += 1
        entries, level = above, level + 1


# --- encryption -------------------------------------------------------------------------------------------------------
def xts(key: bytes, data: bytes, sector: int) -> bytes:
    """AES-XTS over sectors of 512 bytes; the halves of the key may be the same."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    one = Cipher(algorithms.AES(key[:16]), modes.ECB()).encryptor()
    two = Cipher(algorithms.AES(key[16:]), modes.ECB()).encryptor()
    out = b""
    for index in range(len(data) // 512):
        tweak = int.from_bytes(two.update((sector + index).to_bytes(16, "little")), "little")
        for place in range(index * 512, index * 512 + 512, 16):
            mask = tweak.to_bytes(16, "little")
            plain = bytes(a ^ b for a, b in zip(data[place : place + 16], mask, strict=True))
            out += bytes(a ^ b for a, b in zip(one.update(plain), mask, strict=True))
            tweak = tweak << 1 ^ (0x87 if tweak >> 127 else 0)
            tweak &= (1 << 128) - 1
    return out


def der(tag: int, value: bytes) -> bytes:
    length = bytes([len(value)]) if len(value) < 128 else bytes([0x81, len(value)])
    return bytes([tag]) + length + value


def key_blob(owner: bytes, wrapped: bytes, *, flags: int = 0, iterations: int = 0, salt: bytes = b"") -> bytes:
    inner = der(0x80, b"\0") + der(0x81, owner) + der(0x82, struct.pack("<II", flags, 0)) + der(0x83, wrapped)
    if iterations:
        inner += der(0x84, iterations.to_bytes(3, "big")) + der(0x85, salt)
    inner = der(0xA3, inner)
    salt8 = b"12345678"
    mac = hashlib.sha256(b"\x01\x16\x20\x17\x15\x05" + salt8).digest()
    import hmac

    return der(0x30, der(0x80, b"\0") + der(0x81, hmac.new(mac, inner, "sha256").digest()) + der(0x82, salt8) + inner)


def keybag(kind: int, identifier: bytes, block: int, entries: list[tuple[bytes, int, bytes]]) -> bytes:
    body = b""
    for owner, tag, data in entries:
        entry = owner + struct.pack("<HH4x", tag, len(data)) + data
        body += entry.ljust(-(-len(entry) // 16) * 16, b"\0")
    body = struct.pack("<HHI8x", 2, len(entries), len(body)) + body
    return xts(identifier * 2, sealed(0, 1, kind, 0, body), block * 8)


@dataclass
class Locked:
    """How a volume is encrypted."""

    password: bytes = b"correct horse"
    recovery: bytes = b"ABCD-EFGH-IJKL-MNOP-QRST-UVWX"
    key: bytes = bytes(range(64, 96))
    hint: bytes = b"like the comic"
    place: tuple[int, int] = (0, 0)


@dataclass
class VolumePart:
    """One volume while the image is written."""

    label: str
    oid: int
    root: int
    identifier: bytes
    role: int = 0
    incompatible: int = 1
    locked: Locked | None = None
    records: list[tuple[bytes, bytes]] = field(default_factory=list)
    mapped: dict[tuple[int, int], int] = field(default_factory=dict)
    bodies: dict[int, tuple[bytes, int]] = field(default_factory=dict)
    snapshots: list[tuple[int, int, bytes]] = field(default_factory=list)
    place: int = 0


class ApfsImage:
    """An image that grows checkpoint by checkpoint."""

    def __init__(self, blocks: int = 600, room: int = 3000) -> None:
        self.data = bytearray(blocks * BS)
        self.blocks = blocks
        self.room = room
        self.next = 40
        self.xid = 0
        self.slot = 0
        self.volumes: list[VolumePart] = []
        self.keylocker = (0, 0)

    def add_volume(
        self, label: str, *, role: int = 0, incompatible: int = 1, locked: Locked | None = None
    ) -> VolumePart:
        number = len(self.volumes)
        part = VolumePart(label, 1026 + number, 5000 + 10_000 * number,
                          hashlib.md5(label.encode()).digest(), role, incompatible, locked)  # fmt: skip
        part.records = [name(1, b"root", 2, 4), name(1, b"private-dir", 3, 4), inode(2, DIR, parent=1),
                        inode(3, DIR, parent=1)]  # fmt: skip
        self.volumes.append(part)
        return part

    def write(self, data: bytes, block: int | None = None) -> int:
        """Puts bytes in new blocks, or in given ones."""
        if block is None:
            block = self.next
            self.next += -(-len(data) // BS) or 1
        self.data[block * BS : block * BS + len(data)] = data
        return block

    def store(self, part: VolumePart, oid: int, content: bytes) -> list[tuple[bytes, bytes]]:
        """Extent records of a content, which is written."""
        padded = content.ljust(-(-len(content) // BS) * BS, b"\0")
        block = self.next
        if part.locked is not None:
            padded = xts(part.locked.key, padded, block * 8)
        self.write(padded)
        return [extent(oid, 0, len(padded), block, block if part.locked is not None else 0)] if content else []

    def add_file(self, part: VolumePart, text: bytes, oid: int, content: bytes, *, parent: int = 2) -> None:
        part.records += [name(parent, text, oid), inode(oid, REG, parent=parent, size=len(content))]
        part.records += self.store(part, oid, content)

    def remove(self, part: VolumePart, oid: int) -> None:
        """Takes every record of an object and its names away."""

        def gone(record: tuple[bytes, bytes]) -> bool:
            key = struct.unpack_from("<Q", record[0])[0]
            named = key >> 60 == NAME_KIND and struct.unpack_from("<Q", record[1])[0] == oid
            return named or key & (1 << 60) - 1 == oid

        part.records = [record for record in part.records if not gone(record)]

    # --- checkpoints --------------------------------------------------------------------------------------------
    def commit(self, snapshot: dict[str, bytes] | None = None) -> None:
        """A checkpoint with the records as they are; ``snapshot`` names one for a volume by its label."""
        self.xid += 1
        top: list[tuple[bytes, bytes]] = []
        for part in self.volumes:
            block = self._volume(part, (snapshot or {}).get(part.label))
            top.append((struct.pack("<QQ", part.oid, self.xid), struct.pack("<IIQ", 0, BS, block)))
        omap = self._omap(top)
        if any(part.locked for part in self.volumes):
            self._keybags()
        self._superblock(omap)

    def _omap(self, entries: list[tuple[bytes, bytes]]) -> int:
        entries = sorted(entries, key=lambda entry: struct.unpack("<QQ", entry[0]))
        nodes = tree_nodes(entries, 0, 0, 2400)
        places: dict[int, int] = {}
        for index, (oid, level, inside) in enumerate(nodes):
            root = index == len(nodes) - 1
            if level:
                inside = [(key, struct.pack("<Q", places[struct.unpack("<Q", value)[0]])) for key, value in inside]
            block = self.next
            body = node_body(level, inside, root=root, fixed=(16, 16), count=len(entries))
            self.write(sealed(block, self.xid, 0x40000002 if root else 0x40000003, 0xB, body))
            places[oid if not root else -1] = block
        block = self.next
        body = struct.pack("<IIIIQQQQQ", 1, 0, 0x40000002, 0x40000002, places[-1], 0, 0, 0, 0)
        return self.write(sealed(block, self.xid, 0x4000000B, 0, body))

    def _volume(self, part: VolumePart, snapshot: bytes | None) -> int:
        nodes = tree_nodes(order(part.records), part.root, part.root + 1, self.room)
        keep = {xid for xid, _, _ in part.snapshots}
        for index, (oid, level, inside) in enumerate(nodes):
            root = index == len(nodes) - 1
            body = node_body(level, inside, root=root, count=len(part.records))
            if part.bodies.get(oid, (b"", 0))[0] == body:
                continue
            block = self.next
            node = sealed(oid, self.xid, 2 if root else 3, 0xE, body)
            self.write(node if part.locked is None else xts(part.locked.key, node, block * 8))
            for old in [key for key in part.mapped if key[0] == oid and not any(key[1] <= xid for xid in keep)]:
                del part.mapped[old]
            part.mapped[oid, self.xid] = block
            part.bodies[oid] = (body, self.xid)
        flags = 4 if part.locked is not None else 0
        omap = self._omap([(struct.pack("<QQ", *key), struct.pack("<IIQ", flags, BS, block))
                           for key, block in part.mapped.items()])  # fmt: skip
        if snapshot is not None:
            then = self.write(self._apsb(part, self.next, 0, 0))
            part.snapshots.append((self.xid, then, snapshot))
        tree = self._snapshots(part)
        return self.write(self._apsb(part, part.oid, omap, tree))

    def _snapshots(self, part: VolumePart) -> int:
        entries = []
        for xid, block, text in part.snapshots:
            value = struct.pack("<QQQQQIIH", 0, block, NOW + xid, NOW, 0, 0x40000002, 0, len(text) + 1) + text + b"\0"
            entries.append((head(xid, 1), value))
        names = [(head((1 << 60) - 1, 11) + struct.pack("<H", len(text) + 1) + text + b"\0", struct.pack("<Q", xid))
                 for xid, _, text in part.snapshots]  # fmt: skip
        block = self.next
        return self.write(sealed(block, self.xid, 0x40000002, 0x10, node_body(0, entries + names, root=True)))

    def _apsb(self, part: VolumePart, oid: int, omap: int, snapshots: int) -> bytes:
        body = bytearray(BS - 32)

        def put(place: int, form: str, *values: int) -> None:
            struct.pack_into("<" + form, body, place - 32, *values)

        body[:4] = b"APSB"
        put(36, "I", part.oid - 1026)
        put(56, "Q", part.incompatible)
        put(88, "Q", 100)
        put(116, "III", 2, 0x40000002, 0x40000002)
        put(128, "QQQQ", omap, part.root, 0, snapshots)
        put(176, "Q", 10_000)
        put(184, "QQQQQ", 1, 1, 0, 0, len(part.snapshots))
        body[240 - 32 : 256 - 32] = part.identifier
        put(256, "Q", NOW)
        put(264, "Q", 8 if part.locked is not None else 1)
        body[704 - 32 : 704 - 32 + len(part.label.encode())] = part.label.encode()
        put(964, "H", part.role)
        return sealed(oid, self.xid, 0xD if oid == part.oid else 0x4000000D, 0, bytes(body))

    def _keybags(self) -> None:
        from cryptography.hazmat.primitives.keywrap import aes_key_wrap

        entries = []
        for part in self.volumes:
            if part.locked is None:
                continue
            kek = bytes(range(32))
            inner = []
            for owner, secret in ((b"user-identifier!", part.locked.password),
                                  (bytes.fromhex("ebc6c064000011aaaa1100306543ecac"), part.locked.recovery)):  # fmt: skip
                derived = hashlib.pbkdf2_hmac("sha256", secret, b"0123456789abcdef", 1000, 32)
                blob = key_blob(owner, aes_key_wrap(derived, kek), iterations=1000, salt=b"0123456789abcdef")
                inner.append((owner, 3, blob))
            inner.append((part.identifier, 4, part.locked.hint))
            block = self.next
            self.write(keybag(0x72656373, part.identifier, block, inner))
            entries.append((part.identifier, 2, key_blob(part.identifier, aes_key_wrap(kek, part.locked.key))))
            entries.append((part.identifier, 3, struct.pack("<QQ", block, 1)))
        block = self.next
        self.write(keybag(0x6B657973, CONTAINER_ID, block, entries))
        self.keylocker = (block, 1)

    def _superblock(self, omap: int) -> None:
        info = self.next
        bits = self.next + 1
        self.next += 2
        used = sum(1 << number for number in range(self.next))
        self.write(used.to_bytes(BS, "little"), bits)
        free = self.blocks - self.next
        body = struct.pack("<II", 0, 1) + struct.pack("<QQIIQ", self.xid, 0, self.blocks, free, bits)
        self.write(sealed(info, self.xid, 0x40000007, 0, body), info)
        body = struct.pack("<IIII", BS, BS * 8, 126, 511)
        body += struct.pack("<QQIIQIIQ", self.blocks, 1, 1, 0, free, 0x200, 0, 0)
        body = body.ljust(0x200 - 32, b"\0") + struct.pack("<Q", info)
        place = 20 + self.slot // 2
        self.write(sealed(1024, self.xid, 0x80000005, 0, body), place)
        chart = struct.pack("<II", 1, 1) + struct.pack("<IIIIQQQ", 0x80000005, 0, BS, 0, 0, 1024, place)
        self.write(sealed(1 + self.slot, self.xid, 0x4000000C, 0, chart), 1 + self.slot)
        body = bytearray(BS - 32)

        def put(where: int, form: str, *values: int) -> None:
            struct.pack_into("<" + form, body, where - 32, *values)

        body[:4] = b"NXSB"
        put(36, "IQ", BS, self.blocks)
        put(64, "Q", 2)
        body[72 - 32 : 88 - 32] = CONTAINER_ID
        put(88, "QQ", 2000, self.xid + 1)
        put(104, "IIQQ", 16, 12, 1, 20)
        put(128, "IIIIII", (self.slot + 2) % 16, 0, self.slot, 2, self.slot // 2, 1)
        put(152, "QQQ", 1024, omap, 0)
        put(180, "I", 100)
        put(184, f"{len(self.volumes)}Q", *(part.oid for part in self.volumes))
        put(1296, "QQ", *self.keylocker)
        block = sealed(1, self.xid, 0x80000001, 0, bytes(body))
        self.write(block, 2 + self.slot)
        self.write(block, 0)
        self.slot = (self.slot + 2) % 16
