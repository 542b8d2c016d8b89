"""The option ``dumps``."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.databases.options import TYPES, dump_options, read_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"type": "postgresql", "database": "shop"}, "postgresql-shop.pgdump"),
        ({"type": "postgresql", "database": "the shop's \"odd\" name"}, "postgresql-the-shop-s-odd-name.pgdump"),
        ({"type": "postgresql", "database": "../../etc"}, "postgresql-etc.pgdump"),
        ({"type": "postgresql_globals"}, "postgresql-globals.sql"),
        ({"type": "mysql", "database": "shop"}, "mysql-shop.sql"),
        ({"type": "sqlite", "path": "/srv/data.sqlite"}, "sqlite-data.sqlite"),
        ({"type": "redis"}, "redis.rdb"),
        ({"type": "redis", "name": "cache"}, "cache"),
    ],
)
def test_a_dump_is_called_after_its_type_and_its_database(given: dict[str, Any], name: str) -> None:
    spec = read_dumps([given])[0]
    assert (spec.name, spec.member) == (name, f"dumps/{name}")


@pytest.mark.parametrize(
    ("given", "run_as"),
    [
        ({}, "postgres"),
        ({"host": "/run/postgresql"}, "postgres"),
        ({"host": "db.internal"}, ""),
        ({"password": "secret"}, ""),
        ({"run_as": "somebody"}, "somebody"),
    ],
)
def test_a_local_postgresql_is_asked_as_its_own_user(given: dict[str, Any], run_as: str) -> None:
    assert read_dumps([{"type": "postgresql", "database": "x", **given}])[0].run_as == run_as


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([{"type": "oracle"}], r"dumps\[0\]\.type is 'oracle'; accepted values: postgresql, "),
        ([{"type": "redis"}, {"type": "postgresql"}], r"dumps\[1\]\.database is missing; a dump of type postgresql needs it"),
        ([{"type": "sqlite"}], r"dumps\[0\]\.path is missing"),
        ([{"type": "sqlite", "path": "a.db"}], r"dumps\[0\]\.path: a\.db is no absolute path"),
        ([{"type": "sqlite", "path": "/a.db", "host": "x"}], r"dumps\[0\]\.host has no meaning for a dump of type sqlite; accepted options: path"),
        ([{"type": "mysql", "database": "shop", "port": 3307}], r"dumps\[0\]\.port: MySQL reaches a port only by .*; give host"),
        ([{"type": "mysql", "database": "shop", "host": "/run/mysqld/mysqld.sock", "port": 3307}], "give host, such as"),
        ([{"type": "redis", "port": 70000}], r"dumps\[0\]\.port: 70000 is not accepted"),
        ([{"type": "redis", "name": "../x"}], r"dumps\[0\]\.name: '\.\./x' is not accepted"),
        ([{"type": "redis", "password": "a\nb"}], r"dumps\[0\]\.password holds a line break"),
        ([{"type": "postgresql", "database": "x" * 46}], r"dumps\[0\]\.database: .* is too long"),
        ([{"type": "redis"}, {"type": "redis"}], r"dumps\[1\] is called redis\.rdb like dumps\[0\]; give one of them another name"),
    ],
)
def test_what_cannot_be_meant_is_refused(raw: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(UpkeepError, match=words):
        read_dumps(raw)


def test_what_is_shown_has_no_password() -> None:
    spec = read_dumps([{"type": "mysql", "database": "shop", "host": "db", "port": 3307, "password": "hush hush"}])[0]
    assert spec.shown == "MySQL database shop on db:3307"
    assert "hush" not in repr(spec) + spec.shown + spec.place


def test_every_type_is_a_choice_and_the_password_is_secret() -> None:
    options = dump_options()
    assert options["type"]["choices"] == list(TYPES) and options["password"]["no_log"]
