"""Space that no file owns: unique strings planted in every state and encoding are found once, at their place."""

import os
import random
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.fat_image import CLUSTER, fat_image
from tests.support.tool_images import ext_edit, ext_image, ntfs_image, plant
from triage.errors import CorruptStructureError, EvidenceError, ReadFailedError, UnsupportedFormatError
from triage.evidence import space
from triage.evidence.filesystems import open_file_system
from triage.evidence.free_space import FreeSpace, FreeStream, blank_value
from triage.evidence.space import (
    OVERLAP,
    PIECE,
    SpaceCount,
    free_stream,
    gap_of,
    open_space,
    owned_length,
    slack_entries,
    slack_run,
    space_entries,
    space_runs,
)
from triage.model.address import Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import MemoryStream
from triage.model.volume import Allocation, Volume

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "cp1251", "koi8-r")


def volume_of(length: int, kind: str = "", offset: int = 0, parent: str = "") -> Volume:
    return Volume("p1", offset, length, Allocation.ALLOCATED, "mbr", file_system=kind, parent=parent)


class Given:
    """A file system of which only free space is known."""

    name = "given"
    block_size = 512

    def __init__(self, runs: list[ByteRun], error: EvidenceError | None = None) -> None:
        self._runs = runs
        self._error = error
        self.asked = 0

    def unallocated(self) -> Iterator[ByteRun]:
        self.asked += 1
        yield from self._runs
        if self._error is not None:
            raise self._error


def given(*places: tuple[int, int], base: int = 0) -> Given:
    position, runs = 0, []
    for start, length in places:
        runs.append(ByteRun(position, start, start + base if base >= 0 else -1, length))
        position += length
    return Given(runs)


def entries_of(found: list[Entry | Problem]) -> list[Entry]:
    assert not [one for one in found if isinstance(one, Problem)]
    return [one for one in found if isinstance(one, Entry)]


def places_of(needle: bytes, entries: list[Entry], system: object, media: MemoryStream, volume: Volume) -> list[int]:
    """Image offsets of a string over all entries of space, those in an overlap left to the next piece."""
    out = []
    for entry in entries:
        stream = open_space(system, media, volume, entry.address)  # type: ignore[arg-type]
        assert stream.size == entry.size
        data = stream.read_at(0, stream.size)
        runs = space_runs(system, media, volume, entry.address)  # type: ignore[arg-type]
        assert sum(run.length for run in runs) == entry.size and runs[0].image_offset == entry.image_offset
        at = data.find(needle)
        while at >= 0:
            if at < owned_length(entry):
                run = next(run for run in runs if run.file_offset <= at < run.file_offset + run.length)
                out.append(run.image_offset + at - run.file_offset)
            at = data.find(needle, at + 1)
    return out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_planted_in_deleted_free_and_slack_of_fat(encoding: str) -> None:
    words = {state: f"{state}-Товар-7431".encode(encoding, "replace") for state in ("del", "free", "slack", "live")}
    live = words["live"].ljust(3000, b"l")
    image = bytearray(fat_image({"live.txt": live, "gone.txt": b"." * 100 + words["del"]}, deleted=("gone.txt",)))
    end_of_live = image.index(live) + 3000
    image[end_of_live + 7 : end_of_live + 7 + len(words["slack"])] = words["slack"]
    image[-5000 : -5000 + len(words["free"])] = words["free"]
    data = bytes(4096) + bytes(image)
    media, volume = MemoryStream(data), volume_of(len(image), "fat12", 4096)
    system = open_file_system(media, volume, "x")
    files = list(system.walk())
    entries = entries_of(list(space_entries(system, media, volume, "x", files=files)))
    for state in ("del", "free", "slack"):
        assert places_of(words[state], entries, system, media, volume) == [data.index(words[state])], state
    assert places_of(words["live"], entries, system, media, volume) == []
    assert [entry.address.local for entry in entries if entry.address.space == "slack"] == ["p1:/live.txt$slack"]


