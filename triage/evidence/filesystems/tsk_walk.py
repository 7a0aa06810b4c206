r"""Walking a file system: every name and metadata record, once, without recursion.

A directory's own entries come first, in stored order, then what is in its sub-directories, each in the same way; what
is reached only through a deleted name of a directory that lives elsewhere follows; ``$OrphanFiles`` comes last.
Everything that happens inside the library between two calls of ``entering`` belongs to the directory entered, so
whoever kills a walk that does not come back knows what to leave out.

* A metadata address is descended into once. A second path to it is a Problem ``loop`` (nothing is missing: its entries
  are listed under the first path). FAT directories with different addresses on the same clusters are listed up to
  ``MAX_ALIASES`` times.
* ``.`` and ``..`` are left out where they are what they should be: directories. Where one (stored, in ext and UFS)
  leads to a directory that nothing else leads to, that is listed as well; where one is a file, it is an entry.
* Where a directory could not be listed, or was left out, the metadata records that were not seen are listed by their
  number under ``/$unlisted``, directories first and with what is in them. That needs dense numbers: NTFS, ext, UFS.

Limit: opening a directory is quadratic in the library (10,000 names 0.1 s, 40,000 4 s, 145,000 84 s), inside one
call. A caller that gives a directory a time limit gets its files by number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from triage.evidence.filesystems import tsk_library as tsk
from triage.evidence.filesystems.tsk_entries import BY_NUMBER, Described, EntryMaker
from triage.evidence.interface import NO_FREE_SPACE
from triage.evidence.tsk_image import TskImage
from triage.model.address import Address
from triage.model.entry import Entry
from triage.model.problem import Problem, Reason

STAGE = "evidence/tsk"
MAX_PATH = 131_072
"""Bytes of a path; deeper directories are not listed."""
MAX_ALIASES = 16
"""Times that the clusters of a FAT directory are listed under different addresses."""
MAX_REPEATS = 1000
"""Directories reached again that become Problems one by one."""
MAX_RECORDS = 10_000_000
"""Metadata records looked at by number."""
UNLISTED = b"/$unlisted"
LEFT_OUT = "listing the directory did not return; it was left out"
_DENSE = frozenset({"ntfs", "ext2", "ext3", "ext4", "ufs1", "ufs2"})
_STORED_DOTS = _DENSE - {"ntfs"}
_FAT = frozenset({"fat12", "fat16", "fat32", "exfat"})
_FIRST_FREE_EXT = 11
"""Smaller inodes are the file system's own."""


class _Pending(NamedTuple):
    """A directory to list."""

    meta_address: int
    path: bytes
    orphan: bool
    is_orphan_root: bool = False


