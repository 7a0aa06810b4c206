"""Opens evidence: stacks container, volumes and file systems, and fails closed.

The bytes decide, not the name. A container is taken by its signature; formats that are known and not read are refused
by name; what is left counts as a raw image only if a volume system, a file system or something else known is found in
it. Everything else is refused, because an image that is read wrongly looks like one without evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from triage.errors import CorruptStructureError, UnsupportedFormatError
from triage.evidence.containers import CONTAINERS, ContainerUnit
from triage.evidence.containers.bad_ranges import BadRange
from triage.evidence.containers.foreign import find_foreign
from triage.evidence.containers.logical import LogicalContainer
from triage.evidence.containers.rescued import RescuedMedia, rescued_head
from triage.evidence.containers.segment_file import check_regular, shown_name, shown_path
from triage.evidence.digest_lists import Expected
from triage.evidence.inner_images import InnerImage
from triage.evidence.interface import Container, FileSystem
from triage.evidence.keychain import Keychain
from triage.evidence.sources import segment_names
from triage.evidence.stack import InsideImage, Place, Stack
from triage.evidence.unowned import Space, VolumeReader
from triage.evidence.verify import Verification, VerifyResult
from triage.evidence.volumes import Layout, LostSearch, find_volumes
from triage.model.problem import Problem, Reason
from triage.model.volume import Allocation, EvidenceSource, Volume

STAGE = "evidence/opener"
HEAD = 4096
_UNPROVEN = frozenset({"raw", "split"})
"""Containers that have no signature: something known must be inside."""


class Evidence:
    """Evidence that is open for reading; a context manager.

    Args:
        source: The file set.
        container: Closed together with the evidence.
        media: Its decoded media.
        stack: How to get at its volumes; closed together with the evidence.
        volumes: What was found in it.
        problems: Seen at opening, those of the container not among them.

    Attributes:
        source: The file set handed in.
        media: Decoded media; what cannot be read of them reads as zeros, see :meth:`bad_ranges`.
        volumes: Allocated ones by number, then ``p0`` by offset.
        problems: Seen at opening.
    """

    def __init__(
        self,
        source: EvidenceSource,
        container: Container,
        media: RescuedMedia,
        stack: Stack,
        volumes: Sequence[Volume],
        problems: Sequence[Problem] = (),
    ) -> None:
        self.source = source
        self.media = media
        self.volumes = tuple(volumes)
        self._container = container
        self._stack = stack
        self._of_media = (*container.problems, *self.read_problems())
        self.problems = (*self._of_media, *problems)
        self._open: list[FileSystem] = []

    def file_system(self, volume: str) -> FileSystem:
        """The file system of a volume, opened anew.

        Args:
            volume: ``p1``, ``p2.lv1`` ...; layers on the way to it are opened.

        Raises:
            EncryptedVolumeError: The volume needs a key.
            UnsupportedFormatError: There is no such volume, or no file system in it that is read.
            CorruptStructureError: The file system does not hold.
        """
        opened = self._stack.file_system(volume)
        self._open.append(opened)
        return opened

    def reader(self, volume: str) -> VolumeReader:
        """What reads files and space of a volume, opened anew.

        Args:
            volume: ``p1``, ``p2.lv1`` ..., or ``p0`` for the space outside all volumes.

        Raises:
            EvidenceError: As :meth:`file_system`.
        """
        opened = self._stack.reader(volume)
        if opened.file_system is not None:
            self._open.append(opened.file_system)
        return opened

    def add_images(self, images: Iterable[InnerImage]) -> None:
        """Files of the volumes that are images themselves; what is in them is then opened by name like the rest."""
        self._stack.add_images(images)

    def use_readers(self, readers: Mapping[str, str]) -> None:
        """Who reads the file systems of some volumes instead of the usual reader, by name of the volume."""
        self._stack.use_readers(readers)

    def second_file_system(self, volume: str) -> FileSystem | None:
        """The file system of a volume as another library reads it; None where there is none.

        Raises:
            EvidenceError: As :meth:`file_system`.
        """
        opened = self._stack.second_file_system(volume)
        if opened is not None:
            self._open.append(opened)
        return opened

    def open_image(self, name: str) -> InsideImage:
        """Open an image that was added, and every layer in it.

        Raises:
            EvidenceError: It does not open, or nothing that is known is in it.
        """
        return self._stack.open_image(name)

    def gap(self, volume: Volume) -> Space:
        """The space of a gap among :attr:`volumes`."""
        return self._stack.gap(volume)

    def read_problems(self) -> tuple[Problem, ...]:
        """Problems that reading brought up since the last call, such as damaged chunks; each once."""
        return (*self._container.read_problems(), *self.media.take_problems(), *self._stack.read_problems())

    def bad_ranges(self) -> tuple[BadRange, ...]:
        """Bytes of the media that could not be read, now or when the image was made, as far as they are known."""
        return self.media.bad_ranges()

    def check_unchanged(self) -> tuple[Problem, ...]:
        """One Problem for each file of the source that changed, shrank or disappeared since it was opened."""
        return tuple(
            Problem(
                self.source.name,
                STAGE,
                Reason.MISMATCH,
                f"the file changed while it was examined: {shown_name(path)}",
                "work on a copy that nobody writes to",
            )
            for path in self._container.changed()
        )

    def verify(
        self, progress: Callable[[int, int], None] | None = None, expected: Sequence[Expected] = ()
    ) -> VerifyResult:
        """Digests of the whole media against those that the container states, and others.

        Args:
            progress: Called with bytes read so far and in all.
            expected: Digests that somebody wrote down; those of other files are left out.

        Raises:
            SourceNotFoundError: A file of the source is not there any more.
        """
        stored = dict(self.source.stored_hashes)
        is_raw = self.source.container == "raw"
        size, digests, compared = Verification(self.media, self.source.paths, stored, expected, is_raw).run(progress)
        problems = (*self._of_media, *self.read_problems(), *self.check_unchanged())
        return VerifyResult(size, digests, stored, problems, compared, self.bad_ranges())

    def close(self) -> None:
        """Close file systems and files; a second call does nothing."""
        while self._open:
            self._open.pop().close()
        self._stack.close()
        self._container.close()

    def __enter__(self) -> Evidence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_evidence(
    paths: Sequence[Path],
    *,
    name: str = "",
    as_raw: bool = False,
    keychain: Keychain | None = None,
    layers: bool = True,
    lost: LostSearch | None = None,
) -> Evidence:
    """Open the files of one evidence source.

    Args:
        paths: Every segment, in order; see :func:`~triage.evidence.sources.group_sources`.
        name: Name in addresses, the name of the first file where empty.
        as_raw: Where nothing else claims the bytes, take them as they are; a container that is read stays one.
        keychain: Secrets for what is encrypted.
        layers: Open every layer at once, so that ``volumes`` is whole; else only those on the way to what is asked for.
        lost: How to come by volumes that no table names; None to search for them where layers are opened at once.

    Raises:
        SourceNotFoundError: A file does not exist, cannot be read or is no regular file.
        UnsupportedFormatError: No layer claims the bytes.
        CorruptStructureError: A container's structure does not hold.
        ReadFailedError: Bytes cannot be read.
    """
    files = tuple(Path(path) for path in paths)
    if not files:
        raise UnsupportedFormatError("no evidence file named")
    opening = _Opening(name or files[0].name, files, as_raw, keychain or Keychain(), layers, lost)
    if files[0].is_dir():
        return opening.open(next(unit for unit in CONTAINERS if unit.detect(b"", files)))
    for path in files:
        check_regular(path)
    head = rescued_head(files[0], HEAD)
    claims = (unit for unit in CONTAINERS if unit.detect(head, files))
    first = next(claims)
    try:
        return opening.open(first)
    except (UnsupportedFormatError, CorruptStructureError):
        if not as_raw or first.name in _UNPROVEN:
            raise
    return opening.open(next(unit for unit in claims if unit.name in _UNPROVEN))


@dataclass(frozen=True, slots=True)
class _Opening:
    """What is asked of :func:`open_evidence`."""

    name: str
    files: tuple[Path, ...]
    as_raw: bool
    keychain: Keychain
    layers: bool
    lost: LostSearch | None

    def open(self, unit: ContainerUnit) -> Evidence:
        container = unit.open(self.files, self.name, self.keychain)
        media = RescuedMedia(container.media, self.name, container.sector_size, container)
        try:
            if isinstance(container, LogicalContainer):
                return self._logical(container, media)
            return self._disk(unit, container, media)
        except BaseException:
            container.close()
            raise

    def _source(self, container: Container) -> EvidenceSource:
        return EvidenceSource(
            self.name,
            self.files,
            container.name,
            container.media.size,
            container.stored_hashes,
            container.details,
        )

    def _logical(self, container: LogicalContainer, media: RescuedMedia) -> Evidence:
        """Files and no disk: one volume."""
        size = media.size
        volume = Volume("p1", 0, size, Allocation.ALLOCATED, "logical", container.logical, container.logical)
        stack = Stack(media, Layout((), (), True), self.name, self.keychain)
        stack.add(Place(volume, None, container.file_system))
        if not any(stack.file_system("p1").walk()):
            raise UnsupportedFormatError(
                f"no file in it ({container.logical}): {shown_path(self.files[0])}", hint="check the path"
            )
        return Evidence(self._source(container), container, media, stack, (volume,))

    def _disk(self, unit: ContainerUnit, container: Container, media: RescuedMedia) -> Evidence:
        files = self.files
        proves_nothing = unit.name in _UNPROVEN and not self.as_raw
        if proves_nothing:
            foreign = find_foreign(media)
            if foreign is not None:
                raise UnsupportedFormatError(f"{foreign.name}, not read: {shown_path(files[0])}", hint=foreign.hint)
        lost = self.lost or (LostSearch() if self.layers else None)
        layout = find_volumes(media, self.name, container.sector_size, lost=lost)
        if proves_nothing and not layout.is_recognised:
            raise _unrecognised(files, media.size, layout, (*container.problems, *media.take_problems()))
        stack = Stack(media, layout, self.name, self.keychain, lost)
        try:
            volumes, problems = stack.expand() if self.layers else (layout.volumes, layout.problems)
        except BaseException:
            stack.close()
            raise
        named = _name_problems(unit, self.name, files)
        return Evidence(self._source(container), container, media, stack, volumes, (*named, *problems))


def _unrecognised(
    files: tuple[Path, ...], size: int, layout: Layout, problems: Sequence[Problem]
) -> UnsupportedFormatError:
    """Why a file is not taken for a raw image."""
    words = next((volume.unsupported for volume in layout.volumes if volume.unsupported), "no recognised file system")
    reasons = [f"no image format, no volume system; {words}"]
    hint = "if it is a raw image all the same, `--as-raw` examines its bytes as they are"
    if size < 512:
        reasons = [f"the file has only {size} bytes"]
    if _is_named_ewf(files[0]):
        reasons.append("the name is that of an E01, but it does not begin like one")
        hint = "compare with another copy of the image; " + hint
    reasons += [problem.message for problem in problems[:8]]
    reasons += [problem.message for problem in layout.problems if problem.reason is Reason.LIMIT]
    readings = segment_names(files[0])
    if len(files) == 1 and any(reading.family.startswith("digits") and reading.number > 1 for reading in readings):
        hint = "by its name it is a later segment of a set whose first one is missing; " + hint
    return UnsupportedFormatError(f"not recognised: {shown_path(files[0])}: {'; '.join(reasons)}", hint=hint)


def _is_named_ewf(path: Path) -> bool:
    return any(reading.family in ("E", "S", "EX") and reading.number <= 99 for reading in segment_names(path))


def _name_problems(unit: ContainerUnit, name: str, files: tuple[Path, ...]) -> list[Problem]:
    """A name that promises another format than the bytes hold."""
    if unit.name not in _UNPROVEN or not _is_named_ewf(files[0]):
        return []
    message = f"{shown_name(files[0])} has the name of an E01, but holds a raw image"
    return [Problem(name, STAGE, Reason.MISMATCH, message, "ask where the file comes from", examined_anyway=True)]
