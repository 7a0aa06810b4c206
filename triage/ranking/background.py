"""How rare a hit is: on this device, and in bytes that are not text.

Two questions are asked of every hit before it counts, each answered by a factor from 0 to 1 on its strength:

* **Rarity.** Does the rule hit all over the device? Then it is the language of a job, a genre or a hobby, not a trace.
* **Chance.** Terms are looked for in many encodings. Three letters of a code page turn up by accident in any large
  picture or program; thirty letters do not. So a match in bytes that are not text counts by its length.
"""

from __future__ import annotations

from math import log, log2

COMMON_CONTENTS = 5
"""Contents in which a rule may hit before its share of the device is looked at; a small device is not punished."""

COMMON_SHARE = 0.01
"""Share of all contents up to which a rule is not common."""

MANY_CONTENTS = 200
"""Contents above which a rule is common on a device of any size."""

RARITY_FLOOR = 0.2
"""Lowest factor for a common rule."""

PATTERNS_BITS = 13
"""Bits for the number of patterns looked for at once: some thousands of terms, each in several encodings."""

_FULL_BITS = 14
_BITS_PER_BYTE = 7
_BITS_PER_UTF16_BYTE = 4
_SHORT_LEGACY = 6
_SHORT_LEGACY_FACTOR = 0.5

TEXT_CLASSES = frozenset({"text", "source", "document", "mail", "database"})
"""Classes of content whose bytes are mostly text."""

_UNICODE = ("utf-8", "utf-16", "utf-32", "ascii", "utf8", "utf16", "utf32")


def rarity(frequency: int, contents: int) -> float:
    """Factor for a rule by how common it is on this device.

    Args:
        frequency: Contents in which the rule hit.
        contents: Contents examined.

    Returns:
        1 for a rare rule, down to :data:`RARITY_FLOOR`. By share it falls with the logarithm, from 1 % of all contents;
        by number it falls with the fourth root, from 200 contents.
    """
    if frequency <= COMMON_CONTENTS:
        return 1.0
    factor = 1.0
    share = min(1.0, frequency / max(contents, 1))
    # A rule in 6 of 40 contents is 15 % by accident of a small device, so the five free contents come off first.
    share *= 1.0 - COMMON_CONTENTS / frequency
    if share > COMMON_SHARE:
        factor = log(share) / log(COMMON_SHARE)
    if frequency > MANY_CONTENTS:
        factor = min(factor, (MANY_CONTENTS / frequency) ** 0.25)
    return max(RARITY_FLOOR, factor)


def chance(length: int, encoding: str, size: int, content_class: str) -> float:
    """Factor for one match by how easily it turns up by accident.

    Args:
        length: Bytes of the match.
        encoding: Encoding in which it was found; empty for a byte pattern, whose condition is trusted.
        size: Bytes of the content.
        content_class: Class of the content, see :func:`triage.ranking.content_class.content_class`.

    Returns:
        0 where such a match is expected by accident, 1 where it is not.
    """
    if not encoding:
        return 1.0
    name = encoding.lower().replace("_", "-")
    legacy = not name.startswith(_UNICODE)
    if content_class in TEXT_CLASSES:
        return _SHORT_LEGACY_FACTOR if legacy and length < _SHORT_LEGACY else 1.0
    bits = length * (_BITS_PER_UTF16_BYTE if name.startswith(("utf-16", "utf16")) else _BITS_PER_BYTE)
    needed = log2(max(size, 2)) + PATTERNS_BITS
    return min(1.0, max(0.0, (bits - needed) / _FULL_BITS))
