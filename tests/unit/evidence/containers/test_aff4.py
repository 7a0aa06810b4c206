"""AFF4: disks and logical images."""

from __future__ import annotations

import hashlib
import random
import zlib

import pytest

from tests.support.logical import (
    IMAGE,
    MAP,
    SCHEMA,
    STREAM,
    VOLUME,
    aff4_image_turtle,
    aff4_map,
    aff4_segments,
    aff4_stream_turtle,
    contents,
    escape_urn,
    walk,
    write_aff4,
)
from triage.errors import CorruptStructureError, EncryptedVolumeError, EvidenceError, UnsupportedFormatError
from triage.evidence.containers import aff4, turtle
from triage.evidence.containers.aff4_streams import MapStream, Tiled
from triage.model.problem import Reason

cramjam = pytest.importorskip("cramjam", reason="cramjam is not installed")

CHUNK, PER_BEVY = 4096, 8
DATA = b"".join(random.Random(1).randbytes(700) + b"text " * 300 for _ in range(60))
OTHER = "aff4://55555555-0000-0000-0000-000000000000"
SECOND = "aff4://66666666-0000-0000-0000-000000000000"


def deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


METHODS = {
    "http://aff4.org/Schema#NullCompressor": bytes,
    "https://www.ietf.org/rfc/rfc1950.txt": zlib.compress,
    "https://tools.ietf.org/html/rfc1951": deflate,
    "http://code.google.com/p/snappy/": lambda data: bytes(cramjam.snappy.compress_raw(data)),
    "https://code.google.com/p/lz4/": lambda data: bytes(cramjam.lz4.compress_block(data, store_size=False)),
}
SNAPPY = "http://code.google.com/p/snappy/"


def opened(path):
    assert aff4.detect(path.read_bytes()[:4096], (path,))
    return aff4.open_container((path,), "ev")


def disk(tmp_path, method=SNAPPY, *, entries=None, targets=None, size=200_000, more="", change=None, name="d.aff4"):
    """An image: data, a gap, data again, unreadable sectors."""
    entries = entries or [(0, 50_000, 0, 0), (100_000, 50_000, 50_000, 0), (150_000, 10_000, 0, 1), (160_000, 9, 7, 2)]
    targets = targets or [STREAM, SCHEMA + "UnreadableData", SCHEMA + "SymbolicStreamFF"]
    segments = aff4_segments(STREAM, DATA, METHODS.get(method, bytes), CHUNK, PER_BEVY) | aff4_map(
        MAP, entries, targets
    )
    if change:
        change(segments)
    text = aff4_stream_turtle(STREAM, len(DATA), method, CHUNK, PER_BEVY) + aff4_image_turtle(size, more=more)
    return write_aff4(tmp_path / name, text, segments)


def expected():
    want = bytearray(200_000)
    want[:50_000] = DATA[:50_000]
    want[100_000:150_000] = DATA[50_000:100_000]
    want[150_000:160_000] = (b"UNREADABLEDATA" * 1000)[:10_000]
    want[160_000:160_009] = b"\xff" * 9
    return bytes(want)


@pytest.mark.parametrize("method", METHODS)
def test_disk_in_every_compression(tmp_path, method):
    container = opened(disk(tmp_path, method))
    media, want = container.media, expected()
    assert media.size == 200_000 and media.read_at(0, 1 << 20) == want
    rng = random.Random(2)
    for _ in range(100):
        offset, length = rng.randrange(210_000), rng.randrange(60_000)
        assert media.read_at(offset, length) == want[offset : offset + length]
    assert media.read_at(-1, 5) == b""
    assert [(p.reason, p.bytes_not_examined) for p in container.problems] == [(Reason.UNREADABLE, 10_000)]
    assert container.read_problems() == () and container.sector_size == 512
    ranges = list(media.data_ranges(0, 1 << 20))
    assert sum(length for _, length in ranges) == 100_000
    container.close()
    container.close()


def test_unknown_compression_is_named(tmp_path):
    with pytest.raises(UnsupportedFormatError, match="xpress"):
        opened(disk(tmp_path, "http://example.org/xpress"))


def test_stored_hashes_are_those_of_the_image(tmp_path):
    digest = hashlib.sha1(expected()).hexdigest()
    container = opened(disk(tmp_path, more=f'; aff4:hash "{digest}"^^aff4:SHA1 , "00"^^aff4:MD5 '))
    assert container.stored_hashes == {"sha1": digest}


def test_damaged_chunk_is_zeros_and_a_problem(tmp_path):
    """C04."""

    def change(segments):
        name = f"{escape_urn(STREAM)}/00000000"
        segments[name] = segments[name][:5000] + b"\xff" * 3000 + segments[name][8000:]
        segments[f"{escape_urn(STREAM)}/00000001.index"] = b"\xff" * 96

    container = opened(disk(tmp_path, change=change))
    got, want = container.media.read_at(0, 100_000), expected()[:100_000]
    bad = [at for at in range(0, 50_000, CHUNK) if got[at : at + CHUNK] != want[at : at + CHUNK]]
    assert bad and 0 not in bad and 8 * CHUNK in bad
    told = container.read_problems()
    assert len(told) >= len(bad) - 1 and all(p.reason is Reason.CORRUPT and p.bytes_not_examined for p in told)
    container.media.read_at(0, 100_000)
    assert container.read_problems() == ()


