"""LVM2: segments of every kind, several disks, missing ones, removed volumes, hostile metadata."""

from __future__ import annotations

import os
import random
import struct
from dataclasses import replace

import pytest

from tests.support import lvm_image as made
from tests.support.lvm_image import EXTENT, START, group_text, linear, physical_volume, volume_text
from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError
from triage.evidence.keychain import Keychain
from triage.evidence.volumes import lvm
from triage.evidence.volumes.lvm_text import parse_metadata
from triage.model.problem import Reason
from triage.model.stream import MemoryStream


def opened(*disks: bytearray, own: int = 0) -> lvm.LvmLayer:
    streams = [MemoryStream(bytes(disk)) for disk in disks]
    return without_free(
        lvm.open_layer(streams[own], "x p1:/", Keychain(), [s for s in streams if s is not streams[own]])
    )


def without_free(layer: lvm.LvmLayer) -> lvm.LvmLayer:
    """Without the space that no logical volume has, which has a test of its own."""
    return replace(layer, volumes=tuple(volume for volume in layer.volumes if volume.name != "free1"))


def content(layer: lvm.LvmLayer, name: str = "lv1") -> bytes:
    stream = next(volume.stream for volume in layer.volumes if volume.name == name)
    assert stream is not None
    return stream.read_at(0, stream.size)


