"""Images inside the evidence: found by what was examined, opened, and walked like the rest.

A virtual machine on a laptop, the image of a stick in a folder. Files with the name of an image are looked into before
they are examined, so that a large one is only digested and not searched a second time as it lies there; others once
their type by content is known.
"""

from __future__ import annotations

from triage.case.images import Candidate
from triage.content.kinds import KINDS
from triage.errors import EncryptedVolumeError, EvidenceError, NothingKnownError, ProcessDiedError
from triage.evidence.inner_images import InnerImage
from triage.model.problem import Problem, Reason
from triage.model.volume import EvidenceSource
from triage.pipeline.apart import ImageOpener
from triage.pipeline.run import Run

STAGE = "evidence/images"
LEAST_BYTES = 128
LEAST_RAW_BYTES = 64 * 1024
"""Boot sectors are kept as files too; an image of a medium is larger."""
MAX_IMAGES = 512
"""Images of one source; more is told."""
_FORMATS = ("vmdk", "qcow", "vhd", "vhdx", "vdi", "parallels", "dmg", "dmgcrypt")
_RAW = ("iso", "ntfs", "fat", "exfat", "ext", "hfs", "apfs", "xfs", "squashfs", "mbr", "luks", "bitlocker")
_SEGMENTED = ("ewf", "ewflogical", "aff", "ad1")
FORMATS, RAW, SEGMENTED = (
    frozenset(kind.mime for key, kind in KINDS.items() if key in keys) for keys in (_FORMATS, _RAW, _SEGMENTED)
)
SUFFIXES = (
    ".img", ".dd", ".iso", ".dmg", ".vmdk", ".vhd", ".vhdx", ".avhdx", ".vdi", ".qcow", ".qcow2", ".hds", ".ima",
    ".sparseimage", ".asif", ".simg",
)  # fmt: skip
"""Names under which images go whose first bytes may say nothing; where nothing is found in one, nothing is told."""


def images_wait(run: Run) -> bool:
    """Whether a file was examined that may be an image and was not looked into."""
    return any(_candidates(run, number) for number, _ in run.case.evidence())


def open_images(run: Run) -> bool:
    """Open the images among what was examined; True where there is something new to list."""
    return any(_open_in(run, number, source) for number, source in run.case.evidence())


def _candidates(run: Run, number: int) -> list[Candidate]:
    types = FORMATS | RAW | SEGMENTED
    found = run.case.image_candidates(number, sorted(types), SUFFIXES, LEAST_BYTES)
    return [item for item in found if item.mime not in RAW or item.entry.size >= LEAST_RAW_BYTES]


def _open_in(run: Run, number: int, source: EvidenceSource) -> bool:
    candidates = _candidates(run, number)
    if not candidates:
        return False
    known = run.case.image_contents(number)
    numbers: dict[str, int] = {}
    for image in run.inner_images(number):
        numbers[image.name.rpartition(".")[0]] = numbers.get(image.name.rpartition(".")[0], 0) + 1
    opened: dict[int, str] = {}
    parts: set[tuple[str, bytes]] = set()
    with ImageOpener(run.reference(source)) as opener:
        # Those that name others come first: a descriptor is small, and its extents are no images of their own.
        for item in sorted(candidates, key=lambda item: (item.entry.size, item.entry_id)):
            address = item.entry.address
            name = ""
            if item.content not in known and (address.volume, address.path) not in parts:
                known.update({item.content} - {0})
                name = _open(run, number, opener, item, numbers, parts, len(opened))
            if name:
                opened[item.entry_id] = name
            else:
                with run.case.transaction():
                    run.case.add_image(item.entry_id, number, "")
    run.images_changed()
    return bool(opened)


def _open(
    run: Run,
    number: int,
    opener: ImageOpener,
    item: Candidate,
    numbers: dict[str, int],
    parts: set[tuple[str, bytes]],
    count: int,
) -> str:
    """Open one image; the name of the volume that it becomes, empty where it does not open."""
    address = item.entry.address
    text = str(address)
    if count >= MAX_IMAGES:
        message = f"more than {MAX_IMAGES} images inside the evidence: this one is not opened"
        run.remember([Problem(text, STAGE, Reason.LIMIT, message, "scan it as evidence of its own", item.entry.size)])
        return ""
    if item.mime in SEGMENTED:
        run.remember([_problem(run, item, text, "an image in this format is not opened inside other evidence", "")])
        return ""
    name = f"{address.volume}.img{numbers.get(address.volume, 0) + 1}"
    try:
        found = opener.open(InnerImage(name, item.entry, run.case.files_beside(item.entry_id)))
    except EncryptedVolumeError as error:
        problem = Problem(text, STAGE, Reason.ENCRYPTED, error.message, error.hint or "", item.entry.size)
        run.remember([problem])
        return ""
    except ProcessDiedError as error:
        run.remember([Problem(text, STAGE, Reason.CRASHED, error.message, error.hint or "", item.entry.size)])
        return ""
    except NothingKnownError:
        if item.mime in RAW:
            run.remember([_problem(run, item, text, "an image in which nothing is known", "")])
        return ""
    except EvidenceError as error:
        if item.mime in FORMATS | RAW or not item.mime:
            run.remember([_problem(run, item, text, f"an image that does not open: {error.message}", error.hint or "")])
        return ""
    numbers[address.volume] = numbers.get(address.volume, 0) + 1
    parts.update((address.volume, path) for path in found.parts)
    with run.case.transaction():
        run.case.add_image(item.entry_id, number, name)
        run.case.add_inner_volumes(number, found.volumes)
        for problem in found.problems:
            run.case.add_problem(problem)
    run.tell(found.problems)
    run.case.audit("image-inside-opened", image=text, name=name, volumes=len(found.volumes))
    return name


def _problem(run: Run, item: Candidate, address: str, message: str, hint: str) -> Problem:
    """What is told of an image that does not open; the bytes of a raw one were searched as they are."""
    searched = item.mime in RAW and (run.matcher is None or not run.matcher.limits_members)
    hint = hint or "export it and scan it as evidence of its own"
    return Problem(address, STAGE, Reason.UNSUPPORTED, message, hint, 0, examined_anyway=searched)