class Walker:
    """One walk.

    Args:
        library: The library's file system.
        image: The image under it.
        maker: Makes entries of its files.
        name: Our name of the file system.
        evidence_name: For the addresses of problems, as is ``volume_name``.
        skip: Metadata addresses not to descend into or look at.
        entering: Called before the library is asked for a directory, or for a record by its number.
    """

    def __init__(
        self,
        library: Any,
        image: TskImage,
        maker: EntryMaker,
        name: str,
        evidence_name: str,
        volume_name: str,
        skip: frozenset[int],
        entering: Callable[[int, bytes], None] | None,
    ) -> None:
        self._library = library
        self._image = image
        self._maker = maker
        self._name = name
        self._evidence = evidence_name
        self._volume = volume_name
        self._skip = skip
        self._entering = entering
        self._listed: dict[int, bytes] = {}
        self._aliases: dict[int, int] = {}
        self._repeats = 0
        self._seen: set[int] = set()
        self._track = name in _DENSE
        self._is_fat = name in _FAT
        self._has_dots = name in _STORED_DOTS
        self._later: list[_Pending] = []
        self._orphans: list[_Pending] = []
        self._tree_incomplete = False
        self._orphans_incomplete = False

    def run(self) -> Iterator[Entry | Problem]:
        """Every entry and problem."""
        root = int(self._library.info.root_inum)
        yield from self._root_streams(root)
        yield from self._descend([_Pending(root, b"", False)])
        for one in self._later:
            if one.meta_address not in self._listed:
                yield from self._descend([one])
        if not (self._is_fat and NO_FREE_SPACE in self._skip):  # these are looked for in all free clusters
            yield from self._descend(self._orphans)
        if self._track and (self._tree_incomplete or self._orphans_incomplete):
            yield from self._by_number()
        if self._repeats > MAX_REPEATS:
            message = f"{self._repeats} directories were reached again, {MAX_REPEATS} of them are told"
            yield self._problem(_Pending(root, b"", False), Reason.LOOP, message, anyway=True)

    # --- directories --------------------------------------------------------------------------------------------
    def _descend(self, stack: list[_Pending]) -> Iterator[Entry | Problem]:
        while stack:
            pending = stack.pop()
            if pending.meta_address in self._listed:
                self._repeats += 1
                if self._repeats <= MAX_REPEATS:
                    yield self._repeated(pending)
                continue
            problem = self._refused(pending)
            if problem is not None:
                yield problem
                continue
            self._listed[pending.meta_address] = pending.path
            if self._entering is not None:
                self._entering(pending.meta_address, pending.path)
            children: list[_Pending] = []
            yield from self._list(pending, children)
            children.reverse()
            stack += children

    def _repeated(self, pending: _Pending) -> Problem:
        """That a directory was reached again."""
        first = self._listed[pending.meta_address]
        inside = pending.path == first or pending.path.startswith(first + b"/")
        shown = Address(self._evidence, self._volume, first or b"/").local
        what = "is inside itself" if inside else "is listed already"
        message = f"the directory {what}: its entries are under {shown}"
        return self._problem(pending, Reason.LOOP, message, anyway=True)

    def _refused(self, pending: _Pending) -> Problem | None:
        """Why a directory is not listed; None where it is."""
        if pending.meta_address in self._skip:
            self._give_up(pending)
            return self._problem(pending, Reason.LOOP, LEFT_OUT, self._advice())
        if len(pending.path) > MAX_PATH:
            self._give_up(pending)
            message = f"the path is longer than {MAX_PATH} bytes: the directory is not listed"
            return self._problem(pending, Reason.LIMIT, message, self._advice())
        return None

    def _list(self, pending: _Pending, children: list[_Pending]) -> Iterator[Entry | Problem]:
        """Entries of one directory; its sub-directories go to ``children``."""
        self._image.failed = None
        try:
            directory = self._library.open_dir(inode=pending.meta_address)
            items = iter(directory)
        except tsk.LIBRARY_ERRORS as error:
            self._give_up(pending)
            yield self._failed(pending, error, "the directory cannot be listed")
            return
        last = -1
        is_first = self._is_fat
        while True:
            try:
                item = next(items, None)
            except tsk.LIBRARY_ERRORS as error:
                self._give_up(pending)
                yield self._failed(pending, error, f"name {directory.current} of the directory cannot be read")
                if directory.current == last:
                    return
                last = directory.current
                continue
            if item is None:
                return
            if is_first and item.info.name.name not in (b".", b".."):
                is_first = False
                if self._is_alias(item.info.name.meta_addr):
                    message = f"more than {MAX_ALIASES} directories lie on these clusters"
                    yield self._problem(pending, Reason.LOOP, message, anyway=True)
                    return
            yield from self._name_entries(item, pending, children)

    def _name_entries(self, item: Any, pending: _Pending, children: list[_Pending]) -> Iterator[Entry]:
        info = item.info.name
        name = info.name or b""
        path = pending.path + b"/" + name
        dotted = name == b"." or name == b".."
        if dotted and self._is_ordinary_dot(item, info):
            if self._has_dots and info.meta_addr not in self._listed and info.flags & tsk.FLAG_ALLOCATED:
                self._later.append(_Pending(info.meta_addr, path, pending.orphan))
            return
        made = self._maker.describe(item, path, orphan=pending.orphan)
        if self._track and not made.entries[0].reused:
            self._seen.add(info.meta_addr)
        yield from made.entries
        if made.target >= 0:
            self._queue(made, path, pending, children)

    def _queue(self, made: Described, path: bytes, pending: _Pending, children: list[_Pending]) -> None:
        """Put a sub-directory where its turn is."""
        found = _Pending(made.target, path, pending.orphan)
        if made.is_virtual_directory and path.endswith(b"/$OrphanFiles"):
            self._orphans.append(found._replace(orphan=True, is_orphan_root=True))
        elif made.lives_elsewhere:
            self._later.append(found)
        else:
            children.append(found)

    def _is_ordinary_dot(self, item: Any, info: Any) -> bool:
        meta = item.info.meta
        if meta is None:
            return not info.flags & tsk.FLAG_ALLOCATED or int(info.type) in (tsk.NAME_DIR, 0)
        return int(meta.type) in (tsk.META_DIR, tsk.META_VIRTUAL_DIR, 0)

    def _is_alias(self, first: int) -> bool:
        """True where clusters, known by their first name's address, were listed too often."""
        count = self._aliases[first] = self._aliases.get(first, 0) + 1
        return count > MAX_ALIASES

    def _root_streams(self, root: int) -> Iterator[Entry]:
        """Alternate data streams of the root directory itself, which no name lists."""
        if self._name != "ntfs":
            return
        try:
            made = self._maker.describe_record(self._library.open_meta(root), b"/", alloc_name=True, orphan=False)
        except tsk.LIBRARY_ERRORS:
            return
        self._seen.add(root)
        yield from made.entries[1:]

    # --- by number ----------------------------------------------------------------------------------------------
    def _by_number(self) -> Iterator[Entry | Problem]:
        """What no directory listed, by metadata address: directories with their contents first, then the rest."""
        first, last = int(self._library.info.first_inum), int(self._library.info.last_inum)
        first = max(first, _FIRST_FREE_EXT) if self._name.startswith("ext") else first
        end, top = min(last, first + MAX_RECORDS), _Pending(-1, UNLISTED, True)
        for kinds in ((tsk.META_DIR,), (tsk.META_REG, tsk.META_LNK)):
            for number in range(first, end + 1):
                if number in self._seen or number in self._listed or number in self._skip:
                    continue
                made = self._record(number, kinds)
                if made is None:
                    continue
                self._seen.add(number)
                yield from made.entries
                if made.target >= 0:
                    yield from self._descend([_Pending(number, b"%s/%d" % (UNLISTED, number), True)])
        if end < last:
            yield self._problem(top, Reason.LIMIT, f"metadata records above {end} were not looked at by number")

    def _record(self, number: int, kinds: tuple[int, ...]) -> Described | None:
        """Entries of a record of one of some types that is worth one."""
        if self._entering is not None:
            self._entering(number, UNLISTED)
        try:
            item = self._library.open_meta(number)
            meta = item.info.meta
            if meta is None or int(meta.type) not in kinds:
                return None
            allocated = bool(meta.flags & tsk.FLAG_ALLOCATED)
            if not (self._tree_incomplete if allocated else self._orphans_incomplete and meta.size > 0):
                return None
            path = b"%s/%d" % (UNLISTED, number)
            return self._maker.describe_record(item, path, alloc_name=allocated, orphan=True, note=BY_NUMBER)
        except tsk.LIBRARY_ERRORS:
            return None

    def _give_up(self, pending: _Pending) -> None:
        """Remember that names are missing."""
        if pending.is_orphan_root:
            self._orphans_incomplete = True
        else:
            self._tree_incomplete = True

    def _advice(self) -> str:
        if self._track:
            return "what is in it is listed by number under /$unlisted; read it with another tool for the names"
        return "read that directory with another tool"

    def _failed(self, pending: _Pending, error: BaseException, what: str) -> Problem:
        below = self._image.failed
        words = below.message if below is not None else tsk.said(error)
        reason = Reason.UNREADABLE if below is not None or tsk.READ_ERROR in words else Reason.CORRUPT
        return self._problem(pending, reason, f"{what}: {words}", self._advice())

    def _problem(
        self, pending: _Pending, reason: Reason, message: str, hint: str = "", *, anyway: bool = False
    ) -> Problem:
        address = Address(self._evidence, self._volume, pending.path or b"/")
        return Problem(str(address), STAGE, reason, message, hint, examined_anyway=anyway)
