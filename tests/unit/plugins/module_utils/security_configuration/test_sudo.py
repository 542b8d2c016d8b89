"""What sudoers allows by the way. Who has which right is the business of access_review."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.sudo import inspect_sudo

SECURE = 'Defaults secure_path="/usr/sbin:/usr/bin"\n'
as_root = pytest.mark.usefixtures("root")


def found(root: Path, text: str) -> list[tuple[str, str, str]]:
    (root / "etc").mkdir(exist_ok=True)
    (root / "etc/sudoers").write_text(text)
    findings, _figures = inspect_sudo(Host(str(root)))
    return [(one.rule, one.subject, one.status) for one in findings if one.status != "ok"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Defaults env_reset, mail_badpass", []),
        ("Defaults use_pty", []),
        ('Defaults env_keep += "LANG LC_ALL"', []),
        ('Defaults env_keep += "LANG LD_PRELOAD"', [("environment", "env_keep", "critical")]),
        ("Defaults:%ops env_keep = PYTHONPATH", [("environment", "env_keep", "critical")]),
        ('Defaults env_keep += "NODE_OPTIONS=*"', [("environment", "env_keep", "critical")]),
        ("Defaults !env_reset", [("environment", "env_reset", "critical")]),
        ("Defaults setenv", [("environment", "env_reset", "critical")]),
        ("Defaults !setenv", []),
        ("Defaults:bob !authenticate", [("password", "authenticate", "warning")]),
        ("Defaults timestamp_timeout=-1", [("password", "timestamp_timeout", "warning")]),
        ("Defaults timestamp_timeout=15", []),
        ("Defaults timestamp_timeout=600", [("password", "timestamp_timeout", "warning")]),
    ],
)
def test_settings(tmp_path: Path, line: str, expected: list[tuple[str, str, str]]) -> None:
    assert found(tmp_path, f"{SECURE}{line}\n") == [
        (f"sudoers.{rule}", f"/etc/sudoers:2 {subject}", status) for rule, subject, status in expected
    ]


@pytest.mark.parametrize("text", ["root ALL=(ALL:ALL) ALL\n", "Defaults:bob secure_path=/bin\n", "Defaults !secure_path\n"])
def test_without_a_path_for_everybody(tmp_path: Path, text: str) -> None:
    assert ("sudoers.path", "secure_path", "warning") in found(tmp_path, text)


def test_a_path_among_other_settings_counts(tmp_path: Path) -> None:
    assert found(tmp_path, "Defaults env_reset, secure_path=/bin:/usr/bin\n") == []


@as_root
@pytest.mark.parametrize(
    ("commands", "expected"),
    [
        ("/usr/bin/systemctl restart app", []),
        ("/usr/bin/systemctl restart *", [("wildcard", "warning")]),
        ("/usr/bin/*", [("wildcard", "warning")]),
        ("/opt/app/bin/deploy", [("writable_command", "critical")]),
        ("/opt/app/bin/missing", [("writable_command", "critical")]),
        ("/usr/bin/missing", []),
        ("/opt/app/bin/*", [("wildcard", "warning"), ("writable_command", "critical")]),
        ("sha256:abcd /opt/app/bin/deploy", [("writable_command", "critical")]),
        ("ALL, !/bin/su", [("except", "warning")]),
        ("/bin/ls, !/bin/su", []),
        ("ALL", []),
    ],
)
def test_commands(tmp_path: Path, commands: str, expected: list[tuple[str, str]]) -> None:
    tmp_path.chmod(0o755)
    for folder in ("usr/bin", "bin", "opt/app/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for path in ("usr/bin/systemctl", "opt/app/bin/deploy", "bin/ls"):
        (tmp_path / path).touch()
    os.chown(tmp_path / "opt/app", 1000, 1000)
    text = f"{SECURE}root ALL=(ALL) /opt/app/bin/deploy\nbob ALL=(root) NOPASSWD: {commands}\n"
    rows = found(tmp_path, text)
    assert [(rule, status) for rule, _subject, status in rows] == [(f"sudoers.{rule}", status) for rule, status in expected]
    assert all(subject.startswith("/etc/sudoers:3 ") for _rule, subject, _status in rows)
    assert len({subject for _rule, subject, _status in rows}) == len(rows)


@as_root
@pytest.mark.parametrize(("mode", "group", "status"), [(0o777, 0, True), (0o1777, 0, False), (0o775, 50, True), (0o775, 0, False), (0o755, 50, False)])
def test_folders_of_commands(tmp_path: Path, mode: int, group: int, status: bool) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt/tool").touch()
    os.chown(tmp_path / "opt", 0, group)
    (tmp_path / "opt").chmod(mode)
    rows = found(tmp_path, f"{SECURE}bob ALL=(root) /opt/tool\n")
    assert bool(rows) is status


def test_no_sudo_says_nothing_and_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    assert inspect_sudo(Host(str(tmp_path))) == ([], {"installed": False})
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/sudoers")
    findings, _figures = inspect_sudo(Host(str(tmp_path)))
    assert [(one.subject, one.status) for one in findings] == [("/etc/sudoers", "unknown")]


def test_hostile_text_is_shown_on_one_line(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/sudoers").write_bytes(b"bob ALL=(root) /bin/\x1b[2J\xff*\nDefaults env_keep=\"LD_\x00X *\"\n" + b"a" * 100_000)
    findings, _figures = inspect_sudo(Host(str(tmp_path)))
    assert findings
    for finding in findings:
        row = finding.row()
        assert (row["subject"] + row["summary"]).isprintable() and len(row["summary"]) <= 500
