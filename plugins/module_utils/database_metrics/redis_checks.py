# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the figures of a server of Redis mean."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.answers import Answers, Row, number
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.intervals import Interval
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.judging import Judged, counted, figure, period_text
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.redis_keeping import persistence_checks
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text, figure_text

_REPLICA = re.compile(r"slave\d+")
_DATABASE = re.compile(r"db\d+")


def server_checks(judged: Judged, answers: Answers, interval: Interval) -> None:
    """Judge a server."""
    _clients(judged, answers, interval)
    _memory(judged, answers)
    _keys(judged, interval)
    _slow(judged, answers, interval)
    persistence_checks(judged, answers, interval)
    _replication(judged, answers)


def _clients(judged: Judged, answers: Answers, interval: Interval) -> None:
    info = answers.one("info")
    # Before version 6.2 it is only a setting.
    used, most = number(info.get("connected_clients")), number(info.get("maxclients", answers.one("maxclients").get("maxclients")))
    if used is None or not most:
        judged.unknown(["connections"], *answers.problems.get("maxclients", ("the server does not tell how many clients it allows", "")))
    else:
        value = round(100.0 * used / most, 1)
        judged.add("connections", value, f"{used:.0f} of {most:.0f} clients are connected, {figure_text(value, 'percent')}",
                   hint="Find who keeps them (CLIENT LIST), use a pool of connections, or raise maxclients.")
    blocked = number(info.get("blocked_clients")) or 0.0
    judged.add("blocked_clients", blocked, f"{counted(blocked, 'client')} {'waits' if blocked == 1 else 'wait'} in a blocking command",
               hint="They wait for entries of queues: see whether those who fill them run.")
    rejected = interval.count("rejected")
    if rejected is None:
        judged.unknown(["rejected_connections"], "the server does not tell how many there were")
    else:
        judged.add("rejected_connections", rejected, f"{counted(rejected, 'connection')} {'was' if rejected == 1 else 'were'} rejected {period_text(interval)}",
                   hint="There were as many clients as maxclients allows: find who keeps them (CLIENT LIST), or raise it.")


def _memory(judged: Judged, answers: Answers) -> None:
    info = answers.one("info")
    used, most = number(info.get("used_memory")), number(info.get("maxmemory"))
    policy = info.get("maxmemory_policy") or "noeviction"
    # Nor can it evict what never expires when only other keys may go.
    keeps_all = policy == "noeviction" or policy.startswith("volatile-") and not _expiring(info)
    if used is None:
        judged.unknown(["memory", "fragmentation"], "the server does not tell its memory")
        return
    if not most:
        judged.add("memory", None, f"It uses {bytes_text(used)}, and maxmemory sets no limit")
    else:
        value = round(100.0 * used / most, 1)
        judged.add(
            "memory", value, f"It uses {bytes_text(used)} of {bytes_text(most)}, {figure_text(value, 'percent')}",
            judged=keeps_all, least=f"when it is full it evicts keys ({policy})",
            hint="When it is full, every write is refused: raise maxmemory, let keys expire, or choose a maxmemory-policy.",
        )
    resident, ratio = number(info.get("used_memory_rss")), number(info.get("mem_fragmentation_ratio"))
    if resident is None or ratio is None:
        judged.unknown(["fragmentation"], "the server does not tell how much memory it holds")
        return
    judged.add(
        "fragmentation", ratio, f"It holds {bytes_text(resident)} for {bytes_text(used)} of data, {ratio:g} times as much",
        judged=resident - used >= judged.rules.min_bytes, least="it wastes little", hint="Switch activedefrag on, or restart it in a quiet hour.",
    )


def _expiring(info: Row) -> float:
    """Return how many keys have an end, from lines such as ``db0:keys=7,expires=3,avg_ttl=0``."""
    return sum(
        number(part.partition("=")[2]) or 0.0
        for name, text in info.items() if _DATABASE.fullmatch(name) for part in text.split(",") if part.startswith("expires=")
    )


