"""One small image for each partition table and layer; the file systems inside are small FATs."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.fuzz.filesystems import raw
from tests.fuzz.image import FuzzImage
from tests.fuzz.mutation import content
from tests.fuzz.sparse import Sparse
from tests.support import apfs_image, bitlocker_image, disk_image, lvm_image
from tests.support.btrfs_image import SUPER
from tests.support.btrfs_image import image as btrfs_image
from tests.support.fat_image import fat_image
from tests.support.luks_image import LuksImage
from tests.unit.evidence.volumes import test_md
from triage.evidence.filesystems.btrfs import checksum
from triage.evidence.keychain import Keychain, load_keychain

Maker = Callable[[Path], FuzzImage]
SECTOR = 512
_VOLUMES = "triage.evidence.volumes."


_MADE: list[bytes] = []


def fat(number: int = 0, kib: int = 128) -> bytes:
    """A file system whose files tell which it is."""
    _MADE.append(_fat(number, kib))
    return _MADE[-1]


def _fat(number: int, kib: int) -> bytes:
    return fat_image({f"v{number}/f{index}.txt": content(f"v{number}f{index}", 600) for index in range(4)}, kib=kib)


def disk(
    name: str,
    volumes: Sequence[bytes],
    *,
    keys: Keychain | None = None,
    blind: tuple[str, ...] = (),
    strict: bool = False,
) -> FuzzImage:
    """Volumes as partitions of a disk with an MBR; one alone fills the image."""
    blind = tuple(item if item.startswith("triage") else _VOLUMES + item for item in blind)
    if len(volumes) == 1:
        return FuzzImage(name, {"x.dd": Sparse.of(volumes[0])}, keys or Keychain(), strict, blind).about(*_MADE)
    data, entries, at = b"", [], 64
    for volume in volumes:
        sectors = -(-len(volume) // SECTOR)
        entries.append(disk_image.mbr_entry(0x83, at, sectors))
        data = data.ljust((at - 64) * SECTOR, b"\0") + volume
        at += -(-sectors // 64) * 64 + 64
    whole = Sparse((at + 64) * SECTOR)
    whole.put(0, disk_image.boot_record(*entries))
    whole.put(64 * SECTOR, data)
    return FuzzImage(name, {"x.dd": whole}, keys or Keychain(), strict, blind).about(*_MADE)


def mbr(_: Path) -> FuzzImage:
    image = bytearray(3000 * SECTOR)
    places = (64, 400, 800, 1200)
    for number, place in enumerate(places):
        disk_image.put(image, place * SECTOR, fat(number))
    logical = 1600
    disk_image.put(
        image,
        0,
        disk_image.boot_record(
            *(disk_image.mbr_entry(1, at, 256) for at in places[:3]), disk_image.mbr_entry(5, logical, 1300)
        ),
    )
    for step, inner in enumerate((1600, 2000, 2400)):
        following = disk_image.mbr_entry(5, inner + 400 - logical, 400) if step < 2 else b""
        disk_image.put(image, inner * SECTOR, disk_image.boot_record(disk_image.mbr_entry(1, 16, 256), following))
        disk_image.put(image, (inner + 16) * SECTOR, fat(10 + step))
    return raw("mbr", bytes(image)).about(*_MADE)


def gpt(_: Path) -> FuzzImage:
    image = disk_image.gpt_disk([disk_image.gpt_entry(64, 319, "one"), disk_image.gpt_entry(400, 655, "two")], 1024)
    for number, place in enumerate((64, 400)):
        disk_image.put(image, place * SECTOR, fat(number))
    return disk("gpt", [bytes(image)], blind=("gpt:zlib",), strict=True)


def apm(_: Path) -> FuzzImage:
    image = disk_image.apm_disk([(64, 256, b"Apple_HFS"), (400, 256, b"Apple_UFS"), (700, 100, b"Apple_Free")], 900)
    for number, place in enumerate((64, 400)):
        disk_image.put(image, place * SECTOR, fat(number))
    return raw("apm", bytes(image)).about(*_MADE)


def bsd(_: Path) -> FuzzImage:
    image = bytearray(1000 * SECTOR)
    disk_image.put(image, SECTOR, disk_image.bsd_label([(256, 64, 8), (256, 400, 8), (1000, 0, 0)]))
    for number, place in enumerate((64, 400)):
        disk_image.put(image, place * SECTOR, fat(number))
    return raw("bsd", bytes(image)).about(*_MADE)


def bsd_in_mbr(_: Path) -> FuzzImage:
    image = bytearray(1100 * SECTOR)
    disk_image.put(image, 0, disk_image.boot_record(disk_image.mbr_entry(0xA5, 64, 1000)))
    disk_image.put(image, 65 * SECTOR, disk_image.bsd_label([(256, 128, 8), (256, 464, 8), (1000, 64, 0)]))
    for number, place in enumerate((128, 464)):
        disk_image.put(image, place * SECTOR, fat(number))
    return raw("bsd-in-mbr", bytes(image)).about(*_MADE)


def sun(_: Path) -> FuzzImage:
    image = bytearray(1000 * SECTOR)
    label = bytearray(512)
    struct.pack_into(">HHH", label, 142, 8, 0, 0)
    label[128:132] = struct.pack(">I", 1)
    struct.pack_into(">I", label, 188, 0x600DDEEE)
    struct.pack_into(">HHHHHHHH", label, 420, 5400, 100, 0, 0, 0, 1, 10, 2)
    struct.pack_into(">HH", label, 436, 1, 20)
    for index, (start, count) in enumerate(((4, 256), (20, 256))):
        struct.pack_into(">HH", label, 142 + 4 * index, 2, 0)
        struct.pack_into(">II", label, 444 + 8 * index, start, count)
    struct.pack_into(">H", label, 508, 0xDABE)
    total = 0
    for (word,) in struct.iter_unpack(">H", bytes(label[:510])):
        total ^= word
    struct.pack_into(">H", label, 510, total)
    disk_image.put(image, 0, bytes(label))
    for number, place in enumerate((80, 400)):
        disk_image.put(image, place * SECTOR, fat(number))
    return raw("sun", bytes(image)).about(*_MADE)


def luks(version: int) -> Maker:
    def make(_: Path) -> FuzzImage:
        made = LuksImage(version)
        keys = load_keychain(["correct horse"])
        found = disk(f"luks{version}", [made.build(fat())], keys=keys, blind=("luks2:_sum_holds",))
        return found.about(made.encrypted(_MADE[-1]))

    return make


def bitlocker(_: Path) -> FuzzImage:
    from tests.unit.evidence.volumes.test_bitlocker import slow_cipher

    made = bitlocker_image.BitlockerImage()
    plain = fat(kib=bitlocker_image.SIZE >> 10)
    data = b"".join(
        slow_cipher(made.method, made.key(), plain[at : at + SECTOR], at) for at in range(0, len(plain), SECTOR)
    )
    image = bytearray(made.build(data))
    place, size = bitlocker_image.HEADER_PLACE, bitlocker_image.HEADER_SIZE
    for at in range(0, size, SECTOR):
        image[place + at : place + at + SECTOR] = slow_cipher(
            made.method, made.key(), plain[at : at + SECTOR], place + at
        )
    return disk("bitlocker", [bytes(image)], blind=("bitlocker_metadata:zlib",)).about(data)


def lvm(_: Path) -> FuzzImage:
    first, second = fat(1, 64), fat(2, 64)
    parts = [first[at : at + lvm_image.EXTENT] for at in range(0, len(first), lvm_image.EXTENT)]
    others = [second[at : at + lvm_image.EXTENT] for at in range(0, len(second), lvm_image.EXTENT)]
    count = 16
    texts = lvm_image.group_text(
        2,
        lvm_image.volume_text("one", 1, lvm_image.linear(0, 4, "pv0", 0), lvm_image.linear(4, 4, "pv1", 0))
        + lvm_image.volume_text("two", 2, lvm_image.linear(0, 8, "pv0", 4)),
        count=count,
    )
    pv0 = dict(enumerate(parts[:4])) | {index + 4: part for index, part in enumerate(others)}
    pv1 = dict(enumerate(parts[4:]))
    disks = [
        lvm_image.physical_volume(number, texts, count=count, extents=extents)
        for number, extents in ((0, pv0), (1, pv1))
    ]
    return disk("lvm", [bytes(one) for one in disks], blind=("lvm_disk:checksum",))


def md(level: int, layout: int, count: int) -> Maker:
    def make(_: Path) -> FuzzImage:
        chunk, data = test_md.CHUNK, fat(3, 64)
        rows = {0: "0 1 2", 5: "0 1 P\n3 P 2\nP 4 5"}
        members = [b""] * count
        if level == 1:
            members = [data] * count
        elif level == 0:
            for index, at in enumerate(range(0, len(data), chunk)):
                members[index % count] += data[at : at + chunk]
        else:
            assert rows
            step = chunk * (count - 1)
            for row, at in enumerate(range(0, len(data), step)):
                parts = [data[at + chunk * i : at + chunk * (i + 1)].ljust(chunk, b"\0") for i in range(count - 1)]
                parity = count - 1 - row % count
                order = [(parity + 1 + i) % count for i in range(count - 1)]
                members[parity] += test_md.xor(*parts)
                for part, disk_number in zip(parts, order, strict=True):
                    members[disk_number] += part
        size = max(len(one) for one in members)
        made = [
            test_md.member(
                role, data.ljust(size, b"\0"), level=level, disks=count, layout=layout, size=size, version="1.2"
            )
            for role, data in enumerate(members)
        ]
        return disk(f"md{level}", made, blind=("md_superblock:_checksum_1",))

    return make


def btrfs_devices(_: Path) -> FuzzImage:
    made = []
    for number in (1, 2):
        data = bytearray(btrfs_image())
        block = bytearray(data[SUPER : SUPER + 4096])
        struct.pack_into("<Q", block, 136, 2)
        struct.pack_into("<Q", block, 201, number)
        block[:4] = checksum.digest(checksum.CRC32C, bytes(block[32:]))
        data[SUPER : SUPER + 4096] = block
        made.append(bytes(data))
    return disk("btrfs-devices", made, blind=("triage.evidence.filesystems.btrfs.checksum:holds",))


def apfs(locked: bool) -> Maker:
    def make(_: Path) -> FuzzImage:
        image = apfs_image.ApfsImage(blocks=200, room=900)
        part = image.add_volume("Macintosh HD", locked=apfs_image.Locked() if locked else None)
        for number in range(20):
            image.add_file(part, b"f%d" % number, 300 + number, content(f"f{number}", 300 * number))
        part.records += [
            apfs_image.name(2, b"folder", 200, 4), apfs_image.inode(200, apfs_image.DIR, parent=2),
            apfs_image.name(2, b"l", 103, 10), apfs_image.inode(103, apfs_image.LNK),
            apfs_image.xattr(103, b"com.apple.fs.symlink", b"d\0"),
        ]  # fmt: skip
        image.add_file(part, b"inner", 400, content("inner", 500), parent=200)
        image.commit(snapshot={"Macintosh HD": b"s"})
        image.remove(part, 301)
        image.commit()
        keys = load_keychain(["correct horse"]) if locked else Keychain()
        name = "apfs-encrypted" if locked else "apfs"
        return disk(name, [bytes(image.data)], keys=keys, strict=not locked,
                    blind=("triage.evidence.filesystems.apfs.objects:checksum",))  # fmt: skip

    return make


def truecrypt(_: Path) -> FuzzImage:
    from tests.unit.evidence.volumes import test_veracrypt as made

    image = bytearray(hashlib.shake_128(b"noise").digest(made.SIZE))
    image[:512] = made.header(b"outer", made.GROUP, made.SIZE - 2 * made.GROUP, program=b"TRUE", kdf=("sha512", 1000))
    image[made.GROUP : -made.GROUP] = made.xts(
        made.KEY, fat(kib=(made.SIZE - 2 * made.GROUP) >> 10), 512, made.GROUP // 512
    )
    found = disk("truecrypt", [bytes(image), fat(9)], keys=load_keychain(["outer"]))
    return found.about(bytes(image[made.GROUP : -made.GROUP]))


def nested(_: Path) -> FuzzImage:
    """LVM in LUKS in a partition."""
    count = 16
    text = lvm_image.group_text(1, lvm_image.volume_text("one", 1, lvm_image.linear(0, 8, "pv0", 0)), count=count)
    inner = fat(1, 64)
    extents = {
        at // lvm_image.EXTENT: inner[at : at + lvm_image.EXTENT] for at in range(0, len(inner), lvm_image.EXTENT)
    }
    group = bytes(lvm_image.physical_volume(0, text, count=count, extents=extents))
    made = LuksImage(2)
    keys = load_keychain(["correct horse"])
    found = disk("lvm-in-luks", [made.build(group), fat(2)], keys=keys, blind=("lvm_disk:checksum", "luks2:_sum_holds"))
    return found.about(made.encrypted(group)[lvm_image.START :])


def volumes() -> Iterator[tuple[str, Maker]]:
    """Names and makers."""
    yield "mbr", mbr
    yield "gpt", gpt
    yield "apm", apm
    yield "bsd", bsd
    yield "bsd-in-mbr", bsd_in_mbr
    yield "sun", sun
    yield "luks1", luks(1)
    yield "luks2", luks(2)
    yield "bitlocker", bitlocker
    yield "lvm", lvm
    yield "md0", md(0, 0, 3)
    yield "md1", md(1, 0, 2)
    yield "md5", md(5, 2, 3)
    yield "btrfs-devices", btrfs_devices
    yield "apfs", apfs(False)
    yield "apfs-encrypted", apfs(True)
    yield "truecrypt", truecrypt
    yield "lvm-in-luks", nested
