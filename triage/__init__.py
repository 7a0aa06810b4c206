"""Prioritised triage of seized disk images."""

__version__ = "0.1.0"
