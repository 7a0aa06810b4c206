"""Getting at every byte of the evidence, read-only: containers, volumes, file systems.

Order of the layers: a container (``containers/``) gives the decoded media; a partition table, or none (``volumes/``),
gives volumes; each volume may hold a file system (``filesystems/``), which gives entries and their streams.
"""

from __future__ import annotations

import os

# Arrays here hold bits and keys; threads for multiplying them would only take memory in every worker.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from triage.evidence.interface import Container, FileSystem
from triage.evidence.keychain import Keychain, load_keychain
from triage.evidence.opener import Evidence, open_evidence
from triage.evidence.sources import group_sources
from triage.evidence.verify import VerifyResult
from triage.evidence.volumes import LostSearch

__all__ = [
    "Container",
    "Evidence",
    "FileSystem",
    "Keychain",
    "LostSearch",
    "VerifyResult",
    "group_sources",
    "load_keychain",
    "open_evidence",
]