def test_stream_without_image_is_taken(tmp_path):
    text = aff4_stream_turtle(STREAM, len(DATA), SNAPPY, CHUNK, PER_BEVY)
    path = write_aff4(tmp_path / "s.aff4", text, aff4_segments(STREAM, DATA, METHODS[SNAPPY], CHUNK, PER_BEVY))
    assert opened(path).media.read_at(0, 1 << 20) == DATA


def test_stream_in_another_file_of_the_set(tmp_path):
    """Striped images: found beside by the name that the metadata state, else told."""
    text = aff4_image_turtle(len(DATA)) + aff4_stream_turtle(STREAM, len(DATA), SNAPPY, CHUNK, PER_BEVY, stored=SECOND)
    path = write_aff4(tmp_path / "d_1.aff4", text, aff4_map(MAP, [(0, len(DATA), 0, 0)], [STREAM]))
    (tmp_path / "junk.aff4").write_bytes(b"no zip")
    write_aff4(
        tmp_path / "d_2.aff4",
        aff4_stream_turtle(STREAM, len(DATA), SNAPPY, CHUNK, PER_BEVY, stored=SECOND),
        aff4_segments(STREAM, DATA, METHODS[SNAPPY], CHUNK, PER_BEVY),
        volume=SECOND,
    )
    container = opened(path)
    assert container.media.read_at(0, 1 << 20) == DATA and len(container.paths) == 2
    container.close()
    (tmp_path / "d_2.aff4").unlink()
    container = opened(path)
    assert container.problems[0].reason is Reason.TRUNCATED and SECOND in container.problems[0].message
    assert container.media.read_at(0, 100) == bytes(100)
    assert container.read_problems()[0].bytes_not_examined == 100


def test_map_that_stands_on_itself_or_overlaps(tmp_path):
    with pytest.raises(CorruptStructureError, match="overlap"):
        opened(disk(tmp_path, entries=[(0, 100, 0, 0), (50, 100, 0, 0)]))
    with pytest.raises(CorruptStructureError):
        opened(disk(tmp_path, entries=[(0, 100, 0, 77)]))
    container = opened(disk(tmp_path, targets=[MAP, MAP, MAP]))
    assert container.media.read_at(0, 10) == bytes(10) and container.problems
    text = aff4_image_turtle(1000) + f"<{OTHER}> a aff4:Map ; aff4:size 1000 .\n"
    segments = aff4_map(MAP, [(0, 1000, 0, 0)], [OTHER]) | aff4_map(OTHER, [(0, 1000, 0, 0)], [MAP])
    with pytest.raises(CorruptStructureError, match="without end"):
        opened(write_aff4(tmp_path / "loop.aff4", text, segments))


@pytest.mark.parametrize("size", ["99999999999999999999999", "-5", str(1 << 62)])
def test_impossible_sizes(tmp_path, size):
    """C06."""
    text = f'<{STREAM}> a aff4:ImageStream ; aff4:chunkSize "{size}" ; aff4:size "{size}"^^<x> .\n'
    path = write_aff4(tmp_path / "s.aff4", text, aff4_segments(STREAM, DATA, bytes, CHUNK, PER_BEVY))
    try:
        container = opened(path)
    except EvidenceError:
        return
    container.media.read_at(0, 100)


def test_encrypted_legacy_and_empty_volumes_are_named(tmp_path):
    text = f"<{STREAM}> a aff4:ImageStream , aff4:EncryptedStream ; aff4:size 5 .\n"
    with pytest.raises(EncryptedVolumeError):
        opened(write_aff4(tmp_path / "e.aff4", text, {}))
    with pytest.raises(UnsupportedFormatError, match="no image"):
        opened(write_aff4(tmp_path / "n.aff4", "", {}))
    legacy = f"<{STREAM}> <http://afflib.org/2009/aff4#size> 5 .\n"
    with pytest.raises(UnsupportedFormatError, match="before the standard"):
        opened(write_aff4(tmp_path / "l.aff4", legacy, {}))


