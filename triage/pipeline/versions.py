"""Versions of what decides results, for the audit log and the report."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

import triage

_DISTRIBUTIONS = (
    "pytsk3", "yara-python", "boreal-python", "hyperscan", "numpy", "google-re2", "python-magic", "libewf-python",
    "libfsext-python", "libfsfat-python", "libfshfs-python", "libfsntfs-python",
)  # fmt: skip


def library_versions() -> dict[str, str]:
    """Version by name; ``missing`` where a library is not installed."""
    versions = {"triage": triage.__version__, "python": platform.python_version(), "platform": sys.platform}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "missing"
    return versions
