"""The option ``databases``: subjects, servers, and refusals that name their index."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import read_targets
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


def test_what_belongs_to_a_server_is_looked_at_once() -> None:
    targets = read_targets(
        [
            {"type": "postgresql", "database": "a"},
            {"type": "postgresql", "database": "b"},
            {"type": "postgresql", "database": "a", "host": "db.example.com", "port": 5433, "password": "hush"},
            {"type": "redis", "host": "127.0.0.1", "port": 6379, "tls": True},
            {"type": "sqlite", "path": "/srv/x.db"},
        ]
    )
    assert [(target.subject, target.server, target.first) for target in targets] == [
        ("postgresql a", "postgresql", True),
        ("postgresql b", "postgresql", False),
        ("postgresql a on db.example.com:5433", "postgresql db.example.com:5433", True),
        ("redis 127.0.0.1:6379", "redis 127.0.0.1:6379", True),
        ("sqlite /srv/x.db", "sqlite", True),
    ]
    assert [target.spec.run_as for target in targets] == ["postgres", "postgres", "", "", ""] and targets[3].tls
    assert "hush" not in repr(targets)


def test_a_name_that_a_restore_could_add_nothing_to_can_be_looked_at() -> None:
    assert read_targets([{"type": "postgresql", "database": "n" * 63}])[0].spec.database == "n" * 63


def test_servers_that_differ_in_their_port_are_two_servers() -> None:
    reached: list[dict[str, Any]] = [
        {}, {"port": 5432, "database": "b"}, {"port": 5433}, {"host": "/run/postgresql", "port": 5432}, {"host": "/run/postgresql", "port": 5433},
    ]
    targets = read_targets([{"type": "postgresql", "database": "a", **reach} for reach in reached] + [{"type": "redis"}, {"type": "redis", "port": 6380}])
    assert [(target.subject, target.server, target.first) for target in targets] == [
        ("postgresql a", "postgresql", True),
        ("postgresql b", "postgresql", False),
        ("postgresql a on port 5433", "postgresql port 5433", True),
        ("postgresql a on /run/postgresql", "postgresql /run/postgresql", True),
        ("postgresql a on /run/postgresql:5433", "postgresql /run/postgresql:5433", True),
        ("redis", "redis", True),
        ("redis port 6380", "redis port 6380", True),
    ]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"type": "redis"}, "databases[1] is redis like databases[0]"),
        ({"type": "postgresql"}, "databases[1].database is missing"),
        ({"type": "redis", "database": "x"}, "databases[1].database has no meaning"),
        ({"type": "mysql", "database": "x", "tls": True}, "databases[1].tls has no meaning for the type mysql"),
        ({"type": "mysql", "database": "x", "port": 0}, "databases[1].port: 0 is not accepted"),
    ],
)
def test_what_is_not_accepted_is_named(second: dict[str, Any], said: str) -> None:
    with pytest.raises(UpkeepError) as caught:
        read_targets([{"type": "redis"}, second])
    assert said in caught.value.message
