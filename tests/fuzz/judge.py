"""Whether what a mutant gave is what it may give.

A change may be told (a problem, an error), may leave everything as it was, or may change what is plausible where a format
has no checksums. What it may not do is take entries away, or change what nobody touched, without a word.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.fuzz.observe import Observation

ALLOCATED = " allocated "


@dataclass(frozen=True)
class Verdict:
    """What came of one mutant.

    Attributes:
        kind: ``same``, ``told``, ``refused``, ``plausible``, ``changed`` (allocated content differs, nothing told), ``lost``
            (allocated entries are gone, nothing told), ``untyped``, ``excess``.
        detail: In words.
    """

    kind: str
    detail: str = ""


def _is_renamed(value: tuple[str, int, str], left: Counter[tuple[str, int, str]]) -> bool:
    """The same thing stands there under another name or in another volume."""
    left[value] -= 1
    return left[value] >= 0


def judge(sound: Observation, found: Observation, *, touched: bool = False) -> Verdict:
    """Compare with the sound image.

    Args:
        sound: What the sound image gave.
        found: What the mutant gave.
        touched: Content was changed as well, so that other content is plausible.
    """
    if found.untyped:
        return Verdict("untyped", "\n".join(found.untyped[:3]))
    if found.excess:
        return Verdict("excess", found.excess)
    if found.refused:
        return Verdict("refused", found.refused)
    lost = [key for key in sound.entries if ALLOCATED in key and ":/$" not in key and key not in found.entries]
    values = Counter(value for key, value in found.entries.items() if key not in sound.entries)
    lost = [key for key in lost if not _is_renamed(sound.entries[key], values)]
    changed = [
        key
        for key, value in sound.entries.items()
        if ALLOCATED in key and ":/$" not in key and key in found.entries and found.entries[key] != value
    ]
    if Counter(found.problems) - Counter(sound.problems):
        return Verdict("told", f"{len(lost)} lost, {len(changed)} changed")
    if touched and (lost or changed):
        return Verdict("plausible")
    if lost:
        return Verdict("lost", f"{len(lost)} of {len(sound.entries)}: {', '.join(lost[:4])}")
    if changed:
        return Verdict("changed", f"{len(changed)} of {len(sound.entries)}: {', '.join(changed[:4])}")
    return Verdict("same")
