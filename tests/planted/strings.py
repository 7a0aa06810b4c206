"""What is planted: words in scripts and encodings, each with a number of its own, and the rules that look for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

SCRIPTS = {
    "en": ("Latin", "zzplanted", ()),
    "pl": ("Polish", "żółćznak", ("cp1250", "iso8859-2")),
    "ru": ("Cyrillic", "зелёныйзнак", ("cp1251", "koi8-r", "cp866")),
    "ar": ("Arabic", "علامةمزروعة", ("cp1256",)),
    "th": ("Thai", "เครื่องหมายลับ", ("cp874", "tis-620")),
    "zh-Hans": ("Chinese, simplified", "种植的记号", ("gb18030",)),
    "zh-Hant": ("Chinese, traditional", "種植的記號", ("big5",)),
}
"""By language: name, word, code pages as the shipped packs of that language have them."""
WIDE = ("utf-8", "utf-16-le", "utf-16-be")

_PACK = """[pack]
id = "keywords/{language}-planted"
name = "planted"
version = "1.0.0"
licence = "Apache-2.0"
author = "test"
language = "{language}"
state = "active"
match = "substring"
normalise = []
encodings = [{encodings}]
[[term]]
term = "{word}"
kind = "literal"
indicator = "recruit.false_job"
weight = 0.5
"""


@dataclass(frozen=True)
class Variant:
    """A word in an encoding."""

    language: str
    word: str
    encoding: str

    def bytes_of(self, number: int) -> bytes:
        """The word and a number that no other plant has."""
        return f"{self.word} {number:04d}#".encode(self.encoding)


def variants() -> list[Variant]:
    """Every word in every encoding; two code pages that give the same bytes count once."""
    out = []
    for language, (_, word, legacy) in SCRIPTS.items():
        seen = set()
        for encoding in (*WIDE, *legacy):
            raw = word.encode(encoding)
            if raw not in seen:
                seen.add(raw)
                out.append(Variant(language, word, encoding))
    return out


VARIANTS = variants()


def write_rules(folder: Path) -> Path:
    """A pack for each language."""
    folder.mkdir(exist_ok=True)
    for language, (_, word, legacy) in SCRIPTS.items():
        encodings = ", ".join(f'"{name}"' for name in legacy)
        text = _PACK.format(language=language, word=word, encodings=encodings)
        (folder / f"{language}.toml").write_text(text, "utf-8")
    return folder


@dataclass
class Plan:
    """What was planted, by number."""

    plants: dict[int, tuple[str, Variant]] = field(default_factory=dict)

    def plant(self, state: str, variant: Variant) -> bytes:
        """The bytes of a new plant."""
        number = len(self.plants) + 1
        self.plants[number] = (state, variant)
        return variant.bytes_of(number)

    def everywhere(self, state: str) -> Iterator[tuple[int, bytes]]:
        """A plant for each variant, counted from 0."""
        for index, variant in enumerate(VARIANTS):
            yield index, self.plant(state, variant)

    def drop(self, state: str) -> None:
        """A state that could not be made."""
        self.plants = {number: plant for number, plant in self.plants.items() if plant[0] != state}
