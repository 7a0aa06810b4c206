"""libmagic: works without the system's library, is missed with a reason, and leaves the process as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from triage.content import libmagic

ROOT = Path(__file__).resolve().parents[3]

# What hides the library of the system: it is neither found nor loaded under its bare name.
HIDE = """
import ctypes, ctypes.util, sys
ctypes.util.find_library = lambda name: None
inner = ctypes.CDLL.__init__
def guarded(self, name, *args, **more):
    if name and "magic" in str(name) and "/" not in str(name):
        raise OSError(f"hidden: {name}")
    inner(self, name, *args, **more)
ctypes.CDLL.__init__ = guarded
"""
ASK = """
from triage.content.libmagic import describe, libmagic_status
print(repr(libmagic_status()))
print(describe(b"\\xb7\\xd8\\x00\\x20\\x37\\x49\\xda\\x11" + bytes(100)))
print(describe(b"\\x00\\x00\\x02\\x00\\x06\\x04\\x06\\x00" + bytes(100)))
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)


def test_p05_works_with_the_system_library_hidden() -> None:
    pytest.importorskip("pylibmagic", reason="needs pylibmagic")
    done = run(HIDE + ASK)
    assert done.returncode == 0, done.stderr
    status, *found = done.stdout.splitlines()
    assert status == "''"
    assert any("/" in line for line in found), done.stdout


def test_p05_without_any_library_it_says_so_and_goes_on() -> None:
    no_package = "import sys; sys.modules['pylibmagic'] = None\n"
    done = run(no_package + HIDE + ASK + "from triage.content.identify import identify\n"
               "print(identify(bytes(range(128, 256)) * 9 + bytes(3), 1155, b'x').source)\n")  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "libmagic" in lines[0] and lines[0] != "''"
    assert lines[1:] == ["None", "None", "none"]


@pytest.mark.parametrize("missing", ["magic", "pylibmagic"])
def test_p05_without_one_python_module(missing: str) -> None:
    done = run(f"import sys; sys.modules['{missing}'] = None\n" + ASK)
    assert done.returncode == 0, done.stderr


def test_the_process_is_left_as_it_was() -> None:
    done = run(
        "import ctypes, os\nbefore = dict(os.environ), ctypes.CDLL.__init__\n"
        "from triage.content.libmagic import libmagic_status\nlibmagic_status()\n"
        "assert (dict(os.environ), ctypes.CDLL.__init__) == before\n"
    )
    assert done.returncode == 0, done.stderr


def test_description_is_bounded_printable_text() -> None:
    if libmagic.libmagic_status():
        pytest.skip(libmagic.libmagic_status())
    for data in (
        b"%!PS-Adobe\n%%Title: \x1b[31m" + b"x" * 500,
        b"\x89HDF\r\n\x1a\n" + bytes(50),
        os.urandom(2000),
        b"",
    ):
        found = libmagic.describe(data)
        if found is not None:
            assert found[1].isprintable() and found[1].isascii() and 0 < len(found[1]) <= 100
