"""A small shipped rules folder, and a way to write rules of one's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from triage.ruleset import files

CATALOGUE = """\
version = 1
[[indicator]]
id = "control.debt_threat"
name = "Debt used as a threat"
element = "means"
ilo = ["debt_bondage"]
artefacts = ["chat"]
base_weight = 0.5
urgency = 1
single_ok = false
innocent = "Debt collectors."
sources = ["somewhere-2020"]
[[indicator]]
id = "move.transfer"
name = "Transfer"
element = "act"
base_weight = 0.3
[[source]]
key = "somewhere-2020"
title = "A report"
year = 2020
"""
ARTEFACTS = """\
version = 1
[classes]
chat = ["chat.one"]
[[artefact]]
id = "chat.one"
globs = ["*/one.db"]
value = 0.9
encrypted = "no"
"""
PROFILE = """\
name = "default"
[thresholds]
critical = 0.8
high = 0.6
medium = 0.35
low = 0.12
"""
PACK = """\
[pack]
id = "keywords/{language}"
name = "Words"
version = "1.0.0"
licence = "Apache-2.0"
author = "triage project"
language = "{language}"
state = "{state}"
match = "word"
normalise = ["nfkc", "casefold"]
encodings = ["cp1252"]
confidence = "high"
[[term]]
term = "passport held"
kind = "literal"
indicator = "control.debt_threat"
weight = 0.5
note = "gloss"
"""
YARA = """\
rule Wallet
{
    meta:
        description = "A wallet"
        indicator = "move.transfer"
        role = "evidence"
        weight = "0.4"
        confidence = "medium"
        version = "1.0"
        author = "triage project"
        licence = "Apache-2.0"
    strings:
        $a = "wallet-header"
    condition:
        $a
}
"""

Writer = Callable[[str, str | bytes], Path]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A valid rules folder that takes the place of the shipped one: lint-clean, German on, Amharic draft."""
    root = tmp_path / "shipped"
    contents = {
        "indicators/catalogue.toml": CATALOGUE,
        "artefacts/artefacts.toml": ARTEFACTS,
        "profiles/default.toml": PROFILE,
        "profiles/strict.toml": 'name = "strict"\n[indicator_factor]\n"move.transfer" = 0.5\n',
        "keywords/de/de.toml": PACK.format(language="de", state="active"),
        "keywords/und/und.toml": PACK.format(language="und", state="active"),
        "keywords/am/am.toml": PACK.format(language="am", state="draft"),
        "yara/wallets.yar": YARA,
        "samples/yara/wallets/Wallet.hit.hex": "77 61 6c 6c 65 74 2d 68 65 61 64 65 72\n",
        "samples/yara/wallets/Wallet.miss.txt": "nothing here\n",
    }
    for name, content in contents.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(files, "shipped_root", lambda: root)
    return root


@pytest.fixture
def own(tmp_path: Path, shipped: Path) -> Writer:
    """Writes a file of the user's own and gives its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write
