"""Passwords, recovery keys and key files for encrypted volumes, and what was tried on what.

A secret never leaves this object in words: attempts are kept by kind and number only, so that log and report can say
what was tried without saying what it was. A keychain may be pickled: worker processes get it, with what was found out
so far, so that none of them derives a key again.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from triage.errors import SourceNotFoundError, UnsupportedFormatError
from triage.model.address import escape_name

MAX_KEY_FILE = 32 << 20
"""Bytes of a key file: a detached header of LUKS2 has up to 16 MiB."""
MAX_LIST_FILE = 4 << 20
"""Bytes of a keychain file, or of a file of passwords."""
_FILE_HINT = (
    "a keychain file is TOML: `passwords`, `recovery_keys`, `key_files` and `password_files`, each a list of texts; "
    "paths are relative to the keychain file"
)
_LISTS = ("passwords", "recovery_keys", "key_files", "password_files")


class SecretKind(StrEnum):
    """What a secret is."""

    PASSWORD = "password"
    RECOVERY_KEY = "recovery key"
    KEY_FILE = "key file"


@dataclass(frozen=True, slots=True)
class Secret:
    """One secret.

    Attributes:
        kind: What it is.
        number: 1-based among those of its kind, in the order given.
        value: The password or recovery key as UTF-8, or the bytes of the key file; not shown by ``repr``.
        origin: Where it comes from, in words that give nothing away.
    """

    kind: SecretKind
    number: int
    value: bytes = field(repr=False)
    origin: str = "command line"

    @property
    def shown(self) -> str:
        """``password 2``: how log and report name it."""
        return f"{self.kind} {self.number}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of one secret on one volume.

    Attributes:
        address: Text form of the volume's address.
        method: ``BitLocker``, ``LUKS2`` ...
        secret: As :attr:`Secret.shown`.
        opened: It fitted.
    """

    address: str
    method: str
    secret: str
    opened: bool


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the secrets gave for a volume.

    Attributes:
        key: That was derived; empty where none of the secrets fits. Not shown by ``repr``.
        remarks: What stood in the way.
    """

    key: bytes = field(repr=False)
    remarks: tuple[str, ...] = ()


class Keychain:
    """Secrets to try.

    Args:
        secrets: In the order to try.
    """

    def __init__(self, secrets: tuple[Secret, ...] = ()) -> None:
        self.secrets = secrets
        self._attempts: list[Attempt] = []
        self._told = 0
        self._seen: set[Attempt] = set()
        self._results: dict[bytes, Remembered] = {}

    def __len__(self) -> int:
        return len(self.secrets)

    def __repr__(self) -> str:
        return f"Keychain({len(self.secrets)} secrets)"

    def of(self, *kinds: SecretKind) -> Iterator[Secret]:
        """Secrets of some kinds, in the order to try."""
        return (secret for secret in self.secrets if secret.kind in kinds)

    def note(self, address: str, method: str, secret: Secret, *, opened: bool) -> None:
        """Remember a try; the same one again adds nothing."""
        attempt = Attempt(address, method, secret.shown, opened)
        if attempt not in self._seen:
            self._seen.add(attempt)
            self._attempts.append(attempt)

    def attempts(self) -> tuple[Attempt, ...]:
        """Tries since the last call, in the order made."""
        found, self._told = tuple(self._attempts[self._told :]), len(self._attempts)
        return found

    def tried(self, address: str) -> str:
        """What was tried on a volume, in words: ``tried: password 1, password 2`` or ``no key was given``."""
        names = dict.fromkeys(attempt.secret for attempt in self._attempts if attempt.address == address)
        if names:
            return "tried: " + _shortened(list(names))
        return "no key of a kind that can fit was given" if self.secrets else "no key was given"

    def remember(self, identity: bytes, key: bytes, remarks: Iterable[str] = ()) -> None:
        """Keep what the secrets gave for a volume.

        Args:
            identity: What tells the volume from others: a digest of its header.
            key: That was derived; empty where none of the secrets fits.
            remarks: What stood in the way.
        """
        self._results[identity] = Remembered(key, tuple(remarks))

    def take_over(self, other: Keychain) -> None:
        """Take in what another one with the same secrets tried and was told, such as that of a child process."""
        for attempt in other._attempts:
            if attempt not in self._seen:
                self._seen.add(attempt)
                self._attempts.append(attempt)
        self._results.update(other._results)

    def recall(self, identity: bytes) -> Remembered | None:
        """What :meth:`remember` was told, None where nothing."""
        return self._results.get(identity)


def _shortened(names: list[str]) -> str:
    """A list for a message: long ones by their ends."""
    if len(names) <= 8:
        return ", ".join(names)
    return ", ".join(names[:6]) + f" ... {names[-1]} ({len(names)} in all)"


def load_keychain(
    passwords: Sequence[str] = (),
    recovery_keys: Sequence[str] = (),
    key_files: Sequence[Path] = (),
    keychain_file: Path | None = None,
    password_files: Sequence[Path] = (),
) -> Keychain:
    """The secrets of a run; doubles count once.

    Args:
        passwords: As typed.
        recovery_keys: As typed, of BitLocker or FileVault.
        key_files: Startup keys, key files, detached headers.
        keychain_file: TOML with lists ``passwords``, ``recovery_keys``, ``key_files`` and ``password_files``.
        password_files: One password a line.

    Raises:
        SourceNotFoundError: A file does not exist or cannot be read.
        UnsupportedFormatError: A file is too large, or the keychain file is none.
    """
    ring = _Ring()
    ring.add_texts(SecretKind.PASSWORD, passwords, "command line")
    ring.add_texts(SecretKind.RECOVERY_KEY, recovery_keys, "command line")
    ring.add_files(key_files)
    ring.add_password_files(password_files)
    if keychain_file is not None:
        lists = _read_toml(keychain_file)
        base = keychain_file.parent
        ring.add_texts(SecretKind.PASSWORD, lists["passwords"], "keychain file")
        ring.add_texts(SecretKind.RECOVERY_KEY, lists["recovery_keys"], "keychain file")
        ring.add_files([base / name for name in lists["key_files"]])
        ring.add_password_files([base / name for name in lists["password_files"]])
    return Keychain(tuple(ring.secrets))


def read_passwords(path: Path) -> tuple[str, ...]:
    """Passwords of a file, one a line; empty lines are none, blanks belong to the password.

    Raises:
        SourceNotFoundError: The file does not exist or cannot be read.
        UnsupportedFormatError: It is too large.
    """
    data = _read(path, MAX_LIST_FILE, "file of passwords").removeprefix(b"\xef\xbb\xbf")
    lines = (line.removesuffix(b"\r") for line in data.split(b"\n"))
    return tuple(line.decode("utf-8", "surrogateescape") for line in lines if line)


class _Ring:
    """Collects secrets in order, each once."""

    def __init__(self) -> None:
        self.secrets: list[Secret] = []
        self._seen: set[tuple[SecretKind, bytes]] = set()
        self._count = dict.fromkeys(SecretKind, 0)

    def add_texts(self, kind: SecretKind, texts: Iterable[str], origin: str) -> None:
        for text in texts:
            self._add(kind, text.encode("utf-8", "surrogateescape"), origin)

    def add_files(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self._add(SecretKind.KEY_FILE, _read(path, MAX_KEY_FILE, "key file"), "key file")

    def add_password_files(self, paths: Iterable[Path]) -> None:
        for path in paths:
            self.add_texts(SecretKind.PASSWORD, read_passwords(path), "file of passwords")

    def _add(self, kind: SecretKind, value: bytes, origin: str) -> None:
        if not value or (kind, value) in self._seen:
            return
        self._seen.add((kind, value))
        self._count[kind] += 1
        self.secrets.append(Secret(kind, self._count[kind], value, origin))


def _read(path: Path, most: int, what: str) -> bytes:
    """The bytes of a file of secrets; a pipe will do, a folder will not."""
    shown = escape_name(os.fsencode(path), syntax=False)
    try:
        with open(path, "rb") as file:
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise SourceNotFoundError(f"no such {what}: {shown}", hint="check the path") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise SourceNotFoundError(f"{what} cannot be read: {shown}: {reason.lower()}", hint="check it") from error
    if len(data) > most:
        raise UnsupportedFormatError(f"{what} too large: {shown} has more than {most} bytes", hint="check the path")
    if not data and what == "key file":
        raise UnsupportedFormatError(f"{what} is empty: {shown}", hint="check the path")
    return data


def _read_toml(path: Path) -> dict[str, list[str]]:
    """The lists of a keychain file. Errors say where, never what: the text holds secrets."""
    shown = escape_name(os.fsencode(path), syntax=False)
    data = _read(path, MAX_LIST_FILE, "keychain file").removeprefix(b"\xef\xbb\xbf")
    failed = ""
    table: dict[str, object] = {}
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        failed = "it is not UTF-8"
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = re.search(r"at line \d+, column \d+|at end of document", str(error))
        failed = f"it is not TOML {place[0]}" if place else "it is not TOML"
    if failed:  # raised here, so that no text of the file hangs on it as its cause
        raise UnsupportedFormatError(f"not a keychain file: {shown}: {failed}", hint=_FILE_HINT)
    for key, value in table.items():
        if key not in _LISTS:
            name = escape_name(key.encode("utf-8", "surrogateescape"), syntax=False)[:64]
            raise UnsupportedFormatError(f"not a keychain file: {shown}: unknown name: {name}", hint=_FILE_HINT)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UnsupportedFormatError(f"not a keychain file: {shown}: {key} is no list of texts", hint=_FILE_HINT)
    return {key: [str(item) for item in _listed(table.get(key))] for key in _LISTS}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
