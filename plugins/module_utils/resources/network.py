# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network traffic, errors and drops between two samples; TCP connections by state, tracked, and lost by listeners."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.resources.figures import share
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles, Unmeasurable
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

MAX_INTERFACES = 64
_NETSTAT = "/proc/net/netstat"

_COLUMNS = {
    "receive_bytes": 0, "receive_packets": 1, "receive_errors": 2, "receive_drops": 3,
    "transmit_bytes": 8, "transmit_packets": 9, "transmit_errors": 10, "transmit_drops": 11,
}

_TCP_STATES = {
    "01": "established", "02": "syn_sent", "03": "syn_recv", "04": "fin_wait1", "05": "fin_wait2", "06": "time_wait",
    "07": "close", "08": "close_wait", "09": "last_ack", "0A": "listen", "0B": "closing", "0C": "new_syn_recv",
}


def parse_interfaces(text: str) -> dict[str, dict[str, int]]:
    """Return the counters of each interface of ``/proc/net/dev``."""
    interfaces = {}
    for line in text.splitlines():
        # The name may be glued to the first counter and may itself hold a colon (an alias).
        name, separator, rest = line.rpartition(":")
        columns = rest.split()
        if separator and len(columns) >= 16 and all(column.isdigit() for column in columns):
            interfaces[name.strip()] = {key: int(columns[index]) for key, index in _COLUMNS.items()}
    return interfaces


def interface_metrics(before: str, after: str, seconds: float, ignored: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rates of each interface between two texts of ``/proc/net/dev``.

    Interfaces that never carried a packet are left out, and so are those that came or were reset in between.

    :param seconds: the time between the two texts.
    :param ignored: shell patterns of names to leave out.
    """
    first, second = parse_interfaces(before), parse_interfaces(after)
    rows: list[dict[str, Any]] = []
    for name in sorted(second):
        now, then = second[name], first.get(name)
        if then is None or any(fnmatchcase(name, pattern) for pattern in ignored):
            continue
        grown = {key: now[key] - then[key] for key in now}
        idle = now["receive_packets"] == now["transmit_packets"] == 0
        if idle or seconds <= 0 or any(step < 0 for step in grown.values()):
            continue
        rates = {f"{key}_per_second": round(step / seconds, 2) for key, step in grown.items()}
        rows.append(
            {
                "name": plain(name, 100),
                **rates,
                "errors_per_second": round((grown["receive_errors"] + grown["transmit_errors"]) / seconds, 2),
                "drops_per_second": round((grown["receive_drops"] + grown["transmit_drops"]) / seconds, 2),
                "errors_total": now["receive_errors"] + now["transmit_errors"],
                "drops_total": now["receive_drops"] + now["transmit_drops"],
            }
        )
    # Of very many, those with a fault are the last to be left out.
    worst = sorted(rows, key=lambda row: -(row["errors_per_second"] + row["drops_per_second"]))[:MAX_INTERFACES]
    return sorted(worst, key=lambda row: str(row["name"]))


def tcp_states(texts: Sequence[str]) -> dict[str, int]:
    """Return how many TCP connections are in each state.

    :param texts: the texts of ``/proc/net/tcp`` and ``/proc/net/tcp6``.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        for line in text.splitlines()[1:]:
            columns = line.split(None, 4)
            if len(columns) >= 4 and columns[3] in _TCP_STATES:
                counts[_TCP_STATES[columns[3]]] += 1
    return dict(sorted(counts.items()))


def tcp_metrics(files: HostFiles) -> dict[str, int]:
    """Return the TCP connections by state.

    :raises Unmeasurable: when the kernel does not list them.
    """
    six = files.read_if_present("/proc/net/tcp6")
    return tcp_states([files.read("/proc/net/tcp"), six or ""])


def conntrack_metrics(files: HostFiles) -> dict[str, Any]:
    """Return how full the table of tracked connections is.

    :raises Unmeasurable: when connections are not tracked.
    """
    folder = "/proc/sys/net/netfilter"
    if not files.exists(f"{folder}/nf_conntrack_max"):
        raise Unmeasurable("the kernel does not track connections (nf_conntrack is not loaded)")
    try:
        count, most = (int(files.read(f"{folder}/nf_conntrack_{name}")) for name in ("count", "max"))
    except ValueError as exc:
        raise Unmeasurable(f"{folder}/nf_conntrack_count and nf_conntrack_max hold no numbers") from exc
    # A limit of 0 means that there is none.
    return {"count": count, "max": most, "used_percent": share(count, most)}


def listen_drop_metrics(files: HostFiles) -> dict[str, Any]:
    """Return how many packets of clients that wanted to connect were dropped by listeners since the kernel started.

    ``overflows_since_boot`` are those that met a full queue of connections that wait to be accepted; None when they are
    not counted.

    :raises Unmeasurable: when the kernel does not count the drops.
    """
    counters = _tcp_counters(files)
    return {
        "since_boot": _counter(counters, "ListenDrops"),
        "overflows_since_boot": counters.get("ListenOverflows"),
    }


def syn_flood_metrics(files: HostFiles) -> dict[str, Any]:
    """Return how many requests to connect met a full queue of half-open connections since the kernel started.

    They were answered with a cookie, or dropped where cookies are off.

    :raises Unmeasurable: when the kernel does not count them, or answers every request with a cookie.
    """
    counters = _tcp_counters(files)
    dropped = _counter(counters, "TCPReqQFullDrop")
    # Each is counted as it is met, and again when the cookie is sent; the first is missing in some kernels.
    cookies = max(_counter(counters, "SyncookiesSent"), counters.get("TCPReqQFullDoCookies", 0))
    if (files.read_if_present("/proc/sys/net/ipv4/tcp_syncookies") or "").strip() == "2":
        raise Unmeasurable("every request to connect is answered with a cookie (net.ipv4.tcp_syncookies is 2)")
    return {"since_boot": cookies + dropped, "cookies_since_boot": cookies, "dropped_since_boot": dropped}


def _tcp_counters(files: HostFiles) -> dict[str, int]:
    """Return the counters of TCP by their names: a line of names, then one of numbers in the same order."""
    lines = [line.split()[1:] for line in files.read(_NETSTAT).splitlines() if line.startswith("TcpExt:")]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]) or not all(number.isdecimal() for number in lines[1]):
        raise Unmeasurable(f"{_NETSTAT} does not hold the names of the counters of TCP and a number for each")
    return dict(zip(lines[0], map(int, lines[1])))


def _counter(counters: Mapping[str, int], name: str) -> int:
    if name not in counters:
        raise Unmeasurable(f"{_NETSTAT} does not count {name}")
    return counters[name]


def file_handle_metrics(text: str) -> dict[str, Any]:
    """Return how many of the file handles the kernel allows are open.

    :param text: the text of ``/proc/sys/fs/file-nr``.
    :raises Unmeasurable: when the text is something else.
    """
    words = text.split()
    if len(words) != 3 or not all(word.isdigit() for word in words):
        raise Unmeasurable("/proc/sys/fs/file-nr does not hold three numbers")
    # The second number is what is allocated and free; recent kernels always say 0.
    used, most = int(words[0]) - int(words[1]), int(words[2])
    return {"open": used, "max": most, "used_percent": share(used, most)}
