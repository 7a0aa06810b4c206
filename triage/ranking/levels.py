"""The named bands of a score."""

from __future__ import annotations

from triage.model.finding import Priority
from triage.model.rules import Profile


def priority(score: float, profile: Profile) -> Priority:
    """The band of a score."""
    for band in (Priority.CRITICAL, Priority.HIGH, Priority.MEDIUM, Priority.LOW):
        if score >= getattr(profile, band.value):
            return band
    return Priority.INFO
