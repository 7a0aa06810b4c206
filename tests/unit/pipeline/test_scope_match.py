"""Decisions by metadata: whose an entry is, where, of which type and time; exclusions first, and what nothing matched."""

import pytest

from triage.model.address import Address
from triage.model.entry import Entry, EntryType
from triage.model.scope import NameCase, Privileged, Scope, ScopeReason, Selection, TimeLimit, TimeRange
from triage.model.times import Times
from triage.pipeline.scope_match import OVERWRITTEN, ScopeMatcher
from triage.pipeline.scope_users import User

SECOND = 10**9


def entry(path, **changes):
    raw = path if isinstance(path, bytes) else path.encode()
    return Entry(Address("x.dd", "p1", raw), EntryType.FILE, 10, 1, **changes)


def including(**lists):
    return Scope("w", include=Selection(**{key: tuple(value) for key, value in lists.items()}))


def why(scope, path, file_system="ntfs", **changes):
    return ScopeMatcher(scope).entry(entry(path, **changes), file_system)


# --- paths ----------------------------------------------------------------------------------------------------------
def test_inclusion_follows_the_file_system_and_exclusion_never_the_case():
    scope = Scope("w", include=Selection(paths=("/Home/Greg",)), exclude=Selection(paths=("/Home/Greg/Law",)))
    assert why(scope, "/home/greg/x", "ntfs") is None
    assert why(scope, "/home/greg/x", "ext4") is ScopeReason.PATH
    assert why(scope, "/Home/Greg/x", "ext4") is None
    assert why(scope, "/Home/Greg/LAW/x", "ext4") is ScopeReason.EXCLUDED_PATH


def test_the_file_may_say_what_the_case_counts():
    names = Selection(paths=("/Home/Greg",))
    assert why(Scope("w", include=names, name_case=NameCase.IGNORE), "/HOME/greg/x", "ext4") is None
    assert why(Scope("w", include=names, name_case=NameCase.EXACT), "/HOME/greg/x", "ntfs") is ScopeReason.PATH
    assert why(Scope("w", exclude=names, name_case=NameCase.EXACT), "/HOME/greg/x", "ntfs") is None


def test_orphans_and_streams_have_the_place_of_their_path():
    scope = including(paths=["/Users/**"])
    assert why(scope, "/$OrphanFiles/OrphanFile-7", orphan=True) is ScopeReason.PATH
    stream = Entry(Address("x.dd", "p1", b"/Users/a.txt", b"Zone.Identifier"), EntryType.FILE, 1, 1)
    assert ScopeMatcher(scope).entry(stream, "ntfs") is None


# --- users ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("user", "path", "wanted"),
    [
        ("greg", "/Users/Greg/x", True),
        ("greg", "/System/Volumes/Data/Users/greg/x", True),
        ("greg", "/Documents and Settings/GREG/x", True),
        ("greg", "/Windows.old/Users/greg/x", True),
        ("greg", "/home/greg/x", True),
        ("greg", "/home/gregor/x", False),
        ("greg", "/data/home/greg/x", False),
        ("greg.corp", "/Users/gregXcorp/x", False),
        ("root", "/root/.bash_history", True),
        ("mobile", "/private/var/mobile/Library/SMS/sms.db", True),
        ("S-1-5-21-1-2", "/$Recycle.Bin/S-1-5-21-1-2/$R1.txt", True),
        ("S-1-5-21-1-2", "/$Recycle.Bin/S-1-5-21-1-22/$R1.txt", False),
        ("uid:501", "/.Trashes/501/x", True),
        ("uid:1000", "/.Trash-1000/files/x", True),
        ("android:10", "/data/user/10/com.app/x", True),
        ("android:10", "/media/10/DCIM/x", True),
        ("android:1", "/data/user/10/com.app/x", False),
        ("android:0", "/data/data/com.app/databases/x", True),
        ("android:0", "/data/com.whatsapp/databases/msgstore.db", True),
        ("android:0", "/data/system/packages.xml", False),
        ("android:0", "/sdcard/DCIM/x", True),
    ],
)
def test_home_folders(user, path, wanted):
    assert User(user).has(entry(path)) is wanted


