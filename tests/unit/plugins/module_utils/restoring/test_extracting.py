"""What is written at once and what is looked at in full is the same, whatever the archive and its manifest say."""

from __future__ import annotations

import os
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.tar_stream import TarMember
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import Member
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.archive_source import opened_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.extracting import Extractor
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.member_rules import SPECIAL_BITS, Rules
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.selecting import Destination, Selection
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.backups.written_backups import file, other, write_backup
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.restoring.restore_samples import looks

MINE = {"uid": os.geteuid(), "gid": os.getegid(), "user": "", "group": ""}
ALL = Selection([Destination("/x/t", b"files/t")])
Held = list[tuple[Member, bytes]]


def a_file(name: str, data: bytes, **keys: Any) -> tuple[Member, bytes]:
    return file(f"files/t/{name}", data, **{**MINE, **keys})


def a_directory(name: str, mode: int = 0o755) -> tuple[Member, bytes]:
    member, data = other(name, "directory")
    return member._replace(**{**MINE, "mode": mode}), data


def a_tree() -> Held:
    large = bytes(range(256)) * 4096
    link = other("files/t/link", "symlink", "a")[0]._replace(**MINE)
    return [
        a_directory("files/t"), a_file("a", b"one"), a_file("large", large), a_file("b", b""), a_directory("files/t/d", 0o2775),
        a_file("d/c", b"two" * 1000, mode=0o600), a_file("d/set-user-ID", b"x", mode=0o4755), (link, b""), a_file("d/e", b"three", mode=0o1644),
        a_file("caf\u00e9", b"four"), a_file("first second", b"", mtime_ns=7), a_file("last", b"five"),
    ]


class Seen:
    """What the quick way took and what it left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []
        self.left: list[str] = []
        whole = Extractor.usual

        def usual(extractor: Extractor, member: TarMember, data: Union[bytes, memoryview]) -> bool:
            took = whole(extractor, member, data)
            (self.taken if took else self.left).append(os.path.basename(member.name.decode().rstrip("/")))
            return took

        monkeypatch.setattr(Extractor, "usual", usual)


def extracted(folder: Path, path: Path, selection: Selection = ALL, *, tolerant: bool = False, owners: str = "none") -> Any:
    """Return what is restored and counted, or why nothing is."""
    started = time.time_ns() - 10**9  # the clock of a file system is behind by some milliseconds
    folder.mkdir()
    base = os.open(folder, os.O_RDONLY)
    rules = Rules(vouched=True, accept=frozenset((SPECIAL_BITS,)))
    try:
        with opened_archive(os.fspath(path), Limits(time.monotonic() + 60)) as source:
            source.check_names(selection, rules)
            roots = [b"%d" % number for number in range(len(selection.destinations))]
            done = source.extract(selection, rules, owners, [base] * len(roots), roots, tolerant=tolerant)
            found = looks(folder, but=["."])
            # A directory that no member describes has the time at which it was made.
            found = {name: (*look[:3], look[3] if look[3] < started else None, look[4]) for name, look in found.items()}
            return found, done.written, done.differing, done.differing_names
    except UpkeepError as exc:
        return exc.message
    finally:
        os.close(base)


def both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path, **options: Any) -> Any:
    """Return what the quick way does, which the other one does, too."""
    quick = extracted(tmp_path / "quick", path, **options)
    with monkeypatch.context() as patched:
        patched.setattr(Extractor, "usual", lambda *_given: False)
        assert extracted(tmp_path / "full", path, **options) == quick
    return quick


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tar.zst"])
def test_usual_members_are_written_at_once_and_the_others_among_them(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    path = write_backup(tmp_path, kind, a_tree()).path
    found, written, _differing, _names = both_ways(tmp_path, monkeypatch, path)
    assert [name for name in seen.taken if name != "large"] == ["t", "a", "b", "c", "e", "last"]
    assert seen.left == ["d", "set-user-ID", "caf\u00e9", "first second", "manifest.json"]
    assert len(found) == 12 and written[0].members == 12
    assert found["0/a"][0] == "0o100644" and found["0/a"][3:] == (1_790_000_000_123_456_789, b"one")
    assert found["0/d/set-user-ID"][0] == "0o104755" and found["0/d/e"][0] == "0o101644" and found["0/d"][0] == "0o42775"


SELECTIONS = {
    "a part": Selection([Destination("/x/t", b"files/t")], ["d", "*st"]),
    "without what is preserved": Selection([Destination("/x/t", b"files/t", (b"d", b"large"))]),
    "two targets": Selection([Destination("/x/d", b"files/t/d"), Destination("/x/t", b"files/t")]),
    "a file": Selection([Destination("/x/a", b"files/t/a")]),
    "a source": Selection([Destination("/x/t", b"files/t")], ["*"], ["logs"]),
}


@pytest.mark.parametrize("name", list(SELECTIONS))
def test_only_what_is_selected_is_written(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = a_tree()
    held[5] = (held[5][0]._replace(source="logs"), held[5][1])
    found = both_ways(tmp_path, monkeypatch, write_backup(tmp_path, held=held).path, selection=SELECTIONS[name])
    assert 0 < len(found[0]) <= 12 and found[1][0].members > 0


def with_other_contents(held: Held) -> Held:
    return [(member, data[::-1] if data in (b"one", b"three", b"four") else data) for member, data in held]


def test_other_contents_are_refused_or_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_backup(tmp_path, held=with_other_contents(a_tree()), listed=a_tree()).path
    found = both_ways(tmp_path, monkeypatch, path, tolerant=True)
    assert found[0]["0/a"][4] == b"eno"
    assert found[2:] == (3, ["files/t/a", "files/t/d/e", "files/t/caf\u00e9"])
    (tmp_path / "again").mkdir()
    said = both_ways(tmp_path / "again", monkeypatch, path)
    assert "files/t/a has other contents than when it was packed" in said


def without(held: Held, name: str) -> Held:
    return [one for one in held if one[0].name != name]


def changed(held: Held, name: str, **keys: Any) -> Held:
    return [(member._replace(**keys), data) if member.name == name else (member, data) for member, data in held]


def swapped(held: Held) -> Held:
    return [*held[:5], held[6], held[5], *held[7:]]


NOT_AS_LISTED: dict[str, tuple[Callable[[Held], Held], str]] = {
    "one too few": (lambda held: without(held, "files/t/b"), "is in the archive where its manifest has files/t/b"),
    "the last one is missing": (lambda held: without(held, "files/t/last"), "lacks files/t/last, which its manifest lists"),
    "one too many": (lambda held: [*held, a_file("more", b"")], "files/t/more is in the archive and not in its manifest"),
    "a directory too many": (lambda held: [*held, a_directory("files/t/more")], "files/t/more is in the archive and not in its manifest"),
    "another order": (swapped, "is in the archive where its manifest has"),
    "twice": (lambda held: [*held[:2], held[1], *held[2:]], "files/t/a is in the archive where its manifest has files/t/large"),
    "another mode": (lambda held: changed(held, "files/t/a", mode=0o600), "mode 0600, not 0644"),
    "set-user-ID": (lambda held: changed(held, "files/t/a", mode=0o4644), "mode 4644, not 0644"),
    "another time": (lambda held: changed(held, "files/t/a", mtime_ns=10**9), "another time of change"),
    "a directory of another mode": (lambda held: changed(held, "files/t", mode=0o700), "mode 0700, not 0755"),
    # What only looks like the manifest puts no line aside, and hides none that has no member.
    "a directory called like the manifest": (
        lambda held: [held[0], a_directory("manifest.json"), *held[2:]], "manifest.json is in the archive where its manifest has files/t/a",
    ),
}


@pytest.mark.parametrize("name", list(NOT_AS_LISTED))
@pytest.mark.parametrize("beside", [True, False])
def test_what_is_not_as_it_is_listed_is_refused_in_the_same_words(
    name: str, beside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, words = NOT_AS_LISTED[name]
    backup = write_backup(tmp_path, held=change(a_tree()), listed=a_tree())
    if not beside:
        backup.sidecar.unlink()
    assert words in both_ways(tmp_path, monkeypatch, backup.path)


def test_a_line_that_waits_is_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two members one after another that are looked at in full, and one behind them that is not."""
    held = [a_directory("files/t"), a_file("\u00e9", b"1"), a_directory("files/t/\u00e8"), a_file("\u00ea", b"2"), a_file("z", b"3")]
    seen = Seen(monkeypatch)
    found = both_ways(tmp_path, monkeypatch, write_backup(tmp_path, held=held).path)
    assert seen.taken == ["t", "z"] and len(found[0]) == 5


