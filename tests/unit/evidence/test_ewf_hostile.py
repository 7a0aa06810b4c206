"""E01 images that are damaged, incomplete or made to hurt; what is there is read, what is not is named."""

import random
import struct
import tracemalloc
import zlib

import pytest

from tests.support.ewf_writer import EwfWriter, adler, descriptor, table_data, volume_data
from triage.errors import CorruptStructureError, EvidenceError
from triage.evidence.containers import ewf, ewf_media
from triage.evidence.containers.ewf_sections import read_segment
from triage.evidence.containers.segment_file import SegmentFile
from triage.model.problem import Reason

CHUNK = 1024
MEDIA = random.Random(3).randbytes(20 * CHUNK)


def opened(tmp_path, writer, drop=()):
    paths = [path for number, path in enumerate(writer.write(tmp_path), 1) if number not in drop]
    return ewf.open_container(tuple(paths), "image.E01")


def read(container):
    data = container.media.read_at(0, container.media.size)
    return data, container.read_problems()


def without(chunks):
    """The media with zeros instead of some chunks."""
    out = bytearray(MEDIA)
    for chunk in chunks:
        out[chunk * CHUNK : (chunk + 1) * CHUNK] = bytes(CHUNK)
    return bytes(out)


def flip(raw, at):
    return raw[:at] + bytes([raw[at] ^ 0xFF]) + raw[at + 1 :]


