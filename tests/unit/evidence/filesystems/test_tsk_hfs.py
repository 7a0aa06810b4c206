"""Compressed files, links and extended attributes of HFS+, on images that the test writes."""

import random
import struct
import zlib

import pytest

from tests.support.hfs_compressed import HfsCompressedImage
from tests.support.hfs_image import BLOCK, ROOT
from tests.support.packed_images import changed_bytes, opened, walked
from tests.unit.evidence.filesystems.test_decmpfs import BIG, BIG_TEXT, LZVN, SMALL_TEXT
from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems import tsk, tsk_hfs
from triage.evidence.filesystems.hfs_btree import AttributesFile
from triage.model.entry import Entry, EntryType
from triage.model.stream import MemoryStream

NOISE = random.Random(1).randbytes(70_000)
LONG = (BIG_TEXT * 30)[:150_000]


def resource(blocks: list[bytes]) -> bytes:
    """A resource fork with blocks of zlib."""
    table, body = struct.pack("<I", len(blocks)), b""
    for block in blocks:
        table += struct.pack("<II", 4 + 8 * len(blocks) + len(body), len(block))
        body += block
    data = table + body
    head = struct.pack(">IIII", 256, 260 + len(data), 4 + len(data), 50).ljust(256, b"\0")
    return head + struct.pack(">I", len(data)) + data + bytes(50)


def table(blocks: list[bytes]) -> bytes:
    """A resource fork with blocks behind a table of offsets."""
    places = [4 * (len(blocks) + 1)]
    for block in blocks:
        places.append(places[-1] + len(block))
    return struct.pack(f"<{len(places)}I", *places) + b"".join(blocks)


def cut(data: bytes) -> list[bytes]:
    return [data[at : at + 65536] for at in range(0, len(data), 65536)]


FILES: dict[str, tuple[int, bytes, bytes, bytes]] = {
    "zlib": (3, BIG_TEXT[:3000], zlib.compress(BIG_TEXT[:3000]), b""),
    "zlib-stored": (3, b"abc" * 100, b"\xff" + b"abc" * 100, b""),
    "zlib-fork": (4, LONG, b"", resource([zlib.compress(block) for block in cut(LONG)])),
    "zlib-fork-stored": (4, NOISE, b"", resource([b"\xff" + block for block in cut(NOISE)])),
    "lzvn": (7, SMALL_TEXT, LZVN, b""),
    "lzvn-stored": (7, b"hello" * 20, b"\x06" + b"hello" * 20, b""),
    "lzvn-fork": (8, SMALL_TEXT, b"", table([LZVN])),
    "lzvn-fork-stored": (8, NOISE, b"", table([b"\x06" + block for block in cut(NOISE)])),
    "plain-9": (9, b"plain text nine", b"\xccplain text nine", b""),
    "plain-10": (10, NOISE, b"", table([b"\xff" + block for block in cut(NOISE)])),
    "plain-1": (1, b"one", b"one", b""),
    "lzfse": (11, BIG_TEXT, BIG, b""),
    "lzfse-fork": (12, BIG_TEXT, b"", table([BIG])),
}
"""Kind, content, what follows the header in the attribute, and the resource fork."""


def writer() -> HfsCompressedImage:
    image = HfsCompressedImage(total=400)
    for name, (kind, plain, payload, fork) in FILES.items():
        own = image.compressed(ROOT, name, kind, len(plain), payload, fork)
        image.attributes[own, "com.apple.quarantine"] = b"0001;from;" + name.encode()
    image.file(ROOT, "ordinary", b"ordinary content")
    return image


def walk(data: bytes) -> tuple[tsk.TskFileSystem, dict[bytes, Entry], list[str]]:
    file_system = opened(tsk, data)
    assert isinstance(file_system, tsk.TskFileSystem)
    entries, problems = walked(file_system)
    return file_system, entries, [problem.message for problem in problems]


@pytest.fixture(scope="module")
def whole() -> tuple[tsk.TskFileSystem, dict[bytes, Entry], list[str]]:
    return walk(writer().finish())


