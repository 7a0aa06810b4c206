"""Drives a scan: what first, where it runs, what it may cost, what survives."""

from triage.pipeline.options import Limits, ScanPlan, available_cores, default_cache
from triage.pipeline.progress import Observer, Progress, SilentObserver
from triage.pipeline.scan import ScanOutcome, run_scan

__all__ = [
    "Limits",
    "Observer",
    "Progress",
    "ScanOutcome",
    "ScanPlan",
    "SilentObserver",
    "available_cores",
    "default_cache",
    "run_scan",
]
