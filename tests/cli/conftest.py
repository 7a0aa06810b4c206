"""The program as its user has it: a process, its streams, its exit code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.fat_image import fat_image

CHAT = (
    b"[03/03/2024, 19:02:11] V: passports stay in the office until your debt is paid\n"
    b"[03/03/2024, 19:03:40] V: nobody leaves the house, the door is locked\n"
    b"[03/03/2024, 19:04:02] V: you owe 900 for the ticket, you will work it off\n"
    b"[03/03/2024, 19:05:02] A: please let me go home, help me\n"
)
FILES = {
    "house/chat.txt": CHAT,
    "house/copy of chat.txt": CHAT,
    "cake.txt": b"Apple cake: 3 eggs, 200 g flour\n",
    "gone.txt": b"I keep your passport until the debt is paid, you are not allowed to leave\n",
}
QUIET_FILES = {"cake.txt": b"Apple cake: 3 eggs, 200 g flour\n", "list.txt": b"milk, bread, apples\n"}


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """One cache of compiled rules for all tests, filled once."""
    from triage.detectors.keywords import KeywordDetector
    from triage.ruleset import load_rules

    folder = tmp_path_factory.mktemp("cache")
    KeywordDetector(load_rules().keywords, cache_dir=folder)
    return folder


@pytest.fixture
def triage(tmp_path, cache):
    """Runs the program in an empty folder."""

    def run(*arguments, timeout=600, **changes):
        environment = {**os.environ, "TRIAGE_CACHE": str(cache), "COLUMNS": "80", **changes}
        command = [sys.executable, "-m", "triage", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, timeout=timeout)

    return run


@pytest.fixture
def stick(tmp_path):
    """An image with evidence, a copy and a deleted file."""
    path = tmp_path / "evidence" / "stick.dd"
    path.parent.mkdir()
    path.write_bytes(fat_image(FILES, deleted=("gone.txt",)))
    return path


@pytest.fixture
def quiet_stick(tmp_path):
    """An image with nothing to find."""
    path = tmp_path / "quiet" / "quiet.dd"
    path.parent.mkdir()
    path.write_bytes(fat_image(QUIET_FILES))
    return path


@pytest.fixture
def keyword_rules(tmp_path):
    """One rule of the user's own."""
    path = Path(tmp_path / "mine.txt")
    path.write_text("apple cake\n")
    return path
