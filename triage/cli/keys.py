"""Options for passwords and keys, the same in every command that opens evidence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from triage.evidence import Keychain

_PANEL = "Encryption"
_SECRETS = ("--password", "--recovery-key")

PASSWORD: Any = typer.Option(
    [],
    "--password",
    metavar="TEXT",
    help="Password of an encrypted volume; others on this machine may see it while the command runs, so a file is "
    "better. Repeatable.",
    rich_help_panel=_PANEL,
)
PASSWORD_FILE: Any = typer.Option(
    [],
    "--password-file",
    metavar="FILE",
    envvar="TRIAGE_PASSWORD_FILE",
    help="Passwords to try, one a line. Repeatable.",
    rich_help_panel=_PANEL,
)
RECOVERY_KEY: Any = typer.Option(
    [],
    "--recovery-key",
    metavar="TEXT",
    help="Recovery key of BitLocker or FileVault. Repeatable.",
    rich_help_panel=_PANEL,
)
KEY_FILE: Any = typer.Option(
    [],
    "--key-file",
    metavar="FILE",
    help="Startup key (.bek), LUKS key file or detached header, FileVault plist. Repeatable.",
    rich_help_panel=_PANEL,
)
KEYCHAIN: Any = typer.Option(
    None,
    "--keychain",
    metavar="FILE",
    envvar="TRIAGE_KEYCHAIN",
    help="TOML file with the lists passwords, recovery_keys, key_files, password_files.",
    rich_help_panel=_PANEL,
)


def read_keys(
    password: Sequence[str],
    password_file: Sequence[Path],
    recovery_key: Sequence[str],
    key_file: Sequence[Path],
    keychain: Path | None,
) -> Keychain:
    """The secrets that the options name.

    Raises:
        EvidenceError: A file cannot be read, or is none of its kind.
    """
    from triage.evidence import load_keychain

    return load_keychain(password, recovery_key, key_file, keychain, password_file)


def without_secrets(command: Sequence[str]) -> tuple[str, ...]:
    """A command line as it may be written down."""
    shown: list[str] = []
    hide = False
    for word in command:
        name, equals, _ = word.partition("=")
        if hide:
            shown.append("***")
        elif equals and name in _SECRETS:
            shown.append(f"{name}=***")
        else:
            shown.append(word)
        hide = not hide and word in _SECRETS
    return tuple(shown)
