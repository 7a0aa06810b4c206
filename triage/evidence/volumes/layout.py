"""From the parts of a table to volumes: clipped to the media, numbered, looked into, and what does not fit is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from triage.errors import ReadFailedError
from triage.evidence.volumes.bare import Content, Prober
from triage.evidence.volumes.lost import MIN_RANGE, SYSTEM
from triage.evidence.volumes.lost_found import Patches, without
from triage.evidence.volumes.lost_volume import LostVolume, Outcome
from triage.evidence.volumes.mbr import PROTECTIVE
from triage.evidence.volumes.table import Part, Remark, Table
from triage.model.address import Address
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Allocation, Volume

STAGE = "evidence/volumes"
MAX_OVERLAPS = 32
"""Overlapping pairs, and places that cannot be read, that become Problems one by one."""
MAX_MISSING = 1 << 48
"""Most bytes that a Problem states; a hostile table may claim 2 ** 73, and sums must stay countable."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The volumes of a media.

    Attributes:
        volumes: Allocated ones by number, then ``p0`` by offset.
        problems: What is not read, not clear, or does not hold.
        is_recognised: A volume system, or anything known in a volume, was found.
        patches: By name of a lost volume, what is read in place of its overwritten beginning.
    """

    volumes: tuple[Volume, ...]
    problems: tuple[Problem, ...]
    is_recognised: bool
    patches: dict[str, Patches] = field(default_factory=dict)


class LayoutBuilder:
    """Makes volumes of parts and says what does not fit.

    Args:
        media: Decoded media.
        prober: Looks into the volumes.
        evidence_name: For the addresses of Problems.
        parent: Name of the volume that the media are, empty for those of an image.

    Attributes:
        is_anything_recognised: Something known was found in a volume so far.
    """

    def __init__(self, media: Stream, prober: Prober, evidence_name: str, parent: str = "") -> None:
        self._parent = parent
        self._outside = f"{parent}.p0" if parent else "p0"
        self._size = media.size
        self._system = "bare"
        self._has_guesses = False
        self._prober = prober
        self._name = evidence_name
        self._volumes: list[Volume] = []
        self._metadata: list[Volume] = []
        self._problems: list[Problem] = []
        self._unknown: dict[str, Problem] = {}
        self._places: list[Volume] = []
        self._patches: dict[str, Patches] = {}
        self.is_anything_recognised = False

    def layout(self, is_recognised: bool) -> Layout:
        """The result, gaps included."""
        if not self._volumes:
            words = f"the partition table ({self._system}) has no partition that lies in the media"
            self._remark(Remark(Reason.UNSUPPORTED, words, "carve the media with another tool", self._size))
        outside = sorted(
            [*self._metadata, *self._gaps()], key=lambda volume: (volume.image_offset, volume.allocation, volume.length)
        )
        return Layout((*self._volumes, *outside), tuple(self._problems), is_recognised, self._patches)

    def add_unreadable(self, failed: list[tuple[int, int, ReadFailedError]]) -> None:
        """Places where a table would be and that cannot be read."""
        for offset, length, error in failed[:MAX_OVERLAPS]:
            message = f"no partition table can be read at {offset}, {length} bytes: {error}"
            self._remark(Remark(Reason.UNREADABLE, message, error.hint or ""))

    def add_bare(self, content: Content) -> None:
        """The whole media as one volume."""
        if content.is_empty:
            content = replace(content, unsupported="every byte is zero")
        self._add_volume(0, self._size, "bare", "", content, self._parent or "p1")

    def add_table(self, table: Table, parts: list[Part]) -> None:
        """Every part of a table, in its order."""
        self._system = table.system
        for remark in table.remarks:
            self._remark(remark)
        seen: set[tuple[int, int]] = set()
        for part in parts:
            if (part.start, part.length) in seen or part.kind == PROTECTIVE:
                continue
            seen.add((part.start, part.length))
            length = self._clip(part)
            if not length:
                continue
            if part.metadata:
                self._metadata.append(
                    Volume(self._outside, part.start, length, Allocation.METADATA, table.system, part.description)
                )
            else:
                self._add_volume(
                    part.start, length, table.system, part.description, self._prober.look(part.start, length)
                )
        self._overlaps()

    def add_contradiction(self, table: Table, whole: Content) -> None:
        """Something that stands at the beginning of the media beside the table.

        ISO 9660 leaves room for a table by design, so such media are both; anything else is told only.
        """
        if any(volume.image_offset == 0 for volume in self._volumes):
            return
        if whole.file_system == "iso9660":
            self._add_volume(0, self._size, "bare", "ISO 9660 under the partition table", whole)
            return
        words = whole.file_system or whole.encryption or whole.unsupported
        message = f"{words} stands at the beginning of the media, before the partitions of the {table.system} table; "
        self._remark(Remark(Reason.MISMATCH, message + "it may be what remains of an earlier use", anyway=True))

    def unowned(self) -> list[tuple[int, int]]:
        """What may hold lost volumes: the gaps, and volumes in which nothing is known; those that touch as one."""
        owned = [
            (volume.image_offset, volume.image_offset + volume.length)
            for volume in self._volumes
            if volume.name not in self._unknown
        ]
        left = without([(0, self._size)], owned)
        is_whole = left == [(0, self._size)]
        return left if is_whole else [(begin, end) for begin, end in left if end - begin >= MIN_RANGE]

    def add_lost(self, outcome: Outcome) -> None:
        """Volumes that were found by search, and what they were found in."""
        for remark in outcome.remarks:
            self._remark(remark)
        for number, lost in enumerate(outcome.volumes, 1):
            self._has_guesses = True
            found = replace(lost, within=self._clear(lost))
            self._add_guess(f"{self._parent}.lost{number}" if self._parent else f"lost{number}", found)
        self._overlaps(since=len(self._volumes) - len(outcome.volumes))

    def _add_guess(self, name: str, lost: LostVolume) -> None:
        self._add_volume(lost.start, lost.length, SYSTEM, lost.description, lost.content, name)
        self._unknown.pop(name, None)
        if lost.patches:
            self._patches[name] = lost.patches
        address = str(Address(self._name, name, b"/"))
        where = f"nothing known begins {lost.within}, in which" if lost.within else "no partition table names it;"
        message = f"{where} this volume was found by search and is a guess: "
        message += f"{lost.basis}, {lost.length} bytes"
        hint = "compare with what is known of the disk; a table can be put back on a copy"
        self._problems.append(Problem(address, STAGE, Reason.MISMATCH, message, hint, examined_anyway=True))
        if lost.missing > 0:
            message = f"the volume reaches {lost.missing} bytes beyond the end of the media"
            hint = "compare with another copy of the image: it may have been cut short"
            missing = min(lost.missing, MAX_MISSING)
            self._problems.append(Problem(address, STAGE, Reason.TRUNCATED, message, hint, missing))

    def _clear(self, lost: LostVolume) -> str:
        """A volume in which nothing was known is none any more where a lost one was found in it: only a place.

        Returns:
            The volume of the table that a lost one lies in, empty where it lies in none.
        """
        for volume in [volume for volume in self._volumes if volume.name in self._unknown]:
            if volume.image_offset < lost.start + lost.length and lost.start < volume.image_offset + volume.length:
                self._volumes.remove(volume)
                problem = self._unknown.pop(volume.name)
                self._problems.remove(problem)
                if problem.reason is Reason.UNREADABLE:  # how much of it is not known
                    self._problems.append(replace(problem, bytes_not_examined=0))
                if volume.system != "bare":
                    place = replace(volume, allocation=Allocation.METADATA, unsupported="", is_opened=True)
                    self._metadata.append(place)
                    self._places.append(place)
        end = lost.start + lost.length
        inside = [
            one for one in self._places if one.image_offset <= lost.start and end <= one.image_offset + one.length
        ]
        return inside[0].name if inside else ""

    def _clip(self, part: Part) -> int:
        """Bytes of a part that the media have; says what they lack."""
        words = part.description or "a partition"
        if part.start >= self._size or part.start < 0:
            if not part.metadata:
                message = f"{words} at {part.start}, {part.length} bytes, lies beyond the end of the media"
                hint = "compare with another copy of the image: it may have been cut short"
                self._remark(Remark(Reason.TRUNCATED, message, hint, part.length))
            return 0
        missing = part.start + part.length - self._size
        if missing > 0 and not part.metadata:
            message = f"{words} at {part.start} reaches {missing} bytes beyond the end of the media"
            hint = "compare with another copy of the image: it may have been cut short"
            self._remark(Remark(Reason.TRUNCATED, message, hint, missing))
        return part.length - max(0, missing)

    def _add_volume(
        self, start: int, length: int, system: str, description: str, content: Content, name: str = ""
    ) -> None:
        if not name:
            name = f"{self._parent}.p{len(self._volumes) + 1}" if self._parent else f"p{len(self._volumes) + 1}"
        if content.is_empty and not content.unsupported:
            description = f"{description}, all zeros" if description else "all zeros"
        self._volumes.append(
            Volume(
                name,
                start,
                length,
                Allocation.ALLOCATED,
                system,
                description,
                content.file_system,
                content.block_size,
                content.encryption,
                content.unsupported,
            )
        )
        self.is_anything_recognised |= content.is_recognised
        address = str(Address(self._name, name, b"/"))
        if content.remains:
            message = f"{content.file_system} is read; {content.remains} stands there as well"
            self._problems.append(
                Problem(address, STAGE, Reason.MISMATCH, message, "the volume may be one of an array, or reused",
                        examined_anyway=True)
            )  # fmt: skip
        if content.is_damaged and content.file_system:
            message = f"{content.file_system} is damaged: its usual reader refuses it, others are tried when it is read"
            self._problems.append(Problem(address, STAGE, Reason.CORRUPT, message, examined_anyway=True))
        words = content.encryption or content.unsupported
        if not words:
            return
        reason = Reason.ENCRYPTED if content.encryption else Reason.UNSUPPORTED
        if content.is_unreadable or content.is_damaged:
            reason = Reason.UNREADABLE if content.is_unreadable else Reason.CORRUPT
        message = f"{words}, {length} bytes at {start} of the media" + (f" ({description})" if description else "")
        problem = Problem(address, STAGE, reason, message, content.hint, length)
        self._problems.append(problem)
        if not content.is_recognised and not content.is_empty:
            self._unknown[name] = problem

    def _remark(self, remark: Remark) -> None:
        address = str(Address(self._name, self._outside, b"/"))
        missing = min(remark.missing, MAX_MISSING)
        self._problems.append(
            Problem(address, STAGE, remark.reason, remark.message, remark.hint, missing, remark.anyway)
        )

    def _overlaps(self, since: int = 0) -> None:
        """Volumes that share bytes; the data are then examined once for each."""
        volumes = sorted(self._volumes[since:], key=lambda volume: (volume.image_offset, -volume.length))
        found = 0
        widest = None
        for volume in volumes:
            if widest is not None and volume.image_offset < widest.image_offset + widest.length:
                shared = min(widest.image_offset + widest.length, volume.image_offset + volume.length)
                shared -= volume.image_offset
                found += 1
                if found <= MAX_OVERLAPS:
                    message = f"{widest.name} and {volume.name} overlap by {shared} bytes at {volume.image_offset}"
                    self._remark(Remark(Reason.CORRUPT, message, "both are examined", anyway=True))
            if widest is None or volume.image_offset + volume.length > widest.image_offset + widest.length:
                widest = volume
        if found > MAX_OVERLAPS:
            self._remark(Remark(Reason.CORRUPT, f"{found} pairs of volumes overlap", anyway=True))

    def _gaps(self) -> list[Volume]:
        """Parts of the media outside every allocated volume."""
        gaps = []
        position = 0
        for volume in sorted(self._volumes, key=lambda volume: volume.image_offset):
            if volume.image_offset > position:
                gaps.append((position, volume.image_offset))
            position = max(position, volume.image_offset + volume.length)
        if position < self._size:
            gaps.append((position, self._size))
        words = "not in any volume" if self._has_guesses else "not in any partition"
        return [
            Volume(self._outside, begin, end - begin, Allocation.UNALLOCATED, self._system, words)
            for begin, end in gaps
        ]