@pytest.mark.parametrize("stored", [True, False])
def test_c04_chunk_with_wrong_checksum_is_zeros_and_named(tmp_path, stored):
    """Only the damaged chunk is lost, told once with its range however often it is read."""
    damage = {7: lambda raw: flip(raw, len(raw) // 2)}
    writer = EwfWriter(
        MEDIA, compress=lambda number: not stored, chunk=lambda number, raw: damage.get(number, lambda r: r)(raw)
    )
    container = opened(tmp_path, writer)
    assert container.problems == ()
    data, problems = read(container)
    assert data == without([7])
    (problem,) = problems
    assert problem.reason is Reason.CORRUPT
    assert problem.address == f"image.E01 p0:$gap@{7 * CHUNK}+{CHUNK}"
    assert problem.bytes_not_examined == CHUNK
    assert not problem.examined_anyway
    container.media.read_at(7 * CHUNK, 10)
    container.media._cache.clear()
    container.media.read_at(7 * CHUNK, 10)
    assert container.read_problems() == ()
    container.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: b"\x00" * len(raw),
        lambda raw: raw[: len(raw) // 2],
        lambda raw: flip(raw, len(raw) - 1),
        lambda raw: zlib.compress(bytes(CHUNK - 1)),
        lambda raw: zlib.compress(bytes(CHUNK + 1)),
        lambda raw: zlib.compress(bytes(50 << 20)),
        lambda raw: b"",
    ],
)
def test_c04_bad_deflate_stays_bounded(tmp_path, spoil):
    """Not zlib, cut, wrong checksum, too short, too long, a bomb: zeros for this chunk, the others stay."""
    writer = EwfWriter(MEDIA, chunk=lambda number, raw: spoil(raw) if number == 4 else raw)
    container = opened(tmp_path, writer)
    tracemalloc.start()
    data, problems = read(container)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert data == without([4])
    assert [problem.bytes_not_examined for problem in problems] == [CHUNK]
    assert peak < 4 << 20
    container.close()


def test_c04_deflate_bomb_of_a_large_chunk(tmp_path):
    """What a chunk may inflate to is its size, however much its stored bytes could."""
    media = MEDIA * 32
    bomb = zlib.compress(bytes(30 << 20), 9)
    writer = EwfWriter(media, sectors_per_chunk=128, chunk=lambda number, raw: bomb if number == 2 else raw)
    container = opened(tmp_path, writer)
    tracemalloc.start()
    assert container.media.read_at(2 * 65536, 65536) == bytes(65536)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
    container.close()


def test_c03_more_chunks_behind_a_gap_than_are_missing(tmp_path):
    """A header that states fewer chunks than there are: those behind the gap are not put over those before it."""
    writer = EwfWriter(MEDIA, chunks_per_segment=5, chunk_count=12, sector_count=24)
    container = opened(tmp_path, writer, drop={2})
    assert container.media.size == 12 * CHUNK or container.media.size == 15 * CHUNK
    data, _ = read(container)
    assert data[: 5 * CHUNK] == MEDIA[: 5 * CHUNK]
    assert any("are not used" in problem.message for problem in container.problems)
    container.close()


def test_c04_table_entry_outside_the_file_uses_the_second_table(tmp_path):
    """An entry that points outside costs nothing where ``table2`` knows better; the Problem says so."""

    def spoil(kind, first, raw):
        entries = list(struct.unpack(f"<{(len(raw) - 28) // 4}I", raw[24:-4]))
        if kind == "table":
            entries[5] = 0xFFFFFFF0
        return table_data(entries)

    container = opened(tmp_path, EwfWriter(MEDIA, table=spoil))
    data, problems = read(container)
    assert data == MEDIA
    assert [problem.examined_anyway for problem in problems] == [True]
    container.close()


def test_c04_table_entry_outside_the_file_without_second_table(tmp_path):
    """The chunk is zeros and named; its neighbours stay."""

    def spoil(kind, first, raw):
        entries = list(struct.unpack(f"<{(len(raw) - 28) // 4}I", raw[24:-4]))
        entries[5] = 0x7FFFFFF0
        return table_data(entries)

    container = opened(tmp_path, EwfWriter(MEDIA, table=spoil, second_table=False))
    data, problems = read(container)
    assert data == without([5])
    assert [problem.bytes_not_examined for problem in problems] == [CHUNK]
    container.close()


def test_c04_entries_that_do_not_ascend(tmp_path):
    """Chunks stored in any order are found: each has its own checksum."""

    def shuffle(kind, first, raw):
        entries = list(struct.unpack(f"<{(len(raw) - 28) // 4}I", raw[24:-4]))
        entries[3], entries[11] = entries[11], entries[3]
        return table_data(entries)

    container = opened(tmp_path, EwfWriter(MEDIA, table=shuffle))
    data, problems = read(container)
    expected = bytearray(MEDIA)
    expected[3 * CHUNK : 4 * CHUNK], expected[11 * CHUNK : 12 * CHUNK] = (
        MEDIA[11 * CHUNK : 12 * CHUNK],
        MEDIA[3 * CHUNK : 4 * CHUNK],
    )
    assert data == bytes(expected)
    assert problems == ()
    container.close()


def test_c04_damaged_table_checksum_falls_back(tmp_path):
    """Entries with a wrong checksum: the second table is used, and told once."""
    container = opened(
        tmp_path, EwfWriter(MEDIA, table=lambda kind, first, raw: flip(raw, 30) if kind == "table" else raw)
    )
    data, problems = read(container)
    assert data == MEDIA
    (problem,) = problems
    assert "second table is used" in problem.message
    assert problem.examined_anyway
    container.close()


def test_c04_both_tables_damaged(tmp_path):
    """The chunk that the damaged entry was for is lost, the others are not."""
    container = opened(tmp_path, EwfWriter(MEDIA, table=lambda kind, first, raw: flip(raw, 24 + 4 * 6)))
    data, problems = read(container)
    assert data[: 5 * CHUNK] == MEDIA[: 5 * CHUNK]
    assert data[8 * CHUNK :] == MEDIA[8 * CHUNK :]
    assert sum(problem.bytes_not_examined for problem in problems) <= 2 * CHUNK
    assert any("used as it is" in problem.message for problem in problems)
    container.close()


@pytest.mark.parametrize("header_byte", [0, 8])
def test_c04_damaged_table_header_falls_back(tmp_path, header_byte):
    """A wrong count or base in the first table's header."""
    container = opened(
        tmp_path, EwfWriter(MEDIA, table=lambda kind, first, raw: flip(raw, header_byte) if kind == "table" else raw)
    )
    assert any("second table" in problem.message for problem in container.problems)
    assert read(container)[0] == MEDIA
    container.close()


@pytest.mark.parametrize("target", ["self", "start", "next byte", "beyond"])
def test_c04_section_loop_ends(tmp_path, target):
    """``next`` that points back, at itself, into itself or beyond the file: each section is seen once."""
    (segment,) = EwfWriter(MEDIA).segments()
    at = segment.index(b"hash\x00")
    size = 76 + 36
    following = {"self": at, "start": 13, "next byte": at + 1, "beyond": 1 << 60}[target]
    raw = segment[:at] + descriptor(b"hash", at, size, following=following) + segment[at + 76 :]
    path = tmp_path / "a.E01"
    path.write_bytes(raw)
    container = ewf.open_container((path,), "a.E01")
    assert read(container)[0] == MEDIA
    reasons = {problem.reason for problem in container.problems}
    assert reasons & {Reason.LOOP, Reason.CORRUPT, Reason.TRUNCATED}
    container.close()


def test_c04_too_many_sections(tmp_path, monkeypatch):
    """A file of nothing but descriptors ends at a limit that is told."""
    monkeypatch.setattr("triage.evidence.containers.ewf_sections.MAX_SECTIONS", 10)
    out = bytearray(b"EVF\x09\x0d\x0a\xff\x00\x01\x01\x00\x00\x00")
    for _ in range(20):
        out += descriptor(b"session", len(out), 76)
    path = tmp_path / "a.E01"
    path.write_bytes(out)
    segment = read_segment(SegmentFile(path))
    assert segment is not None
    assert [trouble.reason for trouble in segment.troubles] == [Reason.LIMIT]


def test_c04_many_damaged_chunks_are_not_listed_without_end(tmp_path, monkeypatch):
    """Beyond a limit one Problem says that there are more."""
    monkeypatch.setattr(ewf_media, "MAX_LISTED", 5)
    container = opened(tmp_path, EwfWriter(MEDIA, chunk=lambda number, raw: flip(raw, 9)))
    _, problems = read(container)
    assert len(problems) == 6
    assert "more than 5" in problems[-1].message
    container.close()


def test_c03_missing_last_segment(tmp_path):
    """The media keep their size; the range that is missing is named and reads as zeros."""
    container = opened(tmp_path, EwfWriter(MEDIA, chunks_per_segment=8), drop={3})
    data, _ = read(container)
    assert data == without(range(16, 20))
    (problem,) = [problem for problem in container.problems if problem.bytes_not_examined]
    assert problem.reason is Reason.TRUNCATED
    assert problem.address == f"image.E01 p0:$gap@{16 * CHUNK}+{4 * CHUNK}"
    assert "missing the segments after 2" in problem.message
    container.close()


@pytest.mark.parametrize("missing", [1, 2, 3])
def test_c03_missing_segment_anywhere(tmp_path, missing):
    """What is behind the gap is placed from the end of the media."""
    container = opened(tmp_path, EwfWriter(MEDIA, chunks_per_segment=5), drop={missing})
    data, _ = read(container)
    assert data == without(range((missing - 1) * 5, missing * 5))
    (problem,) = [problem for problem in container.problems if problem.bytes_not_examined]
    assert problem.bytes_not_examined == 5 * CHUNK
    assert f"missing segment {missing}" in problem.message
    container.close()


def test_c03_two_gaps(tmp_path):
    """Chunks between two gaps have no known place: not used, and told."""
    container = opened(tmp_path, EwfWriter(MEDIA, chunks_per_segment=4), drop={2, 4})
    data, _ = read(container)
    assert data == without(range(4, 16))
    assert any("no known place" in problem.message for problem in container.problems)
    container.close()


def test_c03_segment_of_another_set(tmp_path):
    """A segment with another identifier is named and not used."""
    ours = EwfWriter(MEDIA, chunks_per_segment=10).write(tmp_path)
    (tmp_path / "b").mkdir()
    theirs = EwfWriter(MEDIA[::-1], chunks_per_segment=10, guid=bytes(range(2, 18))).write(tmp_path / "b")
    ours[1].write_bytes(theirs[1].read_bytes())
    container = ewf.open_container(tuple(ours), "image.E01")
    assert read(container)[0] == without(range(10, 20))
    assert {problem.reason for problem in container.problems} == {Reason.MISMATCH, Reason.TRUNCATED}
    assert any("image.E02 belongs to another set" in problem.message for problem in container.problems)
    container.close()


def test_c03_segments_out_of_order_and_doubled(tmp_path):
    """The number in the file counts, not the name; the second file with a number is named."""
    first, second = EwfWriter(MEDIA, chunks_per_segment=10).write(tmp_path)
    container = ewf.open_container((second, first), "image.E01")
    assert read(container)[0] == MEDIA
    assert container.problems == ()
    container.close()
    third = tmp_path / "image.E03"
    third.write_bytes(second.read_bytes())
    container = ewf.open_container((first, second, third), "image.E01")
    assert read(container)[0] == MEDIA
    assert [problem.reason for problem in container.problems] == [Reason.MISMATCH]
    container.close()


def test_c03_segment_that_is_none(tmp_path):
    """A file that does not begin like a segment is named; its chunks are missing."""
    first, second = EwfWriter(MEDIA, chunks_per_segment=10).write(tmp_path)
    second.write_bytes(b"nonsense" * 100)
    container = ewf.open_container((first, second), "image.E01")
    assert read(container)[0] == without(range(10, 20))
    assert any("does not begin like a segment" in problem.message for problem in container.problems)
    container.close()


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_c03_file_cut_short(tmp_path, keep):
    """An image copied in part: never a crash, the tables of what is there are used."""
    writer = EwfWriter(MEDIA, chunks_per_table=4, compress=lambda number: False)
    (path,) = writer.write(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    container = ewf.open_container((path,), "image.E01")
    data, _ = read(container)
    assert len(data) == len(MEDIA)
    assert sum(problem.bytes_not_examined for problem in container.problems) == data.count(bytes(CHUNK)) * CHUNK
    whole = [at for at in range(0, len(MEDIA), CHUNK) if data[at : at + CHUNK] == MEDIA[at : at + CHUNK]]
    assert len(whole) == 20 - data.count(bytes(CHUNK))
    assert Reason.TRUNCATED in {problem.reason for problem in container.problems}
    container.close()


@pytest.mark.parametrize(
    "facts",
    [
        volume_data(20, 0, 512, 40),
        volume_data(20, 2, 0, 40),
        volume_data(20, 1 << 31, 512, 40),
        volume_data(20, 8 << 20, 512, 40),
        volume_data(20, 2, 3, 40),
        volume_data(20, 2, 512, 1 << 60),
        volume_data(0, 2, 512, 0),
        volume_data(20, 2, 512, 40)[:50],
    ],
)
def test_c06_impossible_sizes_are_refused(tmp_path, facts):
    """Chunk of 0 or 4 GiB, exabytes of media, no media: refused before anything is allocated."""
    writer = EwfWriter(MEDIA, volume=lambda raw: facts, table=lambda kind, first, raw: table_data([]))
    tracemalloc.start()
    with pytest.raises(CorruptStructureError):
        opened(tmp_path, writer)
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("count", [0xFFFFFFFF, 1 << 24, 21])
def test_c06_table_that_counts_more_than_it_holds(tmp_path, count):
    """A count that does not fit its section is no reason to allocate; the second table is used."""
    writer = EwfWriter(
        MEDIA,
        table=lambda kind, first, raw: (
            struct.pack("<I", count) + raw[4:20] + adler(struct.pack("<I", count) + raw[4:20]) + raw[24:]
            if kind == "table"
            else raw
        ),
    )
    tracemalloc.start()
    container = opened(tmp_path, writer)
    data, _ = read(container)
    assert tracemalloc.get_traced_memory()[1] < 4 << 20
    tracemalloc.stop()
    assert data == MEDIA if count != 21 else data[: 19 * CHUNK] == MEDIA[: 19 * CHUNK]
    container.close()


def test_c06_header_that_states_more_sectors_than_chunks(tmp_path):
    """The chunks decide how large the media can be."""
    container = opened(tmp_path, EwfWriter(MEDIA, sector_count=1 << 40))
    assert container.media.size == len(MEDIA)
    assert read(container)[0] == MEDIA
    assert any("states" in problem.message for problem in container.problems)
    container.close()


def test_c06_chunks_stated_but_not_there(tmp_path):
    """Many chunks stated, few there: the size stands, the gap is one Problem, nothing is allocated for it."""
    container = opened(tmp_path, EwfWriter(MEDIA, sector_count=1 << 32, chunk_count=0x80000000))
    assert container.media.size == 1 << 41
    assert container.media.read_at(0, len(MEDIA)) == MEDIA
    assert container.media.read_at(1 << 40, 100) == bytes(100)
    assert sum(problem.bytes_not_examined for problem in container.problems) == (1 << 41) - len(MEDIA)
    container.close()


def test_c06_damaged_signature(tmp_path):
    """A set whose first bytes are gone is still recognised by name and first section."""
    (path,) = EwfWriter(MEDIA).write(tmp_path)
    raw = path.read_bytes()
    path.write_bytes(bytes(8) + raw[8:])
    assert ewf.detect(path.read_bytes()[:4096], (path,))
    container = ewf.open_container((path,), "image.E01")
    assert read(container)[0] == MEDIA
    assert "signature" in container.problems[0].message
    container.close()
    assert not ewf.detect(path.read_bytes()[:4096], (tmp_path / "image.dd",))


def test_c04_hash_conflict_and_missing_volume_checksum(tmp_path):
    """A volume section with a wrong checksum is used if it is plausible, and told."""
    container = opened(tmp_path, EwfWriter(MEDIA, volume=lambda raw: raw[:-4] + b"\x00\x00\x00\x01"))
    assert read(container)[0] == MEDIA
    assert any("volume section" in problem.message for problem in container.problems)
    container.close()


def test_fuzz_flipped_bytes_only_raise_evidence_errors(tmp_path):
    """Seeded damage anywhere in a small set: an EvidenceError or media of bounded size, never anything else."""
    chooser = random.Random(20241124)
    writer = EwfWriter(
        MEDIA[: 6 * CHUNK], chunks_per_segment=3, chunks_per_table=2, compress=lambda number: number % 2 == 0
    )
    paths = writer.write(tmp_path)
    sound = [path.read_bytes() for path in paths]
    for _ in range(400):
        for path, raw in zip(paths, sound, strict=True):
            damaged = bytearray(raw)
            for _ in range(chooser.choice((0, 1, 1, 3, 20))):
                damaged[chooser.randrange(len(damaged))] = chooser.choice(
                    (0, 1, 0x7F, 0x80, 0xFF, chooser.randrange(256))
                )
            if chooser.random() < 0.1:
                del damaged[chooser.randrange(len(damaged)) :]
            path.write_bytes(damaged or b"x")
        try:
            container = ewf.open_container(tuple(paths), "image.E01")
        except EvidenceError:
            continue
        size = container.media.size
        for offset in (0, 1000, size // 2, max(0, size - 700)):
            assert len(container.media.read_at(offset, 3000)) == max(0, min(3000, size - offset))
        container.read_problems()
        container.close()


def descriptors(path):
    """Where each section of a segment file begins, by type."""
    file = SegmentFile(path)
    segment = read_segment(file)
    file.close()
    assert segment is not None
    return [(section.kind, section.start - 76) for section in segment.sections]


@pytest.mark.parametrize("damage", ["all", "type", "next", "both"])
def test_c04_a_damaged_section_descriptor_costs_only_itself(tmp_path, damage):
    """Whichever descriptor is damaged, and how: the chain goes on behind it, all chunks are found, it is told."""
    paths = EwfWriter(MEDIA, chunks_per_segment=10, chunks_per_table=4).write(tmp_path)
    for path in paths:
        sound = path.read_bytes()
        for kind, at in descriptors(path):
            raw = bytearray(sound)
            if damage == "all":
                raw[at : at + 76] = b"\xa5" * 76
            if damage == "type":
                raw[at : at + 3] = b"xyz"
            if damage in ("next", "both"):
                raw[at + 16 : at + 24] = b"\x05" * 8
            if damage == "both":
                raw[at + 24 : at + 32] = b"\x05" * 8
            path.write_bytes(raw)
            container = ewf.open_container(tuple(paths), "image.E01")
            data, _ = read(container)
            assert data == MEDIA, (kind, at)
            assert Reason.CORRUPT in {problem.reason for problem in container.problems}
            assert not any(problem.bytes_not_examined for problem in container.problems)
            container.close()
        path.write_bytes(sound)


def test_c04_both_tables_of_a_run_gone(tmp_path):
    """The run of chunks is missing with its range; those before and behind keep their place."""
    (path,) = EwfWriter(MEDIA, chunks_per_table=4).write(tmp_path)
    raw = bytearray(path.read_bytes())
    tables = [at for kind, at in descriptors(path) if kind in ("table", "table2")]
    for at in tables[2:4]:
        raw[at : at + 76] = bytes(76)
    path.write_bytes(raw)
    container = ewf.open_container((path,), "image.E01")
    assert read(container)[0] == without(range(4, 8))
    (missing,) = [problem for problem in container.problems if problem.bytes_not_examined]
    assert missing.address == f"image.E01 p0:$gap@{4 * CHUNK}+{4 * CHUNK}"
    container.close()


def test_c04_nothing_behind_a_damaged_descriptor(tmp_path):
    """A file that is nonsense from some place on ends there, in one pass over it."""
    (path,) = EwfWriter(MEDIA, chunks_per_table=4).write(tmp_path)
    raw = path.read_bytes()
    at = [at for kind, at in descriptors(path) if kind == "sectors"][2]
    path.write_bytes(raw[:at] + random.Random(1).randbytes(3 << 20))
    container = ewf.open_container((path,), "image.E01")
    assert read(container)[0] == without(range(8, 20))
    container.close()
