"""What the description says about security is what the modules accept."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.upkeep.runbook.plugins.module_utils.accepting import refuse_other_baseline
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.listeners.comparing import read_expected
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import PlatformError, validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_security import security_sources

ALPHA = Host("alpha", ["web"])


def sources(host: Host = ALPHA, **keys: Any) -> dict[str, Any]:
    return security_sources(validate_platform({"name": "x", "root": "/x", **keys}).platform, host)


def test_a_description_that_says_nothing_leaves_everything_empty() -> None:
    empty = {"listeners": [], "service_users": [], "paths": [], "exclude": [], "trusted_networks": [], "access": {}}
    assert sources() == sources(security={}) == empty


@pytest.mark.parametrize(
    ("service", "listener"),
    [
        ({"unit": "ticks", "process": "node"}, {"port": 80, "unit": "ticks.service"}),
        ({"process": "node .*"}, {"port": 80, "user": "app"}),
        ({"process": {"pattern": "node", "user": "u"}}, {"port": 80, "user": "u"}),
        ({"pm2": "worker"}, {"port": 80, "user": "app"}),
        ({"pm2": {"app": "worker", "user": "u"}}, {"port": 80, "user": "u"}),
        ({"pm2": "worker", "user": "v"}, {"port": 80, "user": "v"}),
        ({"user": "v"}, {"port": 80, "user": "v"}),
        # Nobody said whose it is: another program, such as a proxy of root, may have it.
        ({}, {"port": 80}),
    ],
)
def test_who_is_expected_on_the_port_of_a_service(service: dict[str, Any], listener: dict[str, Any]) -> None:
    found = sources(owner="app", services=[{"name": "s", "port": 80, **service}])["listeners"]
    assert found == [listener]
    (expected,) = read_expected([{"protocol": "tcp", **found[0]}])
    assert (expected.port, expected.unit, expected.user) == (80, listener.get("unit"), listener.get("user"))


def test_only_the_services_of_the_host_count_and_only_those_with_a_port_listen() -> None:
    services = [
        {"name": "a", "port": 1, "hosts": ["web"], "unit": "a"},
        {"name": "b", "port": 2, "hosts": ["db"], "user": "postgres"},
        {"name": "c", "tcp": "db.internal:5432"},
    ]
    found = sources(owner="app", services=services)
    assert found["listeners"] == [{"port": 1, "unit": "a.service"}] and found["service_users"] == ["app"]


def test_service_users_are_named_once_and_root_is_none() -> None:
    services = [
        {"name": "a", "unit": "a", "user": "root"}, {"name": "b", "pm2": {"app": "b", "user": "node"}},
        {"name": "c", "process": "c", "user": "app"}, {"name": "d", "unit": "d"},
    ]
    assert sources(owner="app", services=services)["service_users"] == ["app", "node"]


def test_watched_paths_belong_to_hosts() -> None:
    integrity = {"paths": ["/etc/", {"path": "/opt/*/bin", "hosts": ["web"]}, {"path": "/srv", "hosts": ["db"]}, "/etc"], "exclude": "*.log"}
    found = sources(security={"integrity": integrity})
    assert (found["paths"], found["exclude"]) == (["/etc", "/opt/*/bin"], ["*.log"])
    assert sources(Host("beta", ["db"]), security={"integrity": integrity})["paths"] == ["/etc", "/srv"]


def test_networks_and_access() -> None:
    access = {"accounts": ["deploy"], "sudo": ["deploy", "%ops"], "keys": []}
    found = sources(security={"trusted_networks": ["10.1.2.3/16", "2001:db8:1::/48", "10.9.9.9"], "access": access})
    assert found["trusted_networks"] == ["10.1.0.0/16", "2001:db8:1::/48", "10.9.9.9/32"]
    assert found["access"] == {"accounts": ["deploy"], "sudo": ["deploy", "%ops"]}, "an empty list would mean that none is expected"


@pytest.mark.parametrize(
    ("security", "said"),
    [
        ({"integrity": {}}, "security.integrity.paths: is required"),
        ({"integrity": {"paths": []}}, "at least 1 item"),
        ({"integrity": {"paths": ["etc"]}}, "must be an absolute path"),
        ({"integrity": {"path": ["/etc"]}}, 'did you mean "paths"?'),
        ({"trusted_networks": ["10.1.0.0/33"]}, "security.trusted_networks[0]: must be an address or a network"),
        ({"trusted_networks": ["office"]}, "must be an address or a network"),
        ({"access": {"accounts": ["a b"]}}, "must be the name of a user"),
        ({"acess": {}}, 'did you mean "access"?'),
    ],
)
def test_a_mistake_is_named(security: Any, said: str) -> None:
    with pytest.raises(PlatformError) as refused:
        sources(security=security)
    assert said in refused.value.message


def test_nothing_is_accepted_over_a_baseline_of_another_digest(tmp_path: Any) -> None:
    refuse_other_baseline(tmp_path, "ab", "")
    refuse_other_baseline(tmp_path, "ab", "AB")
    for digest in (None, "cd"):
        with pytest.raises(UpkeepError, match="nothing was accepted"):
            refuse_other_baseline(tmp_path, digest, "ab")
