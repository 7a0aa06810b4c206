"""Media that fail here and there: what can be read is read, what cannot is known to the sector."""

import random

import pytest

from triage.errors import ReadFailedError
from triage.evidence.containers import rescued
from triage.evidence.containers.bad_ranges import BadMap
from triage.evidence.containers.rescued import RescuedMedia, rescued_head
from triage.model.problem import Reason


class Dying:
    """Bytes of which some cannot be read; counts what was asked for."""

    def __init__(self, data, bad, *, words="input/output error"):
        self.data = data
        self.lost = bad
        self.words = words
        self.asked = []

    @property
    def size(self):
        return len(self.data)

    def read_at(self, offset, length):
        self.asked.append((offset, length))
        if any(begin < offset + length and offset < end for begin, end in self.lost):
            raise ReadFailedError(f"cannot read {length} bytes at {offset}") from OSError(5, self.words)
        return self.data[offset : offset + length]

    def close(self):
        self.data = b""


def media(bad, size=1 << 20, **options):
    data = random.Random(7).randbytes(size)
    inner = Dying(data, bad, **options)
    return data, inner, RescuedMedia(inner, "e.dd")


def filled(data, bad, sector=512):
    """The data with zeros for every sector that a bad place touches."""
    out = bytearray(data)
    for begin, end in bad:
        first, last = begin // sector * sector, min(-(-end // sector) * sector, len(data))
        out[first:last] = bytes(last - first)
    return bytes(out)


BAD = [(5000, 5001), (70_000, 70_600), (70_700, 70_701), (1_048_000, 1_048_576)]


@pytest.mark.parametrize("step", [1 << 20, 65_536, 4096, 777])
def test_only_bad_sectors_are_lost(step):
    data, _, stream = media(BAD)
    read = b"".join(stream.read_at(at, step) for at in range(0, stream.size, step))
    exact = filled(data, BAD)
    if step % 512 == 0:
        assert read == exact
    assert len(read) == len(data)
    bad = {at for part in stream.bad_ranges() for at in range(part.offset, part.end)}
    assert {at for begin, end in BAD for at in range(begin, end)} <= bad
    assert all(read[at] == data[at] for at in range(len(data)) if at not in bad)
    assert not any(read[at] for at in bad)
    problems = stream.take_problems()
    assert {problem.reason for problem in problems} == {Reason.UNREADABLE}
    assert sum(problem.bytes_not_examined for problem in problems) == len(bad)
    assert stream.take_problems() == ()


def test_a_bad_sector_is_asked_for_once():
    """A dying disk takes seconds for each try, and tries hurt it."""
    _, inner, stream = media(BAD)
    stream.read_at(0, stream.size)
    inner.asked.clear()
    stream.read_at(0, stream.size)
    stream.read_at(4096, 4096)
    hurt = [ask for ask in inner.asked if any(b < ask[0] + ask[1] and ask[0] < e for b, e in BAD)]
    assert hurt == []
    assert inner.asked


def test_media_that_fail_everywhere_are_not_asked_for_ever(monkeypatch):
    monkeypatch.setattr(rescued, "FINE", 32)
    _, inner, stream = media([(0, 1 << 30)], size=16 << 20)
    assert stream.read_at(0, stream.size) == bytes(stream.size)
    assert len(inner.asked) < 32 + 2 * (16 << 20) // rescued.COARSE + 64
    (only,) = stream.bad_ranges()
    assert (only.offset, only.length) == (0, stream.size)
    assert only.cause == "read error (input/output error)"
    assert len(stream.take_problems()) == 1


def test_sectors_of_other_sizes():
    data, inner, _ = media([(5000, 5001)])
    stream = RescuedMedia(inner, "e", sector_size=4096)
    assert stream.read_at(0, 65536) == filled(data, [(5000, 5001)], 4096)[:65536]


@pytest.mark.parametrize(("offset", "length"), [(-1, 10), (0, 0), (0, -5), (1 << 20, 10), (1 << 60, 1 << 60)])
def test_what_is_not_there_is_not_asked_for(offset, length):
    _, _, stream = media([(0, 1 << 30)])
    assert stream.read_at(offset, length) in (b"",)


def test_touched_says_what_a_read_met():
    _, _, stream = media(BAD)
    stream.read_at(0, stream.size)
    stream.take_touched()
    stream.read_at(0, 4096)
    assert stream.take_touched() == ()
    stream.read_at(5000, 10)
    (met,) = stream.take_touched()
    assert (met.offset, met.length) == (5000, 10)
    assert stream.take_touched() == ()


def test_what_the_container_knows_counts_too():
    """Of its owner, or of the stream itself."""
    _, inner, _ = media([])
    inner.bad = BadMap()
    inner.bad.add(100, 200, "lost before")
    stream = RescuedMedia(inner, "e", owner=object())
    stream.read_at(0, 512)
    (met,) = stream.take_touched()
    assert (met.offset, met.length, met.cause) == (100, 100, "lost before")
    assert stream.take_problems() == ()


def test_media_that_end_early_are_told():
    class Short(Dying):
        def read_at(self, offset, length):
            if offset + length > 3000 and offset < 3000:
                raise ReadFailedError("the file became shorter while it was read: e.dd ends at 3000")
            return self.data[offset : min(offset + length, 3000)]

    stream = RescuedMedia(Short(b"x" * 8192, []), "e")
    data = stream.read_at(0, 8192)
    assert data[:2560] == b"x" * 2560
    assert len(data) == 8192
    assert sum(part.length for part in stream.bad_ranges()) == 8192 - data.count(b"x")


def test_the_beginning_of_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert rescued_head(path, 4096) == b"abc"


def test_closing_closes():
    _, inner, stream = media([])
    stream.close()
    assert inner.data == b""