@pytest.mark.parametrize(
    ("user", "owner", "wanted"),
    [
        ("S-1-5-21-1-2", "s-1-5-21-1-2", True),
        ("S-1-5-21-1-2", "S-1-5-21-1-23", False),
        ("uid:501", "501", True),
        ("uid:501", "501 (mobile)", True),
        ("uid:501", "5011", False),
        ("mobile", "501 (mobile)", True),
        ("greg", "1000", False),
        ("greg", "", False),
    ],
)
def test_owners(user, owner, wanted):
    assert User(user).has(entry("/data/x", owner=owner)) is wanted


def test_users_in_and_out():
    scope = Scope("w", include=Selection(users=("greg", "uid:7")), exclude=Selection(users=("uid:8",)))
    assert why(scope, "/home/greg/x", owner="9") is None and why(scope, "/srv/x", owner="7") is None
    assert why(scope, "/srv/x", owner="9") is ScopeReason.USER
    assert why(scope, "/home/greg/x", owner="8") is ScopeReason.EXCLUDED_USER


# --- times ----------------------------------------------------------------------------------------------------------
LIMIT = TimeLimit(("mtime", "crtime"), (TimeRange(100 * SECOND, 200 * SECOND, 3700 * SECOND, 3800 * SECOND),), False)


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (Times(mtime=100 * SECOND), None),
        (Times(mtime=100 * SECOND - 1), ScopeReason.TIME),
        (Times(mtime=200 * SECOND), ScopeReason.TIME),
        (Times(mtime=1, crtime=150 * SECOND), None),
        (Times(atime=150 * SECOND, ctime=150 * SECOND), ScopeReason.UNDATED),
        (Times(), ScopeReason.UNDATED),
        (Times(mtime=3750 * SECOND, zone_known=False), None),  # the wall clock of the bounds
        (Times(mtime=150 * SECOND, zone_known=False), ScopeReason.TIME),
        (Times(mtime=-(1 << 62)), ScopeReason.TIME),
    ],
)
def test_times(times, wanted):
    assert why(Scope("w", times=LIMIT), "/a", times=times) is wanted


def test_undated_may_be_in_and_ranges_may_be_open():
    limit = TimeLimit(("mtime",), (TimeRange(None, 5, None, 5), TimeRange(9, None, 9, None)), True)
    assert why(Scope("w", times=limit), "/a") is None
    assert [why(Scope("w", times=limit), "/a", times=Times(mtime=at)) for at in (4, 5, 8, 9)] == [
        None, ScopeReason.TIME, ScopeReason.TIME, None,
    ]  # fmt: skip


# --- types, by name alone -------------------------------------------------------------------------------------------
def test_types_by_name():
    assert why(including(types=[".jpg"]), "/a.JPG") is None
    assert why(including(types=[".jpg"]), "/a.png") is ScopeReason.TYPE
    assert why(including(types=[".jpg"]), "/a.zip") is None  # opened for its members
    assert why(including(types=["image/*"]), "/a.txt") is None  # content is asked
    assert why(Scope("w", exclude=Selection(types=(".zip",))), "/a.zip") is ScopeReason.EXCLUDED_TYPE


# --- space ----------------------------------------------------------------------------------------------------------
def space(kind, scope):
    place = b"/x" if kind == "slack" else b""
    address = Address("x.dd", "p1", place, space=kind, offset=0, length=9)
    return ScopeMatcher(scope).entry(Entry(address, EntryType.FILE, 9, 0), "ntfs")


@pytest.mark.parametrize("kind", ["unallocated", "gap", "volume_slack"])
def test_space_is_in_or_out_as_the_file_says(kind):
    assert space(kind, Scope("w", space=True)) is None
    assert space(kind, Scope("w", space=False)) is ScopeReason.SPACE
    assert space(kind, Scope("w", include=Selection(types=("image/*",)))) is ScopeReason.TYPE


def test_carved_files_have_a_type_and_the_place_of_space():
    address = Address("x.dd", "p1", b"/1.jpg", space="carved", offset=0, length=9)
    carved = Entry(address, EntryType.FILE, 9, 0)
    for scope, wanted in (
        (Scope("w", space=False), ScopeReason.SPACE),
        (including(types=[".jpg"]), None),
        (including(types=[".png"]), ScopeReason.TYPE),
        (Scope("w", times=LIMIT), None),
    ):
        assert ScopeMatcher(scope).entry(carved, "ntfs") is wanted


