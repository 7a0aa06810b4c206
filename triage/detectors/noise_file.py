"""Files that could be containers of VeraCrypt or TrueCrypt: they have no signature, only noise.

See :mod:`triage.evidence.randomness` for the measure. A file of a known type is none; neither is one whose size is no
multiple of a sector. What is left cannot be told from other random bytes, so the rule is a note, and the reasons stand
with it.
"""

from __future__ import annotations

from triage.detectors.passages import Buffer
from triage.evidence.randomness import noise_reasons
from triage.model.content import ContentNames, ContentType, Coverage, Detection
from triage.model.hit import Hit, HitCount
from triage.model.rules import NOISE_RULE
from triage.model.stream import Stream

CONTAINER_SUFFIXES = (".hc", ".tc", ".vc")
"""What VeraCrypt and TrueCrypt propose, and what people write; a small container is believed with such a name only."""
_NOTHING = Detection((), (), (), Coverage(""))


class NoiseFileDetector:
    """Looks at files whose type nothing tells."""

    name = "noise_file"

    def scan(self, data: Buffer, names: ContentNames, content_type: ContentType) -> Detection:
        """Samples of a content in memory."""
        return self.scan_stream(_Whole(data), names, content_type)

    def scan_stream(self, stream: Stream, names: ContentNames, content_type: ContentType) -> Detection:
        """Samples of a content of any size.

        Raises:
            ReadFailedError: A sample cannot be read.
        """
        if content_type.source != "none":
            return _NOTHING
        named = names.extension in CONTAINER_SUFFIXES
        reasons = noise_reasons(stream, named=named)
        if not reasons:
            return _NOTHING
        if named:
            reasons = (*reasons, f"the name ends in {names.extension}, as such programs propose")
        elif names.extension:
            reasons = (*reasons, f"the name ends in {names.extension[:16]}, and nothing in it is of a known type")
        hit = Hit(NOISE_RULE, 0, 0, matched="; ".join(reasons)[:400])
        return Detection((hit,), (HitCount(NOISE_RULE, 1),), (), Coverage(""))


class _Whole:
    """A buffer as a stream."""

    def __init__(self, data: Buffer) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Bytes in the buffer."""
        return len(self._data)

    def read_at(self, offset: int, length: int) -> bytes:
        """Bytes of the buffer."""
        return bytes(self._data[offset : offset + length])

    def close(self) -> None:
        """Nothing to release."""
