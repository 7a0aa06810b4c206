"""Apple sparse bundles (``.sparsebundle``): a folder with a property list and one file for each band.

Bands are named by their number in hexadecimal; a band that is missing was never written, one that is short ends in
zeros. This is how Time Machine keeps backups on a network disk. Encrypted bundles are refused by name.

Source: "Mac OS sparse bundle (.sparsebundle) format" (Joachim Metz).
"""

from __future__ import annotations

import os
import plistlib
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from triage.errors import (
    CorruptStructureError,
    EncryptedVolumeError,
    EvidenceError,
    SourceNotFoundError,
    UnsupportedFormatError,
)
from triage.evidence.containers.beside import FileSet
from triage.evidence.containers.mapped_container import DiskContainer, mapped
from triage.evidence.containers.mapped_stream import Kind, Piece, damaged, zeros
from triage.evidence.containers.raw import RawStream
from triage.evidence.containers.segment_file import shown_path
from triage.model.stream import Stream

_LISTS = ("Info.plist", "Info.bckup")
_KIND = "com.apple.diskimage.sparsebundle"
_MAX_LIST = 1 << 20
_MAX_BAND = 1 << 40


class BundleMap:
    """The bands of a bundle; see :class:`~triage.evidence.containers.mapped_stream.BlockMap`.

    Args:
        files: Takes the files that are opened.
        folder: Folder with the bands.
        size: Bytes of the media.
        band: Bytes in a band.
    """

    def __init__(self, files: FileSet, folder: Path, size: int, band: int) -> None:
        self.size = size
        self.parent: Stream | None = None
        self._files = files
        self._folder = folder
        self._band = band
        self._last: tuple[int, Stream] | None = None

    def piece(self, offset: int) -> Piece:
        """What lies at an offset."""
        number, inside = divmod(offset, self._band)
        left = self._band - inside
        if self._last is None or self._last[0] != number:
            path = self._folder / f"{number:x}"
            if not os.path.lexists(path) or (path.is_file() and path.stat().st_size == 0):
                return zeros(left)
            if path.is_symlink():
                return damaged(left, f"band {number:x} is a link")
            try:
                self._last = number, RawStream(self._files.open(path))
            except EvidenceError as error:
                return damaged(left, f"band {number:x}: {error.message}")
        stream = self._last[1]
        if inside >= stream.size:
            return zeros(left)
        return Piece(Kind.STORED, min(left, stream.size - inside), stream, inside)

    def unpack(self, key: int) -> bytes:
        """Never asked for: nothing is compressed."""
        raise ValueError(f"no compressed band {key}")


def detect(head: bytes, paths: tuple[Path, ...]) -> bool:
    """True for a folder with the property list of a bundle.

    Args:
        head: Not looked at; a folder has none.
        paths: The folder.
    """
    del head
    return len(paths) == 1 and paths[0].is_dir() and any((paths[0] / name).is_file() for name in _LISTS)


def open_container(paths: tuple[Path, ...], evidence_name: str) -> DiskContainer:
    """A sparse bundle.

    Args:
        paths: The folder.
        evidence_name: For the addresses of Problems.

    Raises:
        SourceNotFoundError: No such folder.
        UnsupportedFormatError: A folder that is no sparse bundle.
        EncryptedVolumeError: The bands are encrypted.
        CorruptStructureError: The property list does not hold.
    """
    folder = paths[0]
    if not folder.is_dir():
        raise SourceNotFoundError(f"no such folder: {shown_path(folder)}", hint="check the path")
    files = FileSet()
    try:
        values = _read_list(files, folder)
        size, band = values.get("size"), values.get("band-size")
        if values.get("diskimage-bundle-type") != _KIND:
            raise UnsupportedFormatError(f"a folder that is no sparse bundle: {shown_path(folder)}")
        if not isinstance(size, int) or not isinstance(band, int) or not 512 <= band <= _MAX_BAND or band % 512:
            raise CorruptStructureError(f"damaged sparse bundle: bands of {band!r} bytes for media of {size!r}"[:200])
        _refuse_encrypted(files, folder)
        if not (folder / "bands").is_dir() or (folder / "bands").is_symlink():
            raise CorruptStructureError("damaged sparse bundle: it has no folder of bands")
        block_map = BundleMap(files, folder / "bands", size, band)
        container = mapped("sparse-bundle", block_map, evidence_name, {"band_size": str(band)})
    except BaseException:
        files.close()
        raise
    container.own(files)
    return container


def _read_list(files: FileSet, folder: Path) -> dict[str, Any]:
    """The property list, or its backup where the first does not hold."""
    for name in _LISTS:
        path = folder / name
        if not path.is_file() or path.is_symlink():
            continue
        try:
            values: Any = plistlib.loads(files.open(path).read_at(0, _MAX_LIST), fmt=plistlib.FMT_XML)
        except (EvidenceError, ExpatError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
        if isinstance(values, dict):
            return values
    raise CorruptStructureError("damaged sparse bundle: neither its property list nor the backup of it holds")


def _refuse_encrypted(files: FileSet, folder: Path) -> None:
    token = folder / "token"
    if not token.is_file() or token.is_symlink() or not token.stat().st_size:
        return
    if files.open(token).read_at(0, 8) == b"encrcdsa":
        raise EncryptedVolumeError(
            f"encrypted sparse bundle: {shown_path(folder)}",
            hint="attach it with its password on macOS and image the disk",
        )
