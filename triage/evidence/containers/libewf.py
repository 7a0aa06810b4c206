"""Expert Witness images, version 2 (Ex01), through libewf.

The library opens files by itself, so it gets only paths that were looked at before. It is slow (15 MB/s), which does
not matter for how seldom these are met.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from triage.errors import CorruptStructureError, ReadFailedError, UnsupportedFormatError
from triage.evidence.containers.ewf_headers import printable
from triage.evidence.containers.ewf_sections import MAX_MEDIA
from triage.evidence.containers.segment_file import SegmentFile, check_regular, shown_name
from triage.model.problem import Problem

EX01 = b"EVF2\x0d\x0a\x81\x00"
_MAX_READ = 1 << 20


class LibewfStream:
    """The media of an open libewf handle.

    Args:
        handle: An open ``pyewf.handle``.
    """

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._size = int(handle.get_media_size())

    @property
    def size(self) -> int:
        """Bytes of the media."""
        return self._size

    def read_at(self, offset: int, length: int) -> bytes:
        """Read bytes; see :class:`~triage.model.stream.Stream`.

        Raises:
            ReadFailedError: The library cannot give these bytes.
        """
        if offset < 0 or length <= 0 or offset >= self._size:
            return b""
        parts = []
        end = min(offset + length, self._size)
        while offset < end:
            try:
                part = self._handle.read_buffer_at_offset(min(end - offset, _MAX_READ), offset)
            except (OSError, ValueError, MemoryError) as error:
                raise ReadFailedError(f"libewf cannot read at {offset}: {_words(error)}") from error
            if not part:
                raise ReadFailedError(f"libewf returned nothing at {offset}")
            parts.append(part)
            offset += len(part)
        return b"".join(parts)

    def close(self) -> None:
        """Close the handle; a second call does nothing."""
        try:
            self._handle.close()
        except OSError:
            return


class LibewfContainer:
    """An Ex01 set; see :class:`~triage.evidence.interface.Container`."""

    name = "libewf"

    def __init__(self, paths: tuple[Path, ...], handle: Any) -> None:
        self.media = LibewfStream(handle)
        self.sector_size = int(handle.get_bytes_per_sector()) or 512
        self.paths = paths
        self._files = [SegmentFile(path) for path in paths]
        for file in self._files:
            file.put_away()
        self.stored_hashes = {
            str(name).lower(): str(value).lower()
            for name, value in dict(handle.get_hash_values()).items()
            if str(name).lower() in ("md5", "sha1")
        }
        values = dict(handle.get_header_values())
        self.details = {printable(str(name)): printable(str(value)) for name, value in values.items() if value}
        self.problems: tuple[Problem, ...] = ()

    def read_problems(self) -> tuple[Problem, ...]:
        """None: a read that fails raises."""
        return ()

    def changed(self) -> tuple[Path, ...]:
        """Files that changed since opening."""
        return tuple(file.path for file in self._files if file.changed())

    def close(self) -> None:
        """Close the files; a second call does nothing."""
        self.media.close()


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for the signature of Ex01."""
    del paths
    return head[:8] == EX01


def open_container(paths: tuple[Path, ...], evidence_name: str) -> LibewfContainer:
    """An Ex01 set.

    Raises:
        SourceNotFoundError: A file cannot be read.
        UnsupportedFormatError: libewf is not installed.
        CorruptStructureError: The library refuses the set.
    """
    del evidence_name
    for path in paths:
        check_regular(path)
    name = shown_name(paths[0])
    try:
        import pyewf
    except ImportError as error:
        raise UnsupportedFormatError(
            f"Expert Witness version 2 (Ex01) needs libewf, which is not installed: {name}",
            hint="install libewf-python, or convert the image to E01",
        ) from error
    handle = pyewf.handle()
    try:
        handle.open([str(path) for path in paths])
        if not 0 < handle.get_media_size() < MAX_MEDIA:
            raise ValueError(f"impossible size of the media: {handle.get_media_size()}")
        return LibewfContainer(paths, handle)
    except (OSError, ValueError, MemoryError, TypeError) as error:
        raise CorruptStructureError(
            f"libewf cannot open {name}: {_words(error)}", hint="compare with another copy of the image"
        ) from error


def _words(error: BaseException) -> str:
    """First line of a library's message, printable, without its own function names."""
    lines = str(error).splitlines()
    text = lines[0] if lines else type(error).__name__
    return printable(text.rpartition(": ")[2])[:200]
