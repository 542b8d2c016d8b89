"""Which databases of a host are looked at, from the description of its platform, and how each is reached."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.database_metrics.targets import read_targets
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_dumps
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_databases import looked_at_databases
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host

DATABASES: list[dict[str, Any]] = [
    {"type": "postgresql", "name": "ticks", "unit": "postgresql.service"},
    {"type": "postgresql", "name": "far", "host": "db.example.com", "port": 5433, "user": "monitor", "backup": False},
    {"type": "mysql", "name": "shop", "hosts": ["data"]},
    {"type": "sqlite", "path": "/srv/x.db"},
]
CACHES: list[dict[str, Any]] = [
    {"type": "redis", "url": "redis://127.0.0.1:6379/0", "unit": "redis-server", "data_directory": "/var/lib/redis"},
    {"type": "redis", "url": "redis://127.0.0.1/1", "data_directory": "/var/lib/other"},
    {"type": "redis", "url": "rediss://cache.example.com", "backup": False},
    {"type": "redis", "url": "unix:///run/redis.sock"},
]


def platform() -> dict[str, Any]:
    description = {"name": "Ticks", "root": "/srv", "databases": DATABASES, "caches": CACHES}
    return validate_platform(description, groups={"all": ["a", "d"], "data": ["d"]}).platform


def test_those_of_the_host_also_when_nobody_backs_them_up() -> None:
    found = looked_at_databases(platform(), Host("a", ["all"]))
    assert found == [
        {"type": "postgresql", "database": "ticks"},
        {"type": "postgresql", "database": "far", "host": "db.example.com", "port": 5433, "user": "monitor"},
        {"type": "sqlite", "path": "/srv/x.db"},
        {"type": "redis", "host": "127.0.0.1", "port": 6379},
        {"type": "redis", "host": "cache.example.com", "port": 6379, "tls": True},
        {"type": "redis", "host": "/run/redis.sock"},
    ]
    assert len(read_targets(found)) == len(found), "the module takes them"


def test_a_password_has_the_name_that_it_has_for_backups() -> None:
    host = Host("d", ["all", "data"])
    (name,) = [dump["name"] for dump in backup_dumps(platform(), host) if dump["type"] == "mysql"]
    found = looked_at_databases(platform(), host, {name: "hush", "another": "x"})
    assert [entry.get("password") for entry in found if entry["type"] == "mysql"] == ["hush"]


def test_without_databases_there_is_nothing() -> None:
    assert looked_at_databases(validate_platform({"name": "x", "root": "/x"}).platform, Host("a", [])) == []
