"""Our E01 reader on sound images, against what was written and against libewf."""

import hashlib
import importlib
import random

import pytest

from tests.support.ewf_writer import EwfWriter, adler, descriptor, table_data
from triage.evidence.containers import CONTAINERS, ewf, ewf_headers
from triage.evidence.containers.ewf_sections import parse_media
from triage.evidence.containers.ewf_tables import _wide_from

MEDIA = random.Random(1).randbytes(40 * 512) + bytes(30 * 512) + b"text " * 1000 + bytes(120)


def opened(tmp_path, writer):
    return ewf.open_container(tuple(writer.write(tmp_path)), "image.E01")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compress": lambda number: False},
        {"compress": lambda number: number % 3 == 0},
        {"base": None},
        {"chunks_per_table": 5},
        {"chunks_per_segment": 7, "chunks_per_table": 3},
        {"second_table": False},
        {"sector_size": 4096, "sectors_per_chunk": 1},
        {"sectors_per_chunk": 64},
        {"guid": bytes(16)},
    ],
)
def test_media_are_what_was_written(tmp_path, options):
    """Every layout gives the same bytes, read whole and in pieces of any size."""
    size = len(MEDIA) - len(MEDIA) % options.get("sector_size", 512)
    media = MEDIA[:size]
    container = opened(tmp_path, EwfWriter(media, **options))
    assert container.problems == ()
    assert container.media.size == size
    assert container.media.read_at(0, size) == media
    chooser = random.Random(2)
    for _ in range(300):
        offset, length = chooser.randrange(size), chooser.choice((1, 100, 512, 5_000, size))
        assert container.media.read_at(offset, length) == media[offset : offset + length]
    assert container.media.read_at(size, 1) == container.media.read_at(-1, 1) == container.media.read_at(0, 0) == b""
    assert container.read_problems() == ()
    assert container.stored_hashes == {"md5": hashlib.md5(media).hexdigest()}
    container.close()


