"""One call from options to results: two samples of prepared hosts, hosts that tell nothing, and this very machine."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.inspection import inspect_resources
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.measuring import measure_host

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=timezone.utc)

NET_DEV = "a|b\nc|d\n  eth0: {received} 10 {errors} 0 0 0 0 0 {sent} 10 0 0 0 0 0 0\n"

NETSTAT = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDrop\nTcpExt: 0 {drops} {drops} {full}\n"


def write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


@pytest.fixture
def host(tmp_path: Path, fake_host) -> Path:
    """Return the root of a host that has been up for a day and did nothing."""
    write(tmp_path, "proc/stat", "cpu 100 0 100 99800 0 0 0 0 0 0\ncpu0 50 0 50 49900 0 0 0 0\ncpu1 50 0 50 49900 0 0 0 0\n")
    write(tmp_path, "proc/loadavg", "0.10 0.20 0.30 1/90 4242\n")
    write(tmp_path, "proc/meminfo", "MemTotal: 1000 kB\nMemAvailable: 700 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n")
    write(tmp_path, "proc/vmstat", "pgfault 5\noom_kill 0\n")
    write(tmp_path, "proc/uptime", "86400.00 100.00\n")
    write(tmp_path, "proc/net/dev", NET_DEV.format(received=1000, errors=0, sent=1000))
    write(tmp_path, "proc/net/tcp", "header\n 0: 0100007F:1F91 0:0 0A 0 0\n")
    write(tmp_path, "proc/net/netstat", NETSTAT.format(drops=0, full=0))
    write(tmp_path, "proc/sys/fs/file-nr", "500 0 100000\n")
    write(tmp_path, "proc/sys/kernel/osrelease", "6.1.0-9-amd64\n")
    write(tmp_path, "proc/self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n")
    del fake_host.shown[1]
    fake_host.add(1, argv=["node", "/opt/app/server.js"], cpu=1.0)
    write(tmp_path, "proc/1/maps", "7f03-7f04 r-xp 00001000 fe:00 12   /usr/lib/libc.so.6\n")
    return tmp_path


def options(**changes: Any) -> dict[str, Any]:
    return {
        "sample_seconds": 0.1, "paths": [], "thresholds": {}, "required": [], "interfaces_ignored": ["lo"],
        "top_processes": 5, "timeout_seconds": 10.0, "history": None, "return_all": True, **changes,
    }


def inspect(root: Path, **changes: Any) -> dict[str, Any]:
    result = inspect_resources(options(**changes), now=NOW, check_mode=False, files=HostFiles(str(root)))
    json.dumps(result, allow_nan=False).encode("utf-8")
    return result


def statuses(result: dict[str, Any]) -> dict[str, str]:
    return {f"{check['check']} {check['subject']}": check["status"] for check in result["checks"]}


class ChangingHost(HostFiles):
    """A host whose counters move on while one waits: sleeping is what advances it."""

    def __init__(self, root: Path, **later: str) -> None:
        super().__init__(str(root))
        self._root_path, self._later = root, later

    def sleep(self, _seconds: float) -> None:
        for path, text in self._later.items():
            write(self._root_path, path.replace("__", "/"), text)


def test_two_samples_tell_what_happened_between_them(host: Path, fake_host) -> None:
    files = ChangingHost(
        host,
        proc__stat="cpu 300 0 100 99800 0 0 0 0\ncpu0 150 0 50 49900 0 0 0 0\ncpu1 150 0 50 49900 0 0 0 0\n",
        **{"proc__net__dev": NET_DEV.format(received=9000, errors=3, sent=1000)},
    )

    def sleep(seconds: float) -> None:
        files.sleep(seconds)
        fake_host.add(1, argv=["node", "/opt/app/server.js"], cpu=3.0, state="running")

    found = measure_host(
        files, sample_seconds=1.0, paths=[], timeout_seconds=10, top_count=5, interfaces_ignored=["lo"], sleep=sleep
    )
    assert found.metrics["cpu"]["usage_percent"] == 100.0
    assert found.metrics["cpu"]["core_usage_percent"] == [100.0, 100.0]
    (eth0,) = found.metrics["interfaces"]
    assert eth0["receive_bytes_per_second"] > 0
    assert eth0["errors_per_second"] > 0
    (busy,) = found.top_processes
    assert (busy["pid"], busy["name"], busy["state"], busy["top_by"]) == (1, "node server.js", "running", ["cpu", "memory"])
    assert busy["cpu_percent"] > 0


def test_a_quiet_host_is_ok(host: Path) -> None:
    files = ChangingHost(host, proc__stat="cpu 100 0 100 99900 0 0 0 0\ncpu0 50 0 50 49950 0 0 0 0\ncpu1 50 0 50 49950\n")
    found = measure_host(
        files, sample_seconds=1, paths=["/"], timeout_seconds=10, top_count=5, interfaces_ignored=[], sleep=files.sleep
    )
    assert found.metrics["cpu"]["usage_percent"] == 0.0
    assert found.metrics["load"]["per_core"] == 0.1
    assert found.metrics["tcp_states"] == {"listen": 1}
    assert found.metrics["file_systems"][0]["path"] == "/"
    assert set(found.unavailable) == {"cpu_pressure", "memory_pressure", "io_pressure", "conntrack"}


def test_a_host_without_pressure_and_tracking_is_not_unknown_for_that(host: Path) -> None:
    result = inspect(host)
    unknown = [name for name, status in statuses(result).items() if status == "unknown"]
    assert unknown == ["cpu.usage cpu", "cpu.iowait cpu", "cpu.steal cpu"]  # the clock of this host stands still
    assert "psi=1" in result["metrics"]["unavailable"]["cpu_pressure"]


def test_what_is_required_is_unknown_where_it_cannot_be_had(host: Path) -> None:
    found = statuses(inspect(host, required=["io.pressure", "network.conntrack"]))
    assert found["io.pressure storage"] == "unknown"
    assert found["network.conntrack conntrack"] == "unknown"
    assert "cpu.pressure cpu" not in found


def test_a_host_that_tells_nothing_is_unknown_in_every_check_and_no_crash(tmp_path: Path) -> None:
    result = inspect(tmp_path, paths=[{"path": "/srv"}])
    assert result["status"] == "unknown"
    found = statuses(result)
    assert found["disk.space /srv"] == "unknown"
    assert found["network.errors network interfaces"] == "unknown"
    assert found["memory.oom_kills memory"] == "unknown"
    assert found["network.listen_drops listeners"] == found["network.syn_flood listeners"] == "unknown"
    assert found["restart.required processes"] == "unknown"
    assert {found[f"cpu.{name} cpu"] for name in ("usage", "iowait", "steal")} == {"unknown"}
    assert all(check["hint"] for check in result["checks"] if check["status"] == "unknown")


def test_without_psutil_only_the_processes_are_unknown(host: Path, no_psutil: None) -> None:
    write(host, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    result = inspect(host)
    assert result["metrics"]["processes"] is None
    assert "psutil is not installed for" in result["metrics"]["unavailable"]["processes"]
    assert result["top_processes"] == []
    assert (statuses(result)["memory.usage memory"], statuses(result)["restart.required host"]) == ("ok", "ok")
    (check,) = [check for check in result["checks"] if check["subject"] == "processes"]
    assert (check["check"], check["status"]) == ("restart.required", "unknown")
    assert "psutil is not installed for" in check["summary"] and "upkeep.runbook.prepare" in check["hint"]
    seen = {name for name, status in statuses(result).items() if status == "unknown"}
    assert seen == {"cpu.usage cpu", "cpu.iowait cpu", "cpu.steal cpu", "restart.required processes"}


GARBAGE = "\x00\xff garbage ) ( 1 2 3\n" * 50


def test_a_host_that_tells_garbage_is_unknown_and_no_crash(host: Path) -> None:
    for path in ("stat", "loadavg", "meminfo", "vmstat", "uptime", "net/dev", "net/tcp", "net/netstat", "sys/fs/file-nr",
                 "self/mountinfo", "1/maps", "1/cgroup", "pressure/cpu", "pressure/io"):
        write(host, f"proc/{path}", GARBAGE)
    result = inspect(host, paths=[{"path": "/"}])
    assert result["status"] == "unknown"
    assert statuses(result)["memory.usage memory"] == "unknown"
    assert statuses(result)["network.syn_flood listeners"] == "unknown"


def test_ok_rows_are_folded_unless_all_are_asked_for(host: Path) -> None:
    paths = [{"path": "/"}, {"path": "/proc"}]
    write(host, "proc/x", "")
    assert len(inspect(host, paths=paths, return_all=True)["checks"]) > len(
        inspect(host, paths=paths, return_all=False)["checks"]
    )


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        ("memory.oom_kills", "proc/vmstat", "oom_kill {count}\n"),
        ("network.listen_drops", "proc/net/netstat", NETSTAT.replace("{drops}", "{count}").format(count="{count}", full=0)),
        ("network.syn_flood", "proc/net/netstat", NETSTAT.replace("{full}", "{count}").format(count="{count}", drops=0)),
    ],
)
def test_what_the_kernel_counts_is_told_from_run_to_run(host: Path, tmp_path: Path, check: str, path: str, text: str) -> None:
    history = str(tmp_path / "state/history.sqlite")
    counts = []
    for count, hour in ((2, 2), (2, 3), (5, 4), (1, 5)):
        write(host, path, text.format(count=count))
        result = inspect_resources(
            options(history=history), now=NOW.replace(hour=hour), check_mode=False, files=HostFiles(str(host))
        )
        counts.append([row["value"] for row in result["checks"] if row["check"] == check][0])
    assert counts == [2, 0, 3, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sample_seconds": 0.0}, "sample_seconds: 0 is not accepted; give 0.1 to 60."),
        ({"sample_seconds": 61.0}, "sample_seconds: 61 is not accepted; give 0.1 to 60."),
        ({"sample_seconds": float("nan")}, "sample_seconds: nan is not accepted; give 0.1 to 60."),
        ({"timeout_seconds": -1.0}, "timeout_seconds: -1 is not accepted; give 0.1 to 60."),
        ({"top_processes": 51}, "top_processes: 51 is not accepted; give 0 to 50."),
        ({"paths": [{"path": "/"}, {"path": "x"}]}, "paths[1].path: 'x' is not accepted; give an absolute path, such as /srv."),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_measured(host: Path, changes: dict, message: str) -> None:
    with pytest.raises(UpkeepError) as refusal:
        inspect(host, **changes)
    assert refusal.value.message == message


def test_this_machine_can_be_measured() -> None:
    result = inspect_resources(options(paths=[{"path": "/"}]), now=NOW, check_mode=False)
    found = statuses(result)
    for name in ("cpu.usage cpu", "load.per_core load", "memory.usage memory", "disk.space /", "disk.readonly /"):
        assert found[name] != "unknown", result["checks"]
    assert result["metrics"]["sample_seconds"] >= 0.1
    assert result["metrics"]["uptime_seconds"] > 0


def test_files_of_the_kernel_that_refuse_large_reads_are_read() -> None:
    assert len(HostFiles().read("/proc/sys/fs/file-nr").split()) == 3


def test_a_file_that_is_not_there_is_said_by_name() -> None:
    with pytest.raises(Unmeasurable, match="/proc/missing cannot be read: No such file"):
        HostFiles().read("/proc/missing")