def test_names_that_say_the_same_in_another_way_lead_to_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["./files/t/a", "files//t/b", "files/t/./c", "files/t/.d"]
    held = [a_directory("./files/t"), *((a_file("x", b"1")[0]._replace(name=name), b"1") for name in names)]
    seen = Seen(monkeypatch)
    found = both_ways(tmp_path, monkeypatch, write_backup(tmp_path, held=held).path)
    assert sorted(found[0]) == ["0", "0/.d", "0/a", "0/b", "0/c"] and not seen.taken


def test_an_owner_that_only_an_extended_header_says_is_not_that_of_the_next_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ustar has no room for such a number: the header itself says 0."""
    held = [a_directory("files/t"), a_file("a", b"1", uid=8**7 + 5), a_file("b", b"2", uid=0), a_file("c", b"3", uid=8**7 + 6)]
    found = both_ways(tmp_path, monkeypatch, write_backup(tmp_path, held=held).path, owners="numbers")
    expected = [8**7 + 5, 0, 8**7 + 6] if os.geteuid() == 0 else [os.geteuid()] * 3
    assert [found[0][f"0/{name}"][1] for name in "abc"] == expected


def test_the_manifest_that_is_inside_is_no_usual_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = write_backup(tmp_path, held=a_tree(), inside=lambda data: data.replace(b"20261122T014356Z-0a1b2c3d", b"20261122T014356Z-ffffffff", 1))
    assert "of another backup than the one inside" in both_ways(tmp_path, monkeypatch, backup.path)


@pytest.mark.parametrize("field", [b"014524073300", b"14524073300 ", b" 14524073300", b"14524073300\0", b"+1452407330\0", b"14_24073300\0"])
def test_a_time_is_read_alike_whether_the_owner_was_seen_before_or_not(field: bytes, tmp_path: Path) -> None:
    """Archives of other programs, whose numbers may fill their fields; the second file takes a short cut."""

    def block(name: str) -> bytes:
        header = tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT)
        header = header[:136] + field + header[148:]
        return header[:148] + b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:])) + header[156:]

    def restored(number: int) -> Any:
        path = tmp_path / f"{number}.tar"
        path.write_bytes(b"".join(block(f"files/t/{name}") for name in range(number)) + bytes(1024))
        return extracted(tmp_path / f"of {number}", path)

    one, two = restored(1), restored(2)
    if isinstance(one, str):
        assert "a number that is none" in one and "a number that is none" in two
    else:
        assert two[0]["0/1"] == two[0]["0/0"] == one[0]["0/0"]
        assert one[0]["0/0"][3] == 0o14524073300 * 10**9
