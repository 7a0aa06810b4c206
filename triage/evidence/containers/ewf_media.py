"""The decoded media of an E01: chunks found by tables, inflated, checked and cached.

Every chunk carries an Adler-32: behind its bytes where it is stored as it is, inside the zlib stream where it is
compressed. A chunk that fails is looked up in the second table; if that does not help it reads as zeros and becomes a
Problem. Reading never trusts a table further than the file reaches, nor a chunk further than its size.

Source: Expert Witness Compression Format specification (Joachim Metz), sections "Sectors", "Table", "Table2".
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from triage.errors import ReadFailedError
from triage.evidence.containers.bad_ranges import BadMap
from triage.evidence.containers.ewf_sections import Table
from triage.evidence.containers.ewf_tables import STAGE, ChunkIndex, Place
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.model.address import Address
from triage.model.problem import Problem, Reason

CACHE_BYTES = 8 << 20
"""Decoded chunks kept, 256 of the usual 32 KiB."""
MAX_RUN = 1 << 20
"""Stored bytes read at once."""
MAX_LISTED = 4096
"""Damaged chunks that become Problems one by one."""
READ_ERROR = "the file of the segment cannot be read there"
_HINT = "compare with another copy of the image; the chunk reads as zeros"


class EwfMedia:
    """The media of an E01 as a stream.

    Args:
        tables: Placed tables, ascending by ``first``, not overlapping.
        size: Bytes of the media; chunks that no table has read as zeros.
        chunk_size: Bytes in a chunk.
        evidence_name: For the addresses of Problems.
        bad: Takes the chunks that do not hold, beside what it has; a new map where None.

    Attributes:
        bad: Bytes that read as zeros because nothing could be read, or that were lost before.
    """

    def __init__(
        self, tables: list[Table], size: int, chunk_size: int, evidence_name: str, bad: BadMap | None = None
    ) -> None:
        self.bad = BadMap() if bad is None else bad
        self._index = ChunkIndex(tables, size, chunk_size, evidence_name)
        self._size = size
        self._chunk_size = chunk_size
        self._name = evidence_name
        self._cache: dict[int, bytes] = {}
        self._cached_chunks = max(2, CACHE_BYTES // chunk_size)
        self._bad_chunks: set[int] = set()
        self._problems: list[Problem] = []

    @property
    def size(self) -> int:
        """Bytes of the media."""
        return self._size

    @property
    def chunk_size(self) -> int:
        """Bytes in a chunk."""
        return self._chunk_size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`. Damaged and missing chunks read as zeros."""
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        chunk_size = self._chunk_size
        end = min(offset + length, self._size)
        first, last = offset // chunk_size, (end - 1) // chunk_size
        inside = offset - first * chunk_size
        if first == last:
            chunk = self._cache.get(first)
            if chunk is None:
                chunk = self._read_chunks(first, first)[0]
            return chunk[inside : inside + end - offset]
        chunks = self._read_chunks(first, last)
        if inside:
            chunks[0] = chunks[0][inside:]
        chunks[-1] = chunks[-1][: end - last * chunk_size]
        return b"".join(chunks)

    def take_problems(self) -> tuple[Problem, ...]:
        """Problems seen since the last call, each damaged chunk once."""
        problems = (*self._index.problems, *self._problems)
        self._index.problems.clear()
        self._problems.clear()
        return problems

    def close(self) -> None:
        """Drop the caches."""
        self._cache.clear()
        self._index.clear()

    def _expected(self, chunk: int) -> int:
        return min(self._chunk_size, self._size - chunk * self._chunk_size)

    def _read_chunks(self, first: int, last: int) -> list[bytes]:
        """The chunks of a range, each whole; runs that lie together are read at once."""
        cache = self._cache
        out: list[bytes] = []
        chunk = first
        while chunk <= last:
            found = cache.pop(chunk, None)
            if found is not None:
                cache[chunk] = found
                out.append(found)
                chunk += 1
                continue
            out.extend(self._read_run(chunk, last))
            chunk = first + len(out)
        if last - first < self._cached_chunks // 2:
            for index, data in enumerate(out):
                cache[first + index] = data
        else:
            cache[first], cache[last] = out[0], out[-1]
        while len(cache) > self._cached_chunks:
            del cache[next(iter(cache))]
        return out

    def _read_run(self, chunk: int, last: int) -> list[bytes]:
        """Consecutive chunks from ``chunk`` on that lie one behind the other, at least one."""
        index, entry = self._index.find(chunk)
        place = self._index.locate(index, entry) if index >= 0 else None
        if place is None:
            return [self._second_try(chunk, index, entry, "no table entry that points into the file")]
        places = [place]
        table = self._index.tables[index]
        limit = min(last - chunk + 1, table.count - entry)
        stop = place.start + MAX_RUN
        while len(places) < limit and places[-1].end < stop and chunk + len(places) not in self._cache:
            following = self._index.locate(index, entry + len(places))
            if following is None or following.start != places[-1].end:
                break
            places.append(following)
        out = []
        for number, piece in enumerate(_stored(table.segment.file, places)):
            data = self._decode(piece, places[number].compressed, self._expected(chunk + number)) if piece else None
            if data is None:
                why = "wrong checksum or damaged compression" if piece else READ_ERROR
                data = self._second_try(chunk + number, index, entry + number, why)
            out.append(data)
        return out

    def _decode(self, stored: memoryview, compressed: bool, expected: int) -> bytes | None:
        """A chunk's bytes, None where they do not hold."""
        if compressed:
            machine = zlib.decompressobj()
            try:
                data = machine.decompress(stored, self._chunk_size)
                if not machine.eof:
                    data += machine.decompress(machine.unconsumed_tail, 1)
            except zlib.error:
                return None
            if not machine.eof or len(data) < expected or len(data) > self._chunk_size:
                return None
            return data if len(data) == expected else data[:expected]
        # A source that does not end on a sector leaves a few bytes more than the media have.
        for length in {len(stored) - 4, expected, self._chunk_size}:
            if expected <= length <= min(self._chunk_size, len(stored) - 4):
                checksum = int.from_bytes(stored[length : length + 4], "little")
                if zlib.adler32(stored[:length]) == checksum:
                    return bytes(stored[:expected])
        return None

    def _second_try(self, chunk: int, index: int, entry: int, why: str) -> bytes:
        """A chunk by the second table; zeros and a Problem where that does not help."""
        if index < 0:
            return bytes(self._expected(chunk))
        place = self._index.locate(index, entry, backup=True)
        if place is not None and place != self._index.locate(index, entry):
            file = self._index.tables[index].segment.file
            stored = _stored(file, [place])[0]
            data = self._decode(stored, place.compressed, self._expected(chunk)) if stored else None
            if data is not None:
                self._tell(chunk, index, "the table entry is wrong, the second table is used", rescued=True)
                return data
        self._tell(chunk, index, why)
        return bytes(self._expected(chunk))

    def _tell(self, chunk: int, index: int, why: str, *, rescued: bool = False) -> None:
        """Say once that a chunk is damaged; beyond a limit say only that there are more."""
        offset, length = chunk * self._chunk_size, self._expected(chunk)
        if not rescued:
            self.bad.add(offset, offset + length, why)
        if chunk in self._bad_chunks or len(self._bad_chunks) > MAX_LISTED:
            return
        self._bad_chunks.add(chunk)
        if len(self._bad_chunks) > MAX_LISTED:
            message = f"more than {MAX_LISTED} damaged chunks; the others are not listed one by one"
            self._problems.append(Problem(self._name, STAGE, Reason.CORRUPT, message, _HINT))
            return
        file = shown_name(self._index.tables[index].segment.file.path)
        self._problems.append(
            Problem(
                str(Address(self._name, "p0", space="gap", offset=offset, length=length)),
                STAGE,
                Reason.UNREADABLE if why == READ_ERROR else Reason.CORRUPT,
                f"chunk {chunk} in {file}, bytes {offset} to {offset + length} of the media: {why}",
                "compare with another copy of the image" if rescued else _HINT,
                0 if rescued else length,
                examined_anyway=rescued,
            )
        )


def _stored(file: SegmentFile, places: Sequence[Place]) -> list[memoryview]:
    """The stored bytes of chunks that lie one behind the other; empty where the system cannot give them."""
    start = places[0].start
    try:
        whole = memoryview(file.read_at(start, places[-1].end - start))
    except ReadFailedError:
        if len(places) == 1:
            return [memoryview(b"")]
        return [_stored(file, [place])[0] for place in places]
    return [whole[place.start - start : place.end - start] for place in places]
