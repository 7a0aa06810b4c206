"""Where the content of an attribute lies, from the library's data runs.

Only of non-resident attributes that are neither compressed nor encrypted: there the bytes of a run are the bytes of
the content. On NTFS, bytes past the initialised size are zeros whatever lies in their clusters, so they are a hole.
"""

from __future__ import annotations

from typing import Any

from triage.evidence.filesystems import tsk_library as tsk
from triage.model.byte_run import ByteRun

MAX_RUNS = 2_000_000
"""Runs of one attribute that are looked at."""


def map_runs(
    attribute: Any, size: int, block_size: int, image_offset: int, initialised: int | None = None
) -> tuple[ByteRun, ...]:
    """Runs of an attribute of the library, by file offset and clipped to the size; a hole has offset -1.

    Args:
        attribute: The library's attribute.
        size: Bytes of the content.
        block_size: Bytes of a data unit.
        image_offset: Byte of the media where the volume begins.
        initialised: Bytes that were ever written, None for all.
    """
    flags = int(attribute.info.flags)
    if not flags & tsk.NON_RESIDENT or flags & (tsk.COMPRESSED | tsk.ENCRYPTED):
        return ()
    written = size if initialised is None else min(size, initialised)
    runs: list[ByteRun] = []
    position = 0
    try:
        for run in attribute:
            start = run.offset * block_size
            if start >= size or start < position or len(runs) >= MAX_RUNS:
                break
            position = min(size, start + run.len * block_size)
            is_hole = bool(run.flags & (tsk.RUN_SPARSE | tsk.RUN_FILLER))
            _add(runs, start, position, -1 if is_hole else run.addr * block_size, image_offset, written)
    except tsk.LIBRARY_ERRORS:
        pass
    return tuple(runs)


def joined_slack(*parts: tuple[ByteRun, ...]) -> tuple[ByteRun, ...]:
    """Runs one after another; ``file_offset`` counts through them."""
    found: list[ByteRun] = []
    position = 0
    for run in (run for part in parts for run in part):
        found.append(ByteRun(position, run.fs_offset, run.image_offset, run.length))
        position += run.length
    return tuple(found)


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
