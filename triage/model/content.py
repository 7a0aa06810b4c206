"""What the bytes of an entry say: digests, type, hits, children."""

from __future__ import annotations

from dataclasses import dataclass, field

from triage.model.hit import Hit, HitCount
from triage.model.packed import Packed
from triage.model.problem import Problem
from triage.model.scope import LeftOut
from triage.model.times import Times


@dataclass(frozen=True, slots=True)
class ContentType(Packed):
    """Type by content.

    Attributes:
        mime: Media type, ``application/octet-stream`` where unknown.
        name: Short name for people, for instance ``SQLite database``.
        source: ``signature`` (own table), ``libmagic``, ``text`` (looks like text) or ``none``.
        extension_agrees: False where the extension of the name belongs to another type; None where nothing can be
            said.
    """

    mime: str
    name: str
    source: str
    extension_agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class TextSegment:
    """Decoded text with a map back to byte offsets.

    Attributes:
        text: The text.
        offsets: For each character of ``text`` in order, at index i the byte offset of its first byte in the
            content; as ``(text index, byte offset)`` pairs where a run begins, ascending, first index 0.
        encoding: Encoding of the underlying bytes.
        label: Part of the document the text is from (``body``, ``comments``, ``sheet 2``), empty for all of it.
    """

    text: str
    offsets: tuple[tuple[int, int], ...]
    encoding: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Coverage(Packed):
    """Bytes and contents that one detector saw.

    Attributes:
        detector: Name of the detector.
        examined: Contents examined.
        examined_bytes: Bytes examined.
        skipped: Contents not examined.
        skipped_bytes: Bytes not examined.
    """

    detector: str
    examined: int = 0
    examined_bytes: int = 0
    skipped: int = 0
    skipped_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ContentFacts(Packed):
    """Everything known of one content; the same for every name that holds it.

    Attributes:
        size: Bytes actually read.
        md5: Lower-case hex; likewise ``sha1`` and ``sha256``. Empty where the content could not be read whole.
        content_type: Type by content.
        hits: Sorted by rule and offset, at most a stated number per rule.
        counts: True number of matches for each rule that hit.
        problems: What went wrong; the address is that of the first entry examined.
        coverage: One per detector.
        children: Members, where a decoder opened the content.
        left_out: Members that are out of scope, by reason.
        is_sealed: Its own bytes were not searched, since members that they hold may be out of scope or withheld.
        is_withheld: It holds a privileged term, so nothing of it was examined and nothing is shown.
    """

    size: int
    md5: str
    sha1: str
    sha256: str
    content_type: ContentType
    hits: tuple[Hit, ...] = ()
    counts: tuple[HitCount, ...] = ()
    problems: tuple[Problem, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    children: tuple[Child, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    is_sealed: bool = False
    is_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Child(Packed):
    """One member of a container.

    Attributes:
        member: Name as stored, bytes.
        times: Times as stored in the container.
        facts: What its bytes say.
        part_of_document: True where the member is a part of one document (the XML parts of a DOCX), so that it is
            ranked with its parent as one unit.
    """

    member: bytes
    facts: ContentFacts
    times: Times = field(default_factory=Times)
    part_of_document: bool = False


@dataclass(frozen=True, slots=True)
class ContentNames:
    """The names under which one content is examined; what YARA calls external variables.

    Attributes:
        address: Text form of the address, for problems.
        filename: Last component of the path, escaped for display.
        filepath: Path in the volume, escaped for display.
        extension: With its dot, lower case: ``.docx``; empty where there is none.
        filetype: Type by content, upper case, short (``SQLITE``), as Loki and THOR fill it.
        owner: As stored in the file system.
    """

    address: str
    filename: str
    filepath: str
    extension: str = ""
    filetype: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Detection(Packed):
    """What one detector says of one content.

    Attributes:
        hits: Sorted; at most a stated number of positions per rule.
        counts: True counts for every rule that hit.
        problems: What it could not do.
        coverage: Bytes examined and skipped.
    """

    hits: tuple[Hit, ...]
    counts: tuple[HitCount, ...]
    problems: tuple[Problem, ...]
    coverage: Coverage
