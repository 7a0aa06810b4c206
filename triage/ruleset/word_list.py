"""Plain word lists: one term a line, ``#`` for comments; UTF-8, or UTF-16 with a byte order mark.

Each line is a literal under the built-in indicator ``user.keyword``. Terms in scripts that write without blanks are
matched anywhere, others as words. Legacy code pages follow from the script. A line that really begins with ``#`` is
written with a backslash in front.
"""

from __future__ import annotations

import unicodedata

from triage.model.rules import KeywordTerm, RuleInfo
from triage.ruleset.files import RuleFile
from triage.ruleset.indicator_file import USER_KEYWORD
from triage.ruleset.issues import Complaints, shown
from triage.ruleset.keyword_file import MAX_TERM, USER_WEIGHT, KeywordHead, Term, literal_fault
from triage.ruleset.text_codecs import decode_marked

_NO_BLANKS = frozenset({"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
_CODE_PAGES: dict[str, tuple[str, ...]] = {
    "LATIN": ("cp1250", "cp1252", "cp1254", "cp1257"),
    "CYRILLIC": ("cp1251", "koi8-r", "koi8-u", "cp866"),
    "GREEK": ("cp1253",),
    "ARABIC": ("cp1256",),
    "HEBREW": ("cp1255",),
    "THAI": ("cp874",),
    "CJK": ("gb18030", "big5", "shift_jis"),
    "HIRAGANA": ("shift_jis", "euc-jp"),
    "KATAKANA": ("shift_jis", "euc-jp"),
    "HANGUL": ("cp949",),
}


def read_word_list(file: RuleFile, head: KeywordHead, complaints: Complaints) -> tuple[Term, ...]:
    """The terms of a list in the order of its lines; a term that comes again is left out.

    Raises:
        EmptyRuleSetError: There is none, when ``complaints`` is strict.
        RuleSyntaxError: A line cannot be looked for, or the encoding is not known, likewise.
    """
    text = decode_marked(file.data)
    if text is None:
        _complain_of_encoding(file, complaints)
        return ()
    seen: dict[str, int] = {}
    out: list[Term] = []
    for line, content in enumerate(text.split("\n"), 1):
        term = content.strip()
        if not term or term.startswith("#"):
            continue
        column = content.index(term) + 1
        term = term[1:] if term.startswith("\\#") else term
        fault = literal_fault(term)
        if fault is not None or len(term) > MAX_TERM:
            code, message, place = (
                (fault.code, fault.message, column + fault.position)
                if fault is not None
                else ("term-too-long", f"longer than {MAX_TERM} characters: {len(term)}", column)
            )
            complaints.error(code, message, path=file.shown, line=line, column=place)
            continue
        first = seen.setdefault(unicodedata.normalize("NFKC", term).casefold(), line)
        if first != line:
            message = f"the same term as in line {first}: `{shown(term)}`"
            complaints.warn("duplicate-term", message, path=file.shown, line=line, column=column)
            continue
        out.append(_term(head, len(out) + 1, term, line))
    if not out:
        complaints.error("empty-pack", "no term in the list", path=file.shown, line=1, column=1)
    return tuple(out)


def _complain_of_encoding(file: RuleFile, complaints: Complaints) -> None:
    try:
        file.data.decode("utf-8-sig")
        start = 0
    except UnicodeDecodeError as error:
        start = error.start
    before = file.data[:start]
    column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
    complaints.error(
        "list-encoding",
        "neither UTF-8 nor UTF-16 with a byte order mark",
        path=file.shown,
        line=before.count(b"\n") + 1,
        column=column,
        hint="save it as UTF-8",
    )


def _term(head: KeywordHead, number: int, term: str, line: int) -> Term:
    scripts = {unicodedata.name(c, "").split(" ")[0].split("-")[0] for c in term if c.isalpha()}
    pages = (
        {page: None for script in sorted(scripts) for page in _CODE_PAGES.get(script, ())} if not term.isascii() else {}
    )
    rule = f"{head.id}#{number}"
    match = "substring" if scripts & _NO_BLANKS else "word"
    return Term(
        keyword=KeywordTerm(rule, term, "literal", match, False, head.normalise, tuple(pages)),
        info=RuleInfo(
            id=rule,
            detector="keywords",
            pack=head.id,
            indicator=USER_KEYWORD,
            weight=USER_WEIGHT,
            trust=1.0,
            language="und",
            gloss=term,
            meta={"term": term, "confidence": "high"},
        ),
        confidence="high",
        line=line,
    )
