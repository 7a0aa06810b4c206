"""Text encodings: those that a keyword pack may name, and how rule files themselves are decoded."""

from __future__ import annotations

import codecs
import re
from functools import cache

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
# Python calls these text encodings too, but no one stores text in them, or they exist on one platform only.
_NOT_STORED = frozenset(
    {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "utf-7"}
)


@cache
def is_text_encoding(name: str) -> bool:
    """Whether Python knows ``name`` as an encoding of text, on every platform."""
    if not _NAME.fullmatch(name):
        return False
    try:
        found = codecs.lookup(name)
        "a".encode(name)
    except (LookupError, ValueError):
        return False
    return found.name.replace("-", "_") not in {each.replace("-", "_") for each in _NOT_STORED}


def decode_marked(data: bytes) -> str | None:
    """Text of UTF-8 with or without byte order mark, or of UTF-16 with one; None for anything else."""
    try:
        if data.startswith(UTF16_MARKS):
            return data.decode("utf-16")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
