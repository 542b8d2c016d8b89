"""Rates between two samples, errors, drops, connections by state, tracked, and lost by listeners; file handles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.network import (
    conntrack_metrics,
    file_handle_metrics,
    interface_metrics,
    listen_drop_metrics,
    syn_flood_metrics,
    tcp_metrics,
    tcp_states,
)

HEADER = """Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
"""


def dev(**interfaces: tuple) -> str:
    """Return a text of /proc/net/dev; each interface is (rx bytes, packets, errs, drop, tx bytes, packets, errs, drop)."""
    lines = []
    for name, counters in interfaces.items():
        receive, transmit = counters[:4], counters[4:]
        lines.append(f"{name}:" + " ".join(str(c) for c in (*receive, 0, 0, 0, 0, *transmit, 0, 0, 0, 0)))
    return HEADER + "\n".join(lines) + "\n"


def test_rates_are_by_the_second() -> None:
    before = dev(eth0=(1000, 10, 1, 2, 500, 5, 3, 4))
    after = dev(eth0=(3000, 30, 5, 4, 1500, 15, 5, 4))
    (row,) = interface_metrics(before, after, 2.0, [])
    assert row["name"] == "eth0"
    assert row["receive_bytes_per_second"] == 1000.0
    assert row["transmit_bytes_per_second"] == 500.0
    assert row["errors_per_second"] == 3.0
    assert row["drops_per_second"] == 1.0
    assert (row["errors_total"], row["drops_total"]) == (10, 8)


QUIET = (1, 1, 0, 0, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(dev(lo=QUIET), dev(lo=QUIET), id="ignored by name"),
        pytest.param(dev(veth12ab=QUIET), dev(veth12ab=QUIET), id="ignored by pattern"),
        pytest.param(dev(eth1=(0,) * 8), dev(eth1=(0,) * 8), id="never carried a packet"),
        pytest.param(dev(), dev(eth2=QUIET), id="came in between"),
        pytest.param(dev(eth0=(5000, 9, 0, 0, 1, 1, 0, 0)), dev(eth0=QUIET), id="was reset in between"),
        pytest.param("", "", id="nothing"),
        pytest.param("eth0: garbage", "eth0: 1 2 3", id="garbage"),
    ],
)
def test_interfaces_that_are_left_out(before: str, after: str) -> None:
    assert interface_metrics(before, after, 1.0, ["lo", "veth*"]) == []


def test_of_very_many_interfaces_one_with_errors_is_not_left_out() -> None:
    many = {f"br{number:03}": QUIET for number in range(100)}
    rows = interface_metrics(dev(**many, eth0=QUIET), dev(**many, eth0=(1, 1, 5, 0, 1, 1, 0, 0)), 1.0, [])
    names = [row["name"] for row in rows]
    assert len(names) == 64 and names[-1] == "eth0" and names == sorted(names)


def test_an_alias_keeps_its_colon() -> None:
    text = HEADER + "eth0:1: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
    assert interface_metrics(text, text, 1.0, [])[0]["name"] == "eth0:1"


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1061 1 0
   1: 0100007F:1F91 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 1062 1 0
   2: 0100007F:1F91 0100007F:C351 01 00000000:00000000 00:00000000 00000000     0        0 1063 1 0
   3: 0100007F:1F91 0100007F:C352 08 00000000:00000000 00:00000000 00000000     0        0 1064 1 0
   4: 0100007F:1F91 0100007F:C352 FF broken
   5: x
"""


def test_connections_by_state() -> None:
    assert tcp_states([TCP, TCP]) == {"close_wait": 2, "established": 4, "listen": 2}


def test_a_host_without_ipv6_has_connections(tmp_path: Path) -> None:
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/tcp").write_text(TCP)
    assert tcp_metrics(HostFiles(str(tmp_path)))["established"] == 2


def conntrack_host(root: Path, count: str, most: str) -> HostFiles:
    folder = root / "proc/sys/net/netfilter"
    folder.mkdir(parents=True)
    (folder / "nf_conntrack_count").write_text(count)
    (folder / "nf_conntrack_max").write_text(most)
    return HostFiles(str(root))


@pytest.mark.parametrize(("count", "most", "percent"), [("75\n", "100\n", 75.0), ("0", "262144", 0.0), ("9", "0", 0.0)])
def test_tracked_connections(tmp_path: Path, count: str, most: str, percent: float) -> None:
    assert conntrack_metrics(conntrack_host(tmp_path, count, most))["used_percent"] == percent


def test_connections_that_are_not_tracked(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="nf_conntrack is not loaded"):
        conntrack_metrics(HostFiles(str(tmp_path)))


def test_garbage_is_no_count(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable):
        conntrack_metrics(conntrack_host(tmp_path, "many", "100"))


COUNTED = {
    "SyncookiesSent": 20, "SyncookiesRecv": 999, "ListenOverflows": 7, "ListenDrops": 9, "TCPReqQFullDoCookies": 30,
    "TCPReqQFullDrop": 4,
}


