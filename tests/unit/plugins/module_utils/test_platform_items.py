"""What is said about a service becomes probes; each host has its own part of the description."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import validate_platform
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_items import Host, service_probes, watched_paths
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.options import read_probes

APP = Host("app-1", ["backend"])
DATA = Host("data-1", ["data"])


def platform(*services: dict[str, Any], **keys: Any) -> dict[str, Any]:
    described = {"name": "Small", "root": "/srv/small", "owner": "small", "services": list(services), **keys}
    return validate_platform(described).platform


def probes(service: dict[str, Any]) -> list[dict[str, Any]]:
    return service_probes(platform({"name": "api", **service}), APP)


def without_hint(probe: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in probe.items() if key != "hint"}


@pytest.mark.parametrize(
    "hosts, concerned",
    [
        ([], True),
        (["all"], True),
        (["app-1"], True),
        (["backend"], True),
        (["other", "backend"], True),
        (["data"], False),
        (["app-2", "data"], False),
    ],
)
def test_an_item_is_about_its_hosts_and_groups(hosts: list[str], concerned: bool) -> None:
    assert APP.concerns(hosts) is concerned
    assert bool(probes({"port": 1, "hosts": hosts})) is concerned


@pytest.mark.parametrize(
    "service, expected",
    [
        ({"unit": "api"}, [{"type": "unit", "unit": "api.service"}]),
        ({"pm2": "acx-api"}, [{"type": "pm2", "app": "acx-api", "user": "small"}]),
        ({"pm2": "acx-api", "user": "node"}, [{"type": "pm2", "app": "acx-api", "user": "node"}]),
        (
            {"process": "node"},
            [{"type": "process", "pattern": "node", "user": "small", "minimum": 1}],
        ),
        (
            {"process": {"pattern": "node", "user": "root", "minimum": 0, "maximum": 0}},
            [{"type": "process", "pattern": "node", "user": "root", "minimum": 0, "maximum": 0}],
        ),
        ({"port": 3000}, [{"type": "port", "port": 3000}]),
        ({"port": 3000, "user": "node"}, [{"type": "port", "port": 3000, "user": "node"}]),
        (
            {"port": 3000, "unit": "api", "user": "node"},
            [{"type": "unit", "unit": "api.service"}, {"type": "port", "port": 3000, "unit": "api.service"}],
        ),
        (
            {"port": 3000, "process": "node"},
            [
                {"type": "process", "pattern": "node", "user": "small", "minimum": 1},
                {"type": "port", "port": 3000, "pattern": "node", "user": "small"},
            ],
        ),
        (
            {"port": 3000, "pm2": {"app": "api", "user": "pm2"}},
            [{"type": "pm2", "app": "api", "user": "pm2"}, {"type": "port", "port": 3000, "user": "pm2"}],
        ),
        ({"tcp": "db:5432"}, [{"type": "tcp", "host": "db", "port": 5432, "tls": False}]),
        (
            {"http": {"url": "http://127.0.0.1/", "timeout_seconds": 2, "expect_headers": {"A": "b"}}},
            [
                {
                    "type": "http",
                    "url": "http://127.0.0.1/",
                    "method": "GET",
                    "expect_status": [200],
                    "expect_headers": {"A": "b"},
                    "follow_redirects": 0,
                    "validate_certs": True,
                    "timeout_seconds": 2.0,
                }
            ],
        ),
        (
            {"websocket": {"url": "ws://127.0.0.1/", "ping": False, "send": "a", "expect": "b"}},
            [
                {
                    "type": "websocket",
                    "url": "ws://127.0.0.1/",
                    "send": "a",
                    "expect": "b",
                    "ping": False,
                    "validate_certs": True,
                }
            ],
        ),
    ],
)
def test_what_is_said_about_a_service_becomes_probes_that_the_module_accepts(
    service: dict[str, Any], expected: list[dict[str, Any]]
) -> None:
    derived = probes(service)
    assert all(probe["hint"] for probe in derived)
    assert [without_hint(probe) for probe in derived] == [{"name": "api", **probe} for probe in expected]
    read_probes(derived, {})


def test_the_upstream_is_a_probe_of_its_own_name() -> None:
    derived = probes({"tcp": "127.0.0.1:1", "upstream": {"host": "live.ctraderapi.com", "port": 5035, "tls": True}})
    assert derived[1] == {
        "name": "api upstream",
        "type": "tcp",
        "host": "live.ctraderapi.com",
        "port": 5035,
        "tls": True,
        "hint": "api cannot work without live.ctraderapi.com:5035; look at the network, then ask who runs it.",
    }
    read_probes(derived, {})


@pytest.mark.parametrize(
    "service, hint",
    [
        ({"unit": "api", "logs": "/var/log/api.log"}, "Read its log: journalctl -u api.service -n 100"),
        ({"unit": "api", "pm2": "acx"}, "Read its log: journalctl -u api.service -n 100"),
        ({"pm2": "acx", "logs": "/a"}, "Read its log: pm2 logs acx --lines 100 --nostream (as user small)"),
        ({"pm2": "acx", "user": "node"}, "Read its log: pm2 logs acx --lines 100 --nostream (as user node)"),
        (
            {"pm2": {"app": "acx; api", "user": "pm2"}, "user": "node"},
            "Read its log: pm2 logs 'acx; api' --lines 100 --nostream (as user pm2)",
        ),
        ({"port": 1, "logs": ["/srv/a/*.log", "/srv/b.log"]}, "Read its log: tail -n 100 /srv/a/*.log"),
        ({"process": "node"}, "Start api and look at why it ended."),
        ({"unit": "api", "hint": "Call the night shift."}, "Call the night shift."),
    ],
)
def test_every_probe_of_a_service_says_the_same_next_step(service: dict[str, Any], hint: str) -> None:
    derived = probes({**service, "tcp": "db:5432", "http": "http://127.0.0.1/", "upstream": "[2001:db8::1]:443"})
    assert {probe["hint"] for probe in derived[:-1]} == {hint}
    assert derived[-1]["hint"] == (
        "api cannot work without [2001:db8::1]:443; look at the network, then ask who runs it."
    )


def test_without_a_user_nobody_is_named() -> None:
    described = platform({"name": "api", "pm2": "acx"}, owner="")
    assert [probe["hint"] for probe in service_probes(described, APP)] == [
        "Read its log: pm2 logs acx --lines 100 --nostream"
    ]


def test_probes_stand_in_the_order_of_the_description() -> None:
    described = platform({"name": "b", "port": 2, "unit": "b"}, {"name": "a", "http": "http://127.0.0.1/"})
    assert [(probe["name"], probe["type"]) for probe in service_probes(described, APP)] == [
        ("b", "unit"),
        ("b", "port"),
        ("a", "http"),
    ]


def test_watched_paths_are_those_of_the_host_each_once() -> None:
    described = platform(
        root_hosts=["backend"],
        watched_paths=["/", "/var/", {"path": "/data", "hosts": ["data"]}, "/srv/small"],
        backup={"directory": "/backup", "hosts": ["data-1"], "sources": [{"name": "all", "paths": "/srv/small"}]},
    )
    assert watched_paths(described, APP) == [{"path": "/"}, {"path": "/srv/small"}, {"path": "/var"}]
    assert watched_paths(described, DATA) == [
        {"path": "/"},
        {"path": "/backup"},
        {"path": "/var"},
        {"path": "/data"},
        {"path": "/srv/small"},
    ]
