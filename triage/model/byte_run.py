"""Consecutive bytes of a content with their three offsets."""

from __future__ import annotations

from dataclasses import dataclass

from triage.model.packed import Packed


@dataclass(frozen=True, slots=True)
class ByteRun(Packed):
    """Bytes that lie together.

    Attributes:
        file_offset: Bytes from the start of the content.
        fs_offset: Bytes from the start of the file system, -1 for a hole (sparse).
        image_offset: Bytes from the start of the decoded media, -1 for a hole.
        length: Bytes.
    """

    file_offset: int
    fs_offset: int
    image_offset: int
    length: int
