"""Btrfs, read only, by a reader of our own.

Source: "On-disk format" of the Btrfs documentation (btrfs.readthedocs.io); layouts of fields as in ``btrfs_tree.h`` of
the kernel's user headers.

Read are: all sizes of nodes and sectors, all four checksums, the copies of superblocks and tree blocks, all profiles of
chunks on the devices that are there, subvolumes and snapshots, compression by zlib, LZO and zstd, inline and
preallocated extents, holes, extended attributes, free space, what was deleted and still stands in older trees, and what
stands in the log only. Not read: RAID stripe trees and version 2 of the extent tree. The log is not played back, what a
missing device held is not computed from parity, and checksums of file data are not verified.
"""

from __future__ import annotations

from triage.evidence.filesystems.btrfs.opening import (
    BtrfsFileSystem,
    detect_file_system,
    open_devices,
    open_file_system,
)

__all__ = ["BtrfsFileSystem", "detect_file_system", "open_devices", "open_file_system"]
