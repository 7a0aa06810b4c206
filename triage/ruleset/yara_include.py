r"""YARA sources as text: decoded, and with includes put in by us.

The compiler never opens a file. An ``include`` is followed only inside the folder of the rules, so a rule file cannot
read anything else of the machine, and what was compiled is what the digest covers. Rules of a file that is also loaded
by itself are made private where they are included, so that one match is not told twice.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from triage.ruleset.files import MAX_FILE_BYTES, RuleFile
from triage.ruleset.issues import Complaints, shown, shown_path
from triage.ruleset.text_codecs import decode_marked
from triage.ruleset.yara_tokens import Include, Outline, outline, place

MAX_INCLUDES = 1000
_MAX_DEPTH = 16
_LONE_CR = re.compile(r"\r(?!\n)")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass
class YaraText:
    """A source with its includes inside.

    Attributes:
        text: What is compiled.
        latin1: Files that are not UTF-8 and were read as Latin-1.
        chunks: Where the text is from: line of ``text`` at which a part begins, its file, its line there; ascending.
    """

    text: str = ""
    latin1: list[str] = field(default_factory=list)
    chunks: list[tuple[int, str, int]] = field(default_factory=list)

    @cached_property
    def outline(self) -> Outline:
        """Rules of the whole text with their places, found when first asked for."""
        return outline(self.text)

    def origin(self, line: int) -> tuple[str, int]:
        """File and line for a line of ``text``."""
        found = self.chunks[0]
        for chunk in self.chunks:
            if chunk[0] > line:
                break
            found = chunk
        return found[1], found[2] + line - found[0]


def decode_yara(data: bytes) -> tuple[str, bool]:
    r"""Text of a YARA file, and whether it had to be read as Latin-1.

    UTF-8 is taken as it is, UTF-16 with a byte order mark too. In any other file, bytes beyond ASCII inside patterns
    become ``\xNN``, so that the rule looks for the very bytes that stand in it; elsewhere they are read as Latin-1.
    """
    text = decode_marked(data)
    latin1 = text is None
    if text is None:
        text = _escape_patterns(data.decode("latin-1"))
    return _LONE_CR.sub("\n", text), latin1


def _escape_patterns(text: str) -> str:
    out: list[str] = []
    position = 0
    for token in outline(text).patterns:
        out += [text[position : token.start], "".join(c if c < "\x80" else f"\\x{ord(c):02x}" for c in token.text)]
        position = token.end
    out.append(text[position:])
    return "".join(out)


def read_yara_text(file: RuleFile, loaded: frozenset[str], complaints: Complaints) -> YaraText:
    """The source of a file with its includes.

    Args:
        file: The file.
        loaded: Real paths of the files that are loaded by themselves.
        complaints: Takes what is wrong.

    Raises:
        RuleSyntaxError: An include leaves the folder, is not there, or loops, when ``complaints`` is strict.
    """
    text, latin1 = decode_yara(file.data)
    result = YaraText(latin1=[file.shown] if latin1 else [])
    _Includer(result, file.root, loaded, complaints).add(text, file.path, [os.path.realpath(file.path)], private=False)
    return result


class _Includer:
    def __init__(self, result: YaraText, root: Path, loaded: frozenset[str], complaints: Complaints) -> None:
        self._result = result
        self._root = Path(os.path.realpath(root))
        self._loaded = loaded
        self._complaints = complaints
        self._parts: list[str] = []
        self._line = 1
        self._size = 0
        self._count = 0

    def add(self, text: str, path: Path, stack: list[str], *, private: bool) -> None:
        """Append a source, whose includes are followed; ``stack`` holds the real paths from the outermost."""
        edits: list[tuple[int, Include | None]] = []
        if private or "include" in text:
            found = outline(text)
            edits += [(include.start, include) for include in found.includes]
            edits += [(rule.keyword, None) for rule in found.rules if private and not rule.private]
        position = 0
        for start, include in sorted(edits, key=lambda edit: edit[0]):
            self._chunk(text, position, start, path)
            if include is None:
                self._put("private ")
                position = start
            else:
                self._follow(include, text, path, stack, private=private)
                position = include.end
        self._chunk(text, position, len(text), path)
        if len(stack) == 1:
            self._result.text = "".join(self._parts)

    def _chunk(self, text: str, start: int, end: int, path: Path) -> None:
        if end > start or not self._result.chunks:
            self._result.chunks.append((self._line, shown_path(path), text.count("\n", 0, start) + 1))
            self._put(text[start:end])

    def _put(self, text: str) -> None:
        self._parts.append(text)
        self._line += text.count("\n")
        self._size += len(text)

    def _follow(self, include: Include, text: str, path: Path, stack: list[str], *, private: bool) -> None:
        fault = self._fault(include.name, path, stack)
        if fault:
            line, column = place(text, include.start)
            self._complaints.error("yara-include", fault, path=shown_path(path), line=line, column=column)
            return
        target = path.parent / include.name
        real = os.path.realpath(target)
        included, latin1 = decode_yara(Path(real).read_bytes())
        if latin1 and shown_path(target) not in self._result.latin1:
            self._result.latin1.append(shown_path(target))
        self._count += 1
        self.add(included, target, [*stack, real], private=private or real in self._loaded)
        self._put("\n")

    def _fault(self, name: str, path: Path, stack: list[str]) -> str:
        """Why an include is not followed; empty where it is."""
        told = f"`{shown(name)}`"
        if not name or name.startswith(("/", "\\")) or _DRIVE.match(name) or "\0" in name:
            return f"include of an absolute path: {told}"
        real = Path(os.path.realpath(path.parent / name))
        if not real.is_relative_to(self._root):
            return f"include leaves the folder of the rules: {told}"
        if str(real) in stack:
            return f"include loops: {told}"
        if len(stack) > _MAX_DEPTH or self._count >= MAX_INCLUDES or self._size > MAX_FILE_BYTES:
            return f"too many includes: {told}"
        try:
            if not real.is_file():
                return f"include is not there: {told}"
            if real.stat().st_size > MAX_FILE_BYTES:
                return f"include is too large: {told}"
            with real.open("rb"):
                return ""
        except (OSError, ValueError) as error:
            return f"include cannot be read: {told}: {error}"
