"""Rules as data: what is looked for, and what a hit means."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Indicator:
    """One entry of the indicator catalogue.

    Attributes:
        id: ``control.document_retention`` ...
        name: Short English name.
        element: Palermo element: ``act``, ``means``, ``purpose`` or ``other``.
        ilo: ILO indicators of forced labour, by short id.
        description: What it is.
        artefacts: Artefact classes where it is expected.
        base_weight: How much one well-supported hit moves the ranking, 0..1.
        urgency: 0 none, 1 ongoing exploitation likely, 2 a person may be at risk now.
        single_ok: False: never raises a unit alone, needs a second element.
        innocent: The usual lawful explanations.
        sources: Keys of the catalogue's sources.
    """

    id: str
    name: str
    element: str
    ilo: tuple[str, ...] = ()
    description: str = ""
    artefacts: tuple[str, ...] = ()
    base_weight: float = 0.3
    urgency: int = 0
    single_ok: bool = False
    innocent: str = ""
    sources: tuple[str, ...] = ()


BUILTIN_PACK = "builtin"
"""Pack of rules whose test is code of the program; what they found stands in ``matched`` of their hits as words."""
NOISE_RULE = f"{BUILTIN_PACK}#noise-file"
"""A file that is random throughout."""


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """What a hit of one rule means; the same for every kind of rule.

    Attributes:
        id: ``keywords/bg#112``, ``yara/wallets#electrum-wallet``, ``builtin#type-mismatch``.
        detector: ``keywords``, ``yara`` ...
        pack: Identity of the pack.
        indicator: Identity of the indicator, empty for a rule that states context only.
        weight: Specificity in innocent material, 0..1.
        trust: 1.0, 0.8 or 0.5 for high, medium, low confidence.
        language: BCP 47 tag, ``und`` for language-free.
        gloss: English gloss or description.
        role: ``evidence`` (raises), ``context`` (damps: prevention material, news, fiction, law) or ``note``
            (stated, never raises: an encrypted container is there).
        meta: Free metadata of the rule (severity, reference ...), shown with a hit.
    """

    id: str
    detector: str
    pack: str
    indicator: str
    weight: float
    trust: float
    language: str
    gloss: str
    role: str = "evidence"
    meta: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeywordTerm:
    """One term of a keyword pack.

    Attributes:
        rule: Identity of the rule, ``keywords/<lang>#<n>``, n counts from 1 in the order of the pack.
        term: Literal text, or an RE2-safe pattern.
        kind: ``literal`` or ``regex``.
        match: ``word`` (touches no letter or digit on either side), ``word-start`` (only the left side) or
            ``substring``.
        case_sensitive: Match unfolded text.
        normalise: Names of the normalisations of its pack.
        encodings: Encodings to look in, beside UTF-8 and UTF-16: legacy code pages of the language.
    """

    rule: str
    term: str
    kind: str
    match: str
    case_sensitive: bool
    normalise: tuple[str, ...]
    encodings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class YaraSource:
    """One YARA file.

    Attributes:
        namespace: Unique for the file; rule identities are ``yara/<namespace>#<rule name>``.
        path: Where it was read from, for messages.
        text: The source.
        uses_externals: A rule in it reads ``filename``, ``filepath``, ``extension``, ``filetype`` or ``owner``, so
            its result belongs to a name, not to a content.
    """

    namespace: str
    path: str
    text: str
    uses_externals: bool = False


@dataclass(frozen=True, slots=True)
class PackInfo:
    """A pack as recorded in the case: identity, version, licence, digest."""

    id: str
    kind: str
    version: str
    licence: str
    language: str
    name: str
    sha256: str
    rules: int
    enabled: bool
    reviewed: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """Thresholds and weights that ranking uses.

    Attributes:
        name: Name of the profile.
        critical: Lowest score of priority critical; likewise ``high``, ``medium``, ``low``; below is info.
        indicator_factor: Factor on the base weight, by indicator id (a jurisdiction or a business model).
    """

    name: str = "default"
    critical: float = 0.80
    high: float = 0.60
    medium: float = 0.35
    low: float = 0.12
    indicator_factor: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Everything that a scan looks for; picklable, so that workers get it whole.

    Attributes:
        indicators: By identity.
        rules: Meaning of every rule, by rule identity.
        keywords: Terms of all enabled packs.
        yara: Sources of all enabled packs.
        packs: Every pack found, enabled or not.
        profile: Thresholds and weights.
        artefacts: Path globs of artefact groups: (group id, glob, value 0..1, classes it serves).
        digest: SHA-256 over all enabled sources, hex.
    """

    indicators: dict[str, Indicator]
    rules: dict[str, RuleInfo]
    keywords: tuple[KeywordTerm, ...]
    yara: tuple[YaraSource, ...]
    packs: tuple[PackInfo, ...]
    profile: Profile
    artefacts: tuple[Artefact, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Artefact:
    """One group of paths with a known meaning.

    Attributes:
        id: ``chat.whatsapp`` ...
        globs: Relative to a user or application root, ``/`` whatever the host.
        value: Worth for trafficking triage, 0..1.
        encrypted: ``no``, ``yes``, or a note.
        classes: Artefact classes (of indicators) that it serves.
    """

    id: str
    globs: tuple[str, ...]
    value: float
    encrypted: str = "no"
    classes: tuple[str, ...] = ()
