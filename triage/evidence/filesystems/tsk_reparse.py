"""Files of NTFS that have a reparse point: what their entries say, and how their content is read.

The library takes the unnamed ``$DATA`` for the content, which is a hole where the content is elsewhere: the file would
read as zeros. Here such a file is

* read through ``wof`` where the Windows Overlay Filter compressed it; its compressed stream is then not examined again,
* left alone and told once for the volume where it is a placeholder of a cloud store: nothing of it is in the evidence,
* refused when it is opened where its content is in the evidence or elsewhere in a form that is not read.

What has bytes of its own is examined whatever the reparse point says, links too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from triage.errors import EncryptedVolumeError, UnsupportedFormatError
from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.ntfs_reparse import MAX_DATA, Kind, ReparsePoint, parse_reparse
from triage.evidence.filesystems.tsk_attributes import EFS, Attributes, Data
from triage.evidence.filesystems.tsk_runs import MAX_RUNS
from triage.evidence.filesystems.tsk_stream import TskStream
from triage.evidence.filesystems.wof import STREAM, OverlayStream
from triage.evidence.tsk_image import TskImage
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream

STAGE = "evidence/tsk"
PACKED = "the compressed form of the file itself, where it is examined"
NO_STREAM = ", but its compressed stream is missing"
LINK_WITH_DATA = "a link that has data of its own, which are examined"
ABSENT = "its content is not on this disk"
PARTLY = "only a part of its content is on this disk: the rest reads as zeros"


def read_reparse(file: Any, attribute_id: int) -> ReparsePoint | None:
    """What the reparse point of a file says, None where it cannot be read.

    Args:
        file: The library's file.
        attribute_id: Identifier of the attribute.
    """
    try:
        for attribute in file:
            info = attribute.info
            if info.type == tsk.ATTRIBUTE_REPARSE and info.id == attribute_id:
                size = max(0, min(int(info.size), MAX_DATA)) or 4
                return parse_reparse(file.read_random(0, size, tsk.ATTRIBUTE_REPARSE, attribute_id))
    except tsk.LIBRARY_ERRORS:
        pass
    return None


class Reparsed:
    """Judges the files of one volume that have a reparse point.

    Args:
        evidence_name: For addresses, as is ``volume_name``.
        volume_name: See there.
    """

    def __init__(self, evidence_name: str, volume_name: str) -> None:
        self._evidence = evidence_name
        self._volume = volume_name
        self.forget()

    def forget(self) -> None:
        """Begin to count anew."""
        self._absent: list[tuple[bytes, int]] = []
        self._partly: list[tuple[bytes, int]] = []
        self._counts = [0, 0, 0, 0]  # files and bytes absent, files and bytes of which a part is absent

    def judge(
        self, point: ReparsePoint, item: Any, path: bytes, main: Data, attributes: Attributes, notes: list[str]
    ) -> tuple[EntryType | None, Data]:
        """What a file with a reparse point is.

        Args:
            point: What that says.
            item: The library's file.
            path: Of the entry.
            main: Its unnamed data.
            attributes: Its further data; a compressed stream among them becomes one that is not examined.
            notes: Get what is to be said.

        Returns:
            Its type, None where the reparse point does not change it; and what its entry says of the unnamed data.
        """
        text = point.text
        if point.kind is Kind.LINK:
            if main.size > 0:
                notes.append(LINK_WITH_DATA)
                return EntryType.FILE, main
            if text:
                notes.append(text)
            return EntryType.SYMLINK, main
        if point.kind is Kind.OVERLAY:
            if point.overlay is not None and point.overlay.is_read:
                packed = _hide_packed(attributes)
                notes.append(text if packed is not None else text + NO_STREAM)
                return None, main if packed is None else replace(main, image_offset=packed.image_offset)
            notes.append(text)
            return None, main
        if main.size <= 0:
            notes.append(text)
            return None, main
        stored, has_holes = _stored(item, main)
        if point.kind is Kind.CLOUD and not stored:
            notes.append(f"{text}: {ABSENT}")
            self._count(0, path, main.size)
            return EntryType.OTHER, main
        notes.append(text)
        if stored and has_holes and point.kind is not Kind.OTHER:
            notes.append(PARTLY)
            self._count(2, path, main.size)
        return None, main

    def notices(self) -> Iterator[Problem]:
        """What is to be told of the volume as a whole."""
        files, size, parts, part_size = self._counts
        address = str(Address(self._evidence, self._volume, b"/"))
        if files:
            message = f"placeholders of a cloud store, whose content is not on this disk: {files} ({size} bytes)"
            hint = "ask the provider for the content; the first is " + self._shown(self._absent)
            yield Problem(address, STAGE, Reason.UNSUPPORTED, message, hint, examined_anyway=True)
        if parts:
            message = f"files of which a part is kept elsewhere and read as zeros: {parts} ({part_size} bytes)"
            hint = "read them on the running system; the first is " + self._shown(self._partly)
            yield Problem(address, STAGE, Reason.UNSUPPORTED, message, hint)

    def _count(self, place: int, path: bytes, size: int) -> None:
        first = self._absent if place == 0 else self._partly
        if not first:
            first.append((path, size))
        self._counts[place] += 1
        self._counts[place + 1] += size

    def _shown(self, first: list[tuple[bytes, int]]) -> str:
        return str(Address(self._evidence, self._volume, first[0][0]).local) if first else ""


def open_reparsed(file: Any, image: TskImage, entry: Entry) -> Stream | None:
    """The content of a file that a reparse point keeps from being what the library takes it for; else None.

    Args:
        file: The library's file.
        image: The image under it.
        entry: Of the unnamed data.

    Raises:
        EncryptedVolumeError: What holds the content is encrypted.
        UnsupportedFormatError: The content is not read, or not here.
        CorruptStructureError: It does not hold.
    """
    found = find_packed(file)
    if found.point is None:
        return None
    address = str(entry.address)
    point = found.point
    is_overlaid = point.overlay is not None and point.overlay.is_read
    if is_overlaid and point.overlay is not None and found.packed is not None:
        info = found.packed.info
        if int(info.flags) & tsk.ENCRYPTED:
            raise EncryptedVolumeError(EFS, hint="export the user's EFS key", address=address)
        packed = replace(entry, size=max(0, int(info.size)), attribute_type=int(info.type), attribute_id=int(info.id))
        return OverlayStream(TskStream(file, image, packed), point.overlay, entry.size)
    is_elsewhere = point.kind in (Kind.CLOUD, Kind.ELSEWHERE, Kind.OVERLAY)
    if is_elsewhere and found.main is not None and not _is_stored(found.main)[0]:
        message = f"the content is not where the file is: {point.text}{NO_STREAM if is_overlaid else ''}"
        raise UnsupportedFormatError(message, hint="read it on the running system", address=address)
    return None


@dataclass(slots=True)
class Found:
    """Attributes of a file that matter here.

    Attributes:
        point: Its reparse point, None where there is none.
        main: Unnamed data.
        packed: Compressed stream of the Windows Overlay Filter.
    """

    point: ReparsePoint | None = None
    main: Any = None
    packed: Any = None


def find_packed(file: Any) -> Found:
    """The reparse point of a file and what it speaks of; never raises."""
    found = Found()
    try:
        for attribute in file:
            info = attribute.info
            if info.type == tsk.ATTRIBUTE_DATA:
                if not info.name:
                    found.main = attribute
                elif info.name == STREAM:
                    found.packed = attribute
            elif info.type == tsk.ATTRIBUTE_REPARSE:
                found.point = read_reparse(file, info.id)
    except tsk.LIBRARY_ERRORS:
        pass
    return found


def _hide_packed(attributes: Attributes) -> Data | None:
    """Mark the compressed stream as one that is not examined; None where there is none."""
    for index, data in enumerate(attributes.data):
        if data.stream == STREAM:
            attributes.data[index] = replace(data, caveats=(*data.caveats, PACKED), is_map=True)
            return data
    return None


def _stored(item: Any, main: Data) -> tuple[bool, bool]:
    """Whether some of the unnamed data are stored, and whether some are not."""
    try:
        for attribute in item:
            if attribute.info.type == main.kind and attribute.info.id == main.id:
                return _is_stored(attribute)
    except tsk.LIBRARY_ERRORS:
        pass
    return True, False


def _is_stored(attribute: Any) -> tuple[bool, bool]:
    """Whether some of an attribute is stored, and whether some is not."""
    if not int(attribute.info.flags) & tsk.NON_RESIDENT:
        return attribute.info.size > 0, False
    stored = has_holes = False
    try:
        for count, run in enumerate(attribute):
            if run.flags & (tsk.RUN_SPARSE | tsk.RUN_FILLER):
                has_holes = True
            else:
                stored = True
            if (stored and has_holes) or count >= MAX_RUNS:
                break
    except tsk.LIBRARY_ERRORS:
        return True, False
    return stored, has_holes
