"""Normalisations that a keyword pack may name, as far as samples need them.

The detector has its own, with a map back to the bytes. Here a name becomes a plain text function, so that a sample can
be compared with its term. Names that need tables of their own (``t2s`` ...) are known and leave the text as it is: a
sample is then written in the form of its term.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable

_ZERO_WIDTH = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_APOSTROPHES = dict.fromkeys(map(ord, "\u2018\u2019\u02bc\u2032\u00b4`"), "'")
_CEDILLA = str.maketrans("\u015f\u0163\u015e\u0162", "\u0219\u021b\u0218\u021a")
_HARAKAT = dict.fromkeys([*range(0x064B, 0x0653), 0x0670])
_HAN_GAP = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")
_ARABIC = str.maketrans("أإآٱىةکی", "اااايهكي")


def _strip_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c)))


def _same(text: str) -> str:
    return text


_FUNCTIONS: dict[str, Callable[[str], str]] = {
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "casefold": str.casefold,
    "turkish_casefold": lambda text: text.replace("İ", "i").replace("I", "ı").casefold(),
    "strip_zero_width": lambda text: text.translate(_ZERO_WIDTH),
    "apostrophes": lambda text: text.translate(_APOSTROPHES),
    "cedilla_to_comma": lambda text: text.translate(_CEDILLA),
    "yo_to_ye": lambda text: text.replace("ё", "е").replace("Ё", "Е"),
    "strip_tatweel": lambda text: text.replace("\u0640", ""),
    "strip_harakat": lambda text: text.translate(_HARAKAT),
    "arabic_fold": lambda text: text.translate(_ARABIC),
    "strip_spaces": lambda text: re.sub(r"\s+", "", text),
    "strip_spaces_between_han": lambda text: _HAN_GAP.sub("", text),
    "strip_accents_copy": _strip_accents,
    "umlaut_copy": lambda text: text.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss"),
} | dict.fromkeys((
    "bengali_fold", "ethiopic_homophones", "id_chat_abbrev", "khmer_reorder", "nukta_fold", "t2s",
    "thai_sara_am", "translit_latin_copy", "urdu_fold", "zawgyi_to_unicode",
), _same)  # fmt: skip
NORMALISATIONS = frozenset(_FUNCTIONS)


def normalised(text: str, names: Iterable[str]) -> str:
    """``text`` with the named normalisations applied in order; copies (``..._copy``) are not."""
    for name in names:
        if not name.endswith("_copy"):
            text = _FUNCTIONS[name](text)
    return text


def literal_hits(term: str, text: str, *, match: str, case_sensitive: bool, names: Iterable[str]) -> bool:
    """Whether a literal term occurs in a text, under the boundaries and normalisations of its pack.

    Args:
        term: The term.
        text: The text.
        match: ``word``, ``word-start`` or ``substring``.
        case_sensitive: Compare as written.
        names: Normalisations, known ones; a copy is tried beside the text itself.
    """
    names = tuple(names)
    kept = tuple(name for name in names if not (case_sensitive and "casefold" in name))
    pairs = [(normalised(term, kept), normalised(text, kept))]
    pairs += [(_FUNCTIONS[name](pairs[0][0]), _FUNCTIONS[name](pairs[0][1])) for name in kept if name.endswith("_copy")]
    return any(_occurs(wanted, within, match) for wanted, within in pairs if wanted)


def _occurs(term: str, text: str, match: str) -> bool:
    start = text.find(term)
    while start >= 0:
        left = match == "substring" or start == 0 or not is_word_character(text[start - 1])
        end = start + len(term)
        right = match != "word" or end == len(text) or not is_word_character(text[end])
        if left and right:
            return True
        start = text.find(term, start + 1)
    return False


def is_word_character(character: str) -> bool:
    """Letters, digits and combining marks (which Indic scripts need)."""
    return character.isalnum() or unicodedata.category(character).startswith("M")
