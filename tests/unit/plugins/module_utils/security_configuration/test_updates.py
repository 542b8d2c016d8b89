"""What dpkg and apt answer, how old the lists are, and what that means."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.apt_answers import (
    Archive,
    Package,
    Update,
    read_packages,
    read_periodic,
    read_release,
    read_updates,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.updates import (
    Limits,
    age_of_lists,
    inspect_updates,
    judge_updates,
    read_archives,
)

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=timezone.utc)
LIMITS = Limits(168.0, False)

POLICY = """openssl:
  Installed: 3.0.15-1~deb12u1
  Candidate: 3.0.17-1~deb12u3
  Version table:
     3.0.17-1~deb12u3 500
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
     3.0.17-1~deb12u2 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
 *** 3.0.15-1~deb12u1 100
        100 /var/lib/dpkg/status
libc6:i386:
  Installed: 2.36-9+deb12u13
  Candidate: 2.36-9+deb12u13
  Version table:
 *** 2.36-9+deb12u13 500
        500 http://deb.debian.org/debian bookworm/main i386 Packages
        100 /var/lib/dpkg/status
     2.36-9+deb12u7 500
        500 http://deb.debian.org/debian-security bookworm-security/main i386 Packages
nginx:
  Installed: 1.22.1-9
  Candidate: 1.22.1-9
  Version table:
     1.22.1-9+deb12u2 -1
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
 *** 1.22.1-9 990
        100 /var/lib/dpkg/status
tzdata:
  Installed: 2024a-0+deb12u1
  Candidate: 2025b-0+deb12u1
  Version table:
     2025b-0+deb12u1 500 (phased 10%)
        500 http://deb.debian.org/debian bookworm-updates/main amd64 Packages
 *** 2024a-0+deb12u1 100
        100 /var/lib/dpkg/status
curl:
  Installed: 7.88.1-10
  Candidate: 7.88.1-10+deb12u12
  Version table:
     7.88.1-10+deb12u12 500
        500 http://deb.debian.org/debian bookworm/main amd64 Packages
     7.88.1-10+deb12u5 500
        500 http://archive.example/debian stable-security/main amd64 Packages
 *** 7.88.1-10 100
        100 /var/lib/dpkg/status
gone:
  Installed: (none)
  Candidate: 1
  Version table:
     1 500
        500 http://deb.debian.org/debian-security bookworm-security/main amd64 Packages
"""


def test_installed_packages_are_read() -> None:
    output = "ii  openssl\nhi  nginx\nrc  old\niU  half:amd64\nii R damaged\nun  never\niHR worse\n\nnonsense\n"
    assert read_packages(output) == [
        Package("openssl", False, True), Package("nginx", True, True), Package("half:amd64", False, False), Package("damaged", False, False),
        Package("worse", False, False),
    ]  # fmt: skip


def test_newer_versions_of_archives_of_security_updates_are_found() -> None:
    found = read_updates(POLICY, {"curl"})
    assert [(one.package, one.installed, one.security, one.candidate, one.held, one.kept_back) for one in found] == [
        ("openssl", "3.0.15-1~deb12u1", "3.0.17-1~deb12u3", "3.0.17-1~deb12u3", False, False),
        ("nginx", "1.22.1-9", "1.22.1-9+deb12u2", "1.22.1-9", False, True),
        # A point release went past the security update that is missing here.
        ("curl", "7.88.1-10", "7.88.1-10+deb12u5", "7.88.1-10+deb12u12", True, True),
    ]


@pytest.mark.parametrize("output", ["", "\0\x1b[2J\n", "x:\n", "a" * 100_000, "N: Unable to locate package x\n"])
def test_other_answers_hold_no_update(output: str) -> None:
    assert read_updates(output, ()) == []


RELEASE = """-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

Origin: Debian
Label: {label}
Suite: {suite}
Codename: {codename}
Date: {date}
MD5Sum:
 a b c
