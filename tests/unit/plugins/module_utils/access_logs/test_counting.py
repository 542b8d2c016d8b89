"""Whole columns counted at once say what a plain loop over the lines says, however often what was counted is settled and shared."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs import blocks, busiest, figures, group_counting, tally
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.durations import NONE, class_of
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.figures import group_figures
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.group_counting import count_group
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.options import Group, read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.access_logs.tally import Tally
from ansible_collections.upkeep.runbook.tests.unit.plugins.module_utils.access_logs.log_lines import EXTENDED, NOW, extended, options

LINES = 4000
FIELDS = '$time_iso8601 $remote_addr $request_method $request_uri $status $body_bytes_sent $request_time $upstream_response_time'
#: A path and the route that it belongs to.
PATHS = (
    ("/", "/"), ("/items/{n}", "/items/:number"), ("/items/{n}/parts?page={n}&a=?", "/items/:number/parts"), ("/search?q={n}x", "/search"),
    ("/v2/login?next=/items/{n}", "/v2/login"),
)


def rows(seed: int) -> list[dict[str, Any]]:
    """Return requests, in the order of their time."""
    chance = random.Random(seed)
    made = []
    for number in range(LINES):
        path, route = chance.choice(PATHS)
        status = chance.choice(["200"] * 5 + ["101", "304", "404", "404", "429", "499", "500", f"{chance.randrange(100, 600)}"])
        made.append({
            "at": NOW - timedelta(hours=3) + timedelta(seconds=number // 3 + 40 * (number // 100)), "client": f"192.0.2.{chance.randrange(200)}",
            "method": chance.choice(["GET", "POST"]), "path": path.format(n=chance.randrange(3000)), "route": route, "status": status,
            "size": chance.randrange(9000), "took": chance.choice(["-", f"{chance.lognormvariate(-3, 1):.3f}"]),
            "upstream": chance.choice(["-", "0.004", "0.1, 0.2"]),
        })  # fmt: skip
    return made


def write(path: Path, made: list[dict[str, Any]], log_format: str) -> None:
    """Write them as a log."""
    with path.open("w") as log:
        for row in made:
            if log_format == FIELDS:
                upstream = row["upstream"].replace(", ", ",")
                log.write(
                    f"{row['at'].strftime('%Y-%m-%dT%H:%M:%S+00:00')} {row['client']} {row['method']} {row['path']} {row['status']} {row['size']}"
                    f" {row['took']} {upstream}\n"
                )
            else:
                rest = {name: row[name] for name in ("client", "status", "size", "took", "upstream")}
                log.write(extended(row["at"], request=f"{row['method']} {row['path']} HTTP/1.1", **rest))


def by_loop(made: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what a loop over the requests counts."""
    routes: dict[str, Counter[str]] = {}
    latency: dict[str, Counter[int]] = {}
    refused: dict[str, tuple[int, set[int]]] = {}
    for row in made:
        route, took = f"{row['method']} {row['route']}", class_of(row["took"])
        routes.setdefault(route, Counter())[row["status"]] += 1
        latency.setdefault(route, Counter())
        if took != NONE and row["status"] != "101":
            latency[route][took] += 1
        if row["status"][0] == "4" and row["status"] not in ("429", "499"):
            number, paths = refused.get(row["client"], (0, set()))
            refused[row["client"]] = (number + 1, paths | {row["method"] + row["path"].partition("?")[0]})
    seconds = [int(row["at"].timestamp()) for row in made]
    return {
        "requests": len(made), "bytes": sum(row["size"] for row in made), "routes": routes, "latency": latency,
        "upstream": Counter(class_of(row["upstream"]) for row in made), "first": min(seconds), "last": max(seconds),
        "clients": Counter(row["client"] for row in made), "limited": Counter(row["client"] for row in made if row["status"] == "429"),
        "refused": {client: (number, len(paths)) for client, (number, paths) in refused.items()},
        "seconds": Counter(seconds), "minutes": {second // 60 for second in seconds},
    }  # fmt: skip


def by_columns(found: Tally) -> dict[str, Any]:
    return {
        "requests": found.requests, "bytes": found.bytes, "routes": found.routes, "upstream": found.upstream,
        "latency": {route: {took: number for took, number in of.items() if took != NONE and number} for route, of in found.latency.items()},
        "first": found.first, "last": found.last, "clients": found.clients.counts, "limited": found.limited.counts,
        "refused": {client: (number, len(paths)) for client, (number, paths) in found.refused.items()},
        "seconds": {hour * 3600 + at: number for hour, row in found.hours.items() for at, number in enumerate(row) if number},
        "minutes": set(found.minutes),
    }  # fmt: skip


def count(group: Group, processes: int) -> Tally:
    until = int(NOW.timestamp())
    return count_group(group, since=until - 86400, until=until, processes=processes, share_above=0).tally


@pytest.mark.parametrize("log_format", [EXTENDED, FIELDS])
@pytest.mark.parametrize("processes", [1, 2])
def test_columns_count_what_a_loop_counts(log_format: str, processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(group_counting, "_PART_BYTES", (100_000, 100_000))
    monkeypatch.setattr(tally, "MAX_PATHS", LINES)
    made = rows(processes)
    write(tmp_path / "a.log", [*made[LINES // 2 :], *made[: LINES // 2]], log_format)  # the clock was set back in between
    (group,) = read_groups(options(paths=[str(tmp_path / "a.log")], format=log_format))
    found, wanted = by_columns(count(group, processes)), by_loop(made)
    for name, value in wanted.items():
        assert found[name] == value, name


def test_of_very_many_routes_the_rarest_become_one_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(tally, "_KEPT_ROUTES", 10)
    monkeypatch.setattr(tally, "_MAX_FIGURES", 60)
    most: list[int] = []
    note = Tally.note_requests
    monkeypatch.setattr(Tally, "note_requests", lambda self, *given, **more: (note(self, *given, **more), most.append(len(self.latency)))[0])
    letters = str.maketrans("0123456789", "abcdefghij")  # numbers would be placeholders
    made = [
        {**row, "method": "GET", "path": f"/{number}".translate(letters) if number % 4 else "/"} for number, row in enumerate(rows(5))
    ]
    write(tmp_path / "a.log", made, EXTENDED)
    (group,) = read_groups(options(paths=[str(tmp_path / "a.log")], format=EXTENDED))
    found = count(group, 1)
    assert len(most) > 50 and max(most) <= 60
    assert len(found.routes) <= 21 and found.routes.keys() == found.latency.keys()
    assert sum(sum(statuses.values()) for statuses in found.routes.values()) == sum(sum(classes.values()) for classes in found.latency.values()) == LINES
    assert sum(found.routes["GET /"].values()) == LINES // 4


@pytest.mark.parametrize("processes", [1, 2])
def test_clients_that_were_let_go_of_are_still_different_ones(processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(group_counting, "_PART_BYTES", (100_000, 100_000))
    monkeypatch.setattr(busiest.Busiest.__init__, "__defaults__", (20, 0))
    made = [{**row, "client": f"192.0.2.{number // 20}"} for number, row in enumerate(rows(7))]
    write(tmp_path / "a.log", made, EXTENDED)
    (group,) = read_groups(options(paths=[str(tmp_path / "a.log")], format=EXTENDED))
    found = count(group, processes)
    assert found.clients.missing and len(found.clients.counts) <= 40
    assert found.clients.different().count() == len({row["client"] for row in made}) == 200


def test_two_counts_add_up_in_all_that_they_count() -> None:
    one, other = Tally(), Tally()
    names = [name for name, value in vars(other).items() if isinstance(value, busiest.Busiest)]
    for name in names:
        getattr(other, name).add(["x", "x"])
    one.merge(other)
    assert {name: dict(getattr(one, name).counts) for name in names} == dict.fromkeys(names, {"x": 2})


def test_of_equally_rare_status_codes_the_first_in_order_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "_MAX_STATUSES", 3)
    for order in (("503", "200", "404", "101"), ("101", "404", "200", "503")):
        found = Tally()
        statuses = (*order, "503")
        found.note_requests(["GET /"] * 5, [1] * 5, unusual=[("GET /", status) for status in statuses if status != "200"])
        found.settle()
        listed = group_figures(found, {"burst_min_requests": 1, "burst_warning_score": 1, "burst_critical_score": 1}, top=1)["statuses"]
        assert listed == {"101": 1, "200": 1, "503": 2}
