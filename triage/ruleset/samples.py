"""Samples of YARA rules: one file that a rule must hit, one that it must not.

They lie in ``samples/yara/<file stem>/`` of the rules folder, as ``<Rule>.hit.hex`` and ``<Rule>.miss.hex`` (a dump) or
``.hit.txt`` and ``.miss.txt`` (bytes as they are); more of a kind have anything between: ``<Rule>.hit-utf16.hex``.

A hex dump is text, so that hostile bytes can be read in a review and trip no scanner::

    # SQLite header, then a table name at 4096; what is not written is zero
    # filename: msgstore.db
    0000: 53 51 4c 69 74 65 20 66 6f 72 6d 61 74 20 33 00
    1000: 6d657373616765

Pairs of hexadecimal digits with or without blanks; ``#`` begins a comment; a line may begin with its offset in
hexadecimal and ``:``, never before the end of what came so far. ``# filename: NAME`` in a comment gives the external
variables of the rule a name to see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from triage.errors import RuleSyntaxError
from triage.ruleset.files import SAMPLES
from triage.ruleset.issues import shown, shown_path

MAX_SAMPLE = 16 << 20
_NAME = re.compile(r"(?P<rule>\w+)\.(?P<kind>hit|miss)[^.]*\.(?P<form>hex|txt)", re.ASCII)
_OFFSET = re.compile(r"\s*(?:0x)?([0-9A-Fa-f]+):")
_PAIR = re.compile(r"[0-9A-Fa-f]{2}")
_FILENAME = re.compile(r"#\s*filename:\s*(\S.*?)\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample file.

    Attributes:
        path: The file.
        rule: Name of the rule that it belongs to.
        hit: It must hit; else it must not.
        form: ``hex`` or ``txt``.
    """

    path: Path
    rule: str
    hit: bool
    form: str


def find_samples(root: Path) -> dict[str, tuple[list[Sample], list[Path]]]:
    """Samples below a rules folder: by file stem, and beside them files whose names say nothing; sorted."""
    out: dict[str, tuple[list[Sample], list[Path]]] = {}
    folder = root / SAMPLES / "yara"
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not place.is_dir():
            continue
        samples, others = out.setdefault(place.name, ([], []))
        for path in sorted(place.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match:
                samples.append(Sample(path, match["rule"], match["kind"] == "hit", match["form"]))
            elif not path.name.startswith("."):
                others.append(path)
    return out


def read_sample(sample: Sample) -> tuple[bytes, dict[str, str]]:
    """Content of a sample, and external variables for it.

    Raises:
        RuleSyntaxError: It cannot be read, or is no hex dump.
    """
    try:
        data = sample.path.read_bytes()
    except OSError as error:
        raise RuleSyntaxError(f"cannot be read: {error.strerror}", path=shown_path(sample.path)) from error
    if sample.form == "txt":
        return data, {}
    text = data.decode("utf-8", "replace")
    named = _FILENAME.search(text)
    externals: dict[str, str] = {}
    if named:
        stem, dot, suffix = named[1].rpartition(".")
        extension = dot + suffix if stem else ""
        externals = {"filename": named[1], "filepath": f"/{named[1]}", "extension": extension}
    return parse_hex_dump(text, shown_path(sample.path)), externals


def parse_hex_dump(text: str, path: str = "hex dump") -> bytes:
    """Bytes of a hex dump.

    Args:
        text: The dump, see the head of this module.
        path: For messages.

    Returns:
        The bytes; gaps between offsets are zero. At most ``MAX_SAMPLE``.

    Raises:
        RuleSyntaxError: With line and column: not a pair of digits, an offset that goes back, too many bytes.
    """
    out = bytearray()
    for number, line in enumerate(text.split("\n"), 1):
        content = line.partition("#")[0]
        position = 0
        offset = _OFFSET.match(content)
        if offset:
            start, column = int(offset[1][:16], 16), offset.start(1) + 1
            if start < len(out):
                message = f"offset goes back: {start:#x}, {len(out):#x} bytes stand before it"
                raise RuleSyntaxError(message, path=path, line=number, column=column)
            if start > MAX_SAMPLE or len(offset[1]) > 16:
                raise RuleSyntaxError(f"offset beyond {MAX_SAMPLE:#x}", path=path, line=number, column=column)
            out.extend(bytes(start - len(out)))
            position = offset.end()
        while position < len(content):
            if content[position].isspace():
                position += 1
                continue
            pair = _PAIR.match(content, position)
            if pair is None:
                message = f"not a pair of hexadecimal digits: `{shown(content[position : position + 2])}`"
                raise RuleSyntaxError(message, path=path, line=number, column=position + 1)
            out.append(int(pair[0], 16))
            position = pair.end()
        if len(out) > MAX_SAMPLE:
            raise RuleSyntaxError(f"more than {MAX_SAMPLE:#x} bytes", path=path, line=number, column=1)
    return bytes(out)
