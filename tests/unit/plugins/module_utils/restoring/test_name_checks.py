"""What a line of a manifest says is the same whether it is taken apart or matched, and so is what is checked of it."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Budget, Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import DIRECTORY, FILE, HARDLINK, SYMLINK, Member, member_line
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import parse_member
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring import name_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.listing import PLAIN_LINE, member_of
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.name_checks import NameChecks
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Destination, Selection

A_FILE = Member("files/t/a", FILE, 5000, "ab" * 32, "", 0o644, 1000, 33, "app", "www-data", 1_700_000_000_123_456_789, "code")
A_DIRECTORY = A_FILE._replace(name="files/t/d", type=DIRECTORY, size=0, sha256="", mode=0o755)
PLAIN = [
    A_FILE, A_DIRECTORY, A_FILE._replace(size=0, mode=0o1777, uid=0, gid=0, user="", group="", mtime_ns=0, source="", torn=True),
    A_FILE._replace(mtime_ns=-5), A_DIRECTORY._replace(mode=0o2755, torn=True), A_FILE._replace(name="a b ../c", source="two words"),
]
OTHER = [
    A_FILE._replace(name='"quoted"'), A_DIRECTORY._replace(name="back\\slash"), A_FILE._replace(name="caf\u00e9"),
    A_FILE._replace(type=SYMLINK, size=0, sha256="", target="a"), A_FILE._replace(type=HARDLINK, size=0, sha256="", target="files/t/a"),
]


@pytest.mark.parametrize("member", PLAIN)
def test_a_plain_line_says_what_json_says(member: Member) -> None:
    line = member_line(member)
    assert PLAIN_LINE.fullmatch(line)
    assert member_of(line, 2) == parse_member(line, 2) == member


@pytest.mark.parametrize("member", OTHER)
def test_another_line_is_left_to_json(member: Member) -> None:
    line = member_line(member)
    assert not PLAIN_LINE.fullmatch(line)
    assert member_of(line, 2) == member


@pytest.mark.parametrize("member", [A_FILE, A_DIRECTORY])
def test_every_flipped_bit_of_a_line_says_the_same_or_is_refused_by_both(member: Member) -> None:
    line = member_line(member)
    for bit in range(len(line) * 8):
        flipped = bytearray(line)
        flipped[bit // 8] ^= 1 << bit % 8
        if PLAIN_LINE.fullmatch(flipped):
            assert member_of(bytes(flipped), 2) == parse_member(bytes(flipped), 2)


@pytest.mark.parametrize(
    ("said", "other"),
    [(b'"mtime_ns":17', b'"mtime_ns":017'), (b'"mtime_ns":17', b'"mtime_ns":-017'), (b'"uid":1', b'"uid":01'), (b'"size":5', b'"size":05')],
)
def test_a_number_that_json_does_not_have_is_refused(said: bytes, other: bytes) -> None:
    line = member_line(A_FILE).replace(said, other)
    assert line != member_line(A_FILE)
    with pytest.raises(ArchiveProblem, match="no valid JSON"):
        member_of(line, 2)


SELECTIONS: dict[str, dict[str, Any]] = {
    "all": {"destinations": [Destination("/x/t", b"files/t"), Destination("/x/u", b"files/u")]},
    "whole archive": {"destinations": [Destination("/x/t", b"")]},
    "a part": {"destinations": [Destination("/x/t", b"files/t")], "patterns": ["d"]},
    "without what is preserved": {"destinations": [Destination("/x/t", b"files/t", (b"d",))]},
    "a source": {"destinations": [Destination("/x/t", b"files/t")], "sources": ["logs"]},
    "the other source": {"destinations": [Destination("/x/t", b"files/t")], "sources": ["code"]},
    "a file": {"destinations": [Destination("/x/a", b"files/t/a")]},
}
LINES: dict[str, list[Member]] = {
    "a tree": [A_DIRECTORY._replace(name="files/t"), A_FILE, A_DIRECTORY, A_FILE._replace(name="files/t/d/b", size=4097, source="logs")],
    "other roots": [A_FILE._replace(name="files/u"), A_DIRECTORY._replace(name="files/t")],
    "names that are not plain": [
        A_FILE._replace(name="./files/t/x"), A_DIRECTORY._replace(name="files/t/d/"), A_FILE._replace(name="files//t/y"), A_FILE._replace(name="files/t/.z"),
    ],
    "special bits of a directory": [A_DIRECTORY._replace(mode=0o2755), A_FILE._replace(mode=0o1644)],
    "special bits of a file": [A_FILE._replace(mode=0o4755)],
    "set-user-ID of a directory": [A_DIRECTORY._replace(mode=0o4755)],
    "upward": [A_FILE._replace(name="files/../../etc/passwd")],
    "upward by a directory": [A_DIRECTORY._replace(name="..")],
    "absolute": [A_DIRECTORY._replace(name="/etc")],
    "deep": [A_DIRECTORY._replace(name="d/" * 200 + "d")],
    "long": [A_DIRECTORY._replace(name="files/t/" + "n" * 256)],
    "twice": [A_FILE, A_FILE],
    "a directory twice": [A_DIRECTORY, A_DIRECTORY],
    "a file that is a directory, too": [A_FILE, A_FILE._replace(name="files/t/a/b")],
    "a directory that is a file, too": [A_DIRECTORY, A_FILE._replace(name="files/t/d")],
    "a link to a directory": [A_DIRECTORY, A_FILE._replace(name="files/t/h", type=HARDLINK, size=0, sha256="", target="files/t/d")],
    "too much": [A_FILE, A_FILE._replace(name="files/t/big", size=2**40)],
}


def checked(members: list[Member], selection: Selection, *, by_line: bool) -> dict[str, Any] | str:
    """Return what checking has counted, or why it refuses."""
    checks = NameChecks(selection, Rules(vouched=True), Budget(Limits(time.monotonic() + 60), 1000))

    def again(take: Any) -> None:
        for member in members:
            take(member)

    try:
        for number, member in enumerate(members, 2):
            if by_line:
                checks.add_line(member_line(member), number)
            else:
                checks.add(member)
        checks.finish(again)
    except ArchiveProblem as problem:
        return f"{problem.member} {problem.message}"
    return {"amounts": [asdict(amount) for amount in checks.amounts], "members": checks.members}


@pytest.mark.parametrize("lines", list(LINES))
@pytest.mark.parametrize("selection", list(SELECTIONS))
def test_a_line_is_checked_as_a_member_is(lines: str, selection: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_checks, "_MOST_FIRST_MEMBERS", 0)
    chosen = Selection(**SELECTIONS[selection])
    assert checked(LINES[lines], chosen, by_line=True) == checked(LINES[lines], chosen, by_line=False)


def test_lines_of_files_and_directories_are_not_taken_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_checks, "_MOST_FIRST_MEMBERS", 0)
    monkeypatch.setattr(name_checks, "member_of", None)
    found = checked(LINES["a tree"], Selection(**SELECTIONS["all"]), by_line=True)
    assert isinstance(found, dict)
    first = {"members": 4, "bytes": 9097, "disk_bytes": 4 * 512 + 2 * 4096 + 2 * 8192, "root": DIRECTORY}
    assert found["amounts"][0] == first
