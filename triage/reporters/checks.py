"""Commands with which an examiner confirms a finding by another tool: The Sleuth Kit, dd, xxd.

The commands are text to read and copy; nothing here runs them. They hold no word from evidence, only the path of the
evidence files as given by the examiner, quoted for a POSIX shell.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field

from triage.model.address import CARVED, Address
from triage.model.byte_run import ByteRun
from triage.model.entry import Entry
from triage.model.finding import Finding, ScoreLine
from triage.model.volume import EvidenceSource, Volume
from triage.reporters.overview import strongest
from triage.reporters.sanitise import visible

SECTOR = 512
"""Bytes in a sector as TSK counts offsets by default."""

_PACKED = ("compressed by the Windows Overlay Filter", "compressed by HFS+", "has an attribute of compressed files")
"""How a caveat begins of a file that The Sleuth Kit gives in another form, or not at all."""
CONTEXT = 32
"""Bytes shown on either side of a match."""

MAX_SHOWN = 512
"""Bytes shown of one match at most."""

_TSK_IMAGE = {"raw": "raw", "split": "raw", "ewf": "ewf"}
_TSK_FILE_SYSTEM = {
    "ntfs": "ntfs", "fat12": "fat12", "fat16": "fat16", "fat32": "fat32", "exfat": "exfat", "ext2": "ext2",
    "ext3": "ext3", "ext4": "ext4", "hfs": "hfs", "hfs+": "hfs", "iso9660": "iso9660", "ufs1": "ufs1",
    "ufs2": "ufs2", "yaffs2": "yaffs2",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a finding lies, as far as the caller knows.

    Attributes:
        source: The evidence source.
        volume: The volume; None where unknown.
        entry: The entry; None where the case does not hold it.
        runs: Byte runs of the entry, in order; empty where unknown or not stored as runs.
    """

    source: EvidenceSource
    volume: Volume | None = None
    entry: Entry | None = None
    runs: tuple[ByteRun, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Check:
    """One way to confirm.

    Attributes:
        title: What it shows.
        command: A shell command, empty where there is none and the title says what to do.
        expect: What it must print, empty where that is the excerpt.
    """

    title: str
    command: str = ""
    expect: str = ""


def shell_word(text: str) -> str:
    r"""``text`` as one word of a POSIX shell, and safe to print.

    Where the text holds controls, bidi characters or bytes that are not UTF-8, the form ``$'...'`` of bash and zsh.
    """
    if visible(text) == text:
        return shlex.quote(text)
    out = []
    for byte in text.encode("utf-8", "surrogateescape"):
        character = chr(byte)
        plain = 0x20 <= byte < 0x7F and character not in "\\'"
        out.append(character if plain else f"\\x{byte:02x}")
    # A hex escape of bash takes at most two digits, so what follows cannot lengthen it.
    return "$'" + "".join(out) + "'"


def checks(finding: Finding, place: Place) -> tuple[Check, ...]:
    """Ways to confirm ``finding`` with other tools, the plainest first.

    Args:
        finding: The finding.
        place: Where it lies.
    """
    try:
        address = Address.parse(finding.address)
    except ValueError:
        return ()
    image = _TSK_IMAGE.get(place.source.container)
    if image is None:
        return (Check(f"no other tool is named for {visible(place.source.container)} containers; export to raw first"),)
    if place.volume is not None and place.volume.parent:
        words = f"{visible(place.volume.name)} is opened inside {visible(place.volume.parent)}"
        words += f" ({visible(place.volume.description)})" if place.volume.description else ""
        return (Check(f"{words}: open that with a tool of its format; the SHA-256 there", "", _sha(finding)),)
    if address.space and address.space != "slack":
        return _space_checks(finding, address, place, image)
    if place.entry is None and (address.stream or not finding.meta_address):
        return (Check("the case does not hold the metadata address, so no command can be given"),)
    content = _icat(finding, address, place, image)
    packed = next((note for note in place.entry.caveats if note.startswith(_PACKED)), "") if place.entry else ""
    if packed and not address.space and address.stream in (b"", b"com.apple.decmpfs"):
        title = f"icat does not give this content ({visible(packed)}); copy it from a mount, and compare the SHA-256"
        return (Check(title, "", _sha(finding)),)
    best = strongest(finding)
    if address.members:
        outer = Check("the finding lies inside a container; write out the outermost one", f"{content} > container.bin")
        inner = "then open container.bin with an archive tool; the SHA-256 of the member"
        return outer, Check(inner, "", _sha(finding))
    out = [Check("the whole content", f"{content} | sha256sum", _sha(finding))]
    if best is not None and best.length > 0 and best.address in ("", finding.address):
        start, length = _window(best)
        out.append(Check("the bytes of the strongest match", f"{content} | xxd -s {start} -l {length}"))
        out.extend(_raw_checks(best, place, image))
    return tuple(out)


def _sha(finding: Finding) -> str:
    return finding.hashes.get("sha256", "")


def _window(line: ScoreLine) -> tuple[int, int]:
    """Start and length of what to show of a match, the start a multiple of 16."""
    start = max(0, line.offset - CONTEXT) // 16 * 16
    return start, min(MAX_SHOWN, line.offset + line.length + CONTEXT - start)


def _files(place: Place) -> str:
    paths = place.source.paths[:1] if place.source.container == "ewf" else place.source.paths
    return " ".join(shell_word(str(path)) for path in paths)


def _options(place: Place, image: str) -> str:
    """Options of TSK tools on a file system, with a blank at the end."""
    volume = place.volume
    options = f"-i {image} "
    if volume is not None:
        known = _TSK_FILE_SYSTEM.get(volume.file_system)
        options += f"-f {known} " if known else ""
        options += f"-o {volume.image_offset // SECTOR} " if volume.image_offset else ""
    return options


def _icat(finding: Finding, address: Address, place: Place, image: str) -> str:
    entry = place.entry
    meta = str(entry.meta_address if entry else finding.meta_address)
    if entry and entry.attribute_type:
        meta += f"-{entry.attribute_type}-{entry.attribute_id}"
    flags = ("-r " if finding.state != "allocated" else "") + ("-s " if address.space == "slack" else "")
    return f"icat {flags}{_options(place, image)}{_files(place)} {meta}"


def _raw_checks(line: ScoreLine, place: Place, image: str) -> list[Check]:
    """The match read from the image itself, past any file system code."""
    for run in place.runs:
        if run.file_offset <= line.offset < run.file_offset + run.length and run.image_offset >= 0:
            inside = line.offset - run.file_offset
            length = min(line.length, run.length - inside, MAX_SHOWN)
            title = "the same bytes at their place in the image"
            if len(place.source.paths) == 1 and image == "raw":
                return [Check(title, f"xxd -s {run.image_offset + inside} -l {length} {_files(place)}")]
            block = place.volume.block_size if place.volume else 0
            if block > 0 and run.fs_offset >= 0:
                number, rest = divmod(run.fs_offset + inside, block)
                count = (rest + length + block - 1) // block
                command = f"blkcat {_options(place, image)}{_files(place)} {number} {count}"
                return [Check(title, f"{command} | xxd -s {rest} -l {length}")]
    return []


def _space_checks(finding: Finding, address: Address, place: Place, image: str) -> tuple[Check, ...]:
    base = place.volume.image_offset if place.volume and place.volume.name != "p0" else 0
    best = strongest(finding)
    whole: tuple[Check, ...] = ()
    if address.space == CARVED and len(place.runs) == 1:
        title = "the whole file, as it was carved" + ("; the finding lies inside it" if address.members else "")
        command = _bytes_of_image(place, image, place.runs[0].image_offset, place.runs[0].length)
        whole = (Check(title, f"{command} | sha256sum", "" if address.members else _sha(finding)),)
    if address.members:
        return whole or (Check("the finding lies inside a carved file in several parts; export it from the case"),)
    start = base + address.offset
    shown, title = min(address.length, MAX_SHOWN), "the space, from its start"
    if best is not None and best.length > 0:
        offset, shown = _window(best)
        title = "the bytes of the strongest match"
        inside = [run for run in place.runs if run.file_offset <= offset < run.file_offset + run.length]
        start = inside[0].image_offset + offset - inside[0].file_offset if inside else start + offset
    command = _bytes_of_image(place, image, start, shown)
    return (*whole, Check(title, f"{command} | xxd"))


def _bytes_of_image(place: Place, image: str, start: int, length: int) -> str:
    """A command that writes bytes of the media."""
    if len(place.source.paths) == 1 and image == "raw":
        return f"dd if={_files(place)} iflag=skip_bytes,count_bytes skip={start} count={length} status=none"
    first, rest = divmod(start, SECTOR)
    last = (start + length - 1) // SECTOR
    command = f"img_cat -i {image} -s {first} -e {last} {_files(place)}"
    return f"{command} | dd iflag=skip_bytes,count_bytes skip={rest} count={length} status=none"
