"""What every child process does first, and how one is ended."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from multiprocessing.process import BaseProcess

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38


def become_child(*, address_space: int) -> list[str]:
    """Protect the machine from this process and this process from the terminal.

    The parent alone answers Ctrl-C; the child dies with its parent, gains no privileges, dumps no core.

    Args:
        address_space: Bytes of address space, 0 for no limit.

    Returns:
        What could not be set, in words.
    """
    missing = []
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0):
            missing.append("death with the parent")
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
            missing.append("no new privileges")
        if os.getppid() == 1:  # the parent died before the request stood
            os._exit(1)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if address_space:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
    except (ImportError, ValueError, OSError):
        missing.append("memory limit")
    return missing


def reap(child: BaseProcess) -> None:
    """Kill a child and wait for it; one that is gone already is left alone."""
    try:
        child.is_alive()
    except ValueError:  # closed before
        return
    if child.pid is not None and child.is_alive():
        child.kill()
    child.join(5)
    if child.exitcode is not None:
        child.close()