@pytest.mark.parametrize("options", [{}, {"chunks_per_segment": 7}, {"compress": lambda number: number % 2 == 0}])
def test_libewf_reads_the_same(tmp_path, options):
    """The oracle agrees on bytes, size and digest."""
    pyewf = pytest.importorskip("pyewf", reason="libewf is not installed")
    media = MEDIA[: len(MEDIA) // 512 * 512]
    paths = EwfWriter(media, sectors_per_chunk=64 if not options else 2, **options).write(tmp_path)
    handle = pyewf.handle()
    handle.open([str(path) for path in paths])
    container = ewf.open_container(tuple(paths), "image.E01")
    assert handle.get_media_size() == container.media.size
    assert handle.read_buffer(len(media)) == container.media.read_at(0, len(media)) == media
    assert handle.get_hash_value("MD5") == container.stored_hashes["md5"]
    handle.close()
    container.close()


def test_source_that_does_not_end_on_a_sector(tmp_path):
    """The media end on a sector, the checksum of the last stored chunk covers the rest as well."""
    media = MEDIA[:4096] + b"\n"
    container = opened(tmp_path, EwfWriter(media, compress=lambda number: False, sectors_per_chunk=64, sector_count=8))
    assert container.media.size == 4096
    assert container.media.read_at(0, 5000) == MEDIA[:4096]
    assert container.read_problems() == ()
    container.close()


def test_details_of_the_acquisition(tmp_path):
    """Values are decoded, dates become ISO 8601, nothing in them reaches a terminal."""
    header = {
        "c": "7/2024 Ж",
        "e": "\x1b[31mAnn\u202e",
        "m": "1700000000",
        "u": "2007 4 23 13 12 1",
        "ov": "C:\\Win",
        "r": "f",
    }
    container = opened(tmp_path, EwfWriter(MEDIA, header=header))
    details = container.details
    assert details["case_number"] == "7/2024 Ж"
    assert details["examiner"] == "\\x1b[31mAnn\\xe2\\x80\\xae"
    assert details["acquired"] == "2023-11-14T22:13:20Z"
    assert details["system_date"] == "2007-04-23T13:12:01"
    assert details["acquisition_system"] == "C:\\Win"
    assert details["compression"] == "fast"
    assert details["segments"] == "1"
    assert details["set_identifier"] == "04030201-0605-0807-090a-0b0c0d0e0f10"
    container.close()


@pytest.mark.parametrize("value", ["", "x", "99999999999999", "2007 13 45 99 0 0", "0 0 0 0 0 0", "\uffff", "1 2"])
def test_impossible_dates_stay_as_they_are(value):
    """A date that is none is kept as text."""
    assert ewf_headers._date(value) == value


def test_header_bomb_is_cut(tmp_path):
    """A header that inflates without end is read up to a limit."""
    import zlib

    bomb = zlib.compress(b"1\nmain\nc\n" + b"x" * (64 << 20))
    assert len(ewf_headers.inflate(bomb, ewf_headers.MAX_TEXT)) == ewf_headers.MAX_TEXT
    assert len(ewf_headers.parse_header(bomb).get("case_number", "")) <= 4096
    assert ewf_headers.parse_header(b"not zlib at all") == {}


def test_digest_section_holds_both(tmp_path):
    """MD5 and SHA-1 of the ``digest`` section, and what a wrong checksum costs."""
    sha1 = hashlib.sha1(MEDIA).digest()
    raw = hashlib.md5(MEDIA).digest() + sha1 + bytes(40)
    (segment,) = EwfWriter(MEDIA, store_md5=b"").segments()
    for checksum, expected in ((adler(raw), sha1.hex()), (b"\x00\x01\x02\x03", None)):
        body = segment[:-76]
        body += descriptor(b"digest", len(body), 76 + 80) + raw + checksum
        body += descriptor(b"done", len(body), 76, following=len(body))
        path = tmp_path / "d.E01"
        path.write_bytes(body)
        container = ewf.open_container((path,), "d.E01")
        assert container.stored_hashes.get("sha1") == expected
        assert bool(container.problems) is (expected is None)
        container.close()


def test_sectors_that_the_acquiring_program_could_not_read(tmp_path):
    """The ``error2`` section becomes Problems with their range."""
    import struct

    (segment,) = EwfWriter(MEDIA).segments()
    body = segment[:-76]
    head = struct.pack("<I", 2) + bytes(512)
    entries = struct.pack("<IIII", 3, 2, 5_000_000, 7)
    data = head + adler(head) + entries + adler(entries)
    body += descriptor(b"error2", len(body), 76 + len(data)) + data
    body += descriptor(b"done", len(body), 76, following=len(body))
    path = tmp_path / "e.E01"
    path.write_bytes(body)
    container = ewf.open_container((path,), "e.E01")
    (problem,) = container.problems
    assert (problem.reason.value, problem.bytes_not_examined) == ("unreadable", 1024)
    assert problem.address == "e.E01 p0:$gap@1536+1024"
    container.close()


def test_old_segment_files_over_two_gib():
    """Once offsets pass 2 GiB without a base, the highest bit belongs to the offset."""
    values = table_data([0x80000010, 0x7FFF0000, 0x80000100, 0x80008100])
    from array import array

    entries = array("I")
    entries.frombytes(values[24:-4])
    assert _wide_from(entries) == 2
    assert _wide_from(array("I", [0x80000010, 0x80000100, 0x80000050])) == 3


def test_short_volume_section_of_smart():
    """The 94 bytes that SMART writes have the sector count in four bytes."""
    import struct

    raw = struct.pack("<IIIII", 1, 4, 64, 512, 256).ljust(90, b"\x00")
    facts = parse_media(raw + adler(raw))
    assert facts is not None
    assert (facts.smart, facts.chunk_size, facts.sector_count, facts.checksum_holds) == (True, 32768, 256, True)
    assert parse_media(raw[:50]) is None


def test_smart_keeps_the_chunks_in_the_table_section(tmp_path):
    """S01: no ``sectors`` section, chunks follow the entries."""
    import struct
    import zlib

    media = MEDIA[:6144]
    chunks = [media[at : at + 1024] for at in range(0, len(media), 1024)]
    raw = struct.pack("<IIIII", 1, len(chunks), 2, 512, 12).ljust(90, b"\x00")
    out = bytearray(b"EVF\x09\x0d\x0a\xff\x00\x01\x01\x00\x00\x00")
    out += descriptor(b"volume", len(out), 76 + 94) + raw + adler(raw)
    stored = [zlib.compress(chunk) for chunk in chunks]
    position = len(out) + 76 + 24 + 4 * len(chunks)
    entries = []
    for chunk in stored:
        entries.append(position | 0x80000000)
        position += len(chunk)
    head = struct.pack("<I16x", len(entries))
    data = head + adler(head) + struct.pack(f"<{len(entries)}I", *entries) + b"".join(stored)
    out += descriptor(b"table", len(out), 76 + len(data)) + data
    out += descriptor(b"done", len(out), 76, following=len(out))
    path = tmp_path / "a.s01"
    path.write_bytes(out)
    container = ewf.open_container((path,), "a.s01")
    assert container.media.read_at(0, 9000) == media
    assert container.read_problems() == container.problems == ()
    container.close()


def test_registry_names_every_unit():
    """Order is meaning: what has a signature first, raw last; each module has both functions."""
    names = [unit.name for unit in CONTAINERS]
    assert names[0] == "ewf"
    assert names[-2:] == ["split", "raw"]
    assert len(set(names)) == len(names)
    for unit in CONTAINERS:
        assert unit.summary
        assert unit.unavailable() in ("", f"needs {unit.needs}")
        module = importlib.import_module(f"triage.evidence.containers.{unit.module}")
        assert module.detect.__doc__
        assert module.open_container.__doc__
