"""Secrets on the command line never reach what is written down."""

import pytest

from triage.cli.keys import read_keys, without_secrets


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["scan", "a.dd", "--password", "hunter2", "-q"], ("scan", "a.dd", "--password", "***", "-q")),
        (["scan", "--password=hunter2", "a.dd"], ("scan", "--password=***", "a.dd")),
        (["scan", "--recovery-key", "--password", "x"], ("scan", "--recovery-key", "***", "x")),
        (["scan", "--password-file", "words.txt"], ("scan", "--password-file", "words.txt")),
        (["scan", "a.dd", "--password"], ("scan", "a.dd", "--password")),
    ],
)
def test_v03_secrets_are_masked(command, shown):
    """The value of the option, in both spellings; what merely looks like the option is not one."""
    assert without_secrets(command) == shown


def test_keys_are_numbered_and_not_shown(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("one\ntwo\n")
    keys = read_keys(["hunter2"], [words], ["111111-222222"], [], None)
    assert [secret.shown for secret in keys.secrets] == ["password 1", "recovery key 1", "password 2", "password 3"]
    assert "hunter2" not in repr(keys) + repr(keys.secrets)
