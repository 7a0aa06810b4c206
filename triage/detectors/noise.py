"""Short matches in bytes that are no text: a few bytes may spell a word by chance, and media files are long."""

from __future__ import annotations

from functools import lru_cache

from triage.detectors.characters import is_plausible, is_word_character, touches
from triage.detectors.passages import decode_lenient, unit

_NEIGHBOURS = 4
_HAN = 0x2E80
# Most bytes of a match, and from how many odd neighbours on (of eight) it is chance.
_CHANCE = ((4, 3), (8, 6))


def is_chance(raw: bytes, start: int, end: int, encoding: str) -> bool:
    """Whether a match is as likely noise as text, by what stands beside it.

    Args:
        raw: Bytes that are no text as a whole.
        start: Where the match begins.
        end: One past its end.
        encoding: In which it was read.
    """
    odd = next((odd for most, odd in _CHANCE if end - start <= most), None)
    if odd is None:
        return False
    size = unit(encoding)
    reach = _NEIGHBOURS * (4 if encoding == "utf-8" else 2)
    low = start - min(start, reach) // size * size
    before = decode_lenient(raw[low:start], encoding)[-_NEIGHBOURS:]
    after = decode_lenient(raw[end : end + reach], encoding)[:_NEIGHBOURS]
    matched = decode_lenient(raw[start:end], encoding)
    letter = next((character for character in matched if not character.isascii()), "a")
    return sum(_is_odd(character, letter) for character in before + after) >= odd


@lru_cache(maxsize=65536)
def _is_odd(character: str, letter: str) -> bool:
    """Whether a character does not stand beside a letter in text, as far as one can tell from it alone."""
    if character in "\x00\t\r\n" or " " <= character < "\x7f":
        return False
    if not is_plausible(character):
        return True
    if ord(character) >= _HAN:
        return ord(letter) < _HAN or not _is_common(character)
    return not character.isascii() and is_word_character(character) and not touches(character, letter)


def _is_common(character: str) -> bool:
    """Whether a character is in one of the old national sets, which hold those in daily use."""
    for encoding in ("gb2312", "big5", "euc_jp", "euc_kr"):
        try:
            return bool(character.encode(encoding))
        except UnicodeEncodeError:
            continue
    return False
