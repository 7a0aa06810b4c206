r"""JSON that any parser reads back and any terminal survives.

Three things that :mod:`json` leaves open are closed here:

* Lone surrogates (bytes that were not valid UTF-8, broken UTF-16) have no UTF-8 form, and ``"\udc80"`` is refused or
  replaced by many parsers. A string that holds one is written with ``\xNN`` for such a byte, ``\uNNNN`` for another
  surrogate and ``\x5c`` for a backslash, all as text, and the JSON pointer of the string (RFC 6901) is listed in
  ``escaped`` of its line, so the value can be had back exactly: :func:`unescape_text`.
* NaN and infinities do not exist in JSON: ``null``.
* Control, bidi and zero-width characters, U+2028 and U+2029 are written as ``\uNNNN`` escapes of JSON, so that a line
  on a terminal moves nothing. A parser gives the characters back.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

# Cc beyond ASCII, Cf, Zl, Zp, interlinear and tag characters, fillers without a glyph; json itself escapes the ASCII
# controls.
_HIDDEN = re.compile(
    "[\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})")


def number(value: float) -> float | None:
    """``value`` with six decimals and without a negative zero; None where it is not finite."""
    return round(value, 6) + 0.0 if math.isfinite(value) else None


def escape_text(text: str) -> str:
    """``text`` without lone surrogates; reversible by :func:`unescape_text`."""
    shown = text.replace("\\", "\\x5c")
    return _SURROGATE.sub(_surrogate, shown)


def unescape_text(text: str) -> str:
    """The text that :func:`escape_text` was given."""
    return _ESCAPE.sub(_original, text)


def dumps(value: dict[str, Any], *, prefix: str = "", mark: bool = True) -> str:
    """One line of JSON, keys in the order of ``value``.

    Args:
        value: Strings, finite or infinite numbers, booleans, None, dicts, lists and tuples.
        prefix: JSON pointer of ``value`` in what it becomes part of.
        mark: Add ``escaped`` with the pointers of strings that held lone surrogates, where there are any.

    Returns:
        Text that is valid JSON, valid UTF-8, and free of line ends and controls.
    """
    pointers: list[str] = []
    safe = _safe(value, prefix, pointers)
    if pointers and mark:
        safe["escaped"] = pointers
    return _HIDDEN.sub(_hidden, json.dumps(safe, ensure_ascii=False, allow_nan=False, separators=(",", ":")))


def _safe(value: Any, pointer: str, pointers: list[str]) -> Any:
    if isinstance(value, str):
        if not value.isascii() and _SURROGATE.search(value):
            pointers.append(pointer)
            return escape_text(value)
        return str(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        out: dict[str, Any] = {}
        for key, inner in value.items():
            name = _SURROGATE.sub(_surrogate, str(key))
            out[name] = _safe(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", pointers)
        return out
    if isinstance(value, list | tuple):
        return [_safe(inner, f"{pointer}/{index}", pointers) for index, inner in enumerate(value)]
    return value


def _surrogate(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"


def _original(match: re.Match[str]) -> str:
    if match[1]:
        byte = int(match[1], 16)
        return chr(byte) if byte < 0x80 else chr(0xDC00 + byte)
    return chr(int(match[2], 16))


def _hidden(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
