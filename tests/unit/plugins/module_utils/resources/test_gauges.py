"""Figures of which a host has one: every threshold at its boundary, what is unknown, what is left out."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.gauges import (
    GAUGES,
    REQUIRABLE,
    Gauge,
    gauge_checks,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import (
    DEFAULTS,
    Limits,
    option_name,
    read_thresholds,
)

GIB = 1024**3
QUIET: dict[str, Any] = {
    "cpu": {"scope": "host", "usage_percent": 3.0, "iowait_percent": 0.0, "steal_percent": 0.0, "cores": 2,
            "limit_cores": None},
    "load": {"per_core": 0.1, "cores": 2},
    "memory": {"scope": "host", "used_percent": 40.0, "available_bytes": 6 * GIB, "total_bytes": 10 * GIB},
    "swap": {"used_percent": 0.0, "used_bytes": 0, "total_bytes": GIB},
    "cpu_pressure": {"graded_percent": 0.0},
    "memory_pressure": {"graded_percent": 0.0},
    "io_pressure": {"graded_percent": 0.0},
    "conntrack": {"used_percent": 1.0, "count": 1, "max": 100},
    "files": {"used_percent": 0.0, "open": 1, "max": 100},
}
TOP = [
    {"pid": 5, "name": "node server.js", "user": "neurosense", "unit": "tick-backend.service", "state": "R",
     "cpu_percent": 99.0, "rss_bytes": 10, "pss_bytes": 9, "top_by": ["cpu"]},
    {"pid": 6, "name": "redis-server", "user": "redis", "unit": "redis.service", "state": "S",
     "cpu_percent": 0.0, "rss_bytes": 5 * GIB, "pss_bytes": None, "top_by": ["memory"]},
]


CRITICAL_WHERE_IT_IS_OFF = {f"{resource}_critical_percent": 95.0 for resource in ("cpu", "iowait", "steal", "cpu_pressure")}


def metrics(**changes: Any) -> dict[str, Any]:
    result = copy.deepcopy(QUIET)
    for source, figures in changes.items():
        result[source] = figures if figures is None else {**result[source], **figures}
    return result


def rows(measured: dict[str, Any], unavailable: dict[str, str] | None = None, **options: Any) -> dict[str, dict]:
    checks = gauge_checks(
        measured, unavailable or {}, options.get("top", TOP), read_thresholds(options.get("thresholds")),
        options.get("required", ()),
    )
    return {check["check"]: check for check in checks}


def test_a_quiet_machine_is_ok_in_every_check() -> None:
    checks = rows(metrics())
    assert set(checks) == {gauge.check for gauge in GAUGES}
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert not any("evidence" in check or "hint" in check for check in checks.values())


@pytest.mark.parametrize("gauge", GAUGES, ids=lambda gauge: gauge.check)
def test_every_threshold_is_reached_at_its_figure_and_not_before(gauge: Gauge) -> None:
    thresholds = dict(CRITICAL_WHERE_IT_IS_OFF)
    warning, critical = read_thresholds(thresholds)[gauge.resource]
    assert warning is not None
    assert critical is not None
    step = 0.01 if DEFAULTS[gauge.resource].unit == "per_core" else 0.1
    for value, status in (
        (warning - step, "ok"),
        (warning, "warning"),
        (critical - step, "warning"),
        (critical, "critical"),
    ):
        check = rows(metrics(**{gauge.source: {gauge.key: value}}), thresholds=thresholds)[gauge.check]
        assert (check["value"], check["status"]) == (value, status)
        assert (check["warning"], check["critical"]) == (warning, critical)
        assert ("hint" in check) == (status != "ok")


@pytest.mark.parametrize("gauge", GAUGES, ids=lambda gauge: gauge.check)
def test_every_threshold_can_be_moved_and_switched_off(gauge: Gauge) -> None:
    measured = metrics(**{gauge.source: {gauge.key: 50.0}})
    names = [option_name(gauge.resource, level) for level in ("warning", "critical")]
    assert rows(measured, thresholds=dict.fromkeys(names, 0))[gauge.check]["status"] == "ok"
    assert rows(measured, thresholds={names[0]: 0, names[1]: 50})[gauge.check]["status"] == "critical"
    assert rows(measured, thresholds={names[0]: 50, names[1]: 51})[gauge.check]["status"] == "warning"


def test_all_processors_busy_for_a_moment_is_a_warning_and_names_who_it_is() -> None:
    check = rows(metrics(cpu={"usage_percent": 100.0}))["cpu.usage"]
    assert check["status"] == "warning"
    assert check["summary"] == "The processors are 100 % busy (warning at 80 %)."
    assert check["evidence"] == {
        "top_processes": [
            {"pid": 5, "name": "node server.js", "user": "neurosense", "unit": "tick-backend.service", "state": "R",
             "cpu_percent": 99.0}
        ]
    }


def test_memory_names_who_holds_it() -> None:
    check = rows(metrics(memory={"used_percent": 96.5}))["memory.usage"]
    assert check["summary"] == (
        "Memory is 96.5 % used (warning at 85 %, critical at 95 %); 6 GiB of 10 GiB are available."
    )
    assert [row["pid"] for row in check["evidence"]["top_processes"]] == [6]
    assert check["evidence"]["top_processes"][0]["rss_bytes"] == 5 * GIB


def test_evidence_is_bounded() -> None:
    many = [{**TOP[0], "pid": pid} for pid in range(100)]
    check = rows(metrics(cpu={"usage_percent": 100.0}), top=many)["cpu.usage"]
    assert len(check["evidence"]["top_processes"]) == 5


def test_a_container_says_that_it_is_one() -> None:
    checks = rows(metrics(cpu={"scope": "cgroup", "limit_cores": 0.5}, memory={"scope": "cgroup"}))
    assert "this container may use 0.5 of 2 cores" in checks["cpu.usage"]["summary"]
    assert "10 GiB that this container may use" in checks["memory.usage"]["summary"]


def test_no_swap_is_ok_and_said() -> None:
    check = rows(metrics(swap={"total_bytes": 0}))["swap.usage"]
    assert (check["status"], check["summary"]) == ("ok", "No swap is configured, so none can fill up.")


@pytest.mark.parametrize("gauge", [gauge for gauge in GAUGES if not gauge.optional], ids=lambda gauge: gauge.check)
def test_what_every_host_has_is_unknown_when_it_cannot_be_measured(gauge: Gauge) -> None:
    check = rows(metrics(**{gauge.source: None}), {gauge.source: "/proc is not mounted"})[gauge.check]
    assert check["status"] == "unknown"
    assert check["summary"].endswith("could not be checked: /proc is not mounted.")
    assert check["hint"]


@pytest.mark.parametrize("gauge", [gauge for gauge in GAUGES if gauge.optional], ids=lambda gauge: gauge.check)
def test_what_many_hosts_lack_is_left_out_unless_it_is_required(gauge: Gauge) -> None:
    measured, unavailable = metrics(**{gauge.source: None}), {gauge.source: "this kernel does not count it"}
    assert gauge.check not in rows(measured, unavailable)
    check = rows(measured, unavailable, required=[gauge.check])[gauge.check]
    assert check["status"] == "unknown"
    assert "this kernel does not count it" in check["summary"]


def test_what_is_measured_is_graded_whether_required_or_not() -> None:
    assert rows(metrics(), required=REQUIRABLE) == rows(metrics())


def test_a_threshold_that_is_off_is_not_told() -> None:
    limits = {**read_thresholds({}), "cpu": Limits(None, None)}
    checks = gauge_checks(metrics(cpu={"usage_percent": 100.0}), {}, [], limits)
    assert checks[0]["summary"] == "The processors are 100 % busy (no threshold)."
