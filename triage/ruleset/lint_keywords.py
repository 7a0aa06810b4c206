"""What can be said of keyword packs beyond their being valid: samples, short terms, doubtful weights, doubles."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from triage.errors import LimitExceededError
from triage.ruleset.compile import KeywordPack
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.keyword_file import Term
from triage.ruleset.normalise import is_word_character, literal_hits, normalised
from triage.ruleset.regex_parse import RegexFault, parse_regex
from triage.ruleset.regex_run import RegexProgram
from triage.ruleset.regex_tree import unbounded_gaps
from triage.ruleset.toml_reader import Fields

MAX_SAMPLE_TEXT = 2000
_LEAST_LETTERS = {"word": 3, "word-start": 4, "substring": 4}
_LEAST_HAN = 2


def lint_keywords(packs: Sequence[KeywordPack], complaints: Complaints) -> None:
    """Report on every pack; see the head of this module."""
    for pack in packs:
        _lint_identity(pack, complaints)
        for term in pack.terms:
            _lint_term(pack, term, complaints)
    _lint_doubles(packs, complaints)


class _Place:
    """Complains about one term, at its key in a pack or its line in a list."""

    def __init__(self, pack: KeywordPack, term: Term, complaints: Complaints) -> None:
        self._pack = pack
        self._term = term
        self._complaints = complaints

    def __call__(
        self, code: str, message: str, key: str, *, hint: str = "", warning: bool = True, index: int | None = None
    ) -> None:
        toml, place = self._pack.toml, self._term.place
        if toml is None:
            report = self._complaints.warn if warning else self._complaints.error
            report(code, message, path=self._pack.file.shown, line=self._term.line, column=1, hint=hint)
            return
        table = toml.data["term"][place[1]]
        fields = Fields(toml, place, table, self._complaints)
        named = key if key in table else None
        fields.complain(code, message, named, value=True, hint=hint, warning=warning, index=index if named else None)


def _lint_identity(pack: KeywordPack, complaints: Complaints) -> None:
    if pack.toml is None or not pack.file.shipped:
        return
    head, fields = pack.head, Fields.of(pack.toml, "pack", complaints)
    wanted = f"keywords/{head.language}"
    if head.id != wanted and not head.id.startswith(wanted + "-"):
        message = f"identity does not fit the language: `{shown(head.id)}`"
        fields.complain("pack-id", message, "id", value=True, hint=f"`{wanted}` or `{wanted}-<name>`")
    if not pack.file.name.startswith(f"keywords/{head.language}/"):
        message = f"language does not fit the folder: `{head.language}`"
        fields.complain("pack-id", message, "language", value=True)


def _lint_term(pack: KeywordPack, term: Term, complaints: Complaints) -> None:
    place = _Place(pack, term, complaints)
    keyword, info = term.keyword, term.info
    program: RegexProgram | None = None
    if term.confidence == "low" and info.weight > 0.5:
        place("low-confidence-weight", f"weight {info.weight:g} with low confidence", "weight", hint="0.5 at most")
    if keyword.kind == "regex":
        node = parse_regex(keyword.term)
        if isinstance(node, RegexFault):
            return
        program = RegexProgram(node, case_sensitive=keyword.case_sensitive) if term.sample or term.miss else None
        for position in unbounded_gaps(node):
            place("regex-unbounded-gap", "gap without bound", "term", index=position, hint="bound it: `{0,40}`")
        if not term.sample:
            hint = "add `sample`, a text that must hit"
            place("sample-missing", "pattern without a sample", "sample", hint=hint, warning=not pack.file.shipped)
    else:
        _lint_literal(term, place)
    for text, key, wanted in ((term.sample, "sample", True), (term.miss, "miss", False)):
        if text:
            _run_sample(term, program, text, key, wanted, place)


def _lint_literal(term: Term, place: _Place) -> None:
    text = term.keyword.term
    if text != text.strip():
        place("term-whitespace", "begins or ends with a blank, so it hits only with it", "term")
    if any(unicodedata.category(c) == "So" for c in text):
        return  # a picture sign is rare enough alone
    letters = sum(is_word_character(c) for c in text)
    han = any("CJK" in unicodedata.name(c, "") for c in text)
    least = _LEAST_HAN if han else _LEAST_LETTERS[term.keyword.match]
    if letters < least:
        place("term-too-short", f"{letters} letters, will hit everywhere", "term", hint=f"{least} or more")


def _run_sample(term: Term, program: RegexProgram | None, text: str, key: str, wanted: bool, place: _Place) -> None:
    if len(text) > MAX_SAMPLE_TEXT:
        place("sample-too-costly", f"longer than {MAX_SAMPLE_TEXT} characters", key, warning=False)
        return
    try:
        hit = _hits(term, program, text)
    except LimitExceededError as error:
        place("sample-too-costly", error.message, key, warning=False)
        return
    if wanted and not hit:
        place("sample-not-hit", f"`{shown(term.keyword.term)}` does not hit its sample", key, warning=False)
    elif hit and not wanted:
        place("miss-hit", f"`{shown(term.keyword.term)}` hits what it must not", key, warning=False)


def _hits(term: Term, program: RegexProgram | None, text: str) -> bool:
    """Whether a term (a pattern: its program) hits a text, as it is or normalised."""
    keyword = term.keyword
    if program is None:
        return literal_hits(
            keyword.term, text, match=keyword.match, case_sensitive=keyword.case_sensitive, names=keyword.normalise
        )
    # The pattern itself is never folded (`\W` is not `\w`), and it ignores case anyway.
    names = tuple(name for name in keyword.normalise if "casefold" not in name)
    return any(program.search(each) for each in dict.fromkeys((text, normalised(text, names))))


def _lint_doubles(packs: Sequence[KeywordPack], complaints: Complaints) -> None:
    first: dict[tuple[str, str, str], KeywordPack] = {}
    for pack in packs:
        for term in pack.terms:
            text = unicodedata.normalize("NFKC", term.keyword.term).casefold()
            other = first.setdefault((pack.head.language, term.keyword.kind, text), pack)
            if other is not pack:
                message = f"the same term stands in `{other.head.id}`: `{shown(term.keyword.term)}`"
                _Place(pack, term, complaints)("term-in-two-packs", message, "term")
