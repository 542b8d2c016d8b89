"""Processors between two samples: all fields, 100 % as well, and never the average since boot."""

from __future__ import annotations

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.cpu import (
    FIELDS,
    cpu_metrics,
    load_metrics,
    parse_cpu_times,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import Unmeasurable

#: Long uptime, almost all of it idle: an average since boot says 1 %.
BOOT = {"user": 1000, "nice": 10, "system": 500, "idle": 900_000, "iowait": 300, "irq": 5, "softirq": 50, "steal": 20}


def stat(*cores: dict, guest: int = 0) -> str:
    lines = []
    total = {name: sum(core[name] for core in cores) for name in FIELDS}
    for label, ticks in [("cpu ", total), *((f"cpu{index}", core) for index, core in enumerate(cores))]:
        lines.append(" ".join([label, *(str(ticks[name]) for name in FIELDS), str(guest), "0"]))
    return "\n".join([*lines, "intr 173942 0 0", "ctxt 319275", "btime 1795311786", "softirq 113337 0 16147"])


def later(**ticks: int) -> dict:
    return {name: BOOT[name] + ticks.get(name, 0) for name in FIELDS}


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        pytest.param({"idle": 100}, {"usage": 0.0, "idle": 100.0}, id="idle"),
        pytest.param({"user": 100}, {"usage": 100.0, "user": 100.0, "idle": 0.0}, id="all user is 100 percent"),
        pytest.param({"user": 60, "system": 40}, {"usage": 100.0, "user": 60.0, "system": 40.0}, id="user and system"),
        pytest.param({"iowait": 100}, {"usage": 0.0, "iowait": 100.0}, id="waiting is not busy"),
        pytest.param({"steal": 50, "idle": 50}, {"usage": 50.0, "steal": 50.0}, id="stolen time is not to be had"),
        pytest.param({"nice": 10, "irq": 10, "softirq": 10, "idle": 70},
                     {"usage": 30.0, "nice": 10.0, "irq": 10.0, "softirq": 10.0}, id="the small fields"),
        pytest.param({"user": 849, "idle": 151}, {"usage": 84.9}, id="one decimal"),
    ],
)
def test_shares_of_the_time_between_the_samples(ticks: dict, expected: dict) -> None:
    metrics = cpu_metrics(stat(BOOT), stat(later(**ticks)))
    assert {name: metrics[f"{name}_percent"] for name in expected} == expected


def test_each_core_is_counted_and_the_whole_is_their_mean() -> None:
    metrics = cpu_metrics(stat(BOOT, BOOT), stat(later(user=100), later(idle=100)))
    assert metrics["cores"] == 2
    assert metrics["core_usage_percent"] == [100.0, 0.0]
    assert metrics["usage_percent"] == 50.0


def test_the_time_of_guests_is_part_of_user_time() -> None:
    metrics = cpu_metrics(stat(BOOT, guest=0), stat(later(user=50, idle=50), guest=50))
    assert metrics["usage_percent"] == 50.0


def test_a_counter_that_runs_backwards_counts_nothing() -> None:
    metrics = cpu_metrics(stat(BOOT), stat(later(user=100, iowait=-30)))
    assert metrics["usage_percent"] == 100.0
    assert metrics["iowait_percent"] == 0.0


def test_a_core_that_came_between_the_samples_has_no_share_yet() -> None:
    metrics = cpu_metrics(stat(BOOT), stat(later(idle=100), BOOT))
    assert metrics["cores"] == 2
    assert metrics["core_usage_percent"] == [0.0]


def test_cores_beyond_nine_are_in_order() -> None:
    cores = [BOOT] * 12
    busy_third = [later(user=100) if index == 2 else later(idle=100) for index in range(12)]
    assert cpu_metrics(stat(*cores), stat(*busy_third))["core_usage_percent"].index(100.0) == 2


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(stat(BOOT), stat(BOOT), id="no time passed"),
        pytest.param("", stat(BOOT), id="empty"),
        pytest.param("intr 1 2 3\n\ncpufreq 7", stat(BOOT), id="no processors"),
        pytest.param("cpu a b c d", stat(BOOT), id="no numbers"),
    ],
)
def test_what_cannot_be_measured_is_said(before: str, after: str) -> None:
    with pytest.raises(Unmeasurable):
        cpu_metrics(before, after)


def test_old_kernels_have_fewer_columns() -> None:
    assert parse_cpu_times("cpu 1 2 3 4\ncpu0 1 2 3 4")["cpu"] == (1, 2, 3, 4, 0, 0, 0, 0)


def test_load_for_each_core_is_the_one_of_five_minutes() -> None:
    metrics = load_metrics("9.00 6.00 3.00 2/92 5992\n", 4)
    assert metrics == {"load_1m": 9.0, "load_5m": 6.0, "load_15m": 3.0, "cores": 4, "per_core": 1.5}


@pytest.mark.parametrize("text", ["", "1 2", "a b c"])
def test_another_text_has_no_load(text: str) -> None:
    with pytest.raises(Unmeasurable):
        load_metrics(text, 1)
