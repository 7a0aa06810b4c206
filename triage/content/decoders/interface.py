"""What every decoder shares: members, the budget of a chain of containers, and unpacking by bounded pieces.

A decoder is a function ``decode(content_type, data, address, budget)`` that yields members and problems. It raises
nothing on any bytes, allocates nothing on the word of a header, never makes a path of a name, and stops when the
budget does. Depth needs no counter: an address knows how many containers were stepped into.
"""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from triage.model.address import Address, escape_name
from triage.model.content import ContentType
from triage.model.problem import Problem, Reason
from triage.model.times import Times

Data = bytes | memoryview
PIECE = 1 << 16
"""Bytes that go into, and come out of, a decompressor at once."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside a content.

    Attributes:
        name: As stored, any bytes; data, never a path.
        data: All bytes that could be had of it.
        times: As stored in the container.
        part_of_document: True for a part of one document, such as the XML parts of a DOCX.
    """

    name: bytes
    data: bytes
    times: Times = field(default_factory=Times)
    part_of_document: bool = False


@dataclass(slots=True)
class Budget:
    """What unpacking one entry may cost, shared by all containers of the chain and counted down.

    Attributes:
        remaining_bytes: Bytes that may still come out.
        remaining_members: Members that may still come out.
        max_ratio: Bytes out for one byte in, for one member as for the whole entry.
        max_member_bytes: Bytes of one member.
        max_depth: Containers in containers.
        free_bytes: What may always come out whatever the ratio; for one of several members a quarter of it.
        source_bytes: Bytes of the outermost container; set by the first decoder when 0.
        refuses: Told of each member before it is unpacked, with its address, the bytes that it claims and its times;
            what it refuses is left out. None takes all.
    """

    remaining_bytes: int = 1024 * _MIB
    remaining_members: int = 100_000
    max_ratio: float = 250.0
    max_member_bytes: int = 128 * _MIB
    max_depth: int = 16
    free_bytes: int = 128 * _MIB
    source_bytes: int = 0
    refuses: Callable[[Address, int, Times], bool] | None = None

    def enter(self, size: int) -> None:
        """Begin with a container of ``size`` bytes; the first one of a chain sets what the ratio allows in all."""
        if not self.source_bytes:
            self.source_bytes = max(size, 1)
            allowed = max(self.free_bytes, int(self.max_ratio * self.source_bytes))
            self.remaining_bytes = min(self.remaining_bytes, allowed)

    def allowance(self, packed: int) -> int:
        """Bytes that one of several members may become after ``packed`` bytes of it were read."""
        return self._allowance(packed, self.free_bytes // 4)

    def further(self, read: int, made: int) -> Callable[[int], int]:
        """The allowance of the only member of a file, of which ``read`` bytes already made ``made`` bytes."""
        return lambda more: self._allowance(read + more, self.free_bytes) - made

    def _allowance(self, packed: int, free: int) -> int:
        by_ratio = max(free, int(self.max_ratio * packed))
        return max(0, min(self.remaining_bytes, self.max_member_bytes, by_ratio))

    def spend(self, size: int) -> None:
        """Count one member of ``size`` bytes."""
        self.remaining_bytes -= size
        self.remaining_members -= 1

    @property
    def is_spent(self) -> bool:
        """True where nothing more may come out."""
        return self.remaining_bytes <= 0 or self.remaining_members <= 0

    @property
    def spent_words(self) -> str:
        """Which limit was reached, for a message."""
        if self.remaining_members <= 0:
            return "the limit of members for one entry is reached"
        return f"the limit of bytes for one entry is reached (ratio over {self.max_ratio:g} or total size)"


Yield = Iterator[Member | Problem]
DecodeFunction = Callable[[ContentType, Data, Address, Budget], Yield]


@dataclass(frozen=True, slots=True)
class Decoder:
    """One decoder as the registry holds it.

    Attributes:
        name: Name, also in the ``stage`` of problems.
        module: Module that holds ``decode``, imported on first use.
        mimes: Media types that it opens.
        summary: What it reads, one line.
        documents: Media types of these that are one document with its parts, in scope or withheld as a whole.
        needs: Module of another project without which it does not work; empty where there is none.
    """

    name: str
    module: str
    mimes: frozenset[str]
    summary: str
    documents: frozenset[str] = frozenset()
    needs: str = ""


class Decompressor(Protocol):
    """What zlib, bz2 and lzma objects have in common, as :func:`unpack` uses it."""

    @property
    def eof(self) -> bool:
        """The end of the stream was seen."""
        ...

    @property
    def unused_data(self) -> bytes:
        """Bytes given behind the end of the stream."""
        ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        """Next piece of at most ``max_length`` bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What came out of one compressed stream.

    Attributes:
        data: All bytes before the end, the break or the limit.
        end: Offset behind the last byte of the stream that was used; where it broke, of the piece that broke it.
        reason: None where the stream ended properly, else why not.
        detail: Words for that.
    """

    data: bytes
    end: int
    reason: Reason | None = None
    detail: str = ""


def unpack(
    make: Callable[[], Decompressor], data: Data, start: int, stop: int, allow: Callable[[int], int]
) -> Unpacked:
    """Decompress one stream by pieces.

    Args:
        make: Gives a fresh decompressor; where the stream is broken it is called again, to save what lies before.
        data: Holds the stream.
        start: Offset of its first byte.
        stop: Offset behind the last byte that may belong to it.
        allow: Bytes that may have come out after so many bytes went in; see :meth:`Budget.allowance`.

    Returns:
        What came out; never raises on any bytes.
    """
    done = Unpacked(b"", -1)
    # A decompressor keeps to itself what it made of a piece when a later byte of that piece is wrong: so again from
    # the start, with ever smaller pieces at the break.
    for fine in (PIECE, 256, 1):
        out = io.BytesIO()
        done = _run(make(), data, (start, stop), allow, out, (done.end, fine))
        if done.reason is not Reason.CORRUPT:
            break
    return Unpacked(out.getvalue(), done.end, done.reason, done.detail)


def _run(
    engine: Decompressor,
    data: Data,
    bounds: tuple[int, int],
    allow: Callable[[int], int],
    out: io.BytesIO,
    fine: tuple[int, int],
) -> Unpacked:
    """One pass of :func:`unpack`; ``fine`` is from which input offset on pieces have which size."""
    position, stop = bounds
    fine_from, fine_size = fine
    pending = b""
    fed = position
    while not engine.eof:
        drained = False
        if not pending and getattr(engine, "needs_input", True):
            drained = position >= stop
            step = min(PIECE, stop - position)
            if fine_from >= 0:
                step = min(step, fine_size if position >= fine_from else fine_from - position)
            fed = position
            pending = bytes(data[position : position + step])
            position += step
        limit = allow(position - bounds[0] - len(pending))
        try:
            made = engine.decompress(pending, min(PIECE, max(limit - out.tell(), 0) + 1))
        except (OSError, ValueError, EOFError, MemoryError, zlib.error, lzma.LZMAError) as error:
            if isinstance(error, MemoryError) or "emory usage limit" in str(error):
                return Unpacked(b"", fed, Reason.LIMIT, f"the stream asks for too much memory: {_words(error)}")
            return Unpacked(b"", fed, Reason.CORRUPT, f"the stream is broken near byte {fed}: {_words(error)}")
        pending = getattr(engine, "unconsumed_tail", b"")
        out.write(made)
        if out.tell() > limit:
            out.truncate(limit)
            read = position - bounds[0] - len(pending)
            detail = f"more than {limit} bytes come out of {read} (ratio {limit / max(read, 1):.0f})"
            return Unpacked(b"", position - len(pending), Reason.LIMIT, detail)
        if drained and not made and not engine.eof:
            return Unpacked(b"", position, Reason.TRUNCATED, "the data ends before the stream does")
    return Unpacked(b"", position - len(engine.unused_data))


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def problem(
    address: Address, stage: str, reason: Reason, message: str, *, lost: int = 0, anyway: bool = False, hint: str = ""
) -> Problem:
    """A problem of the room ``content/decoders``; ``lost`` may be a claim and is cut to a number that sums well."""
    return Problem(str(address), f"content/decoders/{stage}", reason, message, hint, min(max(lost, 0), 1 << 48), anyway)


def text_part(name: str, text: str) -> Member:
    """A part of a document whose text is stored in another form: a member in UTF-8.

    Args:
        name: Of the part, as people would say it (``page 3``).
        text: Its text; halves of characters become question marks.
    """
    return Member(name.encode("utf-8", "replace"), text.encode("utf-8", "replace"), part_of_document=True)


def numbers_words(numbers: list[int]) -> str:
    """Ascending numbers for a message, runs of them joined and many cut: ``3, 5-9 ...``."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    words = [str(first) if first == last else f"{first}-{last}" for first, last in runs[:20]]
    return ", ".join(words) + (" ..." if len(runs) > 20 else "")


def shown(name: bytes) -> str:
    """A member name for a message: escaped, at most 200 characters."""
    text = escape_name(name[:200], syntax=False)
    return text if len(name) <= 200 and len(text) <= 200 else text[:200] + "..."