def data(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def test_linear_volume_with_two_segments_out_of_order_on_the_disk():
    text = group_text(1, volume_text("root", 1, linear(0, 2, "pv0", 5), linear(2, 1, "pv0", 1)))
    whole = data(1, 3 * EXTENT)
    disk = physical_volume(0, text, extents={5: whole[: 2 * EXTENT], 1: whole[2 * EXTENT :]})
    layer = opened(disk)
    assert content(layer) == whole
    assert layer.problems == ()
    assert layer.volumes[0].description == "logical volume vg/root, striped"
    assert layer.replaces
    stream = layer.volumes[0].stream
    for start, length in ((0, 1), (2 * EXTENT - 3, 7), (3 * EXTENT - 1, 10), (3 * EXTENT, 5)):
        assert stream.read_at(start, length) == whole[start : start + length]


def test_unused_extents_are_told_with_their_place():
    layer = opened(physical_volume(0, group_text(1, volume_text("a", 1, linear(0, 2, "pv0", 3)))))
    assert layer.unused == ((START, 3 * EXTENT), (START + 5 * EXTENT, 11 * EXTENT))


@pytest.mark.parametrize("sector", range(4))
def test_label_in_each_of_the_four_sectors(sector):
    disk = physical_volume(0, group_text(1, ""), label_sector=sector)
    assert lvm.detect(MemoryStream(bytes(disk)))
    assert opened(disk).volumes == ()


def test_label_elsewhere_or_of_another_kind_is_none():
    disk = physical_volume(0, group_text(1, ""), label_sector=5)
    assert not lvm.detect(MemoryStream(bytes(disk)))
    other = physical_volume(0, group_text(1, ""))
    other[512 + 24 : 512 + 32] = b"LVM1 001"
    assert not lvm.detect(MemoryStream(bytes(other)))
    assert not lvm.detect(MemoryStream(b""))


def test_stripes_over_three_disks_in_every_order_of_the_call():
    stripes = 'start_extent = 0\nextent_count = 6\ntype = "striped"\nstripe_count = 3\nstripe_size = 4\n'
    stripes += 'stripes = [\n"pv1", 2,\n"pv0", 0,\n"pv2", 7\n]'
    text = group_text(3, volume_text("s", 1, stripes))
    whole = data(2, 6 * EXTENT)
    chunks = [whole[at : at + 2048] for at in range(0, len(whole), 2048)]
    legs = [b"".join(chunks[leg::3]) for leg in range(3)]
    disks = [physical_volume(0, text, extents={0: legs[1]}), physical_volume(1, text, extents={2: legs[0]}),
             physical_volume(2, text, extents={7: legs[2]})]  # fmt: skip
    assert content(opened(*disks)) == whole
    for own in (1, 2):
        further = opened(*disks, own=own)
        assert further.volumes == ()
        assert "first physical volume" in further.details["volumes"]


def test_missing_disk_is_named_and_what_is_there_is_read():
    text = group_text(2, volume_text("a", 1, linear(0, 1, "pv0", 0), linear(1, 1, "pv1", 0))
                      + volume_text("b", 2, linear(0, 1, "pv0", 4)))  # fmt: skip
    layer = opened(physical_volume(0, text, extents={0: b"A" * EXTENT, 4: b"B" * EXTENT}))
    assert content(layer, "lv2") == b"B" * EXTENT
    stream = layer.volumes[0].stream
    assert stream.read_at(0, EXTENT) == b"A" * EXTENT
    with pytest.raises(ReadFailedError, match=r"pv1.*is missing") as caught:
        stream.read_at(EXTENT - 2, 4)
    assert caught.value.partial == b"AA"
    assert [(problem.reason, problem.bytes_not_examined) for problem in layer.problems] == [
        (Reason.TRUNCATED, 0),
        (Reason.TRUNCATED, EXTENT),
    ]
    assert "/dev/sdb1" in layer.problems[0].message


def test_further_disk_opens_the_group_where_the_first_is_missing():
    text = group_text(2, volume_text("b", 1, linear(0, 1, "pv1", 4)))
    layer = opened(physical_volume(1, text, extents={4: b"B" * EXTENT}))
    assert content(layer) == b"B" * EXTENT


def test_disk_without_metadata_is_described_by_another():
    text = group_text(2, volume_text("b", 1, linear(0, 1, "pv1", 4)))
    bare = physical_volume(1, extents={4: b"B" * EXTENT})
    assert content(opened(physical_volume(0, text), bare)) == b"B" * EXTENT
    with pytest.raises(CorruptStructureError, match="no LVM metadata"):
        opened(bare)


@pytest.mark.parametrize("kind", ["mirror", "raid1"])
def test_mirror_reads_from_the_copy_that_is_there(kind):
    inner = volume_text("m_rimage_0", 2, linear(0, 1, "pv0", 1), visible=False)
    inner += volume_text("m_rimage_1", 3, linear(0, 1, "pv1", 2), visible=False)
    parts = '"m_rimage_0", 0, "m_rimage_1", 0' if kind == "mirror" else '"m0", "m_rimage_0", "m1", "m_rimage_1"'
    lines = (
        f'start_extent = 0\nextent_count = 1\ntype = "{kind}"\n{"mirrors" if kind == "mirror" else "raids"} = [{parts}]'
    )
    text = group_text(2, volume_text("m", 1, lines) + inner)
    second = physical_volume(1, text, extents={2: b"M" * EXTENT})
    both = opened(physical_volume(0, text, extents={1: b"M" * EXTENT}), second)
    assert content(both) == b"M" * EXTENT
    assert len(both.volumes) == 1, "inner parts are not listed"
    alone = opened(second)
    assert content(alone) == b"M" * EXTENT
    assert [problem.bytes_not_examined for problem in alone.problems] == [0]


def test_raid5_reads_with_a_disk_missing():
    names = [f"r_rimage_{number}" for number in range(3)]
    inner = "".join(volume_text(name, 5 + n, linear(0, 1, f"pv{n}", 0), visible=False) for n, name in enumerate(names))
    raids = ", ".join(f'"meta", "{name}"' for name in names)
    lines = f'start_extent = 0\nextent_count = 2\ntype = "raid5_ls"\nstripe_size = 2\nraids = [{raids}]'
    text = group_text(3, volume_text("r", 1, lines) + inner)
    whole = data(4, 2 * EXTENT)
    legs = [bytearray(), bytearray(), bytearray()]
    for row in range(len(whole) // 2048):
        first, second = whole[row * 2048 : row * 2048 + 1024], whole[row * 2048 + 1024 : row * 2048 + 2048]
        parity = 2 - row % 3
        legs[parity] += bytes(a ^ b for a, b in zip(first, second, strict=True))
        legs[(parity + 1) % 3] += first
        legs[(parity + 2) % 3] += second
    disks = [physical_volume(n, text, extents={0: bytes(leg)}) for n, leg in enumerate(legs)]
    assert content(opened(*disks)) == whole
    for gone in range(3):
        layer = opened(*(disk for n, disk in enumerate(disks) if n != gone))
        assert content(layer) == whole, gone
    layer = opened(disks[0])
    with pytest.raises(ReadFailedError):
        content(layer)
    assert 2 * EXTENT in [problem.bytes_not_examined for problem in layer.problems]


def test_snapshot_shows_the_origin_as_it_was():
    chunk = 4096
    store = struct.pack("<IIII", 0x70416E53, 1, 1, 8).ljust(chunk, b"\0")
    store += struct.pack("<QQ", 1, 2).ljust(chunk, b"\0") + b"old!".ljust(chunk, b"o")
    volumes = volume_text("home", 1, linear(0, 1, "pv0", 0)) + volume_text("cow", 2, linear(0, 2, "pv0", 3))
    lines = 'start_extent = 0\nextent_count = 1\ntype = "snapshot"\nchunk_size = 8\norigin = "home"\ncow_store = "cow"'
    volumes += volume_text("snapshot0", 3, lines, visible=False)
    now = data(5, EXTENT)
    layer = opened(physical_volume(0, group_text(1, volumes), extents={0: now, 3: store}))
    assert content(layer, "lv1") == now
    assert layer.volumes[1].description == "logical volume vg/cow, snapshot of home"
    assert content(layer, "lv2") == now[:chunk] + b"old!".ljust(chunk, b"o")


@pytest.mark.parametrize("kind", ["thin", "thin-pool", "cache", "vdo", "nonsense"])
def test_kinds_that_are_not_read_are_named_with_their_size(kind):
    lines = f'start_extent = 0\nextent_count = 3\ntype = "{kind}"\nthin_pool = "pool"'
    text = group_text(1, volume_text("t", 1, lines) + volume_text("a", 2, linear(0, 1, "pv0", 0)))
    layer = opened(physical_volume(0, text, extents={0: b"A" * EXTENT}))
    (problem,) = layer.problems
    assert problem.reason is Reason.UNSUPPORTED
    assert problem.bytes_not_examined == 3 * EXTENT
    assert kind in problem.message and "vg/t" in problem.message
    assert layer.volumes[0].stream is None
    assert content(layer, "lv2") == b"A" * EXTENT


def test_removed_volume_is_opened_from_older_metadata():
    before = group_text(1, volume_text("old", 9, linear(0, 2, "pv0", 6)), seqno=1)
    after = group_text(1, volume_text("new", 1, linear(0, 1, "pv0", 7)), seqno=2)
    layer = opened(physical_volume(0, before, after, extents={6: b"O" * EXTENT, 7: b"N" * EXTENT}))
    assert [volume.name for volume in layer.volumes] == ["lv1", "removed1"]
    assert "metadata number 1; 50 %" in layer.volumes[1].description
    assert content(layer, "removed1")[:EXTENT] == b"O" * EXTENT


def test_renamed_volume_is_not_taken_for_a_removed_one():
    before = group_text(1, volume_text("old", 1, linear(0, 1, "pv0", 6)), seqno=1)
    after = group_text(1, volume_text("new", 1, linear(0, 1, "pv0", 6)), seqno=2)
    assert [volume.name for volume in opened(physical_volume(0, before, after)).volumes] == ["lv1"]


def test_text_that_goes_round_the_end_of_the_ring_buffer():
    texts = [group_text(1, volume_text(f"v{n}", n, linear(0, 1, "pv0", n % 16)), seqno=n) for n in range(1, 80)]
    layer = opened(physical_volume(0, *texts))
    assert layer.details["metadata number"] == "79"
    assert layer.problems == ()
    assert layer.volumes[0].description == "logical volume vg/v79, striped"


def test_damaged_metadata_falls_back_on_an_older_text_and_says_so():
    first, second = group_text(1, volume_text("a", 1, linear(0, 1, "pv0", 0)), seqno=1), group_text(1, "", seqno=2)
    disk = physical_volume(0, first, second)
    place = bytes(disk).rindex(b"seqno = 2")
    disk[place : place + 5] = b"\0\1\2\3\4"
    layer = opened(disk)
    assert layer.details["metadata number"] == "1"
    assert any("right checksum" in problem.message for problem in layer.problems)
    assert all(problem.examined_anyway for problem in layer.problems)


@pytest.mark.parametrize("inner", ['"a", 0', '"b", 0'])
def test_volume_that_is_a_part_of_itself(inner):
    lines = f'start_extent = 0\nextent_count = 1\ntype = "striped"\nstripes = [{inner}]'
    back = 'start_extent = 0\nextent_count = 1\ntype = "striped"\nstripes = ["a", 0]'
    layer = opened(physical_volume(0, group_text(1, volume_text("a", 1, lines) + volume_text("b", 2, back))))
    assert layer.problems and all("part of itself" in problem.message for problem in layer.problems)


@pytest.mark.parametrize("lines", [
    linear(0, 1, "pv0", 16), linear(0, 17, "pv0", 0), linear(1, 1, "pv0", 0), linear(0, 0, "pv0", 0),
    linear(0, 1 << 62, "pv0", 0), linear(0, 1, "pv0", -1),
])  # fmt: skip
def test_segments_that_cannot_be_are_problems_not_content(lines):
    layer = opened(physical_volume(0, group_text(1, volume_text("a", 1, lines))))
    assert [problem.reason for problem in layer.problems] == [Reason.CORRUPT]
    assert layer.volumes[0].stream is None


@pytest.mark.parametrize("text", ["a {", "a = [1, 2", "}", "a", "a = ", "= 3", 'a = "x', "a {" * 50, "a = " + "9" * 60])
def test_text_that_is_none(text):
    with pytest.raises(CorruptStructureError):
        parse_metadata(text)


def test_text_keeps_quotes_comments_and_lists_apart():
    found = parse_metadata('# c { = \na = "x\\"}#y" # {\nb = [ "1", 2, -3,\n4.5 ]\nc { d = 1 } e = []\n#end')
    assert found == {"a": 'x"}#y', "b": ["1", 2, -3, 4.5], "c": {"d": 1}, "e": []}


@pytest.mark.parametrize("seed", range(4))
def test_seeded_mutations_give_typed_errors_only(seed):
    stripes = 'start_extent = 0\nextent_count = 4\ntype = "striped"\nstripe_size = 4\nstripes = ["pv0", 8, "pv1", 0]'
    text = group_text(2, volume_text("a", 1, linear(0, 2, "pv0", 0)) + volume_text("s", 2, stripes))
    base = [physical_volume(number, group_text(2, ""), text) for number in range(2)]
    rng = random.Random(seed)
    for _ in range(int(os.environ.get("TRIAGE_FUZZ", "150"))):
        disks = [bytearray(disk) for disk in base]
        for _ in range(rng.choice((1, 2, 6))):
            disk = rng.choice(disks)
            place = rng.choice((rng.randrange(1024), made.AREA + rng.randrange(4096)))
            disk[place] = rng.choice((rng.randrange(256), 48 + rng.randrange(10), 0, 0xFF))
            if rng.random() < 0.8:  # the checksums fit again
                raw = bytes(disk[made.AREA + 512 :])
                disk[512 + 16 : 512 + 20] = struct.pack("<I", made.crc(bytes(disk[512 + 20 : 1024])))
                first, count = struct.unpack_from("<QQ", disk, made.AREA + 40)
                whole = raw[first - 512 : first - 512 + count] if first >= 512 and count < 9999 else b""
                struct.pack_into("<I", disk, made.AREA + 56, made.crc(whole))
                struct.pack_into("<I", disk, made.AREA, made.crc(bytes(disk[made.AREA + 4 : made.AREA + 512])))
        try:
            layer = opened(*disks)
            for volume in layer.volumes:
                if volume.stream is not None:
                    volume.stream.read_at(0, 1 << 16)
        except EvidenceError:
            continue
