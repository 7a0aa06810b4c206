"""Text around a match, and the way from characters back to bytes."""

from __future__ import annotations

from triage.detectors.characters import is_barrier

AROUND = 120
MATCHED = 200
Buffer = bytes | bytearray | memoryview


def decode(raw: bytes, encoding: str) -> str:
    """Bytes as text, reversible by :func:`byte_length`."""
    return raw.decode(encoding, "surrogatepass" if encoding.startswith("utf-16") else "surrogateescape")


def decode_lenient(raw: bytes, encoding: str) -> str:
    """Like :func:`decode`, where even that cannot be done with replacements of one character for a unit."""
    try:
        return decode(raw, encoding)
    except UnicodeDecodeError:
        return raw.decode(encoding, "replace")


def byte_length(text: str, encoding: str) -> int:
    """Bytes that a decoded text took."""
    try:
        return len(text.encode(encoding, "surrogatepass" if encoding.startswith("utf-16") else "surrogateescape"))
    except UnicodeEncodeError:
        return len(text.encode(encoding, "replace"))


def unit(encoding: str) -> int:
    """Bytes of the smallest character."""
    return 2 if encoding.startswith("utf-16") else 1


def around(data: Buffer, start: int, end: int, encoding: str) -> tuple[str, str]:
    """Text in front of a match and behind it, up to the next bytes that are no text."""
    size = unit(encoding)
    reach = AROUND * (4 if encoding == "utf-8" else 2)
    low = max(0, start - reach)
    low += (start - low) % size
    before = decode_lenient(bytes(data[low:start]), encoding)
    after = decode_lenient(bytes(data[end : end + reach // size * size]), encoding)
    return _back(before), _forward(after)


def around_text(text: str, start: int, end: int) -> tuple[str, str]:
    """The same in decoded text, by characters."""
    return _back(text[max(0, start - AROUND) : start]), _forward(text[end : end + AROUND])


def _back(text: str) -> str:
    text = text[-AROUND:]
    for index in range(len(text) - 1, -1, -1):
        if is_barrier(text[index]):
            return text[index + 1 :]
    return text


def _forward(text: str) -> str:
    text = text[:AROUND]
    for index, character in enumerate(text):
        if is_barrier(character):
            return text[:index]
    return text
