"""Layers in volumes: opened on the way to what is asked for, told where they do not open."""

import pytest

from tests.support.disk_image import boot_record, mbr_entry, put
from tests.support.fat_image import fat_image
from triage.errors import CorruptStructureError, EncryptedVolumeError, UnsupportedFormatError
from triage.evidence import stack
from triage.evidence.keychain import Keychain, Secret, SecretKind
from triage.evidence.stack import Stack
from triage.evidence.volumes import find_volumes
from triage.evidence.volumes.layers import LayerVolume
from triage.model.problem import Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation

FAT = fat_image({"a.txt": b"inside"})
MAGIC = b"LAYERED!"


class Opened:
    """A layer of volumes."""

    def __init__(self, name, volumes, replaces=True):
        self.name, self.volumes, self.replaces = name, tuple(volumes), replaces
        self.problems, self.details, self.closed = (), {}, 0

    def close(self):
        self.closed += 1


class Unit:
    """A unit that claims volumes which begin with the magic, and says what opening gives."""

    nests, is_last_resort = True, False

    def __init__(self, name, opens, nests=True):
        self.name, self.opens, self.nests, self.asked = name, opens, nests, 0

    def unavailable(self):
        return ""

    def detect(self, stream):
        return stream.read_at(0, 8) == MAGIC

    def open(self, stream, address, keychain, others):
        self.asked += 1
        found = self.opens(stream, address, keychain)
        if isinstance(found, Exception):
            raise found
        return found


def disk(*volumes):
    """Volumes behind each other in an MBR."""
    start, entries, raw = 8, [], bytearray(8 * 512)
    for data in volumes:
        sectors = -(-len(data) // 512)
        entries.append(mbr_entry(0x83, start, sectors))
        raw += data.ljust(sectors * 512, b"\0")
        start += sectors
    put(raw, 0, boot_record(*entries))
    return bytes(raw)


def stacked(monkeypatch, raw, *units, keychain=None):
    monkeypatch.setattr(stack, "LAYERS", units)
    media = MemoryStream(raw)
    return Stack(media, find_volumes(media, "x.dd"), "x.dd", keychain or Keychain())


def wrapping(name, inner, **options):
    return Unit(name, lambda *_: Opened(name, [LayerVolume(f"{name}1", "one", MemoryStream(inner))], **options))


LAYERED = MAGIC + bytes(8192)


def test_a_layer_gives_volumes_that_are_looked_into(monkeypatch):
    """The volume inside has its name behind a dot, its parent, and no place in the image."""
    found = stacked(monkeypatch, disk(FAT, LAYERED), wrapping("lv", FAT))
    volumes, problems = found.expand()
    names = {volume.name: volume for volume in volumes if volume.allocation is Allocation.ALLOCATED}
    assert list(names) == ["p1", "p2", "p2.lv1"]
    assert (names["p2.lv1"].file_system, names["p2.lv1"].parent) == ("fat12", "p2")
    assert not [problem for problem in problems if problem.address.endswith("p2:/")]
    entries = [item for item in found.file_system("p2.lv1").walk() if item.address.path == b"/a.txt"]
    assert entries[0].image_offset == -1
    assert found.file_system("p2.lv1").read_whole(entries[0], 100) == b"inside"
    assert all(run.image_offset == -1 for run in found.file_system("p2.lv1").byte_runs(entries[0]))


def test_only_the_layers_on_the_way_are_opened(monkeypatch):
    """A worker that reads one volume does not derive the keys of another."""
    unit = wrapping("lv", FAT)
    found = stacked(monkeypatch, disk(LAYERED, LAYERED), unit)
    found.file_system("p2.lv1")
    assert unit.asked == 1


def test_a_partition_table_inside(monkeypatch):
    """A whole disk in a layer: its partitions and gaps have names of their own."""
    found = stacked(monkeypatch, disk(LAYERED), wrapping("luks", disk(FAT) + bytes(4096)))
    volumes, _ = found.expand()
    assert [v.name for v in volumes if v.allocation is Allocation.ALLOCATED] == ["p1", "p1.luks1", "p1.luks1.p1"]
    assert "p1.luks1.p0" in {v.name for v in volumes if v.allocation is Allocation.UNALLOCATED}
    assert found.file_system("p1.luks1.p1").name == "fat12"
    gap = next(v for v in volumes if v.name == "p1.luks1.p0" and v.allocation is Allocation.UNALLOCATED)
    assert next(iter(found.gap(gap).entries())).address.volume == "p1.luks1.p0"


def test_layers_in_layers_end(monkeypatch):
    """V05: a layer that opens itself again and again stops at a depth that is told."""
    unit = wrapping("lv", LAYERED)
    volumes, problems = stacked(monkeypatch, disk(LAYERED), unit).expand()
    assert max(volume.name.count(".") for volume in volumes) == stack.MAX_DEPTH
    assert [problem.reason for problem in problems if problem.reason is Reason.LIMIT]


def test_snapshots_have_no_snapshots(monkeypatch):
    unit = wrapping("vss", LAYERED)
    unit.nests = False
    volumes, _ = stacked(monkeypatch, disk(LAYERED), unit).expand()
    assert [v.name for v in volumes if v.allocation is Allocation.ALLOCATED] == ["p1", "p1.vss1"]


def test_v03_without_the_key_the_volume_is_a_problem_with_its_size(monkeypatch):
    """Method and what was tried, in the place of what the signature said; and asking for it says the same."""
    unit = Unit("luks", lambda *_: EncryptedVolumeError("LUKS2: tried: password 1", hint="ask for another"))
    raw = disk(b"LUKS\xba\xbe\x00\x02" + bytes(8192))
    unit.detect = lambda stream: True
    found = stacked(monkeypatch, raw, unit, keychain=Keychain((Secret(SecretKind.PASSWORD, 1, b"x"),)))
    _, problems = found.expand()
    told = [problem for problem in problems if problem.reason is Reason.ENCRYPTED]
    assert [(problem.message, problem.bytes_not_examined) for problem in told] == [("LUKS2: tried: password 1", 8704)]
    with pytest.raises(EncryptedVolumeError, match="tried"):
        found.file_system("p1.luks1")


def test_a_layer_that_does_not_hold_hides_nothing(monkeypatch):
    """What the signature said stays, and why it did not open comes with it."""
    unit = Unit("lvm", lambda *_: CorruptStructureError("metadata gone"))
    unit.detect = lambda stream: True
    found = stacked(monkeypatch, disk(FAT), unit)
    volumes, problems = found.expand()
    assert volumes[0].file_system == "fat12"
    assert [problem.message for problem in problems] == ["metadata gone"]
    with pytest.raises(UnsupportedFormatError, match="no such volume"):
        found.file_system("p1.lv1")


def test_closing_closes_the_layers(monkeypatch):
    layer = Opened("lv", [LayerVolume("lv1", "", MemoryStream(FAT))])
    found = stacked(monkeypatch, disk(LAYERED), Unit("lv", lambda *_: layer))
    found.expand()
    found.close()
    found.close()
    assert layer.closed == 1
