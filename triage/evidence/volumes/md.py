"""Linux software RAID (md): linear, RAID 0, 1, 4, 5, 6 and 10 over members that are volumes of the evidence.

Every member describes the array, so it is opened once: at the first of its members that is there. One absent disk is
made up for by copies or parity; RAID 6 without two of its disks is not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from triage.errors import CorruptStructureError, EvidenceError, UnsupportedFormatError
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.keychain import Keychain
from triage.evidence.volumes import raid_layout as raid
from triage.evidence.volumes.layers import LayerVolume
from triage.evidence.volumes.md_superblock import Superblock, find_superblock
from triage.evidence.volumes.piece_streams import Piece, PieceStream, StripedStream
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/md"
MIRROR_CHUNK = 1 << 20
MAX_MISSING = 1 << 48
"""Most bytes that a Problem states: sums of hostile claims must stay countable."""
MAX_CHUNK = 1 << 30

_NAMES = {-1: "linear", 0: "RAID 0", 1: "RAID 1", 4: "RAID 4", 5: "RAID 5", 6: "RAID 6", 10: "RAID 10"}
_ALTERNATE = 2
"""Layout of RAID 0 over members of different sizes, as kernels from 3.14 on have it."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member that is there.

    Attributes:
        superblock: What it says.
        data: Its part of the array.
    """

    superblock: Superblock
    data: Stream


@dataclass(frozen=True, slots=True)
class MdLayer:
    """An array, or one of its further members; see :class:`~triage.evidence.volumes.layers.Layer`."""

    volumes: tuple[LayerVolume, ...]
    problems: tuple[Problem, ...]
    details: dict[str, str]
    name: str = "md"
    replaces: bool = True

    def close(self) -> None:
        """Nothing to release."""


def detect(stream: Stream) -> bool:
    """True where a member of an array has its superblock.

    Raises:
        ReadFailedError: The bytes cannot be read.
    """
    return find_superblock(stream) is not None


def open_layer(stream: Stream, address: str, keychain: Keychain, others: Sequence[Stream]) -> MdLayer:
    """The array that a member belongs to.

    Raises:
        CorruptStructureError: The superblock does not hold.
        UnsupportedFormatError: A level or layout that is not read, or an array in the midst of a reshape.
        ReadFailedError: The bytes cannot be read.
    """
    del keychain
    own = find_superblock(stream)
    if own is None:
        raise CorruptStructureError("no superblock of a RAID member")
    kind = _NAMES.get(own.level, f"level {own.level}")
    title = f"{kind} {printable(own.name)}".rstrip()
    details = {"array": own.array.hex(), "level": kind, "version": own.version, "disks": str(own.disks)}
    problems: list[Problem] = []
    if not own.sound:
        words = "the checksum of the superblock does not fit"
        problems.append(Problem(address, STAGE, Reason.MISMATCH, words, examined_anyway=True))
    if own.role < 0:
        details["member"] = "spare or faulty: it holds no part of the array that is up to date"
        return MdLayer((), tuple(problems), details)
    members, stale = _members(own, stream, others)
    if own.role in stale and members[own.role].superblock != own:
        details["member"] = "out of date: the array went on without it"
        return MdLayer((), tuple(problems), details)
    if own.role != min(members):
        details["volumes"] = "listed with the first member of the array"
        return MdLayer((), tuple(problems), details)
    array = _array(members)
    room = _room(members)
    if own.size > room:
        words = f"{title}: each member should give {own.size} bytes, the largest that is there has {room}"
        hint = "compare with another copy of the image: it may have been cut short"
        missing = min(own.size - room, MAX_MISSING)
        problems.append(Problem(address, STAGE, Reason.TRUNCATED, words, hint, missing))
    absent = [number for number in range(own.disks) if number not in members]
    if absent:
        problems.append(_absent(address, title, own, absent, array.size))
    problems += [
        Problem(address, STAGE, Reason.MISMATCH, f"member {role + 1} of {title} is there twice, the newer one is used",
                examined_anyway=True)
        for role in sorted(stale)
    ]  # fmt: skip
    words = f"{title}, {len(members)} of {own.disks} members"
    return MdLayer((LayerVolume("md1", words, array, length=array.size),), tuple(problems), details)


def _members(own: Superblock, stream: Stream, others: Sequence[Stream]) -> tuple[dict[int, Member], set[int]]:
    """Members of the array by their place, the newest for each; places where there was an older one as well."""
    found = {own.role: Member(own, _data(own, stream))}
    stale: set[int] = set()
    for other in others:
        try:
            superblock = find_superblock(other)
        except EvidenceError:
            continue
        if superblock is None or superblock.array != own.array or superblock.role < 0:
            continue
        if superblock == own:
            continue
        known = found.get(superblock.role)
        if known is not None:
            stale.add(superblock.role)
        if known is None or superblock.events > known.superblock.events:
            found[superblock.role] = Member(superblock, _data(superblock, other))
    return found, stale


def _data(superblock: Superblock, stream: Stream) -> Stream:
    """The part of a member that belongs to the array."""
    return VolumeStream(stream, superblock.data_offset, superblock.size or superblock.data_size)


def _absent(address: str, title: str, own: Superblock, absent: Sequence[int], size: int) -> Problem:
    """What it means that members are missing."""
    spare = {1: own.disks - 1, 4: 1, 5: 1, 6: 1, 10: 1}.get(own.level, 0)
    numbers = ", ".join(str(number + 1) for number in absent[:20])
    words = f"{title}: {len(absent)} of {own.disks} members missing, number {numbers}"
    hint = "hand in all disks of the array together"
    if len(absent) <= spare:
        return Problem(address, STAGE, Reason.TRUNCATED, words + "; copies or parity stand in", hint, 0, True)
    return Problem(address, STAGE, Reason.TRUNCATED, words, hint, size * len(absent) // own.disks)


# --- the array --------------------------------------------------------------------------------------------------------
def _array(members: Mapping[int, Member]) -> Stream:
    """The bytes of the array.

    Raises:
        CorruptStructureError: The members do not fit together.
        UnsupportedFormatError: A level or layout that is not read.
    """
    newest = max((member.superblock for member in members.values()), key=lambda superblock: superblock.events)
    if newest.reshaping:
        raise UnsupportedFormatError("RAID array in the midst of a reshape is not read",
                                     hint="let the reshape finish on a copy of all disks")  # fmt: skip
    streams = [members[number].data if number in members else None for number in range(newest.disks)]
    if not any(streams):
        raise CorruptStructureError("RAID array: the place of no member in it is one that it has")
    if newest.level == 1:
        size = min(newest.size or _room(members), _room(members))
        order = tuple(sorted(members, key=lambda number: (-members[number].superblock.events, number)))
        return StripedStream(streams, raid.Mirrors(order), MIRROR_CHUNK, size)
    if newest.level == -1:
        return _linear(newest, streams)
    if not 512 <= newest.chunk <= MAX_CHUNK:
        raise CorruptStructureError(f"RAID array with chunks of {newest.chunk} bytes")
    if newest.level == 0:
        return _stripes(newest, streams)
    layout, chunks = _layout(replace(newest, size=min(newest.size, _room(members))))
    return StripedStream(streams, layout, newest.chunk, chunks * newest.chunk)


def _room(members: Mapping[int, Member]) -> int:
    """Bytes that the largest member has: no more of the others can be told."""
    return max(member.data.size for member in members.values())


def _layout(own: Superblock) -> tuple[raid.RaidLayout, int]:
    """Layout of an array with copies or parity, and its chunks."""
    rows = own.size // own.chunk
    if own.level in (4, 5, 6):
        parities = 2 if own.level == 6 else 1
        algorithm = raid.PARITY_LAST if own.level == 4 else own.layout
        if not raid.is_known(parities, algorithm) or own.disks <= parities:
            raise UnsupportedFormatError(f"RAID {own.level} with layout {own.layout} is not read")
        return raid.Parity(own.disks, parities, algorithm), rows * (own.disks - parities)
    if own.level != 10:
        raise UnsupportedFormatError(f"RAID level {own.level} is not read")
    near, far, offset = own.layout & 255, own.layout >> 8 & 255, bool(own.layout >> 16 & 1)
    if not near or not far or own.layout >> 17 or near * far > own.disks:
        raise UnsupportedFormatError(f"RAID 10 with layout {own.layout:#x} is not read")
    chunks = rows // far * own.disks // near
    used = -(-chunks * near * far // own.disks)
    return raid.Near(own.disks, near, far, 1 if offset else used // far, offset), chunks


def _linear(own: Superblock, streams: Sequence[Stream | None]) -> Stream:
    """Members one after the other; where one is absent, all behind it have no place."""
    return PieceStream(*_joined(own, streams, own.chunk or 512))


def _joined(own: Superblock, streams: Sequence[Stream | None], unit: int) -> tuple[list[Piece], int]:
    pieces: list[Piece] = []
    position = 0
    for number, stream in enumerate(streams):
        if stream is None:
            break
        length = stream.size // unit * unit
        pieces.append(Piece(position, length, stream, 0, f"disk {number + 1} of {own.disks} of the array"))
        position += length
    return pieces, position


def _stripes(own: Superblock, streams: Sequence[Stream | None]) -> Stream:
    """Chunks in turn; where members differ in size, the larger ones go on without the others."""
    sizes = {stream.size // own.chunk for stream in streams if stream is not None}
    rows = min(sizes)
    if len(sizes) == 1:
        return StripedStream(streams, raid.Stripes(own.disks), own.chunk, rows * own.disks * own.chunk)
    if None in streams:
        raise UnsupportedFormatError("RAID 0 over members of different sizes, of which one is missing, is not read")
    if own.layout != _ALTERNATE:
        raise UnsupportedFormatError("RAID 0 over members of different sizes, with an old layout, is not read")
    pieces, position = [], 0
    for zone, first, count in _zones([stream.size // own.chunk for stream in streams if stream is not None]):
        parts = [_tail(streams[number], first * own.chunk) for number in zone]
        length = count * len(zone) * own.chunk
        pieces.append(Piece(position, length, StripedStream(parts, raid.Stripes(len(zone)), own.chunk, length), 0))
        position += length
    return PieceStream(pieces, position)


def _tail(stream: Stream | None, start: int) -> Stream | None:
    return None if stream is None else VolumeStream(stream, start, stream.size - start)


def _zones(sizes: Sequence[int]) -> Iterator[tuple[list[int], int, int]]:
    """Members of each zone, its first row and its rows."""
    first = 0
    for edge in sorted(set(sizes)):
        if edge > first:
            yield [number for number, size in enumerate(sizes) if size > first], first, edge - first
            first = edge
