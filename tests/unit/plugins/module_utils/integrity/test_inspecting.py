"""From options to results: what is accepted, what then differs, and what becomes of a baseline that somebody changed."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.integrity import findings, inspecting, judging, readers
from ansible_collections.upkeep.runbook.plugins.modules import file_integrity

NOW = datetime.now(timezone.utc)
DEFAULTS = {name: option.get("default") for name, option in file_integrity.argument_spec().items()}


class Host:
    """A tree that is watched, and the state beside it."""

    def __init__(self, root: Path) -> None:
        self.tree = root / "tree"
        self.state = root / "state"
        for name, content in (("bin/tool", "#!"), ("etc/conf", "a=1"), ("etc/sub/deep", "x"), (".hidden", "")):
            self.write(name, content)
        (self.tree / "current").symlink_to("etc")

    def write(self, name: str, content: str) -> Path:
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        return path

    @property
    def baseline(self) -> Path:
        return self.state / "integrity" / "default.baseline"

    def run(self, *, now: datetime = NOW, check_mode: bool = False, **options: Any) -> dict[str, Any]:
        given = {**DEFAULTS, "paths": [str(self.tree)], "state_directory": str(self.state), "explain_packages": False, **options}
        return inspecting.watch_files(given, now=now, check_mode=check_mode)

    def accept(self, reason: str = "known to be good", **options: Any) -> dict[str, Any]:
        return self.run(state="accepted", reason=reason, **options)

    def differing(self, **options: Any) -> dict[str, str]:
        """Return the kind of change by path."""
        answer = self.run(**options)
        return {change["path"][len(str(self.tree)) + 1:]: change["change"] for change in answer["changes"]}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def rows(answer: dict[str, Any], check: str) -> list[tuple[str, str]]:
    return [(row["subject"], row["status"]) for row in answer["checks"] if row["check"] == check]


def test_a_first_run_compares_nothing_and_says_so(host: Host) -> None:
    answer = host.run()
    assert (answer["changed"], answer["status"], answer["baseline"]) == (False, "unknown", None)
    assert [(row["check"], row["status"]) for row in answer["checks"]] == [("integrity.baseline", "unknown")]
    assert "upkeep.runbook.security_accept -e 'security_audit_reason=" in answer["checks"][0]["hint"]
    assert not host.state.exists()


def test_what_was_accepted_is_ok(host: Host) -> None:
    accepted = host.accept()
    assert (accepted["changed"], accepted["status"]) == (True, "ok")
    assert (accepted["baseline"]["entries"], accepted["baseline"]["reason"]) == (9, "known to be good")
    assert accepted["baseline"]["digest"] == hashlib.sha256(host.baseline.read_bytes()).hexdigest()
    assert host.baseline.stat().st_mode & 0o777 == 0o600
    assert {path.stat().st_mode & 0o777 for path in (host.state, host.baseline.parent)} == {0o700}
    before = host.baseline.read_bytes()
    answer = host.run(now=NOW + timedelta(days=3), expected_digest=accepted["baseline"]["digest"].upper())
    assert (answer["status"], answer["changes"], answer["totals"]["unchanged"], answer["totals"]["hashed"]) == ("ok", [], 9, 4)
    assert [row["folded"] for row in answer["checks"] if row["check"] == "integrity.files"] == [9]
    assert rows(answer, "integrity.baseline") == [(str(host.baseline), "ok")]
    assert "3 days ago" in answer["checks"][0]["summary"]
    assert host.baseline.read_bytes() == before


def test_each_kind_of_change_is_found_and_named(host: Host) -> None:
    host.accept()
    host.write("etc/conf", "a=2")  # the same size
    host.write("etc/new", "")
    host.write(".sneaky/deep", "")
    (host.tree / "bin/tool").chmod(0o4755)
    shutil.rmtree(host.tree / "etc/sub")
    (host.tree / "current").unlink()
    (host.tree / "current").symlink_to("bin")
    (host.tree / ".hidden").unlink()
    os.mkfifo(host.tree / ".hidden")
    assert host.differing() == {
        ".hidden": "changed", ".sneaky": "added", ".sneaky/deep": "added", "bin/tool": "changed", "current": "changed",
        "etc/conf": "changed", "etc/new": "added", "etc/sub": "removed", "etc/sub/deep": "removed",
    }  # fmt: skip
    answer = host.run(severity="warning")
    found = {row["subject"][len(str(host.tree)) + 1:]: row for row in answer["checks"] if row["check"] == "integrity.files"}
    assert (found["etc/conf"]["status"], found["etc/conf"]["value"]) == ("warning", "changed")
    assert set(found["etc/conf"]["evidence"]["differences"]) == {"sha256"}
    assert "etc → bin" in found["current"]["summary"]
    assert "type file → pipe" in found[".hidden"]["summary"]
    # A program that runs with the rights of others is critical in any case.
    assert found["bin/tool"]["status"] == "critical" and "mode 0644 → 4755" in found["bin/tool"]["summary"]
    assert answer["totals"]["added"] == 3 and answer["totals"]["removed"] == 2 and answer["totals"]["changed"] == 4
    details = {change["path"]: change for change in answer["changes"]}[f"{host.tree}/current"]
    assert (details["before"]["target"], details["after"]["target"]) == ("etc", "bin")


def test_owner_and_group_are_compared(host: Host) -> None:
    host.accept()
    text = host.baseline.read_text()
    head, *lines, _tail = text.splitlines(keepends=True)
    other = [line.replace(f" {os.getuid()} {os.getgid()} ", f" {os.getuid() + 7} {os.getgid() + 8} ", 1) for line in lines]
    rewrite(host.baseline, head, other)
    answer = host.run()
    assert len(answer["changes"]) == 9
    assert all(set(row["evidence"]["differences"]) == {"owner", "group"} for row in answer["checks"] if row["status"] == "critical")


def test_only_times_are_no_difference(host: Host) -> None:
    host.accept()
    for path in host.tree.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    (host.tree / "copy").write_text((host.tree / "etc/conf").read_text())
    os.replace(host.tree / "copy", host.tree / "etc/conf")  # another inode
    assert host.run()["status"] == "ok"
    assert host.accept("again")["changed"] is False


def test_accepting_says_what_and_is_idempotent(host: Host) -> None:
    first = host.accept()
    assert first["diff"] == {"before": "", "after": ""}
    host.write("etc/conf", "other")
    (host.tree / ".hidden").unlink()
    before = host.baseline.read_bytes()
    planned = host.accept("a release", check_mode=True)
    assert host.baseline.read_bytes() == before and os.listdir(host.baseline.parent) == ["default.baseline"]
    done = host.accept("a release")
    assert (planned["changed"], done["changed"]) == (True, True)
    assert planned["diff"] == done["diff"]
    assert f"{host.tree}/etc/conf 0644" in done["diff"]["before"] and f"{host.tree}/etc/conf 0644" in done["diff"]["after"]
    assert f"{host.tree}/.hidden" in done["diff"]["before"] and ".hidden" not in done["diff"]["after"]
    assert planned["baseline"]["digest"] is None and "would be accepted" in planned["checks"][0]["summary"]
    assert json.loads(host.baseline.read_bytes().split(b"\n")[0])["previous_digest"] == first["baseline"]["digest"]
    assert done["baseline"]["entries"] == 8 and host.run()["status"] == "ok"
    after = host.baseline.read_bytes()
    assert host.accept("once more")["changed"] is False
    assert host.accept("once more", check_mode=True)["changed"] is False
    assert host.baseline.read_bytes() == after


def test_the_first_acceptance_in_check_mode_leaves_no_trace(host: Host) -> None:
    answer = host.accept(check_mode=True)
    assert answer["changed"] is True and answer["baseline"]["entries"] == 9
    assert not host.state.exists()


def test_a_changed_baseline_is_critical(host: Host) -> None:
    digest = host.accept()["baseline"]["digest"]
    host.write("etc/conf", "evil")
    host.accept("by somebody who became root")
    answer = host.run(expected_digest=digest)
    assert rows(answer, "integrity.baseline") == [(str(host.baseline), "critical")]
    assert "baseline itself was changed" in answer["checks"][0]["summary"]
    with pytest.raises(UpkeepError, match="nothing was accepted: .* is not the baseline of expected_digest"):
        host.accept(expected_digest=digest)
    assert host.run(expected_digest=digest)["status"] == "critical"
    assert host.run()["status"] == "ok"  # nobody can tell without the digest


def test_a_baseline_that_is_gone_is_critical_when_one_is_known_elsewhere(host: Host) -> None:
    digest = host.accept()["baseline"]["digest"]
    host.baseline.unlink()
    answer = host.run(expected_digest=digest)
    assert answer["status"] == "critical" and "is gone" in answer["checks"][0]["summary"]


def test_a_damaged_baseline_is_critical_and_compares_nothing(host: Host) -> None:
    host.accept()
    host.baseline.write_bytes(host.baseline.read_bytes()[:-100])
    answer = host.run()
    assert [(row["check"], row["status"]) for row in answer["checks"]] == [("integrity.baseline", "critical")]
    # A person may accept anew.
    assert host.accept("looked at everything")["changed"] is True
    assert host.run()["status"] == "ok"


def test_a_forged_baseline_with_lines_that_are_none_is_no_crash(host: Host) -> None:
    digest = host.accept()["baseline"]["digest"]
    head = host.baseline.read_text().splitlines(keepends=True)[0]
    rewrite(host.baseline, head, ["nonsense\n", f"{host.tree}\tx\n", "/a\t\n"])
    assert host.run(expected_digest=digest)["status"] == "critical"
    with pytest.raises(UpkeepError, match="move it away"):
        host.accept()
    rewrite(host.baseline, head, sorted(host.baseline.read_text().splitlines(keepends=True)[1:-1], reverse=True))
    assert host.run(expected_digest=digest)["status"] == "critical"


def rewrite(path: Path, head: str, lines: list[str]) -> None:
    """Write a baseline as somebody would who knows how it is closed."""
    from ansible_collections.upkeep.runbook.plugins.module_utils.integrity.baseline import BaselineWriter

    given = json.loads(head)
    with open(path, "wb") as stream:
        writer = BaselineWriter(
            stream, accepted=datetime.fromisoformat(given["accepted"].replace("Z", "+00:00")), reason=given["reason"], previous=None
        )
        for line in lines:
            writer.add(line)
        writer.close()


def test_a_baseline_that_others_may_write_is_critical(host: Host) -> None:
    host.accept()
    host.baseline.chmod(0o666)
    answer = host.run()
    assert answer["status"] == "critical" and "can be written by others" in answer["checks"][0]["summary"]


@pytest.mark.parametrize(("days", "status"), [(9.9, "ok"), (10.1, "warning"), (-2.0, "warning")])
def test_an_old_baseline_is_a_warning_and_can_be_renewed(host: Host, days: float, status: str) -> None:
    host.accept()
    then = NOW + timedelta(days=days)
    assert host.run(now=then, baseline_warning_days=10.0)["status"] == status
    assert host.accept("looked again", now=then, baseline_warning_days=10.0)["changed"] is (status == "warning")
    assert host.run(now=then, baseline_warning_days=10.0)["status"] == "ok"


def test_what_is_excluded_later_is_no_removal_and_not_ok_either(host: Host) -> None:
    host.accept()
    answer = host.run(exclude=["sub"])
    assert (answer["status"], answer["changes"], answer["totals"]["unwatched"]) == ("unknown", [], 2)
    assert ("baseline", "unknown") in rows(answer, "integrity.coverage")
    host.accept("deep is no longer of interest", exclude=["sub"])
    assert host.run(exclude=["sub"])["status"] == "ok"


def test_a_path_that_is_missing_is_told_beside_what_was_removed(host: Host) -> None:
    paths = [str(host.tree / "etc"), str(host.tree / "b*")]
    host.accept(paths=paths)
    shutil.rmtree(host.tree / "bin")
    answer = host.run(paths=paths)
    assert rows(answer, "integrity.coverage") == [(paths[1], "unknown"), (paths[0], "ok")]
    assert answer["totals"]["removed"] == 2


def test_a_folder_under_a_link_is_a_changed_type_and_hides_nothing(host: Host) -> None:
    host.accept()
    (host.tree / "etc").rename(host.tree / "etc-old")
    (host.tree / "etc").symlink_to("etc-old")
    answer = host.run()
    changed = {change["path"]: change["change"] for change in answer["changes"]}
    assert changed[str(host.tree / "etc")] == "changed" and changed[str(host.tree / "etc-old/conf")] == "added"
    assert answer["status"] == "critical" and answer["totals"]["unwatched"] == 3


def test_only_if_clean_refuses_what_nobody_explains(host: Host) -> None:
    with pytest.raises(UpkeepError, match="no baseline yet"):
        host.accept(only_if_clean=True)
    host.accept()
    host.write("etc/conf", "evil")
    before = host.baseline.read_bytes()
    for check_mode in (True, False):
        with pytest.raises(UpkeepError, match="1 paths differ") as refused:
            host.accept(only_if_clean=True, check_mode=check_mode)
        assert refused.value.details["changes"][0]["path"] == f"{host.tree}/etc/conf"
    assert host.baseline.read_bytes() == before
    assert os.listdir(host.baseline.parent) == ["default.baseline"]


def test_what_packages_explain_is_counted_apart(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.accept()
    host.write("etc/conf", "new version")
    host.write("etc/sub/deep", "evil")

    def explained(changes: list[findings.Change], *, since: datetime) -> str:
        assert since == NOW.replace(microsecond=0)
        for change in changes:
            change.explained_by = "tool" if change.path.endswith("conf") else ""
        return ""

    monkeypatch.setattr(inspecting, "explain", explained)
    answer = host.run(explain_packages=True)
    assert rows(answer, "integrity.files") == [
        (str(host.tree / "etc/sub/deep"), "critical"), ("files of packages", "ok"), ("7 subjects", "ok"),
    ]  # fmt: skip
    assert (answer["totals"]["changed"], answer["totals"]["explained"]) == (2, 1)
    host.write("etc/sub/deep", "x")
    assert host.run(explain_packages=True)["status"] == "ok"
    assert host.accept(explain_packages=True, only_if_clean=True)["changed"] is True
    monkeypatch.setattr(inspecting, "explain", lambda changes, since: "there is no /var/lib/dpkg")
    host.write("etc/conf", "newer version")
    assert ("packages", "unknown") in rows(host.run(explain_packages=True), "integrity.coverage")


def test_what_is_trusted_is_not_read_and_counted(host: Host) -> None:
    later = NOW + timedelta(hours=1)  # nothing is trusted that changed after the baseline was begun
    host.accept(now=later)
    answer = host.run(trust_stat=True)
    assert (answer["status"], answer["totals"]["trusted"], answer["totals"]["hashed"]) == ("ok", 4, 0)
    assert "4 files were not read" in answer["checks"][1]["summary"]
    path = host.tree / "etc/conf"
    status = path.stat()
    path.write_text("a=2")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the ctime tells
    assert host.differing(trust_stat=True) == {"etc/conf": "changed"}
    assert host.differing() == {"etc/conf": "changed"}


def test_what_changed_while_the_baseline_was_made_is_read_again(host: Host) -> None:
    host.accept(now=NOW - timedelta(hours=1))
    assert host.run(trust_stat=True)["totals"]["trusted"] == 0


def test_unreadable_paths_are_unknown_and_keep_their_line(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.accept()
    original = readers.read_entry

    def refuse(folder: int, name: str, *more: Any, **options: Any) -> tuple[str, int]:
        if name == "conf":
            raise readers.Unreadable("may not be read by this user")
        return original(folder, name, *more, **options)

    monkeypatch.setattr(readers, "read_entry", refuse)
    answer = host.run()
    assert (answer["status"], answer["totals"]["unreadable"]) == ("unknown", 1)
    assert rows(answer, "integrity.files")[0] == (str(host.tree / "etc/conf"), "unknown")
    host.write("etc/new", "")
    assert host.accept("a new file")["status"] == "unknown"
    monkeypatch.undo()
    assert host.run()["status"] == "ok"
    host.write("etc/conf", "evil")
    assert host.differing() == {"etc/conf": "changed"}


def test_a_new_path_that_could_not_be_read_is_named(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> tuple[str, int]:
        raise readers.Unreadable("changed each time it was read")

    host.accept()
    path = host.write("etc/new\tlog", "")
    original = readers.read_entry
    monkeypatch.setattr(readers, "read_entry", lambda folder, name, *more, **options: (
        refuse() if name.startswith("new") else original(folder, name, *more, **options)
    ))  # fmt: skip
    shown = f"{host.tree}/etc/new log"
    assert path.exists() and rows(host.run(), "integrity.files")[0] == (shown, "unknown")
    assert rows(host.accept("all of it"), "integrity.files")[0] == (shown, "unknown")


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_baseline_that_cannot_be_read_to_its_end_is_told_in_words(host: Host, monkeypatch: pytest.MonkeyPatch, check_mode: bool) -> None:
    def bad_disk(_baseline: inspecting.Baseline) -> Iterator[str]:
        yield from ()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    host.accept()
    before = host.baseline.read_bytes()
    monkeypatch.setattr(inspecting.Baseline, "lines", bad_disk)
    assert rows(host.run(check_mode=check_mode), "integrity.baseline") == [(str(host.baseline), "unknown")]
    with pytest.raises(UpkeepError, match="Input/output error"):
        host.accept("whatever is there", check_mode=check_mode)
    assert host.baseline.read_bytes() == before


def test_what_comes_and_goes_is_not_counted_as_accepted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    original = readers.read_entry

    def vanishing(folder: int, name: str, *more: Any, **options: Any) -> tuple[str, int]:
        if name == "conf":
            raise readers.Vanished
        return original(folder, name, *more, **options)

    monkeypatch.setattr(readers, "read_entry", vanishing)
    answer = host.accept()
    assert answer["baseline"]["entries"] == answer["totals"]["added"] == 8


@pytest.mark.parametrize("replace", ["link", "folder", "pipe"])
def test_something_else_in_the_place_of_the_baseline_is_critical(host: Host, replace: str) -> None:
    digest = host.accept()["baseline"]["digest"]
    moved = host.baseline.rename(host.state / "moved")
    if replace == "link":
        host.baseline.symlink_to(moved)
    elif replace == "pipe":
        os.mkfifo(host.baseline)
    else:
        host.baseline.parent.rmdir()
        host.baseline.parent.write_text("no folder")
    answer = host.run(expected_digest=digest)
    assert rows(answer, "integrity.baseline") == [(str(host.baseline), "critical")]
    with pytest.raises(UpkeepError):
        host.accept(expected_digest=digest)


def test_hostile_names_are_compared_and_shown_harmlessly(host: Host) -> None:
    top = os.fsencode(host.tree)
    names = [b"new\nline", b"tab\t", b"\xff\xfe", b"\x1b[2J", b"back\\slash", b"{\"entries\": 1}", b"a" * 255]
    for name in names[::2]:
        Path(os.fsdecode(top + b"/" + name)).write_text("")
    host.accept()
    for name in names[1::2]:
        Path(os.fsdecode(top + b"/" + name)).write_text("")
    for name in names[::2]:
        Path(os.fsdecode(top + b"/" + name)).write_text("x")
    answer = host.run()
    assert answer["totals"]["added"] == 3 and answer["totals"]["changed"] == 4
    assert json.dumps(answer).isprintable()
    assert all(change["path"].isprintable() for change in answer["changes"])


def test_lists_are_bounded_and_counts_exact(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_ROWS", 10)
    monkeypatch.setattr(judging, "MAX_LISTED", 20)
    monkeypatch.setattr(findings, "MAX_CHANGES", 30)
    host.accept()
    for number in range(40):
        host.write(f"many/{number:02}", "")
    answer = host.run()
    bad = [row for row in answer["checks"] if row["check"] == "integrity.files" and row["status"] == "critical"]
    assert (len(bad), bad[-1]["subject"], bad[-1]["value"]) == (11, "further paths", 31)
    assert answer["totals"]["added"] == 41 and len(answer["changes"]) == 20
    assert len(host.run(return_all=True)["changes"]) == 30


def test_what_runs_with_the_rights_of_others_is_critical_however_much_stands_before_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "MAX_ROWS", 10)
    monkeypatch.setattr(findings, "MAX_CHANGES", 30)
    host.accept()
    for number in range(40):
        host.write(f"many/{number:02}", "")
    assert host.run(severity="warning")["status"] == "warning"
    host.write("zz", "#!").chmod(0o4755)
    assert ("further paths", "critical") in rows(host.run(severity="warning"), "integrity.files")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "../x"}, "name:"), ({"name": ".x"}, "name:"), ({"expected_digest": "abc"}, "64 hexadecimal"),
        ({"state": "accepted"}, "reason:"), ({"state": "accepted", "reason": " \n"}, "reason:"), ({"workers": 9}, "workers: 9"),
        ({"state_directory": "state"}, "not absolute"), ({"baseline_warning_days": -1.0}, "baseline_warning_days"),
        ({"exclude": [".."]}, "exclude"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused_in_words(host: Host, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UpkeepError) as refused:
        host.run(**options)
    assert message in refused.value.message


def test_several_baselines_of_a_host_do_not_meet(host: Host) -> None:
    host.accept(name="etc", paths=[str(host.tree / "etc")])
    assert host.run()["status"] == "unknown"
    assert host.run(name="etc", paths=[str(host.tree / "etc")])["status"] == "ok"


def test_nothing_stays_open(host: Host) -> None:
    host.accept()
    before = len(os.listdir("/proc/self/fd"))
    host.run()
    with pytest.raises(UpkeepError):
        host.write("x", "")
        host.accept(only_if_clean=True)
    assert len(os.listdir("/proc/self/fd")) == before
