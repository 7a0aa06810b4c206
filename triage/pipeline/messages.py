"""What supervisor and workers say to each other; small, so that no content crosses a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triage.case.schema import ALLOC_INODE, ALLOC_NAME
from triage.evidence import Evidence, Keychain, LostSearch, open_evidence
from triage.evidence.inner_images import InnerImage
from triage.evidence.native_calls import Place, leave_out
from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.packed import Packed
from triage.model.problem import Problem
from triage.model.result import EntryResult
from triage.model.rules import RuleSet
from triage.model.scope import Scope
from triage.model.volume import Volume
from triage.pipeline.options import Limits

# Levels of care: a worker died on this entry before.
NORMAL, RAW_ONLY = 0, 2
# Places in the memory that a worker shares with the supervisor: entry in hand (0 none), when it was begun, how many are
# in hand together from it on.
ENTRY, BEGUN, TOGETHER = 0, 1, 2
PLACES = 3


@dataclass(frozen=True, slots=True)
class SourceRef:
    """How a process opens an evidence source for itself.

    Attributes:
        paths: Segments in order.
        name: Name of the source.
        as_raw: As asked for at the start.
        keychain: Secrets for what is encrypted.
        images: Files in it that are images themselves.
        volumes: Those of the case, so that lost ones are not searched for again.
        readers: Name of a volume and who reads its file system, where the usual reader does not.
        left_out: Places that a library did not return from opening.
    """

    paths: tuple[Path, ...]
    name: str
    as_raw: bool
    keychain: Keychain
    images: tuple[InnerImage, ...] = ()
    volumes: tuple[Volume, ...] = ()
    readers: tuple[tuple[str, str], ...] = ()
    left_out: tuple[Place, ...] = ()

    def open(self) -> Evidence:
        """The evidence, without the layers that are not asked for.

        Raises:
            EvidenceError: It does not open.
        """
        leave_out(self.left_out)
        evidence = open_evidence(
            self.paths,
            name=self.name,
            as_raw=self.as_raw,
            keychain=self.keychain,
            layers=False,
            lost=LostSearch(self.volumes),
        )
        evidence.add_images(self.images)
        evidence.use_readers(dict(self.readers))
        return evidence


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """Everything a worker is given at its start.

    Attributes:
        sources: By number of the source in the case.
        volumes: Volume number in the case to (source number, volume name).
        rules: What to look for.
        limits: Limits for each entry.
        cache: Folder for compiled databases.
        space: Look at the slack of what is examined too.
        scope: What may be looked at, None for everything.
    """

    sources: dict[int, SourceRef]
    volumes: dict[int, tuple[int, str]]
    rules: RuleSet
    limits: Limits
    cache: Path | None
    space: bool = True
    scope: Scope | None = None


@dataclass(frozen=True, slots=True)
class MoreVolumes:
    """To a worker: volumes that were found after it was started.

    Attributes:
        sources: As in :class:`WorkerSetup`, all of them.
        volumes: Likewise.
    """

    sources: dict[int, SourceRef]
    volumes: dict[int, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class WorkItem(Packed):
    """One entry to examine: what reading it needs, and how carefully (see ``examine``)."""

    entry_id: int
    volume: int
    path: bytes
    stream: bytes
    space: str
    span_offset: int
    span_length: int
    size: int
    meta_address: int
    attribute_type: int
    attribute_id: int
    image_offset: int
    alloc_name: bool
    alloc_inode: bool
    owner: str
    is_image: bool = False
    level: int = 0

    @classmethod
    def from_row(cls, entry_id: int, row: tuple[Any, ...], level: int) -> WorkItem:
        """From ``Case.work_rows``."""
        *reading, flags, owner, is_image = row
        allocated = (bool(flags & ALLOC_NAME), bool(flags & ALLOC_INODE))
        return cls(*(entry_id, *reading, *allocated, owner, bool(is_image), level))

    def entry(self, evidence: str, volume: str) -> Entry:
        """The entry, as a file system reads it."""
        return Entry(
            address=Address(
                evidence, volume, self.path, self.stream, (), self.space, self.span_offset, self.span_length
            ),
            entry_type=EntryType.FILE,
            size=self.size,
            meta_address=self.meta_address,
            attribute_type=self.attribute_type,
            attribute_id=self.attribute_id,
            alloc_name=self.alloc_name,
            alloc_inode=self.alloc_inode,
            owner=self.owner,
            image_offset=self.image_offset,
        )


@dataclass(frozen=True, slots=True)
class Results:
    """From a worker: outcomes since the last message.

    Attributes:
        results: In the order examined.
        read_problems: Problems that containers met while reading.
        notices: Protections that the worker could not set, said once.
        batches_finished: Batches ended since the last message.
    """

    results: tuple[EntryResult, ...]
    read_problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()
    batches_finished: int = 0
