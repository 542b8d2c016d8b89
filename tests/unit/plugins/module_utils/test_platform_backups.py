"""Which backups a host keeps, from the description of its platform."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec

SOURCES = [{"name": "application", "paths": "/srv/app"}, {"name": "database", "paths": "/srv/data", "hosts": ["data"]}]


def groups(host: Host, **backup: Any) -> list[dict[str, Any]]:
    description = {"name": "Ticks", "root": "/srv/app", "backup": {"directory": "/backup", "sources": SOURCES, **backup}}
    platform = validate_platform(description, groups={"all": ["a", "d"], "data": ["d"]}).platform
    assert platform is not None
    return backup_groups(platform, host)


A, D = Host("a", ["all"]), Host("d", ["all", "data"])


def test_without_patterns_all_sources_are_one_group() -> None:
    assert groups(A) == groups(D) == [{"directory": "/backup"}]


def test_each_source_with_a_pattern_is_a_group_where_the_source_is() -> None:
    sources = [{**SOURCES[0], "pattern": "app-*.tar.zst", "require": "*/package.json"}, {**SOURCES[1], "pattern": "db-*.sql.gz"}]
    application = {
        "name": "application", "directory": "/backup", "pattern": ["app-*.tar.zst"], "require": ["manifest.json", "*/package.json"],
    }
    database = {"name": "database", "directory": "/backup", "pattern": ["db-*.sql.gz"], "require": ["manifest.json"]}
    assert groups(A, sources=sources, require=["manifest.json"]) == [application]
    assert groups(D, sources=sources, require=["manifest.json"]) == [application, database]


def test_the_whole_backup_with_a_pattern_is_a_group_besides() -> None:
    found = groups(D, sources=[SOURCES[0], {**SOURCES[1], "pattern": "db-*"}], pattern="all-*.tar.gz", max_age_hours=0, min_bytes="9")
    assert found == [
        {"directory": "/backup", "pattern": ["all-*.tar.gz"], "max_age_hours": 0.0, "min_bytes": 9},
        {"name": "database", "directory": "/backup", "pattern": ["db-*"], "max_age_hours": 0.0, "min_bytes": 9},
    ]


def test_a_host_without_backups_or_sources_has_none() -> None:
    assert groups(A, hosts=["data"]) == []
    assert groups(A, sources=[SOURCES[1]]) == []
    assert groups(D, sources=[SOURCES[1]]) == [{"directory": "/backup"}]
    platform = validate_platform({"name": "Ticks", "root": "/srv/app"}).platform
    assert platform is not None
    assert backup_groups(platform, A) == []


def test_the_module_takes_what_is_derived() -> None:
    spec = argument_spec()
    options = {name: option.get("default") for name, option in spec.items()}
    keys = dict.fromkeys(spec["backups"]["options"])
    derived = groups(D, sources=[{**SOURCES[0], "pattern": "a*"}, {**SOURCES[1], "pattern": "d*"}], pattern="all*")
    read = read_groups({**options, "backups": [{**keys, **group} for group in derived]})
    assert [group.subject for group in read] == ["/backup/all*", "application", "database"]
