"""File systems, interfaces, kills, listeners and restarts: boundaries, sentences, next steps."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources import judging
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import (
    Limits,
    PathRule,
    read_thresholds,
)

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=timezone.utc)
GIB = 1024**3


def rule(**changes: Any) -> PathRule:
    return PathRule(**{"path": "/opt/neurosensefx", "space": Limits(85, 95), "inodes": Limits(85, 95), **changes})


def row(**changes: Any) -> dict[str, Any]:
    return {
        "path": "/opt/neurosensefx", "mount_point": "/", "device": "/dev/vda", "file_system": "ext4",
        "read_only": False, "total_bytes": 50 * GIB, "used_bytes": 45 * GIB, "available_bytes": 4_402_341_478,
        "reserved_bytes": 0, "used_percent": 50.0, "inodes_total": 1000, "inodes_used": 100,
        "inodes_used_percent": 10.0, **changes,
    }


def by_id(checks: list[dict]) -> dict[str, dict]:
    return {check["check"]: check for check in checks}


@pytest.mark.parametrize(
    ("percent", "status"),
    [(84.9, "ok"), (85.0, "warning"), (94.9, "warning"), (95.0, "critical"), (100.0, "critical")],
)
def test_space_and_inodes_at_their_thresholds(percent: float, status: str) -> None:
    checks = by_id(judging.file_system_checks([row(used_percent=percent)], [rule()]))
    assert (checks["disk.space"]["status"], checks["disk.inodes"]["status"]) == (status, "ok")
    checks = by_id(judging.file_system_checks([row(inodes_used_percent=percent)], [rule()]))
    assert (checks["disk.space"]["status"], checks["disk.inodes"]["status"]) == ("ok", status)
    assert ("hint" in checks["disk.inodes"]) == (status != "ok")


def test_a_full_disk_is_told_with_figure_threshold_and_next_step() -> None:
    (check, *_rest) = judging.file_system_checks([row(used_percent=91.2)], [rule()])
    assert check["summary"] == (
        "/opt/neurosensefx is 91.2 % full (warning at 85 %, critical at 95 %); 4.1 GiB are free on /dev/vda."
    )
    assert (check["subject"], check["value"], check["unit"]) == ("/opt/neurosensefx", 91.2, "percent")
    assert "du -xh" in check["hint"]
    assert check["evidence"]["mount_point"] == "/"


def test_a_file_system_that_tells_no_size_is_unknown_and_not_empty() -> None:
    checks = by_id(judging.file_system_checks([row(total_bytes=0, used_percent=0.0, file_system="fuse.x")], [rule()]))
    assert (checks["disk.space"]["status"], checks["disk.readonly"]["status"]) == ("unknown", "ok")
    assert "its file system (fuse.x) does not tell its size" in checks["disk.space"]["summary"]
    assert checks["disk.space"]["hint"]


def test_a_command_in_a_next_step_can_be_pasted() -> None:
    checks = by_id(judging.file_system_checks([row(used_percent=99.0, inodes_used_percent=99.0)], [rule(path="/a b;c")]))
    assert all("'/a b;c' |" in checks[check]["hint"] for check in ("disk.space", "disk.inodes"))


def test_each_path_has_its_own_thresholds() -> None:
    rows = [row(used_percent=90.0), row(used_percent=90.0)]
    rules = [rule(), rule(path="/srv", space=Limits(95, 99))]
    statuses = [c["status"] for c in judging.file_system_checks(rows, rules) if c["check"] == "disk.space"]
    assert statuses == ["warning", "ok"]


@pytest.mark.parametrize(("free", "status"), [(GIB, "ok"), (GIB - 1, "critical")])
def test_too_few_free_bytes_are_critical_whatever_the_percentage(free: int, status: str) -> None:
    (check, *_rest) = judging.file_system_checks([row(available_bytes=free)], [rule(min_free_bytes=GIB)])
    assert check["status"] == status
    assert ("fewer than the 1 GiB" in check["summary"]) == (status == "critical")


def test_no_fixed_number_of_inodes_is_ok_and_said() -> None:
    checks = by_id(judging.file_system_checks([row(inodes_used_percent=None, file_system="btrfs")], [rule()]))
    assert checks["disk.inodes"]["status"] == "ok"
    assert "(btrfs) has no fixed number of inodes" in checks["disk.inodes"]["summary"]


def test_a_file_system_that_became_read_only_is_critical() -> None:
    checks = by_id(judging.file_system_checks([row(read_only=True)], [rule()]))
    assert (checks["disk.readonly"]["status"], checks["disk.readonly"]["value"]) == ("critical", True)
    assert "dmesg" in checks["disk.readonly"]["hint"]


def test_a_file_system_that_is_meant_to_be_read_only_may_be_full() -> None:
    checks = judging.file_system_checks([row(read_only=True, used_percent=100.0)], [rule(read_only=True)])
    assert [(check["check"], check["status"]) for check in checks] == [("disk.readonly", "ok")]


def test_a_writable_file_system_may_not_be_full_even_if_it_was_meant_to_be_read_only() -> None:
    checks = by_id(judging.file_system_checks([row(used_percent=100.0)], [rule(read_only=True)]))
    assert checks["disk.space"]["status"] == "critical"


@pytest.mark.parametrize("read_only", [False, True])
def test_a_path_that_cannot_be_looked_at_is_unknown_by_name_in_one_row(read_only: bool) -> None:
    problem = {"path": "/missing", "problem": "No such file or directory"}
    rules = [rule(path="/missing", read_only=read_only), rule()]
    (check, *others) = judging.file_system_checks([problem, row()], rules)
    assert (check["check"], check["status"], check["subject"]) == ("disk.space", "unknown", "/missing")
    assert check["summary"] == "/missing could not be checked: No such file or directory."
    assert check["hint"]
    assert {other["subject"] for other in others} == {"/opt/neurosensefx"}


def interface(errors: float = 0.0, drops: float = 0.0) -> dict[str, Any]:
    return {"name": "eth0", "errors_per_second": errors, "drops_per_second": drops, "errors_total": 1, "drops_total": 2}


@pytest.mark.parametrize(
    ("errors", "drops", "status", "value", "warning"),
    [
        (0.0, 0.0, "ok", 0.0, 1.0),
        (0.99, 99.9, "ok", 0.99, 1.0),
        (1.0, 0.0, "warning", 1.0, 1.0),
        (100.0, 0.0, "critical", 100.0, 1.0),
        (0.0, 100.0, "warning", 100.0, 100.0),
        (1.0, 10000.0, "critical", 10000.0, 100.0),
    ],
)
def test_errors_and_drops(errors: float, drops: float, status: str, value: float, warning: float) -> None:
    (check,) = judging.interface_checks([interface(errors, drops)], {}, read_thresholds({}))
    assert (check["status"], check["value"], check["warning"]) == (status, value, warning)
    assert ("evidence" in check) == (status != "ok")


def test_interfaces_that_cannot_be_read_are_unknown() -> None:
    (check,) = judging.interface_checks(None, {"interfaces": "/proc/net/dev cannot be read"}, read_thresholds({}))
    assert check["status"] == "unknown"


def killed(since_boot: int, since_last_run: int | None = None, last_run: datetime | None = None, **options: Any) -> dict:
    metrics = {"oom_kills": {"since_boot": since_boot, "since_last_run": since_last_run}, "uptime_seconds": 7200.0}
    return judging.oom_check(
        metrics, {}, options.get("limits", Limits(1, None)), last_run=last_run, now=NOW, top_processes=()
    )


def test_kills_without_a_past_count_since_the_host_started() -> None:
    check = killed(2)
    assert (check["status"], check["value"]) == ("warning", 2)
    assert check["summary"] == (
        "2 processes were killed for want of memory since the host started 2 hours ago (warning at 1)."
    )


def test_old_kills_do_not_warn_for_ever() -> None:
    check = killed(7, 0, NOW - timedelta(days=1))
    assert (check["status"], check["value"]) == ("ok", 0)
    assert check["summary"] == "No process was killed for want of memory since the last run 1 day ago (warning at 1)."


@pytest.mark.parametrize(("count", "status"), [(0, "ok"), (1, "warning"), (4, "warning"), (5, "critical")])
def test_kills_at_their_thresholds(count: int, status: str) -> None:
    assert killed(9, count, NOW - timedelta(hours=1), limits=Limits(1, 5))["status"] == status


def test_kills_that_are_not_counted_are_unknown() -> None:
    check = judging.oom_check(
        {"oom_kills": None}, {"oom_kills": "/proc/vmstat does not count oom_kill"}, Limits(1, None), last_run=None, now=NOW
    )
    assert check["status"] == "unknown"


def listeners(limits: dict[str, float] | None = None, **counters: dict[str, Any] | None) -> dict[str, dict]:
    metrics = {
        "listen_drops": {"since_boot": 0, "since_last_run": None, "overflows_since_boot": 0},
        "syn_flood": {"since_boot": 0, "since_last_run": None},
        "uptime_seconds": 7200.0,
        **counters,
    }
    last_runs = {"listen_drops": NOW - timedelta(days=1), "syn_flood": NOW - timedelta(hours=3)}
    return by_id(
        judging.listener_checks(
            metrics, {name: f"no {name}" for name in counters}, read_thresholds(limits), last_runs=last_runs, now=NOW
        )
    )


@pytest.mark.parametrize(
    ("counters", "check", "value", "status", "summary"),
    [
        pytest.param(
            {"listen_drops": {"since_boot": 3000, "since_last_run": 100}}, "network.listen_drops", 100, "warning",
            "Listeners dropped 100 attempts to connect since the last run 1 day ago (warning at 100).", id="drops",
        ),
        pytest.param(
            {"listen_drops": {"since_boot": 3000, "since_last_run": 1}}, "network.listen_drops", 1, "ok",
            "Listeners dropped 1 attempt to connect since the last run 1 day ago (warning at 100).", id="one drop",
        ),
        pytest.param(
            {"listen_drops": {"since_boot": 3000, "since_last_run": None}}, "network.listen_drops", 3000, "warning",
            "Listeners dropped 3000 attempts to connect since the host started 2 hours ago (warning at 100).", id="first run",
        ),
        pytest.param(
            {"syn_flood": {"since_boot": 500, "since_last_run": 120}}, "network.syn_flood", 120, "warning",
            "120 requests to connect met a full queue of half-open connections since the last run 3 hours ago (warning at 100).",
            id="flood",
        ),
        pytest.param(
            {"syn_flood": {"since_boot": 99, "since_last_run": None}}, "network.syn_flood", 99, "ok",
            "99 requests to connect met a full queue of half-open connections since the host started 2 hours ago (warning at 100).",
            id="no flood",
        ),
    ],
)
def test_what_listeners_lost(counters: dict, check: str, value: int, status: str, summary: str) -> None:
    checks = listeners(**counters)
    found = checks.pop(check)
    assert (found["status"], found["value"], found["summary"]) == (status, value, summary)
    assert (found["subject"], found["unit"], found["warning"], found["critical"]) == ("listeners", "count", 100, None)
    assert ("hint" in found) == ("evidence" in found) == (status == "warning")
    assert [other["status"] for other in checks.values()] == ["ok"]


@pytest.mark.parametrize(("name", "step"), [("listen_drops", "ss -lnt"), ("syn_flood", "ss -nt state syn-recv")])
def test_listeners_have_thresholds_of_their_own_and_a_next_step(name: str, step: str) -> None:
    limits = {f"{name}_warning_count": 5.0, f"{name}_critical_count": 6.0}
    row = {"since_boot": 90, "since_last_run": 6}
    check = listeners(limits, **{name: row})[f"network.{name}"]
    assert (check["status"], check["warning"], check["critical"], check["evidence"]) == ("critical", 5, 6, row)
    assert step in check["hint"]


@pytest.mark.parametrize("name", ["listen_drops", "syn_flood"])
def test_what_listeners_lost_is_unknown_where_it_is_not_counted(name: str) -> None:
    check = listeners(**{name: None})[f"network.{name}"]
    assert (check["status"], check["summary"]) == ("unknown", f"listeners could not be checked: no {name}.")
    assert "/proc/net/netstat" in check["hint"]


def restart(**changes: Any) -> dict[str, Any]:
    return {
        "reboot_required": False, "reasons": [], "packages": [], "running_kernel": "6.1.0-9-amd64",
        "newer_kernel": None, "processes": [], "processes_found": 0, "processes_scanned": 50,
        "processes_unreadable": 0, **changes,
    }


def test_nothing_waits_for_a_restart() -> None:
    checks = judging.restart_checks(restart())
    assert [(check["subject"], check["status"]) for check in checks] == [("host", "ok"), ("processes", "ok")]


def test_the_host_waits_for_a_restart() -> None:
    (check, _processes) = judging.restart_checks(
        restart(reboot_required=True, reasons=["/run/reboot-required exists"], packages=["libc6"])
    )
    assert (check["status"], check["value"]) == ("warning", True)
    assert check["summary"] == "The host waits for a restart: /run/reboot-required exists."
    assert check["evidence"]["packages"] == ["libc6"]


def test_services_that_run_old_code_are_named_by_their_units() -> None:
    processes = [
        {"pid": pid, "name": name, "unit": unit, "deleted": ["/usr/lib/libssl.so.3"]}
        for pid, name, unit in ((1, "a", "a.service"), (2, "a", "a.service"), (3, "b", None), (4, "c", None), (5, "d", None))
    ]
    (_host, check) = judging.restart_checks(restart(processes=processes, processes_found=5))
    assert (check["status"], check["value"]) == ("warning", 5)
    assert "5 of 50 processes still run code that was replaced or removed: a.service, b, c and 1 more." in check["summary"]
    assert check["evidence"]["processes"][0]["deleted"] == ["/usr/lib/libssl.so.3"]


@pytest.mark.parametrize(
    ("scanned", "unreadable", "required", "status"),
    [
        pytest.param(50, 0, [], "ok", id="all looked at"),
        pytest.param(5, 45, [], "ok", id="an ordinary user, and it is said"),
        pytest.param(5, 45, ["restart.required"], "unknown", id="an ordinary user where all must be looked at"),
        pytest.param(0, 50, [], "unknown", id="none looked at"),
        pytest.param(50, 0, ["restart.required"], "ok", id="required and all looked at"),
    ],
)
def test_processes_that_may_not_be_looked_at(scanned: int, unreadable: int, required: list, status: str) -> None:
    looked = restart(processes_scanned=scanned, processes_unreadable=unreadable)
    (_host, check) = judging.restart_checks(looked, required)
    assert check["status"] == status
    if unreadable:
        assert str(unreadable) in check["summary"]
