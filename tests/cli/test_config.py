"""Options from a file: below the command line, and never a silent slip."""

import json

import pytest


def run(triage, image, tmp_path, text, *more, **env):
    (tmp_path / "lab.toml").write_text(text)
    return triage("scan", image, "--config", "lab.toml", "--case", "c", "--workers", "1", *more, **env)


@pytest.mark.parametrize("text", ['format = "jsonl"\nquiet = true\n', '[scan]\nformat = "jsonl"\nquiet = true\n'])
def test_a_file_sets_options(triage, quiet_stick, tmp_path, text):
    result = run(triage, quiet_stick, tmp_path, text)
    assert "summary" in json.loads(result.stdout.splitlines()[-1])
    assert not result.stderr


def test_the_command_line_comes_first(triage, quiet_stick, tmp_path):
    result = run(triage, quiet_stick, tmp_path, 'format = "jsonl"\n', "--format", "none", "--quiet")
    assert not result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1\n", "colour is no option"),
        ("format = \n", "is not valid TOML"),
        ('format = "xlsx"\n', "xlsx"),
        ("workers = -3\n", "--workers"),
    ],
)
def test_what_is_wrong_in_it_is_a_usage_error(triage, quiet_stick, tmp_path, text, said):
    (tmp_path / "lab.toml").write_text(text)
    result = triage("scan", quiet_stick, "--config", "lab.toml", "--case", "c")
    assert result.returncode == 2
    assert said in result.stderr.decode().replace("\n", " ")


def test_a_file_that_is_not_there(triage, quiet_stick, tmp_path):
    result = triage("scan", quiet_stick, "--config", "none.toml", "--case", "c")
    assert result.returncode == 2
    assert "none.toml cannot be read" in result.stderr.decode()
