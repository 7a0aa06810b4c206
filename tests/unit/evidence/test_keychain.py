"""Secrets: where they come from, that they are not shown, and what is remembered of them."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path

import pytest

from triage.errors import SourceNotFoundError, UnsupportedFormatError
from triage.evidence.keychain import Keychain, SecretKind, load_keychain, read_passwords

PASSWORD = "correct horse battery"


def test_order_numbers_and_doubles(tmp_path: Path) -> None:
    (tmp_path / "a.bek").write_bytes(b"\x00key")
    (tmp_path / "words.txt").write_bytes("äöü\r\n  blanks stay \n\nlast".encode())
    (tmp_path / "keys.toml").write_text(
        f'passwords = ["{PASSWORD}", "two"]\nrecovery_keys = ["1-2"]\nkey_files = ["a.bek"]\npassword_files = ["words.txt"]\n'
    )
    keys = load_keychain(["two", "two", ""], ["r"], [tmp_path / "a.bek"], tmp_path / "keys.toml")
    assert [(secret.shown, secret.value) for secret in keys.secrets] == [
        ("password 1", b"two"),
        ("recovery key 1", b"r"),
        ("key file 1", b"\x00key"),
        ("password 2", PASSWORD.encode()),
        ("recovery key 2", b"1-2"),
        ("password 3", "äöü".encode()),
        ("password 4", b"  blanks stay "),
        ("password 5", b"last"),
    ]
    assert len(keys) == 8 and [s.value for s in keys.of(SecretKind.KEY_FILE)] == [b"\x00key"]


def test_password_of_any_bytes(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"\xff\xfe caf\xe9\n")
    assert load_keychain([os.fsdecode(b"caf\xe9")]).secrets[0].value == b"caf\xe9"
    assert load_keychain(password_files=[tmp_path / "words"]).secrets[0].value == b"\xff\xfe caf\xe9"


def test_nothing_shows_a_secret() -> None:
    keys = load_keychain([PASSWORD], ["123456-recovery"])
    keys.note("a p1:/", "LUKS2", keys.secrets[0], opened=False)
    keys.remember(b"identity", b"derived-key")
    shown = f"{keys!r} {keys.secrets!r} {keys.secrets[0]} {keys.tried('a p1:/')} {keys.recall(b'identity')!r} {keys.attempts()!r}"
    assert "horse" not in shown and 'recovery"' not in shown and "123456" not in shown and "derived-key" not in shown
    assert "tried: password 1" in shown


def test_attempts_are_told_once_and_remembered() -> None:
    keys = load_keychain(["a", "b"])
    for secret in (*keys.secrets, keys.secrets[0]):
        keys.note("x p1:/", "LUKS1", secret, opened=False)
    assert [attempt.secret for attempt in keys.attempts()] == ["password 1", "password 2"]
    assert keys.attempts() == ()
    assert keys.tried("x p1:/") == "tried: password 1, password 2"
    assert keys.tried("x p2:/") == "no key of a kind that can fit was given"
    assert Keychain().tried("x p2:/") == "no key was given"
    copy = pickle.loads(pickle.dumps(keys))
    assert copy.secrets == keys.secrets and copy.tried("x p1:/") == keys.tried("x p1:/")


def test_long_lists_are_shortened() -> None:
    keys = load_keychain([f"word{number}" for number in range(500)])
    for secret in keys.secrets:
        keys.note("x", "LUKS1", secret, opened=False)
    assert keys.tried("x").endswith("... password 500 (500 in all)") and len(keys.tried("x")) < 200


@pytest.mark.parametrize(
    ("text", "words"),
    (
        (f'passwords = ["{PASSWORD}"', "not TOML"),
        (f"passwords = ['{PASSWORD}\n']", "not TOML at line 1"),
        (f'passwords = "{PASSWORD}"', "passwords is no list"),
        ("passwords = [1]", "passwords is no list"),
        (f'"{PASSWORD}" = ["x"]\npasword = []', "unknown name"),
        ("pasword = []", "unknown name: pasword"),
        ("x = " + "[" * 5000, "not TOML"),
    ),
)
def test_keychain_files_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(UnsupportedFormatError, match=words) as caught:
        load_keychain(keychain_file=tmp_path / "keys.toml")
    assert caught.value.hint and "TOML" in caught.value.hint
    if "unknown" not in words:
        assert "horse" not in f"{caught.value} {caught.value.__cause__!r}"


def test_binary_keychain_file(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnsupportedFormatError, match="not UTF-8"):
        load_keychain(keychain_file=tmp_path / "keys.toml")


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text('key_files = ["gone.bek"]')
    with pytest.raises(SourceNotFoundError, match=r"no such key file: .*gone\.bek"):
        load_keychain(keychain_file=tmp_path / "keys.toml")
    with pytest.raises(SourceNotFoundError, match="no such keychain file"):
        load_keychain(keychain_file=tmp_path / "none.toml")
    with pytest.raises(SourceNotFoundError, match="cannot be read"):
        load_keychain(key_files=[tmp_path])
    with pytest.raises(SourceNotFoundError, match="no such file of passwords"):
        read_passwords(tmp_path / "none")
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(UnsupportedFormatError, match="empty"):
        load_keychain(key_files=[tmp_path / "empty"])


def test_huge_files_are_refused(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    for arguments in ({"key_files": [tmp_path / "huge"]}, {"password_files": [tmp_path / "huge"]}):
        with pytest.raises(UnsupportedFormatError, match="too large"):
            load_keychain(**arguments)


def test_passwords_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(b"one\ntwo\n",))
    writer.start()
    assert read_passwords(tmp_path / "pipe") == ("one", "two")
    writer.join()
