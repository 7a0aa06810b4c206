"""The table of planted strings as a document, written by :mod:`tests.planted.measure`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.planted.strings import SCRIPTS, VARIANTS
from tests.planted.volumes import KINDS

if TYPE_CHECKING:
    from tests.planted.measure import Outcome

HEAD = """# Planted strings

Unique strings are planted in every state and encoding, on disks that the file system's own tools make, and a scan must
find each exactly once, at the offset where it lies: the offset of the hit, taken through the runs of the entry that holds
it, is compared with the offset of the bytes in the image. Written by `python -m tests.planted.measure`; not by hand.

A cell says how many were found so, of those that are there. What a file system wrote over after a deletion is not
there, and not counted. Where no offset can be compared, the string must be found once, in the file:

- its bytes stand nowhere in the image as they are: compressed, encrypted, or cut by a fragment or a block of the map;
- it lies in a logical volume, for which no offset in the image is given.

Two things are counted as right that are not quite so. Latin text in UTF-16 at an odd offset reads as the other byte
order from the byte beside it, and the hit may begin there. What is resident in a record of NTFS is found in the file, and
once more in `$MFT`, which is a file like others; what NTFS compressed may be found once more where it was written plain
before. HFS+, F2FS and APFS are not in the table: nothing here makes or mounts them.
"""


def render(found: Mapping[str, Outcome]) -> str:
    """The document."""
    kinds = [kind.name for kind in KINDS]
    states = list(dict.fromkeys(state for name in kinds for state in found[name].planted))
    lines = [HEAD, "## Encodings", "", "| script | encodings |", "|---|---|"]
    for language, (script, _, _) in SCRIPTS.items():
        names = ", ".join(variant.encoding for variant in VARIANTS if variant.language == language)
        lines.append(f"| {script} | {names} |")
    lines += ["", "Code pages that give a word the same bytes as another one count once.", "", "## States", ""]
    lines += ["| state | " + " | ".join(kinds) + " |", "|---" * (len(kinds) + 1) + "|"]
    for state in states:
        lines.append(f"| {state} | " + " | ".join(_cell(found[name], state) for name in kinds) + " |")
    lines += ["", "## Layers and fragments", "", "| state | found |", "|---|---|"]
    for name in ("fragments", "layers"):
        lines += [f"| {state} | {_cell(found[name], state)} |" for state in found[name].planted]
    total = sum(sum(outcome.planted.values()) for outcome in found.values())
    right = sum(sum(outcome.right.values()) for outcome in found.values())
    lines += ["", f"{right} of {total} were found as said above."]
    wrong = [words for outcome in found.values() for words in outcome.wrong]
    lines += ["", "Not so:", "", *(f"- {words}" for words in wrong[:40])] if wrong else []
    return "\n".join(lines) + "\n"


def _cell(outcome: Outcome, state: str) -> str:
    planted = outcome.planted.get(state, 0)
    return f"{outcome.right.get(state, 0)}/{planted}" if planted else ""
