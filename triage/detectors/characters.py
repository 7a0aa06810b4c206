"""What the detectors know of characters: kinds, words, and which characters of a term stand for each other.

A *word character* is a letter, a digit or a combining mark (Indic scripts need the marks); the underscore is none, so
that ``girls_passport_scan`` holds the word ``passport``. Letters of scripts that are not mixed within a word (Latin
beside Han, say) do not touch: what stands in front of a UTF-16 text in a binary record reads as such a letter.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

APOSTROPHES = "'\u2019\u02bc\u2018`\u00b4\uff07"
HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"
WHITESPACE = " \t\r\n\u00a0"
# Marks that Arabic writes or leaves out: harakat, superscript alef, tatweel.
ARABIC_MARKS = "".join(map(chr, range(0x064B, 0x0653))) + "\u0670\u0640"
_ARABIC_LETTERS = ("اأإآٱ", "يىیئ", "ةه", "كک")
_URDU_LETTERS = ("یيىئ", "کك", "ہهھةۃۀ")
_LATIN_STROKES = {"ł": "l", "đ": "d", "ø": "o", "ħ": "h", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i"}
_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue"}
_CEDILLAS = ("\u015f\u0219", "\u0163\u021b", "\u015e\u0218", "\u0162\u021a")
# First letters of the seven vowel orders of Ethiopic letters that sound alike.
_ETHIOPIC_SERIES = ((0x1200, 0x1210, 0x1280), (0x1230, 0x1220), (0x12A0, 0x12D0), (0x1338, 0x1340))
_NUKTAS = "\u093c\u09bc\u0a3c\u0abc\u0b3c"
_CONTROLS = frozenset(map(chr, [*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0)]))

# Where a script that is written apart begins; 0 is Latin, Greek, Cyrillic and their like.
_SCRIPT_STARTS = (
    0, 0x0590, 0x0600, 0x0700, 0x0900, 0x0E00, 0x0F00, 0x1000, 0x10A0, 0x1100, 0x1200, 0x13A0, 0x1780, 0x1800, 0x1C80,
    0x1C90, 0x1CC0, 0x1D00, 0x2C80, 0x2D00, 0x2D30, 0x2DE0, 0x2E00, 0xA490, 0xA640, 0xA6A0, 0xA720, 0xA800, 0xAB30,
    0xAB70, 0xFB00, 0xFB07, 0xFB50, 0xFF21, 0xFF5B,
)  # fmt: skip
_WESTERN = frozenset({0, 0x1C80, 0x1D00, 0x2C80, 0x2DE0, 0xA640, 0xA720, 0xAB30, 0xFB00, 0xFF21})


@lru_cache(maxsize=65536)
def is_word_character(character: str) -> bool:
    """Whether a character is a letter, a digit or a combining mark."""
    return unicodedata.category(character)[0] in "LNM"


@lru_cache(maxsize=4096)
def _script(character: str) -> int:
    start = _SCRIPT_STARTS[bisect_right(_SCRIPT_STARTS, ord(character)) - 1]
    return 0 if start in _WESTERN else start


def is_western(letter: str) -> bool:
    """Whether a letter is Latin, Greek, Cyrillic or of a script like them, which words may mix."""
    return _script(letter) == 0


def touches(character: str, neighbour: str) -> bool:
    """Whether two neighbouring characters belong to one word, so that no word begins or ends between them.

    Args:
        character: First or last character of a match.
        neighbour: The character beside it, empty at an end of the text.
    """
    if not neighbour or not is_word_character(neighbour):
        return False
    if unicodedata.category(neighbour)[0] != "L" or unicodedata.category(character)[0] != "L":
        return True
    return _script(character) == _script(neighbour)


@lru_cache(maxsize=65536)
def is_barrier(character: str) -> bool:
    """Whether a character is no text: a control other than tab and line ends, or a byte that did not decode."""
    return (
        character in _CONTROLS
        or 0xD800 <= ord(character) <= 0xDFFF
        or ord(character) & 0xFFFE == 0xFFFE
        or (character == "\ufffd")
    )


def is_plausible(character: str) -> bool:
    """Whether a character may stand in text: assigned, no barrier, not for private use."""
    return not is_barrier(character) and unicodedata.category(character) not in ("Cn", "Co", "Cs")


@dataclass(frozen=True, slots=True)
class Folding:
    """Which characters stand for each other in one term.

    Attributes:
        case: Lower, upper and title case.
        turkish: All four Turkish letters i.
        unaccented: A Latin letter without its marks matches the letter with them.
        names: Further normalisations by the names that keyword packs use (``arabic_fold``, ``urdu_fold``,
            ``umlaut_copy``, ``cedilla_to_comma``, ``ethiopic_homophones``, ``nukta_fold``, ``bengali_fold``,
            ``thai_sara_am``); others change nothing here.
    """

    case: bool = True
    turkish: bool = False
    unaccented: bool = True
    names: frozenset[str] = frozenset()

    @classmethod
    def of(cls, case_sensitive: bool, names: tuple[str, ...]) -> Folding:
        """The folding of a term with these settings.

        A case-sensitive term keeps its marks; a pack that writes umlauts out (``umlaut_copy``) has its own way to
        leave them.
        """
        chosen = frozenset(names)
        unaccented = not case_sensitive and "umlaut_copy" not in chosen
        return cls(not case_sensitive, "turkish_casefold" in chosen and not case_sensitive, unaccented, chosen)


@lru_cache(maxsize=65536)
def forms(character: str, folding: Folding) -> tuple[str, ...]:
    """Every text that stands for a character of a term, longest first, then by code point.

    Each form is there composed and decomposed.
    """
    found = {character, *_equal_letters(character, folding)}
    if folding.case:
        found.update(_cases(found, folding))
    if folding.unaccented:
        found.update(_bare(form) for form in tuple(found))
    if folding.names & {"nukta_fold", "bengali_fold"}:
        found.update(unicodedata.normalize("NFD", form).rstrip(_NUKTAS) for form in tuple(found) if form not in _NUKTAS)
    if "thai_sara_am" in folding.names and character == "\u0e33":
        found.add("\u0e4d\u0e32")
    for normal in ("NFC", "NFD"):
        found.update(unicodedata.normalize(normal, form) for form in tuple(found))
    found.discard("")
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _cases(found: set[str], folding: Folding) -> set[str]:
    out: set[str] = set()
    for form in found:
        out.update((form.lower(), form.upper(), form.title(), form.upper().lower()))
    if folding.turkish and out & {"i", "ı", "I", "İ"}:
        out.update(("i", "ı", "I", "İ", "i\u0307"))
    if "Σ" in out:
        out.update(("σ", "ς"))
    return out


def _equal_letters(character: str, folding: Folding) -> set[str]:
    for group in (APOSTROPHES, HYPHENS):
        if character in group:
            return set(group)
    if character in "её":
        return {"е", "ё"}
    if character in "ЕЁ":
        return {"Е", "Ё"}
    out: set[str] = set()
    names = folding.names
    if is_arabic_letter(character):
        for letters in _URDU_LETTERS if "urdu_fold" in names else _ARABIC_LETTERS:
            if character in letters:
                out.update(letters)
    if "umlaut_copy" in names and character.lower() in _UMLAUTS:
        plain = _UMLAUTS[character.lower()]
        out.update((plain, plain.title()) if folding.case else (plain,))
    if "cedilla_to_comma" in names:
        out.update(*(pair for pair in _CEDILLAS if character in pair))
    if "ethiopic_homophones" in names:
        for series in _ETHIOPIC_SERIES:
            for start in series:
                if 0 <= ord(character) - start < 7:
                    out.update(chr(other + ord(character) - start) for other in series)
    return out


def _bare(form: str) -> str:
    """A Latin form without its marks; any other form as it is."""
    if form.isascii():
        return form
    out = []
    for character in unicodedata.normalize("NFD", form):
        if unicodedata.combining(character):
            continue
        plain = _LATIN_STROKES.get(character.lower(), character)
        out.append(plain.title() if character.isupper() and plain != character else plain)
    bare = "".join(out)
    return bare if bare.isascii() and bare.isalpha() else form


@lru_cache(maxsize=4096)
def accents(text: str) -> int:
    """Number of marks that Latin letters of a text carry, strokes and ligatures included, the dot of i aside."""
    count = 0
    base = ""
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.combining(character):
            count += character != "\u0307" and base.isascii() and base.isalpha()
        else:
            base = character
            count += character != "ı" and character.lower() in _LATIN_STROKES
    return count


def is_arabic_letter(character: str) -> bool:
    """Whether a character is a letter of the Arabic script, tatweel aside."""
    return "\u0620" <= character <= "\u06ff" and character != "\u0640" and unicodedata.category(character) == "Lo"


class _Skeletons(dict[int, str]):
    def __missing__(self, code: int) -> str:
        folded = unicodedata.normalize("NFD", chr(code).casefold())
        bare = (_SAME.get(c, c) for c in folded if not unicodedata.combining(c) and c not in ARABIC_MARKS)
        found = self[code] = "".join(bare)
        return found


_SAME = {
    **dict.fromkeys(APOSTROPHES, "'"),
    **dict.fromkeys(HYPHENS, "-"),
    **dict.fromkeys("یيىئ", "ي"),
    **dict.fromkeys("کك", "ك"),
    **dict.fromkeys("ہهھةۃۀ", "ه"),
    **dict.fromkeys("اأإآٱ", "ا"),
    **_LATIN_STROKES,
    "ς": "σ",
    **{
        chr(start + order): chr(series[0] + order)
        for series in _ETHIOPIC_SERIES
        for start in series
        for order in range(7)
    },
}
_SKELETONS = _Skeletons()


def skeleton(text: str) -> str:
    """A text with all that any folding may equate written alike: case, marks, apostrophes, letter variants.

    Two texts that are forms of one term have the same skeleton, except where one letter is written out as two
    (``ä`` as ``ae``).
    """
    return text.lower() if text.isascii() and "`" not in text else text.translate(_SKELETONS)
