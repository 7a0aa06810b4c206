"""Volume systems through The Sleuth Kit: Sun labels, and a second opinion where our own readers see no table.

Our readers of MBR, GPT, APM and BSD labels come first because the library gives up on what is damaged: a first
partition beyond the end of a cut image, sectors of 4 KiB, a loop in a chain.
"""

from __future__ import annotations

import pytsk3

from triage.evidence.tsk_image import TskImage
from triage.evidence.volumes.table import MAX_PARTS, Part, Remark, Table
from triage.model.address import escape_name
from triage.model.problem import Reason
from triage.model.stream import Stream

_SYSTEMS = {
    pytsk3.TSK_VS_TYPE_DOS: "mbr",
    pytsk3.TSK_VS_TYPE_BSD: "bsd",
    pytsk3.TSK_VS_TYPE_SUN: "sun",
    pytsk3.TSK_VS_TYPE_MAC: "apm",
    pytsk3.TSK_VS_TYPE_GPT: "gpt",
}


def read_sun(media: Stream) -> Table | None:
    """The Sun label of the media; None where there is none.

    Args:
        media: Decoded media.

    Raises:
        ReadFailedError: The media cannot be read.
    """
    if media.read_at(508, 2) not in (b"\xda\xbe", b"\xbe\xda") and media.read_at(1020, 2) != b"\xbe\xda":
        return None
    table = _read(media, pytsk3.TSK_VS_TYPE_SUN)
    if table is not None:
        table.is_certain = True
        table.parts = [part for part in table.parts if part.length < media.size or part.start]
    return table


def read_any(media: Stream) -> Table | None:
    """Whatever table the library finds; None where it finds none.

    Args:
        media: Decoded media.
    """
    return _read(media, pytsk3.TSK_VS_TYPE_DETECT)


def _read(media: Stream, kind: int) -> Table | None:
    try:
        image = TskImage(media)  # held as long as the system is used
        system = pytsk3.Volume_Info(image, type=kind)
        size = int(system.info.block_size)
        name = _SYSTEMS.get(system.info.vstype)
        if name is None or not 0 < size <= 1 << 20:
            return None
        found: list[tuple[int, int, int, int, int, bytes | None]] = []
        for part in system:
            if len(found) >= MAX_PARTS:
                break
            found.append(
                (int(part.table_num), int(part.slot_num), int(part.flags), int(part.start), int(part.len), part.desc)
            )
    except (OSError, RuntimeError, ValueError, TypeError):
        return None
    table = Table(name, size)
    if len(found) >= MAX_PARTS:
        table.remarks.append(Remark(Reason.LIMIT, f"more than {MAX_PARTS} partitions; the others are not read"))
    for _, _, flags, start, length, words in sorted(found, key=lambda part: part[:2]):
        if flags == pytsk3.TSK_VS_PART_FLAG_UNALLOC:
            continue
        shown = escape_name(bytes(words or b""), syntax=False)
        table.parts.append(Part(start * size, length * size, shown, flags == pytsk3.TSK_VS_PART_FLAG_META))
    return table
