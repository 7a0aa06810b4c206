"""Broken TOML points at its place; unknown keys name the nearest (U06)."""

from __future__ import annotations

from pathlib import Path

import pytest

from triage.errors import RuleSyntaxError
from triage.ruleset import check_rules, load_rules

from .conftest import Writer
