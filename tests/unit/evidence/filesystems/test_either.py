"""An entry of which workers died is read by another library, and by the usual one where that has no answer."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.small_systems import BIG, make
from triage.errors import CorruptStructureError, EncryptedVolumeError, UnsupportedFormatError
from triage.evidence import open_evidence
from triage.evidence.filesystems import BYTES, SECOND
from triage.evidence.filesystems.either import EitherFileSystem
from triage.evidence.interface import Extents
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.stream import MemoryStream

ENTRY = Entry(Address("e", "p1", b"/x"), EntryType.FILE, 4, 5)


class Answering:
    """A file system that answers everything with its name, or fails."""

    block_size, size = 512, 4096

    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name, self.error, self.closed = name, error, 0

    def _answer(self, value):
        if self.error is not None:
            raise self.error
        return value

    def open_entry(self, entry):
        return self._answer(MemoryStream(self.name.encode()))

    def read_whole(self, entry, limit):
        return self._answer(self.name.encode()[:limit])

    def byte_runs(self, entry):
        return self._answer((ByteRun(0, len(self.name), -1, 4),))

    slack_runs = byte_runs

    def extents(self, entry):
        return self._answer(Extents(((len(self.name), 4),)))

    def unallocated(self):
        return iter((ByteRun(0, len(self.name), -1, 1),))

    def walk(self, **options):
        return iter((ENTRY,))

    def close(self):
        self.closed += 1


def answers(system: EitherFileSystem, entry: Entry = ENTRY) -> set[int]:
    """Length of the name of who answered."""
    return {
        system.open_entry(entry).size,
        len(system.read_whole(entry, 99)),
        system.byte_runs(entry)[0].fs_offset,
        system.slack_runs(entry)[0].fs_offset,
        system.extents(entry).content[0][0],
    }


def test_who_answers() -> None:
    usual = Answering("usual")
    assert answers(EitherFileSystem(Answering("other one"), usual)) == {9}
    assert answers(EitherFileSystem(Answering("other one", CorruptStructureError("no")), usual)) == {5}
    deleted = replace(ENTRY, alloc_inode=False)
    assert answers(EitherFileSystem(Answering("other one"), usual), deleted) == {5}


def test_a_missing_key_is_no_reason_to_ask_the_library_that_died() -> None:
    system = EitherFileSystem(Answering("other", EncryptedVolumeError("key")), Answering("usual"))
    with pytest.raises(EncryptedVolumeError):
        system.read_whole(ENTRY, 9)


def test_lists_and_space_are_the_usual_ones() -> None:
    first, usual = Answering("other one"), Answering("usual")
    system = EitherFileSystem(first, usual)
    assert list(system.walk()) == [ENTRY]
    assert [run.fs_offset for run in system.unallocated()] == [5]
    assert (system.name, system.size, system.block_size) == ("usual", 4096, 512)
    system.close()
    assert (first.closed, usual.closed) == (1, 0)


@pytest.mark.parametrize("kind", ["ext4", "ntfs", "fat12", "hfs+"])
def test_of_evidence(kind: str, tmp_path: Path) -> None:
    """The second library reads what the first listed; there is none where it is in use already, or nothing is."""
    if any(unit.unavailable() for unit in SECOND):
        pytest.skip("needs the libyal readers")
    path = tmp_path / "disk.dd"
    path.write_bytes(make(kind, tmp_path))
    with open_evidence([path]) as evidence:
        usual = evidence.reader("p1")
        assert usual.file_system is not None
        entry = next(e for e in usual.file_system.walk() if isinstance(e, Entry) and e.address.path == b"/big.bin")
        second = evidence.second_file_system("p1")
        assert second is not None
        assert usual.with_second(second).read_whole(entry, 1 << 20) == BIG
        library = next(unit.name for unit in SECOND if kind in unit.file_systems)
        evidence.use_readers({"p1": library})
        assert evidence.second_file_system("p1") is None
        assert evidence.reader("p1").read_whole(entry, 1 << 20) == BIG
        evidence.use_readers({"p1": BYTES})
        assert evidence.second_file_system("p1") is None
        reader = evidence.reader("p1")
        assert reader.file_system is None
        with pytest.raises(UnsupportedFormatError):
            reader.read_whole(entry, 10)
        pieces = [item for item in reader.space.entries() if isinstance(item, Entry)]
        assert sum(item.address.length for item in pieces) == path.stat().st_size