# --- AFF4-L ----------------------------------------------------------------------------------------------------------
def test_logical_image(tmp_path):
    body, urn = b"dream " * 400, VOLUME + "//home/ann/dream.txt"
    text = (
        f'<{urn}> a aff4:FileImage, aff4:Image, aff4:zip_segment ;\n aff4:originalFileName "./home/ann/dream.txt" ;\n'
        f'  aff4:size {len(body)} ; aff4:hash "{hashlib.md5(body).hexdigest()}"^^aff4:MD5 ;\n'
        '  aff4:birthTime "2018-09-17T13:42:20+10:00"^^xsd:dateTime ; aff4:lastWritten "2018-09-17T13:42:20.5Z" ;\n'
        f"  aff4:lastAccessed \"nonsense\" ; aff4:stored <{VOLUME}> .\n"
        f"<{STREAM}> a aff4:FileImage, aff4:ImageStream ; aff4:originalFileName \"C:\\\\Users\\\\x.bin\" ;\n"
        f'  aff4:chunkSize {CHUNK} ; aff4:chunksInSegment {PER_BEVY} ; aff4:size {len(DATA)} ;\n'
        f'  aff4:hash "{"0" * 39}1"^^aff4:SHA1 ; aff4:compressionMethod <{SNAPPY}> .\n'
        f'<{OTHER}> a aff4:Folder ; aff4:originalFileName "./home/empty" .\n'
    )  # fmt: skip
    segments = aff4_segments(STREAM, DATA, METHODS[SNAPPY], CHUNK, PER_BEVY) | {"/home/ann/dream.txt": body}
    container = opened(write_aff4(tmp_path / "l.aff4", text, segments))
    entries, problems = walk(container)
    assert container.logical == "aff4-l" and not problems
    assert entries[b"/home/ann/dream.txt"].times.as_dict() == {
        "mtime": "2018-09-17T13:42:20.500000Z",
        "crtime": "2018-09-17T03:42:20Z",
    }
    assert contents(container) == {b"/home/ann/dream.txt": body, b"/C:/Users/x.bin": DATA}
    assert b"/home/empty" in entries
    (told,) = container.read_problems()  # the SHA-1 stated of the second is wrong
    assert told.reason is Reason.CORRUPT and "x.bin" in told.address


def test_mutations_raise_only_our_errors(tmp_path):
    sample = disk(tmp_path).read_bytes()
    path = tmp_path / "m.aff4"
    for seed in range(200):
        rng = random.Random(seed)
        data = bytearray(sample)
        for _ in range(rng.choice([1, 4, 30])):
            at = rng.randrange(len(data)) if rng.random() < 0.5 else len(data) - 1 - rng.randrange(2500)
            data[at : at + 4] = rng.choice([rng.randbytes(4), b"\xff" * 4, bytes(4)])
        path.write_bytes(data)
        try:
            container = aff4.open_container((path,), "ev")
        except EvidenceError:
            continue
        if hasattr(container, "logical"):
            walk(container)
        for _ in range(5):
            container.media.read_at(rng.randrange(container.media.size + 1), 50_000)
        container.read_problems()
        container.close()


# --- parts -----------------------------------------------------------------------------------------------------------
def test_turtle():
    graph = turtle.parse(
        "@prefix a: <http://x#> . PREFIX b: <http://y#>\n# comment . ; ,\n"
        '<s> a a:T , b:U ; a:p "v\\"1\\n\\u0041" , \'w\', """long "q" text""" ; a:n 5 , -2.5e3 , true ;\n'
        '  a:typed "6"^^<http://t> , "7"^^a:t , "x"@en ; a:iri <y/z> .\n'
        '[ a:blank a:node ] . a:sub a:p ( a:one a:two ) .\n<broken <iri> a:p "unclosed\n<last> a:p a:q.'
    )
    assert graph["s"][turtle.TYPE] == [("http://x#T", "iri"), ("http://y#U", "iri")]
    assert [value for value, _ in graph["s"]["http://x#p"]] == ['v"1\nA', "w", 'long "q" text']
    assert [value for value, _ in graph["s"]["http://x#n"]] == ["5", "-2.5e3", "true"]
    assert graph["s"]["http://x#typed"][:2] == [("6", "http://t"), ("7", "http://x#t")]
    assert turtle.first(graph, "s", "http://x#iri") == "y/z" and turtle.first(graph, "s", "nothing") == ""


@pytest.mark.parametrize("text", ['"' * 50_000, "<" * 50_000, "[" * 50_000, "a" * 50_000, "\\" * 50_000, ";,." * 20_000,
                                  '"""' + '"\\' * 20_000, "@prefix " * 9000, "a:b " * 20_000, "^^" * 9000])  # fmt: skip
def test_hostile_turtle_ends(text):
    turtle.parse(text)


def test_map_stream_reads_gaps_between_entries():
    made = MapStream(b"", [], Tiled(b"\0"), 100, lambda offset, length, words: None)
    assert made.read_at(0, 500) == bytes(100) and list(made.data_ranges(0, 100)) == []


def test_what_is_no_aff4(tmp_path):
    path = tmp_path / "a.zip"
    assert not aff4.detect(b"PK\3\4" + bytes(22) + b"\5\0\0\0hello", (path,))
    assert not aff4.detect(b"", (tmp_path / "a.aff4",))
    path.write_bytes(b"PK\3\4" + bytes(500))
    with pytest.raises(EvidenceError):
        aff4.open_container((path,), "ev")
    assert IMAGE
