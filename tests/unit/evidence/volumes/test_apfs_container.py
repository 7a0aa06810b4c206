"""APFS: volumes, snapshots, deleted files, encryption and hostile images that the test writes; libfsapfs as an oracle."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from dataclasses import replace

import pytest

from tests.support import apfs_image as made
from tests.support.apfs_image import BS, ApfsImage, Locked, VolumePart, extent, inode, name, xattr, xattr_stream
from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.filesystems.apfs.objects import checksum
from triage.evidence.filesystems.apfs.records import parse_inode
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.volumes import apfs_container
from triage.evidence.volumes.layers import LayerVolume
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

PASSWORD = Secret(SecretKind.PASSWORD, 1, b"correct horse")


def opened(image: ApfsImage | bytes, *secrets: Secret) -> apfs_container.ApfsLayer:
    data = bytes(image.data) if isinstance(image, ApfsImage) else image
    layer = apfs_container.open_layer(MemoryStream(data), "x p1:/", Keychain(secrets), [])
    return replace(layer, volumes=tuple(volume for volume in layer.volumes if volume.name != "free1"))


def walk(volume: LayerVolume) -> tuple[dict[tuple[str, bytes], Entry], dict[tuple[str, bytes], bytes], list[Problem]]:
    """Entries and contents by state and path, and problems."""
    assert volume.open_file_system is not None
    shown = Volume(f"p1.{volume.name}", 0, volume.length, Allocation.ALLOCATED, "apfs", parent="p1")
    system = volume.open_file_system(shown, "x")
    entries, contents, problems = {}, {}, []
    for entry in system.walk():
        if isinstance(entry, Problem):
            problems.append(entry)
            continue
        key = (str(entry.state), entry.address.path + (b":" + entry.address.stream if entry.address.stream else b""))
        assert key not in entries, key
        entries[key] = entry
        if entry.entry_type is not EntryType.DIRECTORY:
            try:
                contents[key] = system.read_whole(entry, 1 << 24)
            except EvidenceError:
                continue
            assert all(run.image_offset == -1 for run in system.byte_runs(entry))
    system.close()
    return entries, contents, problems


def simple(locked: Locked | None = None, **more: int) -> tuple[ApfsImage, VolumePart]:
    image = ApfsImage(**more)
    part = image.add_volume("Macintosh HD", role=64, locked=locked)
    image.add_file(part, b"a.txt", 100, b"content of a")
    return image, part


def test_files_attributes_links_holes_and_clones():
    image, part = simple()
    part.records += [name(2, b"d", 101, 4), inode(101, made.DIR), name(2, b"hard", 100)]
    image.add_file(part, "d/\u00e9".encode()[2:], 102, b"x" * 9000, parent=101)
    part.records += [name(2, b"link", 103, 10), inode(103, made.LNK), xattr(103, b"com.apple.fs.symlink", b"d/there\0")]
    part.records += [name(2, b"clone", 104), inode(104, made.REG, size=9000, data=102)]
    part.records += [xattr(100, b"user.note", b"small"), xattr_stream(100, b"com.apple.ResourceFork", 105, 5000)]
    part.records += image.store(part, 105, b"R" * 5000)
    place = image.write(b"end".ljust(BS, b"\0"))
    part.records += [name(2, b"sparse", 106), inode(106, made.REG, size=2 * BS + 3), extent(106, 0, 2 * BS, 0),
                     extent(106, 2 * BS, BS, place), name(2, b"fifo", 107, 1), inode(107, 0o010644)]  # fmt: skip
    image.commit()
    layer = opened(image)
    assert layer.problems == () and layer.replaces
    assert [(v.name, v.description, v.file_system) for v in layer.volumes] == [
        ("apfs1", "APFS volume 'Macintosh HD', role data, case-insensitive", "apfs")
    ]
    entries, contents, problems = walk(layer.volumes[0])
    assert problems == []
    assert {path: data for (state, path), data in contents.items()} == {
        b"/a.txt": b"content of a", b"/hard": b"content of a", "/d/\u00e9".encode(): b"x" * 9000, b"/link": b"d/there",
        b"/clone": b"x" * 9000, b"/a.txt:user.note": b"small", b"/hard:user.note": b"small",
        b"/a.txt:rsrc": b"R" * 5000, b"/hard:rsrc": b"R" * 5000, b"/sparse": bytes(2 * BS) + b"end", b"/fifo": b"",
    }  # fmt: skip
    entry = entries["allocated", b"/a.txt"]
    times = entry.times
    assert (times.crtime, times.mtime, times.ctime, times.atime) == tuple(made.NOW + n for n in range(4))
    assert (entry.owner, entry.meta_address) == ("501", 100)
    assert entries["allocated", b"/link"].entry_type is EntryType.SYMLINK
    assert entries["allocated", b"/fifo"].entry_type is EntryType.OTHER


def test_tree_of_several_levels():
    image = ApfsImage(900, room=700)
    part = image.add_volume("T")
    expected = {}
    for number in range(120):
        image.add_file(part, b"file%03d" % number, 100 + number, b"%d" % number * number)
        expected["allocated", b"/file%03d" % number] = b"%d" % number * number
    image.commit()
    _, contents, problems = walk(opened(image).volumes[0])
    assert problems == [] and contents == expected


@pytest.mark.parametrize("kind", [3, 4])
def test_compressed_file_reads_as_its_content(kind):
    image, part = simple()
    text = b"compress me " * 4000
    part.records += [name(2, b"c", 200), inode(200, made.REG, flags=0x20)]
    packed = zlib.compress(text)
    part.records.append(xattr(200, b"com.apple.decmpfs", b"fpmc" + struct.pack("<IQ", kind, len(text))
                              + (packed if kind == 3 else b"")))  # fmt: skip
    if kind == 4:
        body = struct.pack("<III", 1, 12, len(packed)) + packed
        fork = struct.pack(">IIII", 16, 0, len(body), 0) + struct.pack(">I", len(body)) + body
        part.records += [xattr_stream(200, b"com.apple.ResourceFork", 201, len(fork)), *image.store(part, 201, fork)]
    image.commit()
    entries, contents, _ = walk(opened(image).volumes[0])
    assert contents["allocated", b"/c"] == text
    assert entries["allocated", b"/c"].size == len(text)
    assert [path for _, path in entries if path.startswith(b"/c")] == [b"/c"], (
        "no attribute that only holds the content"
    )


def test_snapshot_has_what_was_there_then():
    image, part = simple()
    image.commit(snapshot={"Macintosh HD": b"com.example.before"})
    image.remove(part, 100)
    image.add_file(part, b"b.txt", 101, b"content of b")
    image.commit()
    layer = opened(image)
    assert [volume.name for volume in layer.volumes] == ["apfs1", "snap1"]
    assert "'com.example.before' of apfs1 (Macintosh HD) made 2023-11-14" in layer.volumes[1].description
    assert walk(layer.volumes[1])[1] == {("allocated", b"/a.txt"): b"content of a"}
    live = walk(layer.volumes[0])[1]
    assert live["allocated", b"/b.txt"] == b"content of b"


def test_deleted_file_of_an_earlier_checkpoint():
    image, part = simple()
    part.records += [name(2, b"gone", 110, 4), inode(110, made.DIR)]
    image.add_file(part, b"inner", 111, b"within", parent=110)
    image.commit()
    for number in (100, 110, 111):
        image.remove(part, number)
    image.add_file(part, b"z", 120, b"still here")
    image.commit()
    entries, contents, problems = walk(opened(image).volumes[0])
    assert problems == []
    assert contents == {("allocated", b"/z"): b"still here", ("deleted", b"/a.txt"): b"content of a",
                        ("deleted", b"/gone/inner"): b"within"}  # fmt: skip
    entry = entries["deleted", b"/a.txt"]
    assert not entry.alloc_inode and "earlier checkpoint" in entry.caveats[0]


def test_block_that_was_used_again_gives_no_deleted_file():
    image, part = simple()
    image.commit()
    old = part.mapped[part.root, 1]
    image.remove(part, 100)
    image.commit()
    assert ("deleted", b"/a.txt") in walk(opened(image).volumes[0])[1]
    body = made.node_body(0, made.order([name(2, b"fake", 100), inode(100, made.REG)]), root=True)
    for block in (bytes(BS), made.sealed(part.root + 1, 1, 2, 0xE, body), made.sealed(part.root, 3, 2, 0xE, body)):
        image.write(block, old)
        assert walk(opened(image).volumes[0])[1] == {}


def test_renamed_file_is_not_listed_as_deleted():
    image, part = simple()
    image.commit()
    part.records = [record for record in part.records if b"a.txt" not in record[0]] + [name(2, b"new.txt", 100)]
    image.commit()
    assert list(walk(opened(image).volumes[0])[1]) == [("allocated", b"/new.txt")]


def test_file_deleted_while_open():
    image, part = simple()
    part.records = [record for record in part.records if b"a.txt" not in record[0]] + [name(3, b"0x64-dead", 100)]
    image.commit()
    assert walk(opened(image).volumes[0])[1] == {("orphan", b"/$OrphanFiles/OrphanFile-100"): b"content of a"}


@pytest.mark.parametrize("secret", [
    PASSWORD, Secret(SecretKind.RECOVERY_KEY, 1, b"ABCD-EFGH-IJKL-MNOP-QRST-UVWX"),
])  # fmt: skip
def test_encrypted_volume_opens_with_a_key(secret):
    image, part = simple(Locked())
    image.add_file(part, b"big", 101, bytes(range(256)) * 100)
    image.commit(snapshot={"Macintosh HD": b"s"})
    image.remove(part, 101)
    image.commit()
    chain = Keychain((Secret(SecretKind.PASSWORD, 9, b"wrong"), secret))
    layer = apfs_container.open_layer(MemoryStream(bytes(image.data)), "x p1:/", chain, [])
    assert [attempt.opened for attempt in chain.attempts()][-1]
    _, contents, problems = walk(layer.volumes[0])
    assert problems == []
    assert contents == {("allocated", b"/a.txt"): b"content of a", ("deleted", b"/big"): bytes(range(256)) * 100}
    assert walk(layer.volumes[1])[1]["allocated", b"/big"] == bytes(range(256)) * 100


@pytest.mark.parametrize("secrets", [(), (Secret(SecretKind.PASSWORD, 1, b"wrong"),),
                                     (Secret(SecretKind.RECOVERY_KEY, 1, b"correct horse"),)])  # fmt: skip
def test_encrypted_volume_without_a_key_is_named_and_others_are_read(secrets):
    image, _ = simple(Locked())
    image.add_file(image.add_volume("Open"), b"o", 100, b"open")
    image.commit()
    layer = opened(image, *secrets)
    locked, free = layer.volumes
    assert (locked.encryption, locked.open_file_system, locked.stream) == ("APFS", None, None)
    assert locked.length > 0
    assert "like the comic" in locked.hint
    assert walk(free)[1] == {("allocated", b"/o"): b"open"}


def test_free_space_ends_where_nothing_was_written():
    image, _ = simple()
    image.commit()
    assert opened(image).unused == ((image.next * BS, (image.blocks - image.next) * BS),)


def test_newest_superblock_counts_and_an_older_one_where_it_is_damaged():
    image, part = simple()
    image.commit()
    image.add_file(part, b"b", 101, b"second")
    image.commit()
    data = bytearray(image.data)
    data[:BS] = bytes(image.data[2 * BS : 3 * BS])  # block 0 is that of the first checkpoint
    assert ("allocated", b"/b") in walk(opened(bytes(data)).volumes[0])[1]
    data[4 * BS + 100] ^= 1
    assert ("allocated", b"/b") not in walk(opened(bytes(data)).volumes[0])[1]


def test_damaged_node_costs_only_itself():
    image = ApfsImage(900, room=700)
    part = image.add_volume("T")
    for number in range(60):
        image.add_file(part, b"file%03d" % number, 100 + number, b"%d" % number)
    image.commit()
    leaves = sorted(oid for oid, _ in part.mapped if oid != part.root)
    data = bytearray(image.data)
    data[part.mapped[leaves[len(leaves) // 2], 1] * BS + 500] ^= 1
    _, contents, problems = walk(opened(bytes(data)).volumes[0])
    assert problems and all(problem.reason is Reason.CORRUPT for problem in problems)
    assert 30 < len(contents) < 60


def test_tree_whose_nodes_lead_back():
    image = ApfsImage(300, room=400)
    part = image.add_volume("T")
    for number in range(30):
        image.add_file(part, b"file%03d" % number, 100 + number, b"")
    image.commit()
    data = bytearray(image.data)
    place = part.mapped[part.root, 1] * BS
    level, count = struct.unpack_from("<HI", data, place + 34)
    assert level
    for entry in range(count):  # every child is the first one, or the root itself
        value = struct.unpack_from("<H", data, place + 56 + 8 * entry + 4)[0]
        struct.pack_into("<Q", data, place + BS - 40 - value, part.root if entry % 2 else part.root + 1)
    data[place : place + 8] = struct.pack("<Q", checksum(bytes(data[place : place + BS])))
    _, _, problems = walk(opened(bytes(data)).volumes[0])
    assert problems


def test_container_that_is_cut_short_says_so():
    image, _ = simple()
    image.commit()
    layer = opened(bytes(image.data[: image.next * BS]))
    assert [(problem.reason, problem.bytes_not_examined) for problem in layer.problems] == [
        (Reason.TRUNCATED, (image.blocks - image.next) * BS)
    ]
    assert walk(layer.volumes[0])[1] == {("allocated", b"/a.txt"): b"content of a"}


@pytest.mark.parametrize(
    "data", [b"", bytes(5000), b"\0" * 32 + b"NXSB", (b"\0" * 32 + b"NXSB").ljust(BS * 4, b"\xff")]
)
def test_what_is_no_container(data):
    with pytest.raises(CorruptStructureError):
        opened(data)
    assert apfs_container.detect(MemoryStream(data)) == (data[32:36] == b"NXSB")


def test_record_that_is_too_short():
    with pytest.raises(CorruptStructureError):
        parse_inode(bytes(91))


@pytest.mark.parametrize("locked", [None, Locked()], ids=["plain", "encrypted"])
def test_libfsapfs_reads_the_same(locked):
    library = pytest.importorskip("pyfsapfs", reason="libfsapfs is the oracle")
    image, part = simple(locked, room=900)
    for number in range(40):
        image.add_file(part, b"f%d" % number, 300 + number, b"%d" % number * 3 * number)
    image.commit()
    image.remove(part, 310)
    image.commit()
    container = library.container()
    container.open_file_object(io.BytesIO(bytes(image.data)))
    volume = container.get_volume(0)
    if locked is not None:
        volume.set_password("correct horse")
        assert volume.unlock()
    root = volume.get_root_directory()
    found = {}
    for index in range(root.number_of_sub_file_entries):
        entry = root.get_sub_file_entry(index)
        found["allocated", b"/" + entry.name.encode()] = entry.read_buffer(entry.size) if entry.size else b""
    contents = walk(opened(image, PASSWORD).volumes[0])[1]
    assert {key: data for key, data in contents.items() if key[0] == "allocated"} == found
    container.close()


@pytest.mark.parametrize("seed", range(3))
def test_seeded_mutations_give_typed_errors_only(seed):
    image, part = simple(Locked() if seed == 2 else None, blocks=160, room=500)
    for number in range(15):
        image.add_file(part, b"f%d" % number, 300 + number, b"x" * 10)
    part.records += [name(2, b"l", 103, 10), inode(103, made.LNK), xattr(103, b"com.apple.fs.symlink", b"d\0")]
    image.commit(snapshot={"Macintosh HD": b"s"})
    image.remove(part, 301)
    image.commit()
    base = bytes(image.data[: image.next * BS])
    blocks = [block for block in range(image.next) if any(base[block * BS : block * BS + BS])]
    rng = random.Random(seed)
    for _ in range(int(os.environ.get("TRIAGE_FUZZ", "120"))):
        data = bytearray(base)
        for _ in range(rng.choice((1, 1, 3))):
            start = rng.choice(blocks) * BS
            place = start + rng.choice((rng.randrange(200), rng.randrange(BS - 8), BS - 8 - rng.randrange(60)))
            form = rng.choice(("<B", "<H", "<I", "<Q"))
            most = (1 << 8 * struct.calcsize(form)) - 1
            struct.pack_into(
                form, data, place, rng.choice((0, 1, most, most >> 1, rng.randrange(200), rng.randint(0, most)))
            )
            if rng.random() < 0.9:
                data[start : start + 8] = struct.pack("<Q", checksum(bytes(data[start : start + BS])))
        try:
            for volume in opened(bytes(data), PASSWORD).volumes:
                if volume.open_file_system is not None:
                    shown = Volume("p1.x1", 0, 0, Allocation.ALLOCATED, "apfs", parent="p1")
                    system = volume.open_file_system(shown, "x")
                    for entry in system.walk():
                        try:
                            if isinstance(entry, Entry):
                                system.read_whole(entry, 1 << 16)
                        except EvidenceError:
                            continue
        except EvidenceError:
            continue
