"""A damaged first structure is read through its copy; a sound one never, and no copy that belongs to another volume."""

import random
from pathlib import Path

import pytest

from tests.support.small_systems import FILES, KINDS, first_damage, make, mft_place, zeroed
from triage.errors import EvidenceError, UnsupportedFormatError
from triage.evidence.filesystems import COPIES, open_file_system
from triage.evidence.filesystems.backups import find_repair, recognise_damaged, repaired
from triage.evidence.volumes import find_volumes
from triage.model.entry import Entry
from triage.model.problem import Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

WITH_COPIES = tuple(kind for kind in KINDS if kind != "fat12")


def volume(data: bytes, kind: str, start: int = 0) -> Volume:
    return Volume("p1", start, len(data) - start, Allocation.ALLOCATED, "bare", "", kind)


def listed(data: bytes, kind: str, reader: str = "") -> dict[tuple[bytes, bytes], Entry]:
    system = open_file_system(MemoryStream(data), volume(data, kind), "e", reader)
    return {(item.address.path, item.address.stream): item for item in system.walk() if isinstance(item, Entry)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_file_system_is_not_touched(kind: str, tmp_path: Path) -> None:
    data = make(kind, tmp_path)
    assert find_repair(MemoryStream(data), 0, len(data)) is None
    with pytest.raises(UnsupportedFormatError):
        open_file_system(MemoryStream(data), volume(data, kind), "e", COPIES)


@pytest.mark.parametrize("kind", WITH_COPIES)
def test_the_copies_give_what_was_there(kind: str, tmp_path: Path) -> None:
    """The damaged one, read through its copies, lists what the sound one lists; anywhere in the media."""
    data = make(kind, tmp_path)
    damaged = first_damage(kind, data)
    sound = listed(data, kind)
    found = listed(damaged, kind, COPIES)
    assert set(found) == set(sound)
    assert {path: entry.size for path, entry in found.items()} == {path: entry.size for path, entry in sound.items()}
    start = 1 << 20
    media = MemoryStream(bytes(start) + damaged)
    repair = find_repair(media, start, len(damaged), kind)
    assert repair is not None and repair.file_system == kind
    assert repaired(media, start, repair).size == media.size
    again = open_file_system(
        media, Volume("p1", start, len(damaged), Allocation.ALLOCATED, "mbr", "", kind), "e", COPIES
    )
    assert sum(isinstance(item, Entry) for item in again.walk()) == len(list(sound))


@pytest.mark.parametrize("kind", WITH_COPIES)
def test_a_damaged_volume_is_recognised_and_told(kind: str, tmp_path: Path) -> None:
    """The volume says which file system it had; that it is damaged is told where its reader refuses it."""
    data = first_damage(kind, make(kind, tmp_path))
    layout = find_volumes(MemoryStream(data), "e")
    assert layout.volumes[0].file_system == kind and not layout.volumes[0].unsupported
    told = [problem for problem in layout.problems if problem.reason is Reason.CORRUPT]
    try:
        open_file_system(MemoryStream(data), layout.volumes[0], "e")
        assert not told
    except EvidenceError:
        assert len(told) == 1 and told[0].examined_anyway


def test_each_record_of_the_mft_is_taken_by_itself(tmp_path: Path) -> None:
    """Only the damaged record comes from ``$MFTMirr``: the others may be newer than their copies."""
    data = make("ntfs", tmp_path)
    place = mft_place(data)
    repair = find_repair(MemoryStream(zeroed(data, place + 1024, 1024)), 0, len(data))
    assert repair is not None and repair.patches == ((place + 1024, data[place + 1024 : place + 2048]),)
    wrong = bytearray(data)
    wrong[place + 510] ^= 1  # a torn record: its fixup does not fit
    repair = find_repair(MemoryStream(bytes(wrong)), 0, len(data))
    assert repair is not None and [at for at, _ in repair.patches] == [place]


@pytest.mark.parametrize("kind", ["ext2", "ext4"])
def test_group_descriptors_alone(kind: str, tmp_path: Path) -> None:
    """The Sleuth Kit opens such a volume and lists nothing of it."""
    data = make(kind, tmp_path)
    damaged = zeroed(data, 2048, 1024)
    assert (b"/big.bin", b"") not in listed(damaged, kind)
    assert (b"/big.bin", b"") in listed(damaged, kind, COPIES)


@pytest.mark.parametrize("kind", ["ntfs", "ext4", "hfs+"])
def test_the_copy_of_another_volume_is_not_taken(kind: str, tmp_path: Path) -> None:
    """A copy that does not fit where it stands: the last partition of a disk seen from the beginning of the disk."""
    data = first_damage(kind, make(kind, tmp_path))
    for before in (512, 1 << 20):
        media = MemoryStream(bytes(before) + data)
        assert find_repair(media, 0, media.size) is None
        assert recognise_damaged(media, 0, media.size) == ("", 0)


def test_what_is_not_there_is_not_seen() -> None:
    for data in (b"", b"\0" * 511, b"\xff" * 100_000, random.Random(1).randbytes(1 << 20)):
        assert find_repair(MemoryStream(data), 0, len(data)) is None
        assert recognise_damaged(MemoryStream(data), 0, len(data)) == ("", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_mutations_raise_nothing(kind: str, tmp_path: Path) -> None:
    """Whatever stands in the structures: a repair or none, whose patches lie in the volume and are bounded."""
    data = bytearray(first_damage(kind, make(kind, tmp_path)) if kind in WITH_COPIES else make(kind, tmp_path))
    chooser = random.Random(7)
    places = [at for start in range(0, len(data), 512) if any(data[start : start + 512]) for at in (start, start + 511)]
    for _ in range(120):
        copy = bytearray(data)
        for _ in range(6):
            start = chooser.choice(places) // 512 * 512
            copy[start + chooser.randrange(512)] = chooser.choice((0, 0xFF, 0x80, chooser.randrange(256)))
        recognise_damaged(MemoryStream(bytes(copy)), 0, len(copy))
        repair = find_repair(MemoryStream(bytes(copy)), 0, len(copy))
        for at, patch in repair.patches if repair else ():
            assert at >= 0 and 0 < len(patch) <= 1 << 24


def test_the_files_are_there(tmp_path: Path) -> None:
    """The content of a file through the copies is the content."""
    data = first_damage("ext4", make("ext4", tmp_path))
    system = open_file_system(MemoryStream(data), volume(data, "ext4"), "e", COPIES)
    found = {item.address.path: item for item in system.walk() if isinstance(item, Entry)}
    for name, content in FILES.items():
        assert system.read_whole(found[b"/" + name.encode()], 1 << 20) == content
