"""A lost volume as it is reported, and how a process that is told of one reads it again without a search."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from triage.evidence.volumes.bare import Content
from triage.evidence.volumes.lost_found import Patches, Pieces
from triage.evidence.volumes.lost_signs import SIGNS
from triage.evidence.volumes.lost_windows import examine_fat
from triage.evidence.volumes.table import Remark
from triage.model.stream import Stream
from triage.model.volume import Volume

_GUESS = "guess: found by search"
_BASIS = re.compile(rf"^{_GUESS}[^;]*; ([^;]* at (\d+).*)")


@dataclass(frozen=True, slots=True)
class LostVolume:
    """A volume that a search found.

    Attributes:
        start: Byte of the media.
        length: Bytes that the media have of it.
        missing: Bytes that they lack.
        content: What stands in it.
        basis: On what the guess rests.
        within: Volume of the table that nothing known begins and in which this one lies, empty where none.
        patches: What is read in place of an overwritten beginning.
    """

    start: int
    length: int
    missing: int
    content: Content
    basis: str
    patches: Patches = ()
    within: str = ""

    @property
    def description(self) -> str:
        """That it is a guess, and on what it rests."""
        where = f" in {self.within}, which nothing known begins" if self.within else ", no partition table names it"
        return f"{_GUESS}{where}; {self.basis}"


@dataclass(slots=True)
class Outcome:
    """What came of a search.

    Attributes:
        volumes: By offset.
        remarks: What was left out, or seen and not taken.
    """

    volumes: list[LostVolume] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def recall(media: Stream, volume: Volume) -> LostVolume:
    """A volume that an earlier opening found, without a search.

    Args:
        media: Decoded media.
        volume: As it was reported.
    """
    content = Content(
        volume.file_system, volume.block_size, volume.encryption, volume.unsupported, is_recognised=True
    )  # fmt: skip
    patches: Patches = ()
    told = _BASIS.match(volume.description)
    if told:
        pieces, at = Pieces(media), int(told[2])
        for examine in (examine_fat, *(sign.examine for sign in SIGNS)):
            for found in examine(pieces, at):
                if found.start == volume.image_offset and found.patches:
                    patches = found.patches
    basis = told[1] if told else volume.description
    return LostVolume(volume.image_offset, volume.length, 0, content, basis, patches)
