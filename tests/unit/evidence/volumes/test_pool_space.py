"""Free space of a pool: listed once, for the pool, with places that count in the volume that holds it."""

from tests.support.apfs_image import BS, ApfsImage
from tests.support.lvm_image import EXTENT, START, group_text, linear, physical_volume, volume_text
from triage.evidence import open_evidence
from triage.evidence.volumes.pool_space import FILE_SYSTEM, pool_space
from triage.model.entry import Entry
from triage.model.stream import MemoryStream

WORD = b"zz planted in the free space of the container"


def pieces(evidence, volume):
    reader = evidence.reader(volume)
    entries = [item for item in reader.space.entries() if isinstance(item, Entry)]
    assert not list(reader.file_system.walk())
    return [(entry.address.offset, entry.address.length, reader.read_whole(entry, 1 << 30)) for entry in entries]


def test_the_volumes_of_a_container_share_its_free_space(tmp_path):
    image = ApfsImage()
    for label in ("one", "two"):
        part = image.add_volume(label)
        image.add_file(part, b"a.txt", 100, b"content of " + label.encode())
    image.commit()
    place = (image.blocks - 3) * BS + 77
    image.data[place : place + len(WORD)] = WORD
    path = tmp_path / "apfs.dd"
    path.write_bytes(image.data)
    with open_evidence([path]) as evidence:
        (free,) = [volume for volume in evidence.volumes if volume.file_system == FILE_SYSTEM]
        assert (free.name, free.length) == ("p1.free1", (image.blocks - image.next) * BS)
        found = pieces(evidence, free.name)
        assert found[0][0] == image.next * BS
        assert sum(length for _, length, _ in found) == free.length
        assert [offset + data.index(WORD) for offset, length, data in found if WORD in data[:length]] == [place]
        for volume in ("p1.apfs1", "p1.apfs2"):
            assert not [item for item in evidence.reader(volume).space.entries() if isinstance(item, Entry)]


def test_extents_that_no_logical_volume_has(tmp_path):
    disk = physical_volume(0, group_text(1, volume_text("a", 1, linear(0, 2, "pv0", 3))))
    place = START + 9 * EXTENT + 5
    disk[place : place + len(WORD)] = WORD
    path = tmp_path / "lvm.dd"
    path.write_bytes(disk)
    with open_evidence([path]) as evidence:
        found = pieces(evidence, "p1.free1")
        (free,) = [volume for volume in evidence.volumes if volume.name == "p1.free1"]
    assert free.length == 14 * EXTENT
    assert sum(data[:length].count(WORD) for _, length, data in found) == 1
    assert found[0][0] == START


def test_nothing_free_is_no_volume():
    stream = MemoryStream(bytes(1000))
    assert pool_space(stream, [], "x", 512) == ()
    assert pool_space(stream, [(2000, 10), (-5, 3), (10, 0)], "x", 512) == ()
    (volume,) = pool_space(stream, [(0, 10), (900, 5000)], "x", 512)
    assert volume.length == 110