def netstat_host(root: Path, counters: dict[str, int], *, syncookies: str = "1\n") -> HostFiles:
    """Return a host whose kernel counts these, between others and in this order."""
    (root / "proc/net").mkdir(parents=True)
    (root / "proc/sys/net/ipv4").mkdir(parents=True)
    (root / "proc/sys/net/ipv4/tcp_syncookies").write_text(syncookies)
    (root / "proc/net/netstat").write_text(
        f"TcpExt: TW {' '.join(counters)} TCPLast\nTcpExt: 555 {' '.join(map(str, counters.values()))} 666\n"
        "IpExt: InNoRoutes ListenDrops\nIpExt: 777 888\nMPTcpExt: MPCapableSYNRX\nMPTcpExt: 1\n"
    )
    return HostFiles(str(root))


@pytest.mark.parametrize("order", [list(COUNTED), list(reversed(COUNTED))])
def test_what_listeners_lost_is_found_by_name(tmp_path: Path, order: list[str]) -> None:
    files = netstat_host(tmp_path, {name: COUNTED[name] for name in order})
    assert listen_drop_metrics(files) == {"since_boot": 9, "overflows_since_boot": 7}
    assert syn_flood_metrics(files) == {"since_boot": 34, "cookies_since_boot": 30, "dropped_since_boot": 4}


def without(*names: str) -> dict[str, int]:
    return {name: count for name, count in COUNTED.items() if name not in names}


def test_a_kernel_that_counts_less_tells_the_rest(tmp_path: Path) -> None:
    files = netstat_host(tmp_path, without("ListenOverflows", "TCPReqQFullDoCookies"))
    assert listen_drop_metrics(files) == {"since_boot": 9, "overflows_since_boot": None}
    assert syn_flood_metrics(files)["since_boot"] == 24


@pytest.mark.parametrize(
    ("missing", "measure"),
    [
        ("ListenDrops", listen_drop_metrics),
        ("SyncookiesSent", syn_flood_metrics),
        ("TCPReqQFullDrop", syn_flood_metrics),
    ],
)
def test_what_is_not_counted_is_not_zero(tmp_path: Path, missing: str, measure: Callable[[HostFiles], dict]) -> None:
    files = netstat_host(tmp_path, without(missing))
    with pytest.raises(Unmeasurable, match=f"/proc/net/netstat does not count {missing}"):
        measure(files)


@pytest.mark.parametrize("syncookies", ["0\n", "1\n", ""])
def test_cookies_tell_of_a_flood_where_they_are_sent_in_need(tmp_path: Path, syncookies: str) -> None:
    assert syn_flood_metrics(netstat_host(tmp_path, COUNTED, syncookies=syncookies))["since_boot"] == 34


def test_cookies_that_are_always_sent_tell_nothing_of_a_flood(tmp_path: Path) -> None:
    files = netstat_host(tmp_path, COUNTED, syncookies="2\n")
    with pytest.raises(Unmeasurable, match="tcp_syncookies is 2"):
        syn_flood_metrics(files)
    assert listen_drop_metrics(files)["since_boot"] == 9


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("TcpExt: ListenDrops TCPReqQFullDrop SyncookiesSent\n", id="names only"),
        pytest.param("TcpExt: ListenDrops TCPReqQFullDrop SyncookiesSent\nTcpExt: 1 2\n", id="a number is missing"),
        pytest.param("TcpExt: ListenDrops TCPReqQFullDrop SyncookiesSent\nTcpExt: 1 2 -3\n", id="a number below zero"),
        pytest.param("TcpExt: ListenDrops TCPReqQFullDrop SyncookiesSent\nTcpExt: 1 2 \u00b2\n", id="no number"),
        pytest.param("TcpExt:\nTcpExt:\n", id="nothing is counted"),
    ],
)
@pytest.mark.parametrize("measure", [listen_drop_metrics, syn_flood_metrics])
def test_garbage_is_not_counted(tmp_path: Path, text: str, measure: Callable[[HostFiles], dict]) -> None:
    files = netstat_host(tmp_path, COUNTED)
    (tmp_path / "proc/net/netstat").write_text(text)
    with pytest.raises(Unmeasurable, match="/proc/net/netstat"):
        measure(files)


def test_a_kernel_that_counts_nothing_of_tcp_is_said_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unmeasurable, match="/proc/net/netstat cannot be read"):
        listen_drop_metrics(HostFiles(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "opened", "percent"),
    [("522\t0\t2466165\n", 522, 0.0), ("900 100 1000", 800, 80.0), ("5 0 9223372036854775807", 5, 0.0)],
)
def test_file_handles(text: str, opened: int, percent: float) -> None:
    metrics = file_handle_metrics(text)
    assert (metrics["open"], metrics["used_percent"]) == (opened, percent)


@pytest.mark.parametrize("text", ["", "1 2", "a b c"])
def test_garbage_is_no_number_of_handles(text: str) -> None:
    with pytest.raises(Unmeasurable):
        file_handle_metrics(text)
