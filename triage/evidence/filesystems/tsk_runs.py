"""Where the content of an attribute lies, from the library's data runs; and reading it straight from there.

For large contents, reading by runs takes a few calls into the image instead of one round through the library for each
MiB. It is done only where it must give the same bytes: a non-resident attribute, neither compressed nor encrypted,
whose runs cover its whole size without gap or filler and lie in the volume. On NTFS, bytes past the initialised size
are zeros, as the library reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from triage.evidence.filesystems import tsk_library as tsk
from triage.model.byte_run import ByteRun
from triage.model.stream import Stream

MAX_RUNS = 2_000_000
"""Runs of one attribute that are looked at."""


@dataclass(frozen=True, slots=True)
class RunMap:
    """Runs of an attribute.

    Attributes:
        runs: By file offset, clipped to the size; a hole has offset -1.
        is_whole: They cover the size without gap, and no part is of unknown origin.
    """

    runs: tuple[ByteRun, ...]
    is_whole: bool


NO_RUNS = RunMap((), False)


def map_runs(attribute: Any, size: int, block_size: int, image_offset: int, initialised: int | None = None) -> RunMap:
    """Runs of an attribute of the library.

    Args:
        attribute: The library's attribute.
        size: Bytes of the content.
        block_size: Bytes of a data unit.
        image_offset: Byte of the media where the volume begins.
        initialised: Bytes that were ever written, None for all.
    """
    flags = int(attribute.info.flags)
    if not flags & tsk.NON_RESIDENT or flags & (tsk.COMPRESSED | tsk.ENCRYPTED):
        return NO_RUNS
    written = size if initialised is None else min(size, initialised)
    runs: list[ByteRun] = []
    position = 0
    is_whole = True
    try:
        for run in attribute:
            start = run.offset * block_size
            if start >= size or len(runs) >= MAX_RUNS:
                break
            is_whole &= start == position and not run.flags & tsk.RUN_FILLER
            if start < position:
                break
            end = min(size, start + run.len * block_size)
            is_hole = bool(run.flags & (tsk.RUN_SPARSE | tsk.RUN_FILLER))
            _add(runs, start, end, -1 if is_hole else run.addr * block_size, image_offset, written)
            position = end
    except tsk.LIBRARY_ERRORS:
        is_whole = False
    return RunMap(tuple(runs), is_whole and position == size)


def read_runs(media: Stream, runs: tuple[ByteRun, ...], length: int, volume_end: int) -> bytes | None:
    """The first bytes of a content.

    Args:
        media: Decoded media.
        runs: Covering the content from its beginning.
        length: Bytes wanted, not more than the runs cover.
        volume_end: Byte of the media where the volume ends; runs beyond it are not read.

    Returns:
        ``length`` bytes; None where a run does not lie in the volume or reads short.

    Raises:
        ReadFailedError: The media cannot be read there.
    """
    parts: list[bytes] = []
    for run in runs:
        if run.file_offset >= length:
            break
        wanted = min(run.length, length - run.file_offset)
        if run.image_offset < 0:
            parts.append(bytes(wanted))
            continue
        if run.image_offset + wanted > volume_end:
            return None
        data = media.read_at(run.image_offset, wanted)
        if len(data) != wanted:
            return None
        parts.append(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _add(runs: list[ByteRun], start: int, end: int, fs_offset: int, image_offset: int, written: int) -> None:
    """Append a run, joined to the last where it continues it; what was never written is a hole."""
    if start < written < end:
        _add(runs, start, written, fs_offset, image_offset, written)
        start, fs_offset = written, -1
    elif start >= written:
        fs_offset = -1
    if end <= start:
        return
    if runs:
        last = runs[-1]
        both_holes = fs_offset < 0 and last.fs_offset < 0
        follows = fs_offset >= 0 and last.fs_offset >= 0 and last.fs_offset + last.length == fs_offset
        if last.file_offset + last.length == start and (both_holes or follows):
            runs[-1] = ByteRun(last.file_offset, last.fs_offset, last.image_offset, last.length + end - start)
            return
    runs.append(ByteRun(start, fs_offset, fs_offset + image_offset if fs_offset >= 0 else -1, end - start))