"""


@pytest.mark.parametrize(
    ("label", "suite", "codename", "security"),
    [
        ("Debian-Security", "stable-security", "trixie-security", True), ("Debian", "stable", "trixie", False), ("Ubuntu", "noble-security", "noble", True),
        ("Debian", "stable-updates", "trixie-updates", False), ("Debian-Security", "stable", "buster/updates", True),
    ],
)  # fmt: skip
def test_what_a_list_says_of_itself(label: str, suite: str, codename: str, security: bool) -> None:
    text = RELEASE.format(label=label, suite=suite, codename=codename, date="Thu, 26 Nov 2026 21:03:35 UTC")
    assert read_release(text) == Archive(suite, security, datetime(2026, 11, 26, 21, 3, 35, tzinfo=timezone.utc))


@pytest.mark.parametrize("date", ["", "soon", "99999999999", "Thu, 26 Nov 2026 21:03:35 -0000"])
def test_a_list_without_a_date_tells_no_age(date: str) -> None:
    archive = read_release(RELEASE.format(label="Debian-Security", suite="s", codename="c", date=date))
    assert age_of_lists([archive], [NOW], NOW) is None


def dated(hours: float, security: bool = True) -> Archive:
    return Archive("s", security, NOW - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("archives", "stamps", "age"),
    [
        ([], [1.0], None), ([dated(5, False)], [], None), ([dated(5)], [], 5.0), ([dated(50), dated(30)], [], 30.0), ([dated(50)], [2.0], 2.0),
        ([dated(5)], [20.0], 5.0), ([dated(50)], [-5.0], 50.0), ([dated(-3)], [], 0.0),
    ],
)  # fmt: skip
def test_the_age_of_the_lists(archives: list[Archive], stamps: list[float], age: float | None) -> None:
    assert age_of_lists(archives, [NOW - timedelta(hours=hours) for hours in stamps], NOW) == age


WAITING = Update("openssl", "1", "2", "2", False)
HELD = Update("nginx", "1", "2", "2", True)


@pytest.mark.parametrize(
    ("updates", "age", "expected"),
    [
        ([], 5.0, [("updates.pending", "packages", "ok")]),
        ([WAITING], 5.0, [("updates.pending", "packages", "warning")]),
        ([HELD], 5.0, [("updates.kept_back", "nginx", "warning"), ("updates.pending", "packages", "ok")]),
        # What the lists know is told even when they are old; that they know of nothing is not.
        ([WAITING], 500.0, [("updates.pending", "packages", "warning"), ("updates", "lists", "unknown")]),
        ([], 168.1, [("updates", "lists", "unknown")]),
        ([], 168.0, [("updates.pending", "packages", "ok")]),
        ([], None, [("updates", "lists", "unknown")]),
        ([WAITING], None, [("updates.pending", "packages", "warning"), ("updates", "lists", "unknown")]),
    ],
)
def test_what_waits_and_what_is_known(updates: list[Update], age: float | None, expected: list[tuple[str, str, str]]) -> None:
    assert [(one.rule, one.subject, one.status) for one in judge_updates(updates, age, LIMITS, [])] == expected


def test_many_updates_are_one_bounded_row() -> None:
    (finding,) = judge_updates([Update(f"p{number}", "1", "2", "2", False) for number in range(500)], 1.0, LIMITS, [])
    assert finding.value == 500 and "p0 2, p1 2, p2 2, p3 2, p4 2, …" in finding.summary and len(str(finding.row())) < 2500


def test_what_apt_does_by_itself() -> None:
    dump = 'APT "";\nAPT::Periodic "";\nAPT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "always";\nAPT::Periodic::Enable "x";\n'
    assert read_periodic(dump) == {"Update-Package-Lists": 1, "Unattended-Upgrade": 1, "Enable": 0}


def test_lists_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/apt/lists"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "x_InRelease")
    (folder / "y_Release").write_text(RELEASE.format(label="Debian", suite="s", codename="c", date="Thu, 26 Nov 2026 21:03:35 UTC"))
    (folder / "z_Packages").write_text("Label: Debian-Security\nDate: Thu, 26 Nov 2026 21:03:35 UTC\n")
    archives, problems = read_archives(Host(str(tmp_path)))
    assert [archive.security for archive in archives] == [False] and problems == ["x_InRelease is no regular file"]


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, script in scripts.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


DPKG = "printf 'ii  openssl\\nhi  nginx\\n'"


@pytest.mark.parametrize(
    ("dpkg", "apt", "said"),
    [
        ("exit 2", "true", "dpkg could not be asked which packages are installed"),
        ("true", "true", "dpkg could not be asked"),
        (DPKG, "echo 'E: The list of sources could not be read.' >&2; exit 100", "The list of sources could not be read"),
        (DPKG, "exec sleep 60", "it did not answer in time"),
        ("exec sleep 60", "true", "it did not answer in time"),
    ],
)
def test_programs_that_do_not_answer_are_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dpkg: str, apt: str, said: str) -> None:
    programs(tmp_path / "bin", monkeypatch, dpkg_query=dpkg, apt_cache=apt, apt_config="echo")
    seconds = 0.5 if "sleep" in dpkg + apt else 20.0
    findings, _figures = inspect_updates(LIMITS, now=NOW, timeout_seconds=seconds, host=Host(str(tmp_path)))
    assert findings[0].status == "unknown" and said in findings[0].summary
    assert not [one for one in findings if one.rule == "updates.pending"]


def test_the_whole_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy").write_text(POLICY)
    programs(
        tmp_path / "bin", monkeypatch, dpkg_query=f"{DPKG}; echo 'iF  half'", apt_cache=f"cat {tmp_path}/policy", unattended_upgrade="true",
        apt_config="echo 'APT::Periodic::Update-Package-Lists \"1\";'",
    )  # fmt: skip
    lists = tmp_path / "var/lib/apt/lists"
    lists.mkdir(parents=True)
    (lists / "s_InRelease").write_text(RELEASE.format(label="Debian-Security", suite="s", codename="c", date="Sat, 28 Nov 2026 00:00:00 UTC"))
    (tmp_path / "run").mkdir()
    (tmp_path / "run/reboot-required").touch()
    findings, figures = inspect_updates(Limits(168.0, True), now=NOW, timeout_seconds=20.0, host=Host(str(tmp_path)))
    assert {(one.rule, one.subject, one.status) for one in findings} == {
        ("updates.kept_back", "nginx", "warning"), ("updates.pending", "packages", "warning"), ("updates.unfinished", "dpkg", "warning"),
        ("updates.reboot", "host", "warning"), ("updates.unattended", "unattended-upgrades", "warning"),
    }  # fmt: skip
    (unattended,) = [one for one in findings if one.rule == "updates.unattended"]
    assert "APT::Periodic::Unattended-Upgrade is 0" in unattended.summary and "not installed" not in unattended.summary
    assert (figures["pending"], figures["kept_back"], figures["lists_age_hours"], figures["held"]) == (3, 1, 12.0, ["nginx"])
    relaxed, _figures = inspect_updates(LIMITS, now=NOW, timeout_seconds=20.0, host=Host(str(tmp_path)))
    assert [one.status for one in relaxed if one.rule == "updates.unattended"] == ["ok"]
