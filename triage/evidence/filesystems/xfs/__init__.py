"""XFS, versions 4 and 5, read-only and by ourselves: no free reader of it in Python shows deleted files.

Source: "XFS Algorithms & Data Structures", third edition (SGI, Red Hat and others), and what later kernels added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from triage.errors import EvidenceError, LimitExceededError
from triage.evidence.filesystems.run_stream import VolumeStream
from triage.evidence.filesystems.tree import MAX_PATH, ORPHANS, Node, TreeFileSystem
from triage.evidence.filesystems.xfs.blocks import Blocks
from triage.evidence.filesystems.xfs.log import log_note
from triage.evidence.filesystems.xfs.superblock import LENGTH, MAGIC, Geometry, is_superblock, parse_superblock
from triage.evidence.filesystems.xfs.tree import OPEN, XfsTree
from triage.evidence.interface import FileSystem
from triage.model.entry import Entry, EntryType
from triage.model.problem import Problem, Reason
from triage.model.stream import Stream
from triage.model.volume import Volume

__all__ = ["XfsFileSystem", "detect_file_system", "open_file_system"]


class XfsFileSystem(TreeFileSystem):
    """An XFS; see :class:`~triage.evidence.interface.FileSystem`.

    Args:
        tree: Its tree.
        stream: Bytes of the volume.
        volume: Where it lies.
        evidence_name: For the addresses of entries.
        problems: What a reader of the listing must know, told before its entries.
    """

    def __init__(
        self, tree: XfsTree, stream: Stream, volume: Volume, evidence_name: str, problems: tuple[Problem, ...]
    ) -> None:
        super().__init__(tree, stream, volume, evidence_name)
        self._xfs = tree
        self._elsewhere: set[bytes] = set()
        self._problems = problems

    def walk(
        self, *, skip: frozenset[int] = frozenset(), entering: Callable[[int, bytes], None] | None = None
    ) -> Iterator[Entry | Problem]:
        """All entries; see :meth:`TreeFileSystem.walk`. A deleted name whose inode is in use again is ``reused``."""
        self._xfs.begin(not skip)
        yield from self._problems
        yield from super().walk(skip=skip, entering=entering)

    def _entry(
        self, path: bytes, node: Node, name: bytes, size: int, number: int, allocated: bool, orphan: bool,
        entry_type: EntryType,
    ) -> Entry:  # fmt: skip
        entry = super()._entry(path, node, name, size, number, allocated, orphan, entry_type)
        if node.allocated and not allocated and not orphan and OPEN not in node.caveats:
            self._elsewhere.add(path)
            return replace(entry, reused=True)
        return entry

    def _directory(
        self, number: int, path: bytes, seen: set[int], inner: list[tuple[int, bytes]]
    ) -> Iterator[Entry | Problem]:
        """Names of a directory; a deleted name that leads to a directory in use is not entered by it."""
        found: list[tuple[int, bytes]] = []
        yield from super()._directory(number, path, seen, found)
        inner += [one for one in found if one[1] not in self._elsewhere]
        self._elsewhere.clear()

    def _unlinked(self, seen: set[int], entering: Callable[[int, bytes], None] | None) -> Iterator[Entry | Problem]:
        """Nodes without a name; directories among them are entered, so that what they name has its name."""
        listed: set[int] = set()
        if entering is not None:
            entering(0, ORPHANS)
        try:
            for node in self._xfs.unlinked():
                if isinstance(node, EvidenceError):
                    yield self._failed(ORPHANS, node)
                    continue
                path = ORPHANS + b"/OrphanFile-%d" % node.number
                yield from self._entries(path, node, False, orphan=True)
                stack = [(node.number, path)] if node.entry_type is EntryType.DIRECTORY else []
                while stack:
                    number, path = stack.pop()
                    if number in listed or len(path) > MAX_PATH:
                        continue
                    listed.add(number)
                    if entering is not None:
                        entering(number, path)
                    inner: list[tuple[int, bytes]] = []
                    yield from self._directory(number, path, seen, inner)
                    stack += reversed(inner)
        except (EvidenceError, LimitExceededError) as error:
            yield self._failed(ORPHANS, error)


def detect_file_system(media: Stream, image_offset: int, length: int) -> tuple[str, int]:
    """Which file system begins at a place; never raises.

    Args:
        media: Decoded media.
        image_offset: Byte of the media where the volume begins.
        length: Bytes of the volume.

    Returns:
        ``xfs`` and bytes in a block, or ``("", 0)``.
    """
    if length < LENGTH:
        return "", 0
    try:
        data = media.read_at(image_offset, LENGTH)
    except EvidenceError:
        return "", 0
    if data[:4] != MAGIC or not is_superblock(data):
        return "", 0
    return "xfs", int.from_bytes(data[4:8], "big")


def open_file_system(media: Stream, volume: Volume, evidence_name: str) -> FileSystem:
    """The XFS of a volume.

    Args:
        media: Decoded media; stays the caller's to close.
        volume: Where it lies.
        evidence_name: For the addresses of entries.

    Raises:
        CorruptStructureError: The superblock does not hold.
        UnsupportedFormatError: A version that is not read.
        ReadFailedError: The superblock cannot be read.
    """
    stream = VolumeStream(media, volume.image_offset, volume.length)
    geometry = parse_superblock(stream.read_at(0, LENGTH))
    if geometry.sector_size > LENGTH:
        geometry = parse_superblock(stream.read_at(0, geometry.sector_size))
    blocks = Blocks(stream, geometry)
    address = f"{evidence_name} {volume.name}:/"
    problems = tuple(_problems(stream, geometry, blocks, address))
    return XfsFileSystem(XfsTree(blocks), stream, volume, evidence_name, problems)


def _problems(stream: Stream, geometry: Geometry, blocks: Blocks, address: str) -> Iterator[Problem]:
    """What a reader of the listing must know before it."""
    stage = "evidence/xfs"
    for note in geometry.notes:
        yield Problem(address, stage, Reason.CORRUPT, note, examined_anyway=True)
    claimed = geometry.blocks * geometry.block_size
    if claimed > stream.size:
        message = f"the file system has {claimed} bytes, the volume {stream.size}"
        hint = "the image may be cut short, or the volume be one of an array"
        yield Problem(address, stage, Reason.TRUNCATED, message, hint, bytes_not_examined=claimed - stream.size)
    note = log_note(blocks)
    if note:
        hint = "the last changes before that may be missing or half done"
        yield Problem(address, stage, Reason.MISMATCH, note, hint, examined_anyway=True)
    if geometry.realtime_blocks:
        message = "the file system has a realtime section on another device; files in it cannot be read"
        yield Problem(address, stage, Reason.UNSUPPORTED, message, "add that device as evidence of its own")