@pytest.mark.parametrize("name", FILES)
def test_compressed_files_of_every_kind(
    whole: tuple[tsk.TskFileSystem, dict[bytes, Entry], list[str]], name: str
) -> None:
    """Real size and content; the library alone gives nothing, something else, or an error."""
    file_system, entries, problems = whole
    kind, plain, _, fork = FILES[name]
    entry = entries[b"/" + name.encode()]
    assert not problems
    assert (entry.entry_type, entry.size) == (EntryType.FILE, len(plain))
    assert entry.caveats == (f"compressed by HFS+ (kind {kind})",)
    assert file_system.read_whole(entry, 1 << 20) == plain
    assert file_system.open_entry(entry).read_at(len(plain) - 2, 9) == plain[-2:]
    assert file_system.byte_runs(entry) == ()
    quarantine = entries[b"/" + name.encode() + b":com.apple.quarantine"]
    assert file_system.read_whole(quarantine, 99) == b"0001;from;" + name.encode()
    assert quarantine.entry_type is EntryType.FILE
    if fork:
        packed = entries[b"/" + name.encode() + b":rsrc"]
        assert packed.entry_type is EntryType.OTHER
        assert packed.caveats[-1] == tsk_hfs.PACKED
        assert entry.image_offset == packed.image_offset > 0
        slack = -len(fork) % BLOCK
        assert sum(run.length for run in file_system.slack_runs(entry)) == slack
        extents = file_system.extents(entry)
        assert sum(length for _, length in extents.content) == len(fork)
        assert sum(length for _, length in extents.slack) == slack
    else:
        assert not file_system.extents(entry).content
        assert b"/" + name.encode() + b":rsrc" not in entries


@pytest.mark.parametrize(
    ("attribute", "hidden"),
    [(b"x", b"x"), (b"xxxx" + b"words" * 9, b"xxxx" + b"words" * 9),
     (b"fpmc" + struct.pack("<IQ", 3, 3) + b"\xffabc", b"abc"), (b"fpmc" + struct.pack("<IQ", 11, 11_250) + BIG, BIG_TEXT)],
)  # fmt: skip
def test_a_data_fork_is_content_whatever_the_attribute_says(attribute: bytes, hidden: bytes) -> None:
    """One command hides a file from the library so; what the attribute has is examined as well."""
    image = writer()
    secret = b"what the data fork has " * 400
    own = image.file(ROOT, "both", secret)
    image.attributes[own, "com.apple.decmpfs"] = attribute
    data = image.finish()
    file_system, entries, _ = walk(data)
    entry = entries[b"/both"]
    assert (entry.size, entry.caveats) == (len(secret), (tsk_hfs.FORK,))
    assert file_system.read_whole(entry, 1 << 20) == secret
    (run,) = file_system.byte_runs(entry)
    assert data[run.image_offset : run.image_offset + run.length] == secret
    assert entry.image_offset == run.image_offset
    (slack,) = file_system.slack_runs(entry)
    assert (slack.image_offset, slack.length) == (run.image_offset + len(secret), -len(secret) % BLOCK)
    assert file_system.read_whole(entries[b"/both:com.apple.decmpfs"], 1 << 20) == hidden


def test_a_data_fork_in_many_pieces_is_refused() -> None:
    """Of a file that is marked as compressed only; never zeros."""
    image = writer()
    own = image.file(ROOT, "both", b"secret", claim=50_000)
    image.attributes[own, "com.apple.decmpfs"] = b"x"
    file_system, entries, _ = walk(image.finish())
    assert entries[b"/both"].size == 50_000
    with pytest.raises(UnsupportedFormatError, match="eight pieces"):
        file_system.read_whole(entries[b"/both"], 1 << 20)


def test_r2_what_is_not_read_is_refused() -> None:
    """Kinds nobody knows, content kept elsewhere, a missing fork; a header that does not hold is bytes as they are."""
    image = writer()
    image.compressed(ROOT, "unknown", 99, 100)
    image.compressed(ROOT, "dataless", 5, 100)
    image.compressed(ROOT, "forkless", 8, 100)
    broken = image.file(ROOT, "broken", b"")
    image.attributes[broken, "com.apple.decmpfs"] = b"xxxx" + bytes(12) + b"hidden words"
    file_system, entries, _ = walk(image.finish())
    for name, kind in (("unknown", UnsupportedFormatError), ("dataless", UnsupportedFormatError),
                       ("forkless", CorruptStructureError)):  # fmt: skip
        assert entries[b"/" + name.encode()].size == 100
        with pytest.raises(kind):
            file_system.read_whole(entries[b"/" + name.encode()], 99)
    entry = entries[b"/broken:com.apple.decmpfs"]
    assert entry.caveats == (tsk_hfs.BAD_HEADER,)
    assert b"hidden words" in file_system.read_whole(entry, 99)


