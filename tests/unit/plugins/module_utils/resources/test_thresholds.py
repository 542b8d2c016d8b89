"""Thresholds: defaults, overrides for a path, and refusals that name index, key and what is accepted."""

from __future__ import annotations

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import (
    DEFAULTS,
    Limits,
    PathRule,
    option_name,
    read_paths,
    read_thresholds,
    threshold_options,
)


def test_nothing_given_is_the_defaults() -> None:
    limits = read_thresholds({})
    assert limits == read_thresholds(None)
    assert limits["disk"] == Limits(85, 95)
    assert limits["cpu"] == Limits(80, None)
    assert limits["oom_kills"] == Limits(1, None)
    assert set(limits) == set(DEFAULTS)


def test_the_defaults_of_the_options_are_those_of_the_table() -> None:
    given = {name: option["default"] for name, option in threshold_options().items()}
    assert read_thresholds(given) == read_thresholds({})


@pytest.mark.parametrize("resource", sorted(DEFAULTS))
def test_each_default_warns_before_it_is_critical(resource: str) -> None:
    warning, critical = read_thresholds({})[resource]
    assert warning is not None
    assert critical is None or warning < critical


@pytest.mark.parametrize(
    ("given", "resource", "limits"),
    [
        ({"memory_warning_percent": 50}, "memory", Limits(50, 95)),
        ({"memory_warning_percent": 95}, "memory", Limits(95, 95)),
        ({"memory_warning_percent": 0}, "memory", Limits(None, 95)),
        ({"memory_critical_percent": 0}, "memory", Limits(85, None)),
        ({"memory_warning_percent": None}, "memory", Limits(85, 95)),
        ({"cpu_critical_percent": 100}, "cpu", Limits(80, 100)),
        ({"load_critical_per_core": 250.5}, "load", Limits(2, 250.5)),
        ({"oom_kills_critical_count": 3}, "oom_kills", Limits(1, 3)),
    ],
)
def test_what_is_given_counts(given: dict, resource: str, limits: Limits) -> None:
    assert read_thresholds(given)[resource] == limits


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"cpu_warning_percent": 101}, "thresholds.cpu_warning_percent: 101 is not accepted; give a percentage from 0 to"
         " 100 (0 switches the threshold off)."),
        ({"swap_critical_percent": -1}, "thresholds.swap_critical_percent: -1 is not accepted; give a percentage from 0"
         " to 100 (0 switches the threshold off)."),
        ({"load_warning_per_core": -0.5}, "thresholds.load_warning_per_core: -0.5 is not accepted; give 0 or a greater"
         " number (0 switches the threshold off)."),
        ({"load_critical_per_core": float("inf")}, "thresholds.load_critical_per_core: inf is not accepted; give 0 or a"
         " greater number (0 switches the threshold off)."),
        ({"cpu_warning_percent": float("nan")}, "thresholds.cpu_warning_percent: nan is not accepted; give a percentage"
         " from 0 to 100 (0 switches the threshold off)."),
        ({"memory_warning_percent": 96}, "thresholds.memory_warning_percent: 96 is above"
         " thresholds.memory_critical_percent, which is 95; accepted are 0 to 95 (0 switches the threshold off)."),
    ],
)
def test_refusals_name_the_threshold(given: dict, message: str) -> None:
    with pytest.raises(UpkeepError) as refusal:
        read_thresholds(given)
    assert refusal.value.message == message


LIMITS = read_thresholds({})


def test_a_path_inherits_and_overrides() -> None:
    rules = read_paths(
        [{"path": "/"}, {"path": "/srv//x/", "warning_percent": 90, "inodes_critical_percent": 99, "min_free_bytes": 5}],
        LIMITS,
    )
    assert rules == [
        PathRule("/", Limits(85, 95), Limits(85, 95)),
        PathRule("/srv/x", Limits(90, 95), Limits(85, 99), 5),
    ]


def test_a_path_inherits_what_is_switched_off() -> None:
    limits = read_thresholds({"disk_critical_percent": 0})
    assert read_paths([{"path": "/"}], limits)[0].space == Limits(85, None)
    assert read_paths([{"path": "/", "critical_percent": 99}], limits)[0].space == Limits(85, 99)


def test_a_path_that_is_named_twice_counts_once() -> None:
    assert len(read_paths([{"path": "/srv"}, {"path": "/srv/"}, {"path": "//srv"}], LIMITS)) == 1


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "srv"}, "paths[1].path: 'srv' is not accepted; give an absolute path, such as /srv."),
        ({"path": ""}, "paths[1].path: '' is not accepted; give an absolute path, such as /srv."),
        ({"path": "/b", "warning_percent": 96}, "paths[1].warning_percent: 96 is above paths[1].critical_percent, which"
         " is 95; accepted are 0 to 95 (0 switches the threshold off)."),
        ({"path": "/b", "critical_percent": 20}, "paths[1].warning_percent: 85 is above paths[1].critical_percent, which"
         " is 20; accepted are 0 to 20 (0 switches the threshold off)."),
        ({"path": "/b", "inodes_warning_percent": 200}, "paths[1].inodes_warning_percent: 200 is not accepted; give a"
         " percentage from 0 to 100 (0 switches the threshold off)."),
        ({"path": "/b", "min_free_bytes": -4}, "paths[1].min_free_bytes: -4 is not accepted; give 0 bytes or more."),
        ({"path": "/a", "warning_percent": 1}, "paths[1].path: /a is already paths[0], with other values; keep one of"
         " the two."),
    ],
)
def test_refusals_name_index_and_key(entry: dict, message: str) -> None:
    with pytest.raises(UpkeepError) as refusal:
        read_paths([{"path": "/a"}, entry], LIMITS)
    assert refusal.value.message == message


def test_every_option_names_its_unit() -> None:
    assert option_name("cpu", "warning") == "cpu_warning_percent"
    assert option_name("load", "critical") == "load_critical_per_core"
    assert option_name("oom_kills", "warning") == "oom_kills_warning_count"