def test_what_another_file_has_taken_over_is_out():
    assert why(Scope("w"), "/a", caveats=(OVERWRITTEN,)) is ScopeReason.OVERWRITTEN


# --- sources, volumes, members --------------------------------------------------------------------------------------
def test_a_volume_names_what_layers_open_in_it():
    matcher = ScopeMatcher(including(volumes=["p2", "phone.zip p1"]))
    assert [matcher.volume("laptop.E01", name) for name in ("p2", "p2.vss3", "p2.luks1.lv2")] == [None] * 3
    assert matcher.volume("laptop.E01", "p20") is ScopeReason.VOLUME
    assert matcher.volume("laptop.E01", "p1") is ScopeReason.VOLUME and matcher.volume("phone.zip", "p1") is None
    excluding = ScopeMatcher(Scope("w", exclude=Selection(volumes=("*.vss*",))))
    assert excluding.volume("x", "p2.vss1") is ScopeReason.EXCLUDED_VOLUME and excluding.volume("x", "p2") is None


def test_evidence_by_name():
    matcher = ScopeMatcher(
        Scope("w", include=Selection(evidence=("LAPTOP*",)), exclude=Selection(evidence=("*2.e01",)))
    )
    names = ("laptop1.E01", "laptop2.E01", "phone.zip")
    assert [matcher.evidence(name) for name in names] == [None, ScopeReason.EXCLUDED_EVIDENCE, ScopeReason.EVIDENCE]


@pytest.mark.parametrize(
    ("member", "wanted"),
    [
        (b"law/x", ScopeReason.EXCLUDED_PATH),
        (b"LAW\\x", ScopeReason.EXCLUDED_PATH),
        (b"./law/x", ScopeReason.EXCLUDED_PATH),
        (b"/a/../law/x", ScopeReason.EXCLUDED_PATH),
        (b"home/anna/x", ScopeReason.EXCLUDED_USER),
        (b"lawn/x", None),
    ],
)
def test_members_of_archives(member, wanted):
    matcher = ScopeMatcher(Scope("w", exclude=Selection(paths=("**/law/**",), users=("anna",))))
    assert matcher.member(Address("x.dd", "p1", b"/a.zip", members=(member,)), Times()) is wanted


def test_a_member_without_a_time_has_that_of_its_archive():
    matcher = ScopeMatcher(Scope("w", times=LIMIT))
    address = Address("x.dd", "p1", b"/a.zip", members=(b"x",))
    assert matcher.member(address, Times()) is None
    assert matcher.member(address, Times(mtime=1)) is ScopeReason.TIME


# --- names that are privileged, and limits that matched nothing -----------------------------------------------------
@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/a/Dr. Anna Weber/x", True),
        ("/a/dr_anna-weber.pdf", True),
        ("/a/Weber/Dr. Anna/x", False),
        ("/mail/anna@WEBER-law.example.eml", True),
        ("/a/xDr. Anna Weber", False),
        ("/a/Dr. Anna Weberin", False),
    ],
)
def test_privileged_names(path, wanted):
    matcher = ScopeMatcher(Scope("w", privileged=Privileged(("Dr. Anna Weber", "weber-law.example"))))
    assert matcher.names.hold(entry(path).address) is wanted


def test_limits_that_nothing_matched_are_known():
    scope = Scope(
        "w", include=Selection(paths=("/a", "/Gerg")), exclude=Selection(paths=("/a/law", "/a/lwa"), users=("x",))
    )
    matcher = ScopeMatcher(scope)
    for path in ("/a/b", "/a/law/c", "/d"):
        matcher.entry(entry(path), "ntfs")
    assert matcher.unused() == ("[include] paths: /Gerg", "[exclude] paths: /a/lwa", "[exclude] users: x")


def test_a_folder_in_which_nothing_can_be_in_scope():
    matcher = ScopeMatcher(
        Scope("w", include=Selection(paths=("/Users/*/Documents",)), exclude=Selection(paths=("/Users/x",)))
    )
    below = {path: matcher.nothing_below(path, "ntfs") for path in (b"/Users", b"/Users/y", b"/Users/x", b"/Windows")}
    assert below == {b"/Users": False, b"/Users/y": False, b"/Users/x": True, b"/Windows": True}
