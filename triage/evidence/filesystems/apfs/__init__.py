"""APFS, by our own reader: volumes and their snapshots, deleted files of earlier checkpoints, encrypted volumes.

Opened by the layer :mod:`triage.evidence.volumes.apfs_container`. Format as in Apple File System Reference (Apple,
2020-06-22).
"""

from __future__ import annotations
