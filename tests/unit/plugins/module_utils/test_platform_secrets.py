"""What a description says about secrets that can be rotated: which items are one secret, on which hosts, and who is restarted."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_secrets import secret_plan

GROUPS = {"all": ["a", "b", "w"], "backend": ["a", "b"], "web": ["w"]}


def described(*services: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "x", "root": "/opt/x", "services": list(services), **more}


def service(name: str, *rotate: Any, hosts: str = "backend", **more: Any) -> dict[str, Any]:
    return {"name": name, "unit": name, "hosts": [hosts], "rotate": list(rotate), **more}


def plan(description: dict[str, Any], host: str = "a") -> dict[str, Any]:
    platform = validate_platform(description, groups=GROUPS).platform
    return secret_plan(platform, Host(host, [name for name, hosts in GROUPS.items() if host in hosts]), GROUPS)


def test_a_key_alone_is_one_of_the_file_below_the_root() -> None:
    found = plan(described(service("web", "JWT_SECRET", hosts="w"), service("other", hosts="w")), "w")
    assert found["secrets"] == [{
        "name": "JWT_SECRET", "names": ["JWT_SECRET"], "places": [{"path": "/opt/x/.env", "key": "JWT_SECRET"}], "services": ["web"],
        "hosts": ["w"], "encoding": "base64url", "bytes": 48, "characters": 64, "per_host": False,
    }]
    assert [one["name"] for one in found["services"]] == ["web"] and {probe["name"] for probe in found["probes"]} == {"web"}
    assert found["health_seconds"] == 120.0 and [probe["consecutive"] for probe in found["probes"]] == [3], "once may be just before it dies"


def test_the_same_key_of_the_same_file_and_the_same_word_are_one_secret() -> None:
    found = plan(described(
        service("api", "JWT_SECRET", {"key": "SESSION", "shared": "session"}, upstream="up.example.net:443"),
        service("socket", "JWT_SECRET", {"key": "TOKEN", "file": "/opt/y/.env", "shared": "session"}),
        service("cron", {"key": "TOKEN", "file": "/opt/y/.env"}),
        recovery={"start_order": ["cron", "socket"], "health_seconds": 20}, backup={"directory": "/b", "sources": [{"name": "x", "paths": ["/opt/x"]}]},
    ))
    told = {secret["name"]: (secret["names"], len(secret["places"]), sorted(secret["services"]), secret["hosts"]) for secret in found["secrets"]}
    assert told == {
        "JWT_SECRET": (["JWT_SECRET"], 1, ["api", "socket"], ["a", "b"]),
        "session": (["session", "SESSION", "TOKEN"], 2, ["api", "cron", "socket"], ["a", "b"]),
    }
    assert [one["name"] for one in found["services"]] == ["cron", "socket", "api"] and found["health_seconds"] == 20
    # What a service needs from elsewhere says nothing about its secrets.
    assert not [probe for probe in found["probes"] if "upstream" in probe["name"]]


def test_another_host_has_other_secrets_and_all_names_are_known_everywhere() -> None:
    description = described(service("api", "JWT_SECRET"), service("web", {"key": "COOKIE", "shared": "cookie"}, hosts="w"))
    assert [secret["name"] for secret in plan(description, "w")["secrets"]] == ["cookie"]
    assert plan(description, "w")["names"] == ["COOKIE", "JWT_SECRET", "cookie"]
    assert plan(described(service("api")))["secrets"] == []


def test_a_secret_of_services_on_several_hosts_is_told_with_all_of_them() -> None:
    shared = {"key": "JWT_SECRET", "shared": "jwt"}
    assert plan(described(service("api", shared), service("web", shared, hosts="w")), "w")["secrets"][0]["hosts"] == ["a", "b", "w"]


@pytest.mark.parametrize(
    ("services", "reason"),
    [
        ([service("api", "A B")], "services[0].rotate[0].key"),
        ([service("api", {"key": "A", "bytes": 4})], "services[0].rotate[0].bytes"),
        ([{"name": "api", "port": 80, "rotate": ["A"]}], "nobody could restart the service"),
        ([service("api", "A"), service("b", {"key": "A", "encoding": "hex"})], "services[1].rotate[0].encoding: must be that of services[0].rotate[0]"),
        ([service("api", {"key": "A", "shared": "s"}, {"key": "B", "shared": "s", "bytes": 32})], "services[0].rotate[1].bytes: must be that of"),
    ],
)
def test_mistakes(services: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(UpkeepError) as raised:
        validate_platform(described(*services), groups=GROUPS)
    assert reason in raised.value.message
