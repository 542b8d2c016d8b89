"""The system's own logrotate: what it is told to rotate, whether it lives, and whether its configuration is valid."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.commands import CommandResult, run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.logrotate_configuration import (
    Configuration,
    Managed,
    check_managed_twice,
    matches,
    parse,
    read_configuration,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.logrotate_health import (
    Logrotate,
    look_at_logrotate,
    system_rotation_checks,
)

HOUR = 3600.0
OPTIONS = {"required": False, "warning_hours": 50.0, "critical_hours": 192.0, "unrotated_bytes": 1000}

TEXT = """
# a comment {
weekly
include /etc/more.d
compress
/var/log/nginx/*.log {
    daily
    postrotate
        if [ -f /run/nginx.pid ]; then
            { kill -USR1 `cat /run/nginx.pid`; }
        fi
        }
    endscript
}
"/var/log/with space.log" /var/log/second.log
/var/log/third.log
{
    rotate 4
    prerotate
/var/log/not-a-log {
    endscript }
}
/var/log/one-line.log { rotate 2 }
/var/log/last.log {
"""


def test_the_patterns_of_a_configuration() -> None:
    patterns, includes = parse(TEXT)
    assert includes == ["/etc/more.d"]
    assert patterns[:4] == ["/var/log/nginx/*.log", "/var/log/with space.log", "/var/log/second.log", "/var/log/third.log"]
    assert "/var/log/not-a-log" not in patterns


def test_included_folders_without_what_logrotate_leaves_out(tmp_path: Path) -> None:
    inside = tmp_path / "d"
    inside.mkdir()
    main = tmp_path / "logrotate.conf"
    main.write_text(f"include {inside}\ninclude {main}\ninclude {tmp_path / 'missing'}\n")
    for name in ("app", "old.dpkg-old", "editor~", ".hidden"):
        (inside / name).write_text(f"/logs/{name} {{\n}}\n")
    os.mkfifo(inside / "pipe")
    (inside / "binary").write_bytes(bytes(range(256)))
    found = read_configuration(str(main))
    assert found == Configuration([Managed("/logs/app", str(inside / "app"))], [])
    assert read_configuration(str(tmp_path / "missing")) == Configuration([], [])


@pytest.mark.parametrize(
    ("pattern", "path", "means"),
    [
        ("/var/log/*.log", "/var/log/app.log", True),
        ("/var/log/*.log", "/var/log/app/app.log", False),
        ("/var/log/*/*.log", "/var/log/app/app.log", True),
        ("/var/log/app.log", "/var/log/app.log.1", False),
        ("/var//log/./app.log", "/var/log/app.log", True),
        ("/var/log/[ab].log", "/var/log/a.log", True),
    ],
)
def test_what_a_pattern_means(pattern: str, path: str, means: bool) -> None:
    assert matches(pattern, path) is means


def test_a_log_that_is_rotated_twice() -> None:
    configuration = Configuration([Managed("/logs/*.log", "/etc/logrotate.d/app"), Managed("/var/log/x", "/etc/x")], [])
    paths = ["/logs/a.log", "/logs/b.log", "/other/c.log"]
    (row,) = check_managed_twice(paths, configuration)
    assert (row["status"], row["subject"], row["value"]) == ("warning", "/etc/logrotate.d/app: /logs/*.log", 2)
    assert "/logs/a.log and 1 more would be rotated twice" in row["summary"] and row["hint"]
    (fine,) = check_managed_twice(paths[2:], configuration)
    assert fine["status"] == "ok"
    (unread,) = check_managed_twice(paths[2:], Configuration([], ["/etc/logrotate.conf cannot be read (Permission denied)"]))
    assert unread["status"] == "unknown" and "Permission denied" in unread["summary"]
    assert check_managed_twice([], configuration) == []


def dry_run(returncode: int = 0, stderr: str = "", **more: Any) -> CommandResult:
    return CommandResult(("logrotate",), returncode, "", stderr, **more)


def alive(**changes: Any) -> Logrotate:
    facts: dict[str, Any] = {
        "program": "/usr/sbin/logrotate", "state_file": "/var/lib/logrotate/status", "state_age_seconds": 5 * HOUR,
        "installed_seconds": 900 * HOUR, "timer": "active", "service_result": "success", "dry_run": dry_run(),
    }
    return Logrotate(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, "ok", "ran last 5 hours ago (warning at 50 hours, critical at 192 hours); its timer is active"),
        ({"state_age_seconds": 50 * HOUR}, "warning", "2 days ago"),
        ({"state_age_seconds": 192 * HOUR}, "critical", "8 days ago"),
        ({"service_result": "exit-code"}, "warning", "last run of logrotate.service failed (exit-code)"),
        ({"timer": "inactive"}, "warning", "nothing starts it"),
        ({"timer": "inactive", "cron": "/etc/cron.daily/logrotate"}, "warning", "nothing starts it"),
        ({"timer": None, "cron": "/etc/cron.daily/logrotate"}, "ok", "cron runs /etc/cron.daily/logrotate"),
        ({"state_age_seconds": None}, "warning", "has never run on this host; its timer is active"),
        ({"state_age_seconds": None, "installed_seconds": HOUR}, "ok", "has not run yet; its timer is active, and was installed 1 hour ago."),
        ({"state_age_seconds": None, "installed_seconds": HOUR, "timer": "missing"}, "warning", "nothing starts it"),
    ],
)
def test_whether_it_lives(changes: dict[str, Any], status: str, said: str) -> None:
    life, _configuration = system_rotation_checks(alive(**changes), [], OPTIONS)
    assert life["status"] == status and said in life["summary"], life
    assert (status == "ok") is ("hint" not in life)


@pytest.mark.parametrize(
    ("changes", "status", "said"),
    [
        ({}, "ok", "is valid"),
        ({"dry_run": dry_run(1, "error: x"), "errors": ["app:3 unknown option", "bad"]}, "warning", "app:3 unknown option and 1 more"),
        ({"dry_run": dry_run(1)}, "warning", "exit status 1"),
        ({"dry_run": dry_run(-9, timed_out=True)}, "unknown", "did not end in time"),
        ({"dry_run": None, "privileged": False}, "unknown", "only root may read"),
        ({"dry_run": None}, "unknown", "/etc/logrotate.conf does not exist"),
    ],
)
def test_whether_its_configuration_is_valid(changes: dict[str, Any], status: str, said: str) -> None:
    _life, row = system_rotation_checks(alive(**changes), [], OPTIONS)
    assert row["status"] == status and said in row["summary"], row


@pytest.mark.parametrize(
    ("options", "sizes", "status"),
    [
        ({}, [], "ok"), ({}, [999], "ok"), ({}, [500, 500], "warning"), ({"unrotated_bytes": 0}, [5000], "ok"),
        ({"required": True}, [], "unknown"),
    ],
)
def test_a_host_without_logrotate(options: dict[str, Any], sizes: list[int], status: str) -> None:
    (row,) = system_rotation_checks(Logrotate(), sizes, {**OPTIONS, **options})
    assert row["status"] == status and "not installed" in row["summary"]


def test_the_real_logrotate_finds_a_mistake(tmp_path: Path) -> None:
    found = look_at_logrotate(now=0.0, timeout_seconds=30.0, privileged=False)
    assert found.program is not None, "logrotate is not installed; apt install logrotate"
    broken = tmp_path / "broken.conf"
    broken.write_text("/tmp/x.log {\n  rotate many\n}\n")
    broken.chmod(0o644)
    answer = run_command([found.program, "-d", str(broken)])
    assert "error: " in answer.stderr, "the errors of logrotate begin in the way that is looked for"
