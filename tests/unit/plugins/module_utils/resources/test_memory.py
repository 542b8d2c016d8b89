"""Memory by what is available, swap, kills; and the limits of a container."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources import cgroups
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.memory import (
    counter,
    memory_metrics,
    parse_meminfo,
    swap_metrics,
)

MEMINFO = """MemTotal:       1000000 kB
MemFree:          50000 kB
MemAvailable:    600000 kB
Buffers:          10000 kB
Cached:          500000 kB
SwapCached:           0 kB
SwapTotal:       200000 kB
SwapFree:        150000 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
"""
KIB = 1024


@pytest.fixture
def container(tmp_path: Path):
    """Return a function that writes the files of a container's group and returns its host."""

    def build(**files: str) -> HostFiles:
        folder = tmp_path / "sys/fs/cgroup"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text)
        return HostFiles(str(tmp_path))

    return build


def test_a_full_page_cache_is_not_full_memory() -> None:
    metrics = memory_metrics(MEMINFO)
    assert metrics["used_percent"] == 40.0
    assert metrics["available_bytes"] == 600_000 * KIB
    assert metrics["total_bytes"] == 1_000_000 * KIB


def test_lines_that_are_no_size_are_left_out() -> None:
    assert "HugePages_Total" not in parse_meminfo(MEMINFO)


@pytest.mark.parametrize("text", ["", "MemTotal: 5 kB", "garbage\x00", "MemTotal: lots kB\nMemAvailable: 1 kB"])
def test_memory_that_is_not_told_is_unmeasurable(text: str) -> None:
    with pytest.raises(Unmeasurable):
        memory_metrics(text)


def test_swap() -> None:
    assert swap_metrics(MEMINFO) == {"total_bytes": 200_000 * KIB, "used_bytes": 50_000 * KIB, "used_percent": 25.0}


def test_no_swap_is_not_full_swap() -> None:
    assert swap_metrics("SwapTotal: 0 kB\nSwapFree: 0 kB\n")["used_percent"] == 0.0


def test_a_counter_is_found_by_its_whole_name() -> None:
    assert counter("oom_kill_group 9\noom_kill 3\noom 5\n", "oom_kill", "memory.events") == 3


def test_an_old_kernel_does_not_count_kills() -> None:
    with pytest.raises(Unmeasurable, match="/proc/vmstat does not count oom_kill"):
        counter("pgfault 12\n", "oom_kill", "/proc/vmstat")


def test_a_host_is_no_container(tmp_path: Path) -> None:
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    assert not cgroups.in_container_group(HostFiles(str(tmp_path)))


def test_a_container_is_one(container) -> None:
    assert cgroups.in_container_group(container(cgroup__type="domain\n", memory__current="1\n"))


@pytest.mark.parametrize(
    ("files", "scope", "total", "percent"),
    [
        pytest.param({"memory__max": "102400000", "memory__current": "92160000", "memory__stat": "inactive_file 10240000"},
                     "cgroup", 102_400_000, 80.0, id="cache that can go is not used"),
        pytest.param({"memory__max": "102400000", "memory__current": "102400000"}, "cgroup", 102_400_000, 100.0,
                     id="full"),
        pytest.param({"memory__max": "max", "memory__current": "1"}, "host", 1_024_000_000, 40.0, id="no limit"),
        pytest.param({"memory__max": "9999999999", "memory__current": "1"}, "host", 1_024_000_000, 40.0,
                     id="a limit above the host"),
        pytest.param({}, "host", 1_024_000_000, 40.0, id="no files"),
    ],
)
def test_the_limit_of_a_container_is_what_counts(container, files: dict, scope: str, total: int, percent: float) -> None:
    metrics = cgroups.limited_memory_metrics(container(**files), memory_metrics(MEMINFO))
    assert (metrics["scope"], metrics["total_bytes"], metrics["used_percent"]) == (scope, total, percent)


def test_a_container_cannot_have_more_than_the_host_has_left(container) -> None:
    host = memory_metrics(MEMINFO.replace("600000", "1000"))
    limited = cgroups.limited_memory_metrics(container(memory__max="102400000", memory__current="0"), host)
    assert limited["available_bytes"] == 1000 * KIB


def test_the_swap_of_a_container(container) -> None:
    files = container(memory__swap__max="1000", memory__swap__current="900")
    assert cgroups.limited_swap_metrics(files, swap_metrics(MEMINFO))["used_percent"] == 90.0


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", None), ("50000 100000", 0.5), ("150000 100000", 1.5), ("", None), ("5 0", None), ("x y", None)],
)
def test_the_processors_of_a_container(container, text: str, cores: float | None) -> None:
    assert cgroups.core_limit(container(cpu__max=text)) == cores


def test_a_container_at_its_limit_is_100_percent_busy_on_an_idle_host() -> None:
    host = {"usage_percent": 12.5, "user_percent": 12.5, "system_percent": 0.0, "iowait_percent": 3.0, "cores": 4}
    before = {"usage": 0, "user": 0, "system": 0}
    after = {"usage": 500_000, "user": 400_000, "system": 100_000}
    metrics = cgroups.limited_cpu_metrics(host, before, after, 0.5, 1.0)
    assert (metrics["usage_percent"], metrics["user_percent"], metrics["system_percent"]) == (100.0, 80.0, 20.0)
    assert (metrics["iowait_percent"], metrics["limit_cores"], metrics["scope"]) == (3.0, 0.5, "cgroup")


def test_the_time_that_a_container_used(container) -> None:
    files = container(cpu__stat="usage_usec 12\nuser_usec 10\nsystem_usec 2\nnr_periods 0\n")
    assert cgroups.cpu_microseconds(files) == {"usage": 12, "user": 10, "system": 2}


def test_a_container_whose_time_is_not_counted(container) -> None:
    assert cgroups.cpu_microseconds(container(cpu__stat="")) is None
