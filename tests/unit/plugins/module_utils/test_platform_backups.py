"""Which backups a host keeps and what they are made of, from the description of its platform."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.backups.groups import read_groups
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backups import backup_groups, backup_plan, own_patterns
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_recovery import recovery_plan
from ansible_collections.upkeep.runbook.plugins.modules.backup_verify import argument_spec

SOURCES = [{"name": "application", "paths": "/srv/app"}, {"name": "database", "paths": "/srv/data", "hosts": ["data"]}]
A, D = Host("a", ["all"]), Host("d", ["all", "data"])


def platform_with(backup: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    backup = {"directory": "/backup", "sources": SOURCES, **(backup or {})}
    description = {"name": "Ticks FX", "root": "/srv/app", "root_hosts": ["a"], "owner": "ticks", "backup": backup, **keys}
    return validate_platform(description, groups={"all": ["a", "d"], "data": ["d"]}).platform


def groups(host: Host, **backup: Any) -> list[dict[str, Any]]:
    return backup_groups(platform_with(backup), host)


def own(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "directory": "/backup", "pattern": own_patterns(name), "manifest": "required", **keys}


def test_without_patterns_our_own_archives_of_the_host_are_one_group() -> None:
    assert groups(A) == [own("ticks-fx-a")]
    assert groups(D, label="Backup", require=["x"], manifest="none") == [own("Backup-d", require=["x"], manifest="none")]
    needed = [{**SOURCES[0], "require": "files/a"}, {**SOURCES[1], "require": ["files/d"]}]
    assert groups(D, sources=needed) == [own("ticks-fx-d", require=["files/a", "files/d"])]


def test_each_source_with_a_pattern_is_a_group_where_the_source_is() -> None:
    sources = [{**SOURCES[0], "pattern": "app-*.tar.zst", "require": "*/package.json"}, {**SOURCES[1], "pattern": "db-*.sql.gz"}]
    application = {
        "name": "application", "directory": "/backup", "pattern": ["app-*.tar.zst"],
        "require": ["manifest.json", "*/package.json"], "manifest": "optional",
    }
    database = {
        "name": "database", "directory": "/backup", "pattern": ["db-*.sql.gz"], "require": ["manifest.json"], "manifest": "optional",
    }
    assert groups(A, sources=sources, require=["manifest.json"]) == [application]
    assert groups(D, sources=sources, require=["manifest.json"]) == [application, database]


def test_the_whole_backup_with_a_pattern_is_a_group_besides() -> None:
    found = groups(D, sources=[SOURCES[0], {**SOURCES[1], "pattern": "db-*"}], pattern="all-*.tar.gz", max_age_hours=0, min_bytes="9")
    figures = {"manifest": "optional", "max_age_hours": 0.0, "min_bytes": 9}
    assert found == [
        {"directory": "/backup", "pattern": ["all-*.tar.gz"], **figures},
        {"name": "database", "directory": "/backup", "pattern": ["db-*"], **figures},
    ]


def test_a_host_without_backups_or_sources_has_none() -> None:
    assert groups(A, hosts=["data"]) == []
    assert groups(A, sources=[SOURCES[1]]) == []
    assert groups(D, sources=[SOURCES[1]]) == [own("ticks-fx-d")]
    without = validate_platform({"name": "Ticks", "root": "/srv/app"}).platform
    assert backup_groups(without, A) == []
    assert backup_plan(without, A) == {}
    assert backup_plan(platform_with({"hosts": ["data"]}), A) == {}


def test_a_restic_repository_holds_no_files_to_verify_in_a_folder() -> None:
    restic = {"engine": "restic", "restic": "sftp:backup@storage:/srv/restic"}
    assert groups(A, **restic) == []
    plan = backup_plan(platform_with(restic), A)
    assert (plan["engine"], plan["restic"]["repository"]) == ("restic", "sftp:backup@storage:/srv/restic")


def test_the_module_takes_what_is_derived() -> None:
    spec = argument_spec()
    options = {name: option.get("default") for name, option in spec.items()}
    keys = dict.fromkeys(spec["backups"]["options"])
    derived = groups(D, sources=[{**SOURCES[0], "pattern": "a*"}, {**SOURCES[1], "pattern": "d*"}], pattern="all*") + groups(A)
    read = read_groups({**options, "backups": [{**keys, **group} for group in derived]})
    assert [group.subject for group in read] == ["/backup/all*", "application", "database", "ticks-fx-a"]


@pytest.mark.parametrize(
    "name, is_own",
    [
        ("fx-a_20261122T014356Z.tar.zst", True),
        ("fx-a_20261122T014356Z.tar.gz", True),
        ("fx-a_20261122T014356Z.tar", True),
        ("fx-a_20261122T014356Z.tar.zst.manifest.json", False),
        ("fx-a_1_20261122T014356Z.tar.zst", False),
        ("fx-a_b_20261122T014356Z.tar", False),
        ("fx-a-2_20261122T014356Z.tar", False),
        (".upkeep-fx-a_20261122T014356Z.tar.zst-x.new", False),
        ("fx-a_20261122T014356.tar", False),
    ],
)
def test_only_archives_with_exactly_this_label_are_our_own(name: str, is_own: bool) -> None:
    assert any(fnmatchcase(name, pattern) for pattern in own_patterns("fx-a")) is is_own


def test_what_is_accepted_reaches_drills_as_well_as_recoveries() -> None:
    platform = platform_with({"accept": ["special_bits"]})
    plan = backup_plan(platform, A)
    assert plan["accept"] == plan["drill"]["accept"] == recovery_plan(platform, A)["accept"] == ["special_bits"]


def test_a_plan_says_what_is_backed_up_of_the_host() -> None:
    services = [{"name": "ticks", "unit": "ticks", "hosts": ["a"]}, {"name": "sql", "unit": "sql", "hosts": ["d"]}, {"name": "x", "port": 1}]
    plan = backup_plan(platform_with(services=services), A)
    keep = {"last": 0, "daily": 7, "weekly": 4, "monthly": 12, "yearly": 0, "within_days": 0}
    drill = {"every_days": 7.0, "max_days": 35.0, "files": [], "command": [], "run_as": "ticks", "databases": True, "accept": []}
    assert plan == {
        "accept": [], "engine": "archive", "restic": {}, "platform": "Ticks FX", "host": "a", "label": "ticks-fx-a", "destination": "/backup",
        "pattern": own_patterns("ticks-fx-a"), "compression": "zstd",
        "sources": [{"name": "application", "paths": ["/srv/app"], "exclude": [], "one_file_system": True}],
        "require": [], "dumps": [], "git": ["/srv/app"], "services": ["ticks.service"], "keep": keep,
        "limits": {}, "drill": drill,
    }
    own_needs = {"require": ["a"], "sources": [{**SOURCES[0], "require": "b"}]}
    assert backup_plan(platform_with(own_needs), A)["require"] == ["a", "b"]
    assert backup_plan(platform_with({**own_needs, "pattern": "x*"}), A)["require"] == [], "those of the backups of somebody else"
    other = backup_plan(platform_with(services=services), D)
    assert ([source["name"] for source in other["sources"]], other["git"], other["services"]) == (
        ["application", "database"], [], ["sql.service"],
    )


def test_a_plan_has_what_the_description_says_of_sources_and_limits() -> None:
    aged = {**SOURCES[0], "exclude": "tmp", "max_age_days": 7, "one_file_system": False}
    plan = backup_plan(platform_with({"sources": [aged], "max_age_hours": 0, "min_bytes": 9, "max_shrink_percent": 20}), A)
    assert plan["sources"] == [
        {"name": "application", "paths": ["/srv/app"], "exclude": ["tmp"], "max_age_days": 7.0, "one_file_system": False}
    ]
    assert plan["limits"] == {"max_age_hours": 0.0, "min_bytes": 9, "max_shrink_percent": 20.0}


def test_databases_and_caches_of_the_host_are_dumped() -> None:
    databases = [
        {"type": "postgresql", "name": "ticks"},
        {"type": "postgresql", "name": "users", "run_as": "sql"},
        {"type": "postgresql", "name": "far", "host": "db.internal", "port": 5433, "user": "backup"},
        {"type": "mysql", "name": "shop"},
        {"type": "sqlite", "path": "/srv/app/local.db"},
        {"type": "postgresql", "name": "elsewhere", "hosts": ["data"]},
        {"type": "mysql", "name": "scratch", "backup": False},
    ]
    caches = [
        {"type": "redis", "url": "redis://127.0.0.1:6379/0", "unit": "redis-server", "data_directory": "/var/lib/redis"},
        {"type": "redis", "url": "unix:///run/redis/a.sock"},
        {"type": "redis", "url": "redis://127.0.0.1:6380/0", "backup": False},
    ]
    far = {"host": "db.internal", "port": 5433, "user": "backup"}
    plan = backup_plan(platform_with(databases=databases, caches=caches), A, {"mysql-shop.sql": "S3CRET", "no-such-dump": "x"})
    assert plan["dumps"] == [
        {"name": "postgresql-ticks.pgdump", "type": "postgresql", "database": "ticks"},
        {"name": "postgresql-globals.sql", "type": "postgresql_globals"},
        {"name": "postgresql-users.pgdump", "type": "postgresql", "database": "users", "run_as": "sql"},
        {"name": "postgresql-globals-2.sql", "type": "postgresql_globals", "run_as": "sql"},
        {"name": "postgresql-far-db-internal-5433.pgdump", "type": "postgresql", "database": "far", **far},
        {"name": "postgresql-globals-db-internal-5433.sql", "type": "postgresql_globals", **far},
        {"name": "mysql-shop.sql", "type": "mysql", "database": "shop", "password": "S3CRET"},
        {"name": "sqlite-srv-app-local-db.sqlite", "type": "sqlite", "path": "/srv/app/local.db"},
        {
            "name": "redis-127-0-0-1-6379.rdb", "type": "redis", "host": "127.0.0.1", "port": 6379,
            "unit": "redis-server.service", "data_directory": "/var/lib/redis",
        },
        {"name": "redis-run-redis-a-sock.rdb", "type": "redis", "host": "/run/redis/a.sock"},
    ]


def test_two_databases_of_one_server_share_the_dump_of_its_roles_and_names_never_meet() -> None:
    databases = [{"type": "postgresql", "name": name} for name in ("a b", "a/b", "globals")]
    names = [dump["name"] for dump in backup_plan(platform_with(databases=databases), A)["dumps"]]
    assert names == [
        "postgresql-a-b.pgdump", "postgresql-globals.sql", "postgresql-a-b-2.pgdump", "postgresql-globals.pgdump",
    ]