def _keys(judged: Judged, interval: Interval) -> None:
    when = period_text(interval)
    hits, asked = interval.share("hits", "misses"), interval.count("hits", "misses") or 0
    judged.add(
        "cache_hits", hits,
        f"{figure_text(hits, 'percent')} of {counted(asked, 'request')} found its key {when}"
        if hits is not None else f"No key was asked for {when}",
        figure="redis_hits", judged=hits is not None and asked >= judged.rules.min_events, least="too few to judge",
        hint="Keys may expire or be evicted too early, or programs ask for what nobody wrote.",
    )
    rate, evicted = interval.rate("evicted"), interval.count("evicted")
    if rate is None or evicted is None:
        judged.unknown(["evictions"], "the server does not tell how many keys it evicted")
        return
    judged.add("evictions", round(rate, 2), f"{counted(evicted, 'key')} {'was' if evicted == 1 else 'were'} evicted {when}, {figure_text(rate, 'per_second')}",
               hint="It has too little memory for its keys: raise maxmemory, or let them expire earlier.")


def _slow(judged: Judged, answers: Answers, interval: Interval) -> None:
    if "slow" in answers.problems:
        judged.unknown(["slow_queries"], *answers.problems["slow"])
        return
    settings = answers.one("slowlog")
    if (number(settings.get("slowlog-log-slower-than")) or 0.0) < 0 or settings.get("slowlog-max-len") == "0":
        judged.add("slow_queries", None, "The slow log is switched off (slowlog-log-slower-than, slowlog-max-len): nobody counts slow commands")
        return
    slow, commands = interval.count("slow"), interval.count("commands")
    if slow is None or commands is None:
        judged.unknown(["slow_queries"], "the server does not tell how many there were")
        return
    share = round(min(100.0, 100.0 * slow / commands), 2) if commands else 0.0
    judged.add("slow_queries", share, f"{slow:.0f} of {commands:.0f} commands went into the slow log {period_text(interval)}",
               judged=commands >= judged.rules.min_events, least="too few to judge", hint="SLOWLOG GET names them: KEYS, large ranges, long scripts.")


def _replication(judged: Judged, answers: Answers) -> None:
    """Judge how far this replica, or the replicas of this server, are behind; without replication there is nothing to say."""
    info = answers.one("info")
    if info.get("role") == "slave":
        if info.get("master_link_status") != "up":
            down = number(info.get("master_link_down_since_seconds"))
            since = f" for {figure_text(down, 'seconds')}" if down is not None and down >= 0 else ""
            judged.state("replication_lag", CRITICAL, f"This replica has no link to its primary{since}.",
                         hint="See whether the primary is there, and whether masterauth and the network are right.")
            return
        silent = number(info.get("master_last_io_seconds_ago")) or 0.0
        judged.add("replication_lag", silent, f"This replica heard of its primary {figure_text(silent, 'seconds')} ago",
                   hint="See whether the primary and the network are busy.")
        return
    told = [text for name, text in info.items() if _REPLICA.fullmatch(name)]
    replicas = [dict(part.partition("=")[::2] for part in text.split(",")) for text in told]
    if not replicas:
        return
    lags = [lag for lag in (number(replica.get("lag")) for replica in replicas) if lag is not None]
    offset = number(info.get("master_repl_offset"))
    behind = [offset - known for replica in replicas if offset is not None and (known := number(replica.get("offset"))) is not None]
    hint = "See whether the network or the replica is busy."
    offline = [replica for replica in replicas if replica.get("state") != "online"]
    lag = max(lags, default=0.0)
    said = f"{counted(len(replicas), 'replica')} ({len(offline)} not online yet); the latest spoke {figure_text(lag, 'seconds')} ago"
    judged.add("replication_lag", lag, said, hint=hint)
    waiting = max(behind, default=0.0)
    judged.add("replication_backlog", waiting, f"{bytes_text(waiting)} wait for the replica that is farthest behind", hint=hint)


def figures(answers: Answers, interval: Interval) -> dict[str, Any]:
    """Return what the module says of a server beside its checks."""
    info = answers.one("info")
    return {
        "per_second": figure(interval.rate("commands")),
        "cache_hit_percent": interval.share("hits", "misses"),
        "evicted_keys": figure(interval.count("evicted"), 0),
        "expired_keys": figure(interval.count("expired"), 0),
        "slow_queries": figure(interval.count("slow"), 0),
        "rejected_connections": figure(interval.count("rejected"), 0),
        "connections": figure(number(info.get("connected_clients")), 0),
        "memory_bytes": figure(number(info.get("used_memory")), 0),
        "max_memory_bytes": figure(number(info.get("maxmemory")), 0),
        "fragmentation_ratio": number(info.get("mem_fragmentation_ratio")),
    }
