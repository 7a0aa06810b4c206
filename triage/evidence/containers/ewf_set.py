"""From the segment files of an E01 to a set: which belong together, in what order, and which chunks each one has.

A table does not say which chunks of the media it is for; they are counted from the first table on. Behind a gap they
are counted back from the end, if the segment that ends the set is there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.errors import CorruptStructureError
from triage.evidence.containers.bad_ranges import BadMap
from triage.evidence.containers.ewf_sections import (
    MediaFacts,
    Segment,
    Table,
    parse_media,
    parse_table,
    read_segment,
)
from triage.evidence.containers.ewf_tables import STAGE
from triage.evidence.containers.segment_file import SegmentFile, shown_name
from triage.model.address import Address
from triage.model.problem import Problem, Reason

_COPY = "compare with another copy of the image"


@dataclass(slots=True)
class SegmentSet:
    """Segments that belong together.

    Attributes:
        evidence_name: For the addresses of Problems.
        facts: What the set says of its media.
        segments: In order of their numbers.
        tables: Placed, ascending, not overlapping.
        size: Bytes of the media.
        problems: What did not hold.
        bad: Bytes of the media that no segment has, or that could not be read when the image was made.
    """

    evidence_name: str
    facts: MediaFacts
    segments: list[Segment]
    tables: list[Table] = field(default_factory=list)
    size: int = 0
    problems: list[Problem] = field(default_factory=list)
    bad: BadMap = field(default_factory=BadMap)

    def say(self, reason: Reason, message: str, hint: str = _COPY, *, anyway: bool = False) -> None:
        """Add a Problem about the set as a whole."""
        address = str(Address(self.evidence_name, "p0", space="gap", offset=0, length=self.size))
        self.problems.append(Problem(address, STAGE, reason, message, hint, examined_anyway=anyway))

    def say_missing(self, offset: int, length: int, message: str, hint: str) -> None:
        """Add a Problem about bytes of the media that no segment has."""
        address = str(Address(self.evidence_name, "p0", space="gap", offset=offset, length=length))
        self.problems.append(Problem(address, STAGE, Reason.TRUNCATED, message, hint, length))
        self.bad.add(offset, offset + length, "in no segment of the image")


def build_set(files: list[SegmentFile], evidence_name: str) -> SegmentSet:
    """Sort, check and number the segments of a set.

    Args:
        files: Segment files in the order of their names.
        evidence_name: For the addresses of Problems.

    Raises:
        CorruptStructureError: No segment says what the media are like.
        ReadFailedError: A file cannot be read.
    """
    notes: list[tuple[Reason, str, str]] = []
    by_number: dict[int, Segment] = {}
    for file in files:
        segment = read_segment(file)
        name = shown_name(file.path)
        if segment is None:
            notes.append((Reason.CORRUPT, f"{name} does not begin like a segment of an E01; it is not used", _COPY))
        elif segment.number in by_number:
            other = shown_name(by_number[segment.number].file.path)
            message = f"{name} says it is segment {segment.number}, as {other} does; it is not used"
            notes.append((Reason.MISMATCH, message, "keep only the right one in the folder"))
        else:
            by_number[segment.number] = segment
    segments = [by_number[number] for number in sorted(by_number)]
    facts = _find_facts(segments)
    if facts is None:
        name = shown_name(files[0].path)
        raise CorruptStructureError(
            f"no usable volume section in {name}: the size of the media and of its chunks is not known",
            hint="make sure that the first segment is there; " + _COPY,
        )
    result = SegmentSet(evidence_name, facts, segments)
    _drop_strangers(result, notes)
    items = _table_items(result)
    result.size = _media_size(result, items)
    for reason, message, hint in notes:
        result.say(reason, message, hint)
    if not facts.checksum_holds:
        result.say(Reason.CORRUPT, "wrong checksum of the volume section", anyway=True)
    for segment in result.segments:
        for trouble in segment.troubles:
            result.say(trouble.reason, f"{shown_name(segment.file.path)}: {trouble.message}")
    _place(result, items)
    _tell_missing(result)
    return result


def _media_sections(segment: Segment) -> list[MediaFacts]:
    found = []
    for section in segment.sections:
        if section.kind in ("volume", "disk", "data"):
            facts = parse_media(segment.data(section, 1052))
            if facts is not None:
                found.append(facts)
    return found


def _find_facts(segments: list[Segment]) -> MediaFacts | None:
    """The first plausible facts, those with a right checksum before others."""
    found = [facts for segment in segments for facts in _media_sections(segment) if facts.is_plausible]
    return next((facts for facts in found if facts.checksum_holds), found[0] if found else None)


def _drop_strangers(result: SegmentSet, notes: list[tuple[Reason, str, str]]) -> None:
    """Leave out segments that say they belong to another set."""
    wanted = result.facts
    kept = []
    for segment in result.segments:
        strange = False
        for facts in _media_sections(segment):
            identifiers = {facts.set_identifier, wanted.set_identifier} - {b""}
            shape = (facts.chunk_count, facts.chunk_size, facts.sector_count)
            wanted_shape = (wanted.chunk_count, wanted.chunk_size, wanted.sector_count)
            strange |= facts.checksum_holds and (len(identifiers) > 1 or shape != wanted_shape)
        if strange:
            message = f"{shown_name(segment.file.path)} belongs to another set (its identifier or size differ)"
            notes.append((Reason.MISMATCH, message + "; it is not used", "find the segment that belongs here"))
        else:
            kept.append(segment)
    result.segments = kept


def _segment_tables(segment: Segment, result: SegmentSet) -> list[Table | None]:
    """Tables of a segment in order, None where one cannot be read."""
    pairs: list[list[Table | None]] = []
    untold = False  # chunks were stored, and no table has come for them
    for section in segment.sections:
        if section.kind == "sectors":
            if untold:
                pairs.append([None])
            untold = True
        elif section.kind == "table" or (section.kind == "table2" and (not pairs or untold or len(pairs[-1]) > 1)):
            pairs.append([parse_table(segment, section)])
            untold = False
        elif section.kind == "table2":
            pairs[-1].append(parse_table(segment, section))
    if untold:
        pairs.append([None])
    tables: list[Table | None] = []
    for pair in pairs:
        first, second = pair[0], pair[1] if len(pair) > 1 else None
        if second is not None and (first is None or (second.header_holds and not first.header_holds)):
            result.say(
                Reason.CORRUPT,
                f"{shown_name(segment.file.path)}: damaged table at {second.section.start}, the second table is used",
                anyway=True,
            )
            first, second = second, None
        if first is not None and second is not None and second.count == first.count:
            first.backup = second
        if first is None:
            result.say(Reason.CORRUPT, f"{shown_name(segment.file.path)}: a table is damaged or missing")
        if first is None or first.count:
            tables.append(first)
    return tables


def _table_items(result: SegmentSet) -> list[Table | None]:
    """Tables of all segments in order; None stands for chunks whose number is not known."""
    items: list[Table | None] = []
    expected = 1
    for segment in result.segments:
        if segment.number > expected:
            items.append(None)
        items += _segment_tables(segment, result)
        if not segment.last:
            items.append(None)
        expected = segment.number + 1
    if not result.segments or result.segments[-1].last != "done":
        items.append(None)
    return items


def _media_size(result: SegmentSet, items: list[Table | None]) -> int:
    """Bytes of the media: as stated, but no more than the stated or found chunks can hold.

    Raises:
        CorruptStructureError: There is neither a stated size nor a chunk.
    """
    facts = result.facts
    found = sum(item.count for item in items if item is not None)
    stated = facts.sector_count * facts.sector_size
    holds = max(facts.chunk_count, found) * facts.chunk_size
    if stated == 0 or (facts.chunk_count and stated > holds):
        if stated:
            result.say(Reason.CORRUPT, f"the header states {stated} bytes of media but chunks for {holds} only")
        stated = holds
    if stated == 0:
        raise CorruptStructureError("the header states no media and there is no chunk", hint=_COPY)
    return stated


def _place(result: SegmentSet, items: list[Table | None]) -> None:
    """Number the chunks: from the front to the first gap, from the end back to the last one."""
    chunk_size = result.facts.chunk_size
    total = -(-result.size // chunk_size)
    position = 0
    front = 0
    while front < len(items) and (table := items[front]) is not None:
        table.first = position
        position += table.count
        front += 1
    back = len(items)
    end = total
    behind: list[Table] = []
    while back > front and (table := items[back - 1]) is not None:
        end -= table.count
        table.first = end
        behind.insert(0, table)
        back -= 1
    placed = [item for item in items[:front] if item is not None and item.first < total]
    if behind and end < position:
        result.say(Reason.CORRUPT, "the tables behind the gap have more chunks than are missing; they are not used")
        behind = []
    lost = sum(item.count for item in items[front:back] if item is not None)
    if lost:
        result.say(Reason.CORRUPT, f"{lost} chunks between two gaps have no known place in the media")
    result.tables = placed + behind


def _tell_missing(result: SegmentSet) -> None:
    """One Problem for each range of the media that no table covers."""
    chunk_size = result.facts.chunk_size
    total = -(-result.size // chunk_size)
    names = _missing_names(result)
    position = 0
    gaps = []
    for table in result.tables:
        if table.first > position:
            gaps.append((position, table.first))
        position = table.first + table.count
    if position < total:
        gaps.append((position, total))
    for begin, end in gaps:
        offset, stop = begin * chunk_size, min(end * chunk_size, result.size)
        message = f"bytes {offset} to {stop} of the media are in no segment and read as zeros"
        if names:
            result.say_missing(offset, stop - offset, f"{names}: {message}", "find the missing file and scan again")
        else:
            result.say_missing(offset, stop - offset, message, _COPY)
    if names and not gaps:
        result.say(Reason.TRUNCATED, f"{names}; all chunks of the media are there", anyway=True)


def _missing_names(result: SegmentSet) -> str:
    """Which segments are missing, in words; empty where none is known to be."""
    numbers = [segment.number for segment in result.segments]
    missing = sorted(set(range(1, max(numbers, default=0))) - set(numbers))
    words = []
    if missing:
        shown = ", ".join(str(number) for number in missing[:20]) + (" ..." if len(missing) > 20 else "")
        words.append(f"missing {'segment' if len(missing) == 1 else 'segments'} {shown}")
    if result.segments and result.segments[-1].last == "next":
        words.append(f"missing the segments after {numbers[-1]}")
    return " and ".join(words)
