"""YARA over whole contents: boreal proposes, yara-python confirms and reports.

Boreal answers on the whole rule set many times faster. Where it says that anything matches, and for sources that it
refuses, yara-python decides; so every reported hit is yara-python's. Rules that read names are a set of their own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triage.detectors.passages import MATCHED, Buffer, around
from triage.errors import RuleSyntaxError
from triage.model.content import ContentNames, Coverage, Detection
from triage.model.hit import Hit, HitCount
from triage.model.problem import Problem, Reason
from triage.model.rules import YaraSource

POSITIONS = 16
CAP = 1_000_000
SECRET = "secret"
"""Meta of a rule whose matches stand beside a key, a seed phrase or a password: ``yes`` tells the place alone."""
EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner")


class YaraDetector:
    """Runs YARA rules.

    Args:
        sources: The rule files, one namespace each.
        timeout: Seconds asked of the engine for one content.
        cache_dir: Not used: compiling is quick.

    Raises:
        RuleSyntaxError: A source does not compile.
    """

    name = "yara"

    def __init__(self, sources: Sequence[YaraSource], *, timeout: int = 30, cache_dir: Path | None = None) -> None:
        self._timeout = timeout
        self._plain = _Set([source for source in sources if not source.uses_externals])
        self._named = _Set([source for source in sources if source.uses_externals])
        self.has_externals = bool(self._named)

    def scan(self, data: Buffer, names: ContentNames) -> Detection:
        """Rules that read the content alone."""
        return self._run(self._plain, data, names)

    def scan_named(self, data: Buffer, names: ContentNames) -> Detection:
        """Rules that read the name too."""
        return self._run(self._named, data, names)

    def _run(self, rules: _Set, data: Buffer, names: ContentNames) -> Detection:
        import yara

        externals = {name: getattr(names, name) for name in EXTERNALS}
        try:
            matches = rules.match(data, externals, self._timeout)
        except yara.TimeoutError:
            return self._failed(names, Reason.TIMEOUT, f"took longer than {self._timeout} s", len(data))
        except yara.Error as error:
            return self._failed(names, Reason.CRASHED, str(error), len(data))
        hits: list[Hit] = []
        counts: list[HitCount] = []
        for match in matches:
            rule = f"yara/{match.namespace}#{match.rule}"
            spans = _merged(match)
            total = max(len(spans), 1)
            counts.append(HitCount(rule, total, any(len(s.instances) >= CAP for s in match.strings)))
            told = _place if match.meta.get(SECRET) == "yes" else _hit
            hits.extend(told(data, rule, *span) for span in spans[:POSITIONS])
            if not spans:
                hits.append(Hit(rule, 0, 0))
        return Detection(tuple(sorted(hits)), tuple(sorted(counts)), (), Coverage(self.name, 1, len(data)))

    def _failed(self, names: ContentNames, reason: Reason, message: str, size: int) -> Detection:
        problem = Problem(names.address, "detectors/yara", reason, f"YARA: {message}", "", size)
        return Detection((), (), (problem,), Coverage(self.name, skipped=1, skipped_bytes=size))


class _Set:
    """Compiled sources."""

    def __init__(self, sources: Sequence[YaraSource]) -> None:
        self._all: Any = None
        self._fast: Any = None
        self._slow: Any = None
        if not sources:
            return
        import yara

        blank: dict[str, Any] = dict.fromkeys(EXTERNALS, "")
        texts = {source.namespace: source.text for source in sources}
        try:
            self._all = yara.compile(sources=texts, externals=blank, includes=False)
        except yara.Error as error:
            raise RuleSyntaxError(str(error), path=sources[0].path) from error
        if importlib.util.find_spec("boreal") is None:
            self._slow = self._all
            return
        import boreal

        refused = {}
        accepted = {}
        for namespace, text in texts.items():
            try:
                boreal.compile(sources={namespace: text}, externals=blank)
                accepted[namespace] = text
            except boreal.Error:
                refused[namespace] = text
        if accepted:
            self._fast = boreal.compile(sources=accepted, externals=blank)
            # Its own cap of 1,000 matches a string would make conditions about counts fail in silence.
            self._fast.set_params(string_max_nb_matches=CAP)
        if refused:
            self._slow = yara.compile(sources=refused, externals=blank, includes=False)

    def __bool__(self) -> bool:
        return self._all is not None

    def match(self, data: Buffer, externals: dict[str, str], timeout: int) -> list[Any]:
        """What matches, as yara-python says."""
        if self._all is None:
            return []
        if self._fast is not None and not self._proposes(data, externals, timeout):
            if self._slow is None:
                return []
            return list(self._slow.match(data=data, externals=externals, timeout=timeout))
        return list(self._all.match(data=data, externals=externals, timeout=timeout, warnings_callback=_quiet))

    def _proposes(self, data: Buffer, externals: dict[str, str], timeout: int) -> bool:
        import boreal

        try:
            whole = data if isinstance(data, bytes) else bytes(data)
            return bool(self._fast.match(data=whole, externals=externals, timeout=timeout))
        except boreal.Error:
            return True


def _quiet(kind: int, message: Any) -> int:
    """The cap on matches is told by the count."""
    import yara

    return int(yara.CALLBACK_CONTINUE)


def _merged(match: Any) -> list[tuple[int, int, str]]:
    """Spans of the strings of a match: offset, end, identifier; what overlaps in one string is one."""
    out: list[tuple[int, int, str]] = []
    for string in match.strings:
        last: tuple[int, int, str] | None = None
        for instance in string.instances:
            start, end = instance.offset, instance.offset + instance.matched_length
            if last is not None and start < last[1]:
                last = (last[0], max(last[1], end), last[2])
                out[-1] = last
            else:
                last = (start, end, string.identifier)
                out.append(last)
    return sorted(out)


def _place(data: Buffer, rule: str, start: int, end: int, identifier: str) -> Hit:
    """A match without its text and what stands beside it."""
    return Hit(rule, start, end - start, "", "", "", "", identifier)


def _hit(data: Buffer, rule: str, start: int, end: int, identifier: str) -> Hit:
    raw = bytes(data[start : min(end, start + MATCHED * 2)])
    encoding = "utf-16-le" if len(raw) >= 4 and raw[1::2].count(0) * 2 >= len(raw) - 1 else "utf-8"
    text = raw.decode(encoding, "replace")
    if "\ufffd" in text or not text.isprintable():
        return Hit(rule, start, end - start, "", raw[:32].hex(" "), "", "", identifier)
    before, after = around(data, start, end, encoding)
    return Hit(rule, start, end - start, encoding, text[:MATCHED], before, after, identifier)