@pytest.mark.parametrize("kind", ["ext2", "ext4"])
def test_planted_in_ext(kind: str, tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", {"live.txt": b"L" * 1500, "gone.txt": b"unique-deleted" + b"." * 5000})
    path = ext_image(tmp_path / "x.img", tree, kind, "-b", "1024", kib=2048)
    data = bytearray(path.read_bytes())
    slack_at = data.index(b"L" * 1500) + 1500
    data[slack_at : slack_at + 12] = b"unique-slack"
    path.write_bytes(data)
    ext_edit(path, "rm gone.txt")
    data = bytearray(path.read_bytes())
    data[-1024:-1000] = b"unique-free".ljust(24, b"\0")
    media, volume = MemoryStream(bytes(data)), volume_of(len(data), kind)
    system = open_file_system(media, volume, "x")
    entries = entries_of(list(space_entries(system, media, volume, "x", files=list(system.walk()))))
    for needle in (b"unique-deleted", b"unique-slack", b"unique-free"):
        assert places_of(needle, entries, system, media, volume) == [data.index(needle)], needle


def test_planted_in_ntfs_slack_and_volume_slack(tmp_path: Path) -> None:
    body = bytes(random.Random(1).randbytes(5000))
    path = ntfs_image(tmp_path / "n.img", {"live.bin": body, "live.bin:more": body[::-1]})
    data = bytearray(path.read_bytes())
    for number, content in enumerate((body, body[::-1])):
        at = data.index(content) + 5000
        data[at : at + 8] = b"unique-%d" % number
    data += b"unique-volume".ljust(8192, b"\0")
    media, volume = MemoryStream(bytes(data)), volume_of(len(data), "ntfs")
    system = open_file_system(media, volume, "x")
    entries = entries_of(list(space_entries(system, media, volume, "x", files=list(system.walk()))))
    for needle in (b"unique-0", b"unique-1", b"unique-volume"):
        assert places_of(needle, entries, system, media, volume) == [data.index(needle)], needle
    assert "p1:/live.bin:more$slack" in [entry.address.local for entry in entries]
    assert [entry.address.space for entry in entries].count("volume_slack") == 1


def test_ntfs_bytes_never_written_are_slack(tmp_path: Path) -> None:
    """Initialised size cut to 1000: the rest reads as zeros and holds what stood there before."""
    body = b"H" * 1000 + b"unique-behind-initialised" + b"T" * 6000
    path = ntfs_image(tmp_path / "n.img", {"a.bin": body})
    data = bytearray(path.read_bytes())
    size = struct.pack("<Q", len(body))
    at = data.index(size + size)  # data size and initialised size of the attribute
    data[at + 8 : at + 16] = struct.pack("<Q", 1000)
    media, volume = MemoryStream(bytes(data)), volume_of(len(data), "ntfs")
    system = open_file_system(media, volume, "x")
    entries = entries_of(list(space_entries(system, media, volume, "x", files=list(system.walk()))))
    needle = b"unique-behind-initialised"
    assert places_of(needle, entries, system, media, volume) == [data.index(needle)]


def test_slack_of_zeros_is_counted_and_not_listed() -> None:
    image = fat_image({"a.txt": b"a" * 100, "b.txt": b"b" * CLUSTER})
    media, volume = MemoryStream(image), volume_of(len(image), "fat12")
    system = open_file_system(media, volume, "x")
    count = SpaceCount()
    assert entries_of(list(space_entries(system, media, volume, "x", files=list(system.walk()), count=count))) == []
    assert count.seen["slack"] == count.zeros["slack"] == CLUSTER - 100
    assert count.seen["unallocated"] == count.zeros["unallocated"] > 0
    entry = next(one for one in system.walk() if isinstance(one, Entry) and one.address.path == b"/a.txt")
    run = slack_run(system, entry)
    assert run is not None and (run.length, run.fs_offset) == (CLUSTER - 100, image.index(b"a" * 100) + 100)


def test_pieces_cover_every_free_byte_once_and_words_on_borders_are_whole() -> None:
    """Fragmented free space of three pieces, with a word across each border of pieces and of runs."""
    chooser = random.Random(3)
    data = bytearray(chooser.randbytes(1 << 16) * 416)
    runs, position = [], 0
    while position < len(data) - (1 << 20):
        length = chooser.randrange(1, 1500) * 512
        runs.append((position, length))
        position += length + chooser.choice((512, 4096, 1 << 16))
    system = given(*runs)
    media, volume = MemoryStream(bytes(data)), volume_of(len(data))
    total = sum(length for _, length in runs)
    whole = free_stream(system, media, volume)  # type: ignore[arg-type]
    for border in range(PIECE, total, PIECE):
        for n, run in enumerate(whole.runs(border - 5, 12)):
            part = (b"W%06d-WORD" % border)[:12].ljust(12, b"!")[run.file_offset : run.file_offset + run.length]
            data[run.fs_offset : run.fs_offset + run.length] = part
            assert n < 2
    media = MemoryStream(bytes(data))
    found = entries_of(list(space_entries(system, media, volume, "x")))  # type: ignore[arg-type]
    assert len(found) == -(-total // PIECE) > 2
    assert sum(owned_length(entry) for entry in found) == total
    assert [entry.size for entry in found[:-2]] == [PIECE + OVERLAP] * (len(found) - 2)
    for before, after in pairwise(found):
        assert before.address.offset + before.address.length <= after.address.offset
        own = open_space(system, media, volume, before.address).read_at(PIECE, 4096)  # type: ignore[arg-type]
        assert own == open_space(system, media, volume, after.address).read_at(0, 4096)  # type: ignore[arg-type]
    for border in range(PIECE, total, PIECE):
        word = (b"W%06d-WORD" % border)[:12].ljust(12, b"!")
        place = whole.runs(border - 5, 1)[0].image_offset
        assert places_of(word, found, system, media, volume) == [place]
    assert all(Address.parse(str(entry.address)) == entry.address for entry in found)
    assert system.asked == 1


def test_pieces_of_one_value_are_counted() -> None:
    data = bytearray(5 * PIECE)
    data[2 * PIECE : 4 * PIECE] = b"\xff" * 2 * PIECE
    data[5 * PIECE - 1] = 7
    media, volume = MemoryStream(bytes(data)), volume_of(len(data))
    count = SpaceCount()
    found = entries_of(list(space_entries(None, media, volume, "x", count=count)))
    assert [entry.address.offset for entry in found] == [PIECE, 3 * PIECE, 4 * PIECE]  # the next begins otherwise
    assert (count.zeros["unallocated"], count.filled["unallocated"]) == (PIECE, PIECE)
    assert count.seen["unallocated"] == 5 * PIECE


def test_a_zero_piece_before_data_is_kept_for_words_that_begin_with_zeros() -> None:
    data = bytearray(2 * PIECE)
    data[PIECE - 1 : PIECE + 7] = "Word".encode("utf-16-be")
    media, volume = MemoryStream(bytes(data)), volume_of(len(data))
    found = entries_of(list(space_entries(None, media, volume, "x")))
    assert places_of("Word".encode("utf-16-be"), found, None, media, volume) == [PIECE - 1]


def test_gaps_and_their_addresses() -> None:
    data = bytearray(100_000)
    data[5000:5010] = b"unique-gap"
    gap = Volume("p0", 4096, 20_000, Allocation.UNALLOCATED, "mbr")
    other = Volume("p0", 50_000, 20_000, Allocation.UNALLOCATED, "mbr")
    media = MemoryStream(bytes(data))
    (entry,) = entries_of([*space_entries(None, media, gap, "x"), *space_entries(None, media, other, "x")])
    assert entry.address.local == "p0:$gap@4096+20000"
    assert gap_of([other, gap], entry.address) is gap
    assert places_of(b"unique-gap", [entry], None, media, gap) == [5000]
    with pytest.raises(UnsupportedFormatError):
        gap_of([other], entry.address)


def test_volumes_inside_layers_have_no_place_in_the_image() -> None:
    data = bytes(1000) + b"x" * 24
    media = MemoryStream(data)
    volume = volume_of(1024, parent="p1")
    (entry,) = entries_of(list(space_entries(None, media, volume, "x")))
    assert entry.image_offset == -1
    assert [run.image_offset for run in space_runs(None, media, volume, entry.address)] == [-1]


def test_a_map_that_breaks_off_is_told_and_what_came_before_stays() -> None:
    data = b"xy" * 4096
    system = Given([ByteRun(0, 512, 512, 1024)], CorruptStructureError("map torn"))
    found = list(space_entries(system, MemoryStream(data), volume_of(8192), "x"))  # type: ignore[arg-type]
    problem, entry = found
    assert isinstance(problem, Problem) and problem.reason is Reason.CORRUPT and not problem.examined_anyway
    assert isinstance(entry, Entry) and entry.size == 1024
    nothing = list(space_entries(Given([], UnsupportedFormatError("no")), MemoryStream(data), volume_of(8192), "x"))  # type: ignore[arg-type]
    assert [(one.reason, one.bytes_not_examined) for one in nothing] == [(Reason.UNSUPPORTED, 8192)]  # type: ignore[union-attr]
    silent = object.__new__(type("Silent", (), {"name": "mute", "block_size": 512}))
    (told,) = space_entries(silent, MemoryStream(data), volume_of(8192), "x")
    assert isinstance(told, Problem) and "mute" in told.message


def test_hostile_runs_are_made_ascending_and_cut_to_the_volume() -> None:
    runs = [(-5, 10), (3, 4), (100, 50), (0, 120), (149, 1 << 62), (10, 5)]
    index = FreeSpace([ByteRun(0, start, start, length) for start, length in runs], 200)
    pieces = [(run.fs_offset, run.length) for run in index.runs(0, 1 << 62)]
    assert pieces == [(0, 7), (100, 100)] and index.size == 107


def test_more_runs_than_are_kept_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triage.evidence.free_space.MAX_RUNS", 3)
    system = given(*((start, 512) for start in range(0, 10240, 1024)))
    found = list(space_entries(system, MemoryStream(b"xy" * 5120), volume_of(10240), "x"))  # type: ignore[arg-type]
    assert isinstance(found[0], Problem) and found[0].reason is Reason.LIMIT
    assert found[0].bytes_not_examined == 7 * 512
    assert isinstance(found[1], Entry) and found[1].size == 3 * 512


def test_positions_and_offsets_are_inverse() -> None:
    index = FreeSpace([ByteRun(0, start, -1, 10) for start in (5, 30, 77)], 1000)
    for position in range(30):
        assert index.position(index.offset(position)) == position
    assert [index.position(offset) for offset in (0, 5, 16, 30, 500)] == [0, 0, 10, 10, 30]


def test_unreadable_space_gives_what_there_is_and_fails() -> None:
    class Torn(MemoryStream):
        def read_at(self, offset: int, length: int) -> bytes:
            if offset + length > 3000:
                raise ReadFailedError("torn", partial=super().read_at(offset, 3000 - offset))
            return super().read_at(offset, length)

    media = Torn(b"xy" * 4096)
    (entry,) = entries_of(list(space_entries(given((0, 1024), (2048, 4096)), media, volume_of(8192), "x")))  # type: ignore[arg-type]
    stream = FreeStream(media, FreeSpace([ByteRun(0, 0, 0, 1024), ByteRun(1024, 2048, 2048, 4096)], 8192))
    with pytest.raises(ReadFailedError) as failed:
        stream.read_at(0, entry.size)
    assert failed.value.partial == b"xy" * (512 + 476)
    assert stream.read_at(5120, 10) == b"" and stream.read_at(-1, 5) == b""


def test_blank_value() -> None:
    big = bytearray(b"\7" * (3 << 20))
    assert blank_value(MemoryStream(bytes(big)), len(big)) == 7
    for place in (0, 1, 5000, (1 << 20) - 1, 1 << 20, len(big) - 1):
        other = bytearray(big)
        other[place] = 8
        assert blank_value(MemoryStream(bytes(other)), len(other)) == -1
    assert blank_value(MemoryStream(b""), 10) == -1
    assert blank_value(MemoryStream(b"\0\0\1"), 2) == 0


def test_space_that_is_not_there_is_refused() -> None:
    media, volume = MemoryStream(bytes(4096)), volume_of(4096)
    for address in (
        Address("x", "p1", space="unallocated", offset=9000, length=5),
        Address("x", "p1", space="volume_slack", offset=0, length=5),
        Address("x", "p1", b"/a", space="slack"),
        Address("x", "p1", b"/a"),
    ):
        with pytest.raises(UnsupportedFormatError):
            open_space(None, media, volume, address)


def test_slack_is_opened_by_address_alone(tmp_path: Path) -> None:
    image = bytearray(fat_image({"d/a.txt": b"a" * 100, "d/b.txt": b"b" * 100}))
    at = image.index(b"b" * 100) + 100
    image[at : at + 5] = b"after"
    media, volume = MemoryStream(bytes(image)), volume_of(len(image), "fat12")
    system = open_file_system(media, volume, "x")
    address = Address("x", "p1", b"/d/b.txt", space="slack")
    assert open_space(system, media, volume, address).read_at(0, 5) == b"after"
    files = list(system.walk())
    (slack,) = (one for one in space_entries(system, media, volume, "x", files=files) if isinstance(one, Entry))
    owner = next(one for one in files if isinstance(one, Entry) and one.address.path == b"/d/b.txt")
    runs = space_runs(system, media, volume, address)
    assert (
        runs == space_runs(system, media, volume, address, slack) == space_runs(system, media, volume, address, owner)
    )
    with pytest.raises(UnsupportedFormatError):
        open_space(system, media, volume, Address("x", "p1", b"/d/c.txt", space="slack"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("parent", ["", "p9"])
def test_slack_of_a_file_system_that_does_not_tell_it(parent: str) -> None:
    """The rest of the last data unit, by runs; also by the entry of the slack, whose size is another."""
    data = b"." * 1024 + b"body" * 75 + b"old words" + bytes(203) + b"." * 512
    volume = volume_of(len(data), parent=parent)
    file = Entry(Address("x", "p1", b"/a"), EntryType.FILE, 300, 5)

    class Plain(Given):
        def walk(self) -> Iterator[Entry]:
            yield file

        def byte_runs(self, entry: Entry) -> tuple[ByteRun, ...]:
            return (ByteRun(0, 1024, -1 if parent else 1024, 300),)

    system, media = Plain([]), MemoryStream(data)
    (slack,) = entries_of(list(slack_entries(system, media, volume, system.walk())))  # type: ignore[arg-type]
    assert (slack.size, slack.address.local, slack.image_offset) == (212, "p1:/a$slack", -1 if parent else 1324)
    for known in (None, slack, file):
        stream = open_space(system, media, volume, slack.address, known)  # type: ignore[arg-type]
        assert stream.read_at(0, 999) == data[1324:1536]


def test_names_promised_to_others_exist() -> None:
    assert all(hasattr(space, name) for name in space.__all__)
