"""Content without a name: files found by their structure in space that no file owns."""

from __future__ import annotations

from triage.content.recovery.carved import Carved
from triage.content.recovery.carver import carve

__all__ = ["Carved", "carve"]
