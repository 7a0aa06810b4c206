"""Small file systems made with the system's own tools; a test is skipped where a tool is not installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_ENVIRONMENT = {**os.environ, "PATH": _PATH, "E2FSPROGS_FAKE_TIME": "1709933640", "TZ": "UTC"}


def run(*command: str | Path, text: str | None = None) -> str:
    """Standard output of a tool."""
    tool = shutil.which(str(command[0]), path=_PATH)
    if tool is None:
        pytest.skip(f"needs {command[0]}")
    done = subprocess.run(
        [tool, *map(str, command[1:])], check=True, capture_output=True, text=True, input=text, env=_ENVIRONMENT
    )
    return done.stdout


def plant(folder: Path, files: dict[str, bytes]) -> Path:
    """Files below a folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def ext_image(path: Path, tree: Path, kind: str = "ext4", *options: str, kib: int = 2048) -> Path:
    """An ext file system with a copy of a folder."""
    path.write_bytes(b"")
    os.truncate(path, kib * 1024)
    seed = "11111111-2222-3333-4444-555555555555"
    run("mke2fs", "-q", "-F", "-t", kind, "-U", seed, "-E", f"hash_seed={seed}", *options, "-d", tree, path)
    return path


def ext_edit(path: Path, *commands: str) -> None:
    """Change an ext file system with debugfs commands."""
    run("debugfs", "-w", "-f", "-", path, text="\n".join(commands) + "\n")


def ntfs_image(path: Path, files: dict[str, bytes], *, kib: int = 4096) -> Path:
    """An NTFS with files in its root; ``name:stream`` is an alternate data stream of a file named before."""
    path.write_bytes(b"")
    os.truncate(path, kib * 1024)
    run("mkntfs", "-q", "-F", "-f", "-s", "512", "-c", "4096", path)
    source = path.with_suffix(".source")
    for name, data in files.items():
        source.write_bytes(data)
        base, _, stream = name.partition(":")
        run("ntfscp", "-f", *(("-N", stream) if stream else ()), path, source, base)
    return path
