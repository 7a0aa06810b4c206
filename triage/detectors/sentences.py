r"""Which expressions may match somewhere in a content: a second gate, far narrower than required words.

An expression of a keyword pack joins words with short gaps that stop at the end of a sentence
(``[^.!?\x00]{0,25}``). Written over bytes of UTF-8, with its counts dropped, it becomes a pattern that hyperscan runs
fast: it matches wherever the expression does, and in few other sentences. One database a pack, compiled when a content
first needs it.

What cannot be loosened so (``.`` that crosses sentences, ranges of letters outside ASCII, Turkish letters i) has no
such pattern and always passes. Letters that equal an ASCII letter only by Unicode case rules (the Kelvin sign, the
long s) are not written out.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from triage.detectors.byte_patterns import class_group, utf8_alternatives
from triage.detectors.engine import Buffer, HyperscanEngine
from triage.model.rules import KeywordTerm

_REFUSED = re.compile(
    r"(?<!\\)(?:\\\\)*\.(?![^\[]*\])"  # a dot outside of a class
    r"|[^\x00-\x7f]-|-[^\x00-\x7f]"  # a range of letters outside ASCII
    r"|\[\^[^\]]*[^\x00-\x7f][^\]]*\]"  # a negated class of such letters
    r"|\(\?[^:]"  # anything but a plain group
)
_COUNT = r"(\{\d+,\d+\}|\{\d+\}|[*+?])?"
_NAMED = {
    "w": r"[0-9A-Za-z_\x80-\xff]",
    "s": r"[ \t\r\n\f\v\x1c-\x1f\x80-\xff]",
    "d": r"[0-9\x80-\xff]",
    "W": r"[^0-9A-Za-z_]",
}


def sentence_pattern(term: KeywordTerm) -> bytes | None:
    """The expression over bytes with its counts dropped; None where that would lose a match."""
    pattern = term.term
    if _REFUSED.search(pattern) or "turkish_casefold" in term.normalise:
        return None
    text = pattern.replace("\\b", "")
    text = re.sub(rf"(\[\^?(?:\\.|[^\]\\])*\]|\\[wsdW]){_COUNT}", _loosened, text)
    text = re.sub(r"[^\x00-\x7f]", lambda match: utf8_alternatives(match[0]), text)
    return (b"" if term.case_sensitive else b"(?i)") + text.encode("ascii")


def _loosened(match: re.Match[str]) -> str:
    """A class with its count as none-or-more or one-or-more; letters outside ASCII take several bytes."""
    source, count = match[1], match[2] or ""
    if source.startswith("\\"):
        source, wide = _NAMED[source[1]], source[1] in "wsdW"
    else:
        wide = re.search(r"\\[wsd]", source) is not None or source.startswith("[^")
        for name in "wsd":
            source = source.replace(f"\\{name}", _NAMED[name][1:-1])
        source = class_group(source)
    if not count:
        return source + "+" if wide else source
    return source + ("*" if count in ("*", "?") or count.startswith("{0") else "+")


class SentenceGate:
    """Gates of all packs, by pack.

    Args:
        terms: All keyword terms; literal ones are left out.
        cache: Folder for compiled databases.
    """

    def __init__(self, terms: Sequence[KeywordTerm], cache: Path | None) -> None:
        self._cache = cache
        self._terms: dict[str, list[KeywordTerm]] = {}
        self._engines: dict[str, tuple[HyperscanEngine | None, list[str]]] = {}
        if importlib.util.find_spec("hyperscan") is None:
            return
        for term in terms:
            if term.kind == "regex":
                self._terms.setdefault(_pack(term.rule), []).append(term)

    def passing(self, data: Buffer, rules: Iterable[str]) -> set[str]:
        """Of the given rules those that may match in a content."""
        wanted: dict[str, set[str]] = {}
        for rule in rules:
            wanted.setdefault(_pack(rule), set()).add(rule)
        out: set[str] = set()
        for pack, asked in wanted.items():
            engine, gated = self._engine(pack)
            if engine is None:
                out |= asked
                continue
            found = {gated[number] for number in engine.present(data)}
            out |= asked & (found | (asked - set(gated)))
        return out

    def _engine(self, pack: str) -> tuple[HyperscanEngine | None, list[str]]:
        known = self._engines.get(pack)
        if known is None:
            pairs = [(term.rule, pattern) for term in self._terms.get(pack, ()) if (pattern := sentence_pattern(term))]
            engine = HyperscanEngine([pattern for _, pattern in pairs], self._cache) if pairs else None
            known = self._engines[pack] = (engine, [rule for rule, _ in pairs])
        return known


def _pack(rule: str) -> str:
    return rule.rpartition("#")[0]
