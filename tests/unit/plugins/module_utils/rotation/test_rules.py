"""What is due, what goes, and which options contradict themselves."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation import rules
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.names import Archive, new_archive
from ansible_collections.upkeep.runbook.plugins.module_utils.rotation.rules import (
    Group,
    newest_stamp,
    read_groups,
    surplus,
    why_not_due,
)

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=timezone.utc)
DEFAULTS: dict[str, Any] = {**rules.DEFAULTS, "paths": [], "groups": [], "reopen": None}


def group(**options: Any) -> Group:
    return read_groups({**DEFAULTS, "paths": ["/logs/app.log"], **options})[0]


@pytest.mark.parametrize(
    ("options", "size", "hours", "due"),
    [
        ({}, 0, None, False),
        ({}, 1, None, True),
        ({}, 1, 19.99, False),
        ({}, 1, 20, True),
        ({"min_age_hours": 0}, 1, 0, True),
        ({"min_age_hours": 0}, 0, 0, False),
        ({"min_bytes": 100}, 99, None, False),
        ({"min_bytes": 100}, 100, None, True),
        ({"max_bytes": 1000}, 1000, 1, False),
        ({"max_bytes": 1000}, 1001, 1, True),
        ({}, 1, -0.05, False),
        ({}, 1, -1, True),  # a clock that was ahead: that archive says nothing
    ],
)
def test_when_a_log_is_due(options: dict[str, Any], size: int, hours: float | None, due: bool) -> None:
    newest = None if hours is None else NOW - timedelta(hours=hours)
    assert (why_not_due(group(**options), size, newest, NOW) == "") is due


def test_archives_of_the_future_do_not_make_a_log_due_in_every_run() -> None:
    made = days_old(-400, 0, 3)
    assert newest_stamp(made, NOW) == NOW
    assert newest_stamp(made[:1], NOW) is None


def days_old(*days: float) -> list[tuple[Archive, int]]:
    return [(new_archive("app.log", NOW - timedelta(days=day), b"\0\0"), 100) for day in days]


@pytest.mark.parametrize(
    ("options", "days", "gone"),
    [
        ({"keep": 2}, (1, 2, 3, 4), [3, 4]),
        ({"keep": 0}, (1, 2, 3, 4), []),
        ({"max_age_days": 2.5}, (1, 2, 3, 4), [3, 4]),
        ({"max_age_days": 0.5}, (1, 2), [2]),  # the newest stays whatever its age
        ({"max_total_bytes": 250}, (1, 2, 3, 4), [3, 4]),
        ({"max_total_bytes": 1}, (1, 2), [2]),
        ({"keep": 3, "max_age_days": 1.5}, (1, 2, 3, 4), [2, 3, 4]),
        ({"keep": 1}, (), []),
        # A clock that was ahead: its archives were made before those of today.
        ({"keep": 1}, (-400, 0), [-400]),
        ({"keep": 2}, (-400, -390, 0, 1), [-400, -390]),
        ({"max_total_bytes": 150}, (-400, 0), [-400]),
    ],
)
def test_which_archives_go(options: dict[str, Any], days: tuple[float, ...], gone: list[float]) -> None:
    archives = days_old(*days)
    for given in (archives, archives[::-1]):
        removed = surplus(group(**options), given, NOW)
        assert sorted((NOW - archive.rotated).days for archive, _size, _reason in removed) == gone
        assert all(reason for _archive, _size, reason in removed)


def test_a_group_overrides_what_the_module_sets() -> None:
    groups = read_groups({
        **DEFAULTS, "keep": 7, "reopen": {"signal": "USR1", "unit": "a.service", "pid_file": None},
        "groups": [{"paths": ["/a"], "keep": 3, "min_bytes": None}, {"paths": ["/b"], "reopen": {"pm2": True, "user": "app"}}],
    })
    assert [(one.paths, one.keep, one.reopen.way) for one in groups] == [(("/a",), 3, "signal"), (("/b",), 7, "pm2")]
    assert groups[0].reopen.unit == "a.service"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"paths": []}, "no log is named"),
        ({"paths": ["app.log"]}, "'app.log' is not accepted; give an absolute path"),
        ({"paths": ["/logs/../etc/shadow"]}, "without '..'"),
        ({"paths": ["/a\0b"]}, "not accepted"),
        ({"paths": [], "groups": [{"paths": ["/a"]}, {"paths": []}]}, "groups[1].paths is empty"),
        ({"keep": -1}, "keep: -1 is not accepted"),
        ({"min_age_hours": float("nan")}, "min_age_hours: nan is not accepted"),
        ({"max_age_days": float("inf")}, "max_age_days: inf"),
        ({"min_bytes": 100, "max_bytes": 50}, "max_bytes is 50, below min_bytes"),
        ({"reopen": {"signal": "USR1"}}, "a signal needs exactly one of pid_file, unit, process"),
        ({"reopen": {"signal": "USR1", "unit": "a", "process": "b"}}, "exactly one of pid_file, unit, process"),
        ({"reopen": {"signal": "USR1", "unit": "a", "pm2": True}}, "give exactly one of signal, pm2, command, none"),
        ({"reopen": {"unit": "a"}}, "give exactly one of signal, pm2, command, none"),
        ({"reopen": {"signal": "USR1", "process": "a("}}, "reopen.process is 'a(', which is no regular expression"),
        ({"reopen": {"pm2": True, "unit": "a"}}, "reopen.unit is only for a signal"),
        ({"method": "copytruncate", "reopen": {"pm2": True}}, "with copytruncate the writer keeps its file"),
    ],
)
def test_options_that_contradict_themselves(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as error:
        group(**options)
    assert said in error.value.message