def test_links() -> None:
    """Names of one file give its content; symbolic links are not followed."""
    image = writer()
    image.symlink(ROOT, "sym", b"some/where")
    inode = image.hard_links(ROOT, ["first", "second"], b"with two names")
    file_system, entries, problems = walk(image.finish())
    assert not problems
    assert entries[b"/sym"].entry_type is EntryType.SYMLINK
    assert file_system.read_whole(entries[b"/sym"], 99) == b"some/where"
    for name in (b"/first", b"/second"):
        assert file_system.read_whole(entries[name], 99) == b"with two names"
        assert entries[name].meta_address == inode


def test_a_damaged_attributes_file_is_told() -> None:
    """Its files look empty then: never without a word."""
    image = writer()
    first = image.next_block
    data = bytearray(image.finish())
    data[first * BLOCK + 8] = 7  # no header node any more
    _, entries, problems = walk(bytes(data))
    assert [message for message in problems if message.startswith("compressed files may be missing or empty")]
    assert b"/ordinary" in entries


@pytest.mark.parametrize("seed", range(40))
def test_f09_changed_images(seed: int) -> None:
    """Typed errors only, bounded reads."""
    data = bytearray(writer().finish())
    changed = changed_bytes(bytes(data[4 * BLOCK :]), seed)
    try:
        file_system, entries, _ = walk(bytes(data[: 4 * BLOCK]) + changed)
    except EvidenceError:
        return
    for entry in entries.values():
        try:
            assert len(file_system.read_whole(entry, 1 << 20)) <= 1 << 20
            file_system.slack_runs(entry)
        except EvidenceError:
            pass


# --- the tree -------------------------------------------------------------------------------------------------------
def tree(count: int) -> tuple[bytearray, int]:
    """An attributes file with leaves below an index, and where its nodes begin."""
    image = HfsCompressedImage(total=400, leaf_room=400)
    for number in range(count):
        image.attributes[number // 3 + 16, f"name{number % 3}"] = b"value %d" % number
    first = image.next_block
    return bytearray(image.finish()[first * BLOCK : (first + 8) * BLOCK]), count


def test_attributes_over_several_leaves() -> None:
    """Each found by file and name; what is not there is not."""
    data, count = tree(40)
    found = AttributesFile(MemoryStream(bytes(data)))
    for number in range(count):
        assert found.find(number // 3 + 16, f"name{number % 3}") == b"value %d" % number
    for file, name in ((15, "name0"), (16, "name"), (16, "name3"), (99, "name0"), (0, "")):
        assert found.find(file, name) is None
    assert [name for name, _ in found.attributes(17)] == ["name0", "name1", "name2"]


def test_a_volume_without_attributes() -> None:
    """No file, or a tree without a root."""
    assert AttributesFile(MemoryStream(b"")).find(16, "a") is None
    data, _ = tree(0)
    assert AttributesFile(MemoryStream(bytes(data))).find(16, "a") is None


def test_f01_trees_that_lead_back() -> None:
    """An index that points at itself, a leaf that follows itself, counts and places outside."""
    data, _ = tree(40)
    root = int.from_bytes(data[16:20], "big")
    place = root * BLOCK
    first_record = int.from_bytes(data[place + BLOCK - 2 : place + BLOCK], "big")
    child = place + first_record + 2 + int.from_bytes(data[place + first_record :][:2], "big")
    looped = bytearray(data)
    looped[child : child + 4] = root.to_bytes(4, "big")
    with pytest.raises(CorruptStructureError):
        AttributesFile(MemoryStream(bytes(looped))).find(16, "name0")
    endless = bytearray(data)
    for leaf in range(1, root):
        endless[leaf * BLOCK : leaf * BLOCK + 4] = leaf.to_bytes(4, "big")
        endless[leaf * BLOCK + 10 : leaf * BLOCK + 12] = b"\0\0"
    with pytest.raises(CorruptStructureError, match="without end"):
        AttributesFile(MemoryStream(bytes(endless))).find(16, "name9")
    for at, value in (
        (place + 10, b"\xff\xff"),
        (place + BLOCK - 2, b"\xff\xff"),
        (place + 8, b"\x05"),
        (16, b"\xff" * 4),
    ):
        bad = bytearray(data)
        bad[at : at + len(value)] = value
        with pytest.raises(CorruptStructureError):
            AttributesFile(MemoryStream(bytes(bad))).find(16, "name0")
    for size in (b"\0\0", b"\x01\0", b"\x10\x01"):
        bad = bytearray(data)
        bad[32:34] = size
        with pytest.raises(CorruptStructureError):
            AttributesFile(MemoryStream(bytes(bad)))
