"""A stand-in for the file-system library, so that tests can show it directories that no tool would make.

Numbers are those of the library: name types 3 directory, 5 file; record types 1 file, 2 directory, 11 made-up
directory; flags 1 allocated, 2 unallocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

FILE, DIRECTORY, LINK, MADE_UP = 1, 2, 6, 11
_NAME_TYPE = {FILE: 5, DIRECTORY: 3, LINK: 6, MADE_UP: 11}


@dataclass
class FakeRun:
    """Blocks of an attribute."""

    addr: int
    len: int
    offset: int = 0
    flags: int = 0


class FakeAttribute:
    """An attribute with its runs."""

    def __init__(self, kind: int = 1, identity: int = 0, name: bytes | None = None, size: int = 0, flags: int = 3,
                 runs: tuple[FakeRun, ...] = ()) -> None:  # fmt: skip
        self.info = SimpleNamespace(type=kind, id=identity, name=name, size=size, flags=flags)
        self.runs = runs

    def __iter__(self) -> Iterator[FakeRun]:
        return iter(self.runs)


@dataclass
class FakeName:
    """A name in a directory; ``record`` None is what the library gives for a deleted NTFS name."""

    name: bytes
    address: int
    flags: int = 1
    type: int | None = None
    sequence: int = 0
    loaded: bool = True


@dataclass
class FakeRecord:
    """A metadata record."""

    kind: int = FILE
    size: int = 0
    flags: int = 5
    sequence: int = 0
    names: list[Any] = field(default_factory=list)
    attributes: list[FakeAttribute] | OSError = field(default_factory=list)
    link: bytes | None = None
    data: bytes = b""
    times: tuple[int, int, int, int] = (1_700_000_000, 0, 0, 0)
    uid: int = 1000
    open_error: Exception | None = None


class FakeFile:
    """What the library gives for a name or an address."""

    def __init__(self, address: int, record: FakeRecord, name: FakeName | None) -> None:
        self.record = record
        mtime, atime, ctime, crtime = record.times
        meta = SimpleNamespace(
            addr=address, type=record.kind, size=record.size, flags=record.flags, seq=record.sequence,
            link=record.link, uid=record.uid, mtime=mtime, atime=atime, ctime=ctime, crtime=crtime,
            mtime_nano=0, atime_nano=0, ctime_nano=0, crtime_nano=0,
        )  # fmt: skip
        info = None
        if name is not None:
            kind = name.type if name.type is not None else _NAME_TYPE.get(record.kind, 0)
            info = SimpleNamespace(
                name=name.name, meta_addr=name.address, flags=name.flags, type=kind, meta_seq=name.sequence
            )
        self.info = SimpleNamespace(name=info, meta=meta if name is None or name.loaded else None)

    def __iter__(self) -> Iterator[FakeAttribute]:
        if isinstance(self.record.attributes, OSError):
            raise self.record.attributes
        return iter(self.record.attributes)

    def read_random(self, offset: int, length: int, kind: int = 1, identity: int = -1) -> bytes:
        """Bytes of the record's data."""
        return self.record.data[offset : offset + length]


class FakeDirectory:
    """A directory; an exception among its names is raised in its turn."""

    def __init__(self, library: FakeLibrary, record: FakeRecord) -> None:
        self._library = library
        self._names = record.names
        self.size = len(record.names)
        self.current = 0

    def __iter__(self) -> FakeDirectory:
        return self

    def __next__(self) -> FakeFile:
        if self.current >= self.size:
            raise StopIteration
        name = self._names[self.current]
        self.current += 1
        if isinstance(name, Exception):
            raise name
        return FakeFile(name.address, self._library.records.get(name.address, FakeRecord()), name)


class FakeLibrary:
    """A file system of records by address; 2 is the root."""

    def __init__(self, records: dict[int, FakeRecord], *, flags: int = 0, last: int = 0) -> None:
        self.records = records
        self.opened: list[int] = []
        self.info = SimpleNamespace(
            root_inum=2, first_inum=1, last_inum=last or max(records), block_size=512, flags=flags,
            block_pre_size=0, block_post_size=0,
        )  # fmt: skip

    def open_dir(self, inode: int) -> FakeDirectory:
        """A directory."""
        self.opened.append(inode)
        record = self.records.get(inode)
        if record is None or record.open_error is not None:
            raise (record.open_error if record and record.open_error else OSError("Invalid inode"))
        return FakeDirectory(self, record)

    def open_meta(self, inode: int) -> FakeFile:
        """A file by its address."""
        if inode not in self.records:
            raise OSError("FS_Info_open_meta: (tsk3.cpp:427) Unable to open file: Invalid metadata address")
        return FakeFile(inode, self.records[inode], None)
