"""What is brought back on a host, from the description of its platform."""

from __future__ import annotations

from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_recovery import recovery_plan

A, W = Host("a", ["all"]), Host("w", ["all", "web"])
SOURCES = [
    {"name": "application", "paths": ["/srv/app"]},
    {"name": "logs", "paths": ["/srv/app/logs"]},
    {"name": "configuration", "paths": ["/etc/nginx", "/srv/apps"]},
]
SERVICES = [
    {"name": "nginx", "unit": "nginx", "hosts": ["web"]},
    {"name": "api", "pm2": "api"},
    {"name": "worker", "unit": "worker", "user": "work"},
    {"name": "probe", "port": 80},
]


def plan(host: Host, recovery: dict[str, Any] | None = None) -> dict[str, Any]:
    description = {
        "name": "Ticks", "root": "/srv/app", "owner": "ticks", "services": SERVICES, "node_projects": ["/srv/app", "/srv/app"],
        "databases": [
            {"type": "sqlite", "path": "/srv/app/x.db"},
            {"type": "postgresql", "name": "ticks", "unit": "postgresql", "hosts": ["web"]},
            {"type": "postgresql", "name": "users", "unit": "postgresql", "hosts": ["web"]},
        ],
        "caches": [{"type": "redis", "url": "redis://127.0.0.1/0", "unit": "redis-server", "data_directory": "/var/lib/redis", "hosts": ["web"]}],
        "backup": {"directory": "/backup", "sources": SOURCES}, "recovery": recovery,
    }
    return recovery_plan(validate_platform(description, groups={"all": ["a", "w"], "web": ["w"]}).platform, host)


def test_without_a_word_about_recovery_all_sources_come_back() -> None:
    found = plan(A)
    assert found["targets"] == ["/srv/app", "/etc/nginx", "/srv/apps"], "/srv/app/logs comes with /srv/app"
    assert [dump["name"] for dump in found["dumps"]] == ["sqlite-srv-app-x-db.sqlite"]
    assert (found["directory"], found["label"], found["node_projects"]) == ("/backup", "ticks-a", ["/srv/app"])
    assert (found["maintenance_file"], found["env_files"], found["configuration_checks"]) == ("", [], [])
    assert (found["health_seconds"], found["health_consecutive"]) == (120.0, 3)
    assert found["database_units"] == []
    assert found["services"] == [
        {"name": "api", "unit": "", "pm2": "api", "user": "ticks"},
        {"name": "worker", "unit": "worker.service", "pm2": "", "user": "work"},
    ]


def test_a_host_with_a_new_name_takes_the_backups_of_its_old_one() -> None:
    platform = validate_platform({"name": "X", "root": "/x", "backup": {"directory": "/b", "sources": [{"name": "x", "paths": ["/x"]}]}}).platform
    found = recovery_plan(platform, A, None, "old one")
    assert (found["host"], found["label"]) == ("old one", "x-old-one")
    assert found["pattern"] and all(pattern.startswith("x-old-one_") for pattern in found["pattern"])
    now = recovery_plan(platform, A)
    assert (now["host"], now["label"]) == ("a", "x-a") and now["pattern"][0].startswith("x-a_")


def test_what_the_description_says_is_that_of_the_host() -> None:
    recovery = {
        "targets": "/srv/app",
        "env_files": ["/srv/app/.env", {"path": "/srv/web.env", "hosts": ["web"], "owner": "root", "mode": "0640", "required_keys": "A"}],
        "configuration_checks": [{"command": ["nginx", "-t"], "hosts": ["web"]}],
        "start_order": ["worker", "api"],
        "health_seconds": 5,
    }
    found = plan(W, recovery)
    env = {"path": "/srv/app/.env", "required_keys": [], "mode": "0600", "owner": "ticks"}
    assert found["env_files"] == [env, {"path": "/srv/web.env", "required_keys": ["A"], "mode": "0640", "owner": "root"}]
    assert found["configuration_checks"] == [["nginx", "-t"]]
    assert found["database_units"] == ["postgresql.service", "redis-server.service"]
    assert [service["name"] for service in found["services"]] == ["worker", "api", "nginx"]
    assert (found["targets"], found["health_seconds"]) == (["/srv/app"], 5.0)
    assert plan(A, recovery)["env_files"] == [env]
    assert plan(A, recovery)["configuration_checks"] == []
    assert plan(A, {"hosts": ["web"]}) == {}


def test_a_host_without_backups_has_no_recovery() -> None:
    assert recovery_plan(validate_platform({"name": "x", "root": "/x"}).platform, A) == {}


def test_what_must_be_healthy_and_what_of_it_the_maintenance_page_does_not_answer() -> None:
    services = [
        {"name": "api", "unit": "api", "port": 8081, "http": "http://127.0.0.1:8081/health", "upstream": "feed.example.org:5035"},
        {"name": "web", "unit": "nginx", "http": "https://www.example.org/", "websocket": "ws://127.0.0.1/"},
        {"name": "old", "process": "old.js"},
    ]
    description = {
        "name": "Ticks", "root": "/srv/app", "services": services, "recovery": {"health_consecutive": 2},
        "backup": {"directory": "/backup", "sources": SOURCES},
    }
    found = recovery_plan(validate_platform(description).platform, A)
    names = [(probe["name"], probe["type"]) for probe in found["probes"]]
    assert ("api upstream", "tcp") not in names, "what others run is not what was brought back"
    assert {probe["consecutive"] for probe in found["probes"]} == {2}
    inner = [(probe["name"], probe["type"]) for probe in found["inner_probes"]]
    assert set(names) - set(inner) == {("web", "http"), ("web", "websocket")}
    assert (found["unmanaged"], found["python_modules"], found["host"]) == (["old"], ["psutil"], "a")


def test_passwords_reach_the_dumps_that_are_restored() -> None:
    description = {
        "name": "Ticks", "root": "/srv/app", "databases": [{"type": "postgresql", "name": "ticks", "host": "db"}],
        "backup": {"directory": "/backup", "sources": SOURCES},
    }
    platform = validate_platform(description).platform
    name = recovery_plan(platform, A)["dumps"][0]["name"]
    assert [dump.get("password") for dump in recovery_plan(platform, A, {name: "s"})["dumps"]] == ["s", None]
