"""Finding rule files: the shipped tree, and what the user names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from triage.errors import RuleError
from triage.ruleset.issues import Complaints, shown_path
from triage.ruleset.locate import shipped_root

FileKind = Literal["toml", "yara", "words"]

MAX_FILE_BYTES = 64 << 20
_KINDS: dict[str, FileKind] = {".toml": "toml", ".yar": "yara", ".yara": "yara", ".txt": "words"}
# Files that lie in folders of rules and are none; by stem, lower case.
_NOT_RULES = frozenset((
    "readme", "license", "licence", "copying", "notice", "changelog", "changes", "contributing", "authors",
    "security", "requirements", "pyproject", "cargo", "ruff", "uv", "mypy", "tox", "netlify",
))  # fmt: skip
SAMPLES = "samples"
_MEANING = ("indicators/", "artefacts/", "profiles/")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of rules, read.

    Attributes:
        path: Where it was found.
        name: Position in its tree with ``/``, shipped ``keywords/bg/bg.toml``, the user's own ``user/lab.yar``; the
            order of files and the digest are by this.
        root: Folder that includes may not leave, and that may hold ``samples``.
        kind: By suffix.
        shipped: Ships with the program.
        explicit: Named by the user itself, not found in a folder.
        data: Content.
    """

    path: Path
    name: str
    root: Path
    kind: FileKind
    shipped: bool
    explicit: bool
    data: bytes

    @property
    def real(self) -> str:
        """The path with links resolved: the identity of the file."""
        return os.path.realpath(self.path)

    @property
    def shown(self) -> str:
        """The path for messages."""
        return shown_path(self.path)

    @property
    def stem(self) -> str:
        """File name without its suffix, made of letters, digits, ``.``, ``-`` and ``_`` only."""
        kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in self.path.stem)
        return kept or "_"


def shipped_files(complaints: Complaints, *, rules: bool = True) -> list[RuleFile]:
    """Every rule file that ships, in the order of names.

    Args:
        complaints: Takes what is wrong.
        rules: Also keyword packs and YARA, not only what gives rules their meaning: indicators, artefacts, profiles.

    Raises:
        RuleError: They are missing or cannot be read, when ``complaints`` is strict.
    """
    try:
        root = shipped_root()
    except RuleError as error:
        complaints.error("rules-not-installed", error.message, hint=error.hint or "")
        return []
    out: list[RuleFile] = []
    for path in _walk(root, complaints):
        name = _under(path, root)
        if rules or name.startswith(_MEANING):
            file = _read(path, name, root, complaints, shipped=True)
            out += [file] if file is not None and file.kind != "words" else []
    return out


@dataclass(frozen=True, slots=True)
class UserFiles:
    """What the user's paths hold.

    Attributes:
        files: Each file once, in the order of names.
        by_path: For each path that could be read, as shown, the real paths of its files.
    """

    files: tuple[RuleFile, ...]
    by_path: dict[str, frozenset[str]]


def user_files(paths: Sequence[Path], complaints: Complaints) -> UserFiles:
    """Every rule file that the user named.

    Args:
        paths: Files, or folders that are searched with all that is below them; hidden files and folders, links to
            folders, and a folder ``samples`` at the top are left out.
        complaints: Takes what is wrong.

    Raises:
        RuleError: A path is missing or unreadable, when ``complaints`` is strict.
        EmptyRuleSetError: A folder without a rule file, likewise.
    """
    out: dict[str, RuleFile] = {}
    by_path: dict[str, frozenset[str]] = {}
    for path in paths:
        found = _user_path(Path(path), complaints)
        if found:
            by_path[shown_path(Path(path))] = frozenset(file.real for file in found)
        for file in found:
            out.setdefault(file.real, file)
    return UserFiles(tuple(sorted(out.values(), key=lambda file: (file.name, file.shown))), by_path)


def all_files(paths: Sequence[Path], complaints: Complaints, *, shipped: bool) -> tuple[list[RuleFile], UserFiles]:
    """Shipped files, then the user's that are not among them; and what each path of the user holds.

    Args:
        paths: The user's.
        complaints: Takes what is wrong.
        shipped: Also shipped keyword packs and YARA.

    Raises:
        RuleError: As :func:`shipped_files` and :func:`user_files` do.
    """
    own = user_files(paths, complaints)
    files = shipped_files(complaints, rules=shipped)
    known = {file.real for file in files}
    return [*files, *(file for file in own.files if file.real not in known)], own


def _user_path(path: Path, complaints: Complaints) -> list[RuleFile]:
    if path.is_dir():
        found = [_read(each, f"user/{_under(each, path)}", path, complaints) for each in _walk(path, complaints)]
        files = [file for file in found if file is not None]
        if not found:
            complaints.error(
                "no-rules",
                "the folder holds no rule file",
                path=shown_path(path),
                hint="rule files end in " + _suffixes(),
            )
        return files
    if path.suffix.lower() not in _KINDS and path.is_file():
        complaints.error(
            "file-kind-unknown",
            f"not a rule file: `{shown_path(Path(path.name))}`",
            path=shown_path(path),
            hint=f"rule files end in {_suffixes()}; compiled YARA rules are not taken, their source is not in them",
        )
        return []
    file = _read(path, f"user/{_under(path, path.parent)}", path.parent, complaints, explicit=True)
    return [] if file is None else [file]


def _suffixes() -> str:
    return ", ".join(f"`{suffix}`" for suffix in _KINDS)


def _under(path: Path, root: Path) -> str:
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")


def _walk(root: Path, complaints: Complaints) -> Iterator[Path]:
    """Rule files below a folder, without following links to folders."""
    for folder, names, files in os.walk(root, onerror=lambda error: _unreadable(error, root, complaints)):
        here = Path(folder)
        names[:] = sorted(n for n in names if not n.startswith(".") and not (here == root and n == SAMPLES))
        for name in sorted(files):
            path = here / name
            if name.startswith(".") or path.suffix.lower() not in _KINDS:
                continue
            if path.suffix.lower() in (".toml", ".txt") and path.stem.lower() in _NOT_RULES:
                complaints.warn("file-ignored", "not taken for rules because of its name", path=shown_path(path))
                continue
            yield path


def _unreadable(error: OSError, root: Path, complaints: Complaints) -> None:
    path = Path(os.fsdecode(error.filename)) if error.filename else root
    complaints.error("path-not-readable", f"cannot be read: {error.strerror}", path=shown_path(path))


def _read(
    path: Path, name: str, root: Path, complaints: Complaints, *, shipped: bool = False, explicit: bool = False
) -> RuleFile | None:
    shown = shown_path(path)
    try:
        status = path.stat()  # before opening: a FIFO would wait for ever
        if not stat.S_ISREG(status.st_mode):
            complaints.error("path-not-readable", "not a regular file", path=shown)
            return None
        if status.st_size > MAX_FILE_BYTES:
            complaints.error("file-too-large", f"larger than {MAX_FILE_BYTES >> 20} MiB: {status.st_size}", path=shown)
            return None
        data = path.read_bytes()
    except FileNotFoundError:
        complaints.error("path-not-found", "no such file or folder", path=shown)
        return None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        complaints.error(
            "path-not-readable", f"cannot be read: {getattr(error, 'strerror', None) or error}", path=shown
        )
        return None
    return RuleFile(path, name, root, _KINDS.get(path.suffix.lower(), "words"), shipped, explicit, data)
