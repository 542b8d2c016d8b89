"""A mistake in the description of a platform is named with its place; what is right comes back normalized."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.upkeep.runbook.plugins.module_utils.platform_description import (
    MAX_PROBLEMS,
    PlatformError,
    validate_platform,
)

GROUPS = {"all": ["app-1", "app-2"], "ungrouped": [], "backend": ["app-1"], "empty": []}
SERVICE_KEYS = "name, hosts, user, unit, pm2, process, port, http, websocket, tcp, upstream, logs, reopen, rotate, hint"
SECRET = "the description holds no secret: give it to the role that needs it, as a variable in ansible-vault"
ONE = "upkeep_platform is wrong: "
WHERE = " (every key is explained in docs/platform.md of upkeep.runbook)"
PROBED_BY = "unit, pm2, process, port, http, websocket, tcp, upstream"


def full_description() -> dict[str, Any]:
    """A description with every key, as the design spells it out."""
    return {
        "name": "NeuroSense FX",
        "root": "/opt/neurosensefx",
        "root_hosts": ["backend"],
        "owner": "neurosense",
        "services": [
            {
                "name": "tick-backend",
                "hosts": ["backend"],
                "user": "ticks",
                "unit": "tick-backend.service",
                "pm2": {"app": "ticks", "user": "pm2"},
                "process": {"pattern": "node .*server[.]js", "user": "ticks", "minimum": 1, "maximum": 4},
                "port": 8081,
                "http": {
                    "url": "http://127.0.0.1:8081/health",
                    "method": "GET",
                    "expect_status": [200, 204],
                    "expect_body": "ok",
                    "expect_headers": {"Content-Type": "json"},
                    "follow_redirects": 2,
                    "validate_certs": False,
                    "ca_file": "/etc/ssl/own.pem",
                    "server_name": "ticks.internal",
                    "timeout_seconds": 2.5,
                    "warning_seconds": 0.5,
                    "critical_seconds": 1.5,
                },
                "websocket": {
                    "url": "wss://[2001:db8::1]:8081/",
                    "send": "hello",
                    "expect": "world",
                    "subprotocol": "ticks",
                    "ping": False,
                    "validate_certs": True,
                    "ca_file": "/etc/ssl/own.pem",
                    "server_name": "ticks.internal",
                    "timeout_seconds": 3.0,
                    "warning_seconds": 1.0,
                    "critical_seconds": 1.0,
                },
                "tcp": {"host": "127.0.0.1", "port": 8081, "tls": False},
                "upstream": {"host": "live.ctraderapi.com", "port": 5035, "tls": True},
                "logs": ["/opt/neurosensefx/logs/backend.log"],
                "reopen": {"signal": "USR1", "pid_file": "/run/ticks.pid", "command": []},
                "rotate": [
                    {
                        "key": "JWT_SECRET", "file": "/opt/ticks/.env", "shared": "jwt", "per_host": True, "encoding": "hex", "bytes": 32, "characters": 64,
                    }
                ],
                "hint": "Ask the team of the market data.",
            }
        ],
        "watched_paths": [{"path": "/var", "hosts": []}],
        "node_projects": [{"path": "/opt/neurosensefx", "hosts": ["app-1"]}],
        "certificates": {
            "hosts": [],
            "paths": ["/etc/letsencrypt/live/*/fullchain.pem"],
            "key_files": ["/etc/letsencrypt/live/*/privkey.pem"],
            "endpoints": [{"host": "fx.internal", "port": 443, "server_name": "", "starttls": ""}],
            "served_by": [
                {
                    "path": "/etc/letsencrypt/live/fx/fullchain.pem",
                    "endpoint": {"host": "fx.internal", "port": 443, "server_name": "", "starttls": ""},
                    "hint": "",
                }
            ],
            "ca_file": "/etc/ssl/own.pem",
        },
        "databases": [
            {
                "type": "postgresql",
                "hosts": [],
                "name": "neurosense",
                "path": "",
                "host": "127.0.0.1",
                "port": 5432,
                "user": "neurosense",
                "run_as": "postgres",
                "unit": "postgresql.service",
                "backup": True,
            }
        ],
        "caches": [
            {
                "type": "redis",
                "hosts": [],
                "url": "redis://127.0.0.1:6379/0",
                "unit": "redis-server.service",
                "data_directory": "/var/lib/redis",
                "backup": False,
            }
        ],
        "web_logs": [
            {
                "name": "",
                "hosts": [],
                "paths": ["/var/log/nginx/access.log*"],
                "error_paths": [],
                "format": "",
                "fields": {},
                "trusted_proxies": [],
                "exclude_routes": [],
                "exclude_agents": [],
                "auth_routes": [],
                "objective_percent": None,
            }
        ],
        "backup": {
            "hosts": [],
            "directory": "/opt/backups/neurosensefx",
            "sources": [
                {
                    "name": "application",
                    "hosts": [],
                    "paths": ["/opt/neurosensefx"],
                    "exclude": ["node_modules"],
                    "max_age_days": 30.0,
                    "one_file_system": False,
                    "pattern": ["application-*.tar.zst"],
                    "require": ["*/package.json", f"files/{'long/' * 60}name"],
                }
            ],
            "accept": ["special_bits"],
            "engine": "restic",
            "label": "neurosensefx",
            "compression": "zstd",
            "restic": {"repository": "sftp:backup@storage:/srv/restic", "password_file": "/etc/upkeep/restic"},
            "keep": {"last": 1, "daily": 7, "weekly": 4, "monthly": 12, "yearly": 2, "within_days": 3},
            "drill": {
                "every_days": 7.0,
                "max_days": 35.0,
                "files": ["/opt/neurosensefx/package.json"],
                "command": ["node", "--check", "server.js"],
                "run_as": "nobody",
                "databases": True,
            },
            "pattern": ["comprehensive_backup_*.tar.gz"],
            "manifest": "optional",
            "require": ["*/config.tar.gz"],
            "max_age_hours": 26.0,
            "min_bytes": 1024,
            "max_shrink_percent": 40.0,
        },
        "security": {
            "integrity": {"paths": [{"path": "/etc/nginx/*.conf", "hosts": ["backend"]}], "exclude": ["*.log"]},
            "trusted_networks": ["10.20.0.0/16", "fd00::/8"],
            "access": {"accounts": ["deploy"], "keys": ["SHA256:AAAA"], "sudo": ["%ops"]},
            "private_files": [{"path": "/etc/neurosensefx/*.env", "hosts": [], "owner": "neurosense", "group": "neurosense"}],
            "limited_paths": ["/api/login"],
        },
        "recovery": {
            "hosts": [],
            "targets": ["/opt/neurosensefx"],
            "maintenance_file": "/var/www/maintenance.enabled",
            "env_files": [
                {
                    "path": "/opt/neurosensefx/.env",
                    "hosts": [],
                    "required_keys": ["CTRADER_ACCESS_TOKEN"],
                    "mode": "0640",
                    "owner": "neurosense",
                }
            ],
            "configuration_checks": [{"command": ["nginx", "-t"], "hosts": ["backend"]}],
            "start_order": ["tick-backend"],
            "health_seconds": 90.0,
            "health_consecutive": 2,
        },
        "contacts": [
            {
                "role": "primary_administrator",
                "name": "On-call phone",
                "audiences": ["operations"],
                "level": 1,
                "order": 1,
                "channels": [
                    {"type": "mail", "address": "operations@neurosensefx.net", "name": "", "path": ""},
                    {"type": "webhook", "address": "", "name": "ops_chat", "path": ""},
                    {"type": "file", "address": "", "name": "", "path": "/var/log/upkeep.jsonl"},
                    {"type": "phone", "address": "+49 30 1234567", "name": "", "path": ""},
                ],
            }
        ],
    }


def minimal(**keys: Any) -> dict[str, Any]:
    return {"name": "Small", "root": "/srv/small", **keys}


def service(**keys: Any) -> dict[str, Any]:
    return minimal(services=[{"name": "api", "port": 3000, **keys}])


def mistakes(description: Any, **options: Any) -> list[str]:
    """Return the listed mistakes without the text around them."""
    with pytest.raises(PlatformError) as caught:
        validate_platform(description, **options)
    message = caught.value.message
    if message.startswith(ONE):
        return [message[len(ONE) : -len(WHERE)]]
    return [line[2:] for line in message.splitlines()[1:]]


def test_a_description_with_every_key_is_returned_as_it_is() -> None:
    validated = validate_platform(full_description(), groups=GROUPS)
    assert validated.platform == full_description()
    assert validated.warnings == []


def test_the_smallest_description_has_every_key_afterwards() -> None:
    platform = validate_platform(minimal()).platform
    assert platform == {
        "name": "Small",
        "root": "/srv/small",
        "root_hosts": [],
        "owner": "",
        "services": [],
        "watched_paths": [],
        "node_projects": [],
        "certificates": None,
        "databases": [],
        "caches": [],
        "web_logs": [],
        "backup": None,
        "recovery": None,
        "security": None,
        "contacts": [],
    }


@pytest.mark.parametrize("description", [minimal(), service(http="http://127.0.0.1/"), full_description()])
def test_what_was_normalized_is_normal(description: Any) -> None:
    once = validate_platform(description).platform
    assert validate_platform(copy.deepcopy(once)).platform == once
    assert json.loads(json.dumps(once)) == once


def test_the_description_that_was_given_is_not_changed() -> None:
    description = service(http="http://127.0.0.1/", port="3000")
    before = copy.deepcopy(description)
    validate_platform(description)
    assert description == before


@pytest.mark.parametrize(
    "given, normalized",
    [
        ({"port": "8081"}, {"port": 8081}),
        ({"port": " 8081 "}, {"port": 8081}),
        ({"unit": "tick-backend"}, {"unit": "tick-backend.service"}),
        ({"unit": "ticks.socket"}, {"unit": "ticks.socket"}),
        ({"unit": "postgresql@17-main"}, {"unit": "postgresql@17-main.service"}),
        ({"unit": ""}, {"unit": ""}),
        ({"unit": None}, {"unit": ""}),
        ({"hosts": "backend"}, {"hosts": ["backend"]}),
        ({"logs": "/var/log//app/./x.log"}, {"logs": ["/var/log/app/x.log"]}),
        ({"pm2": "api"}, {"pm2": {"app": "api", "user": ""}}),
        ({"process": "node"}, {"process": {"pattern": "node", "user": "", "minimum": 1, "maximum": None}}),
        ({"tcp": "db:5432"}, {"tcp": {"host": "db", "port": 5432, "tls": False}}),
        ({"tcp": "[::1]:5432"}, {"tcp": {"host": "::1", "port": 5432, "tls": False}}),
        ({"tcp": {"host": "db", "port": "5432", "tls": "yes"}}, {"tcp": {"host": "db", "port": 5432, "tls": True}}),
        ({"unit": "x", "reopen": {"signal": "sigusr1"}}, {"reopen": {"signal": "USR1", "pid_file": "", "command": []}}),
    ],
)
def test_values_of_a_service_are_normalized(given: dict[str, Any], normalized: dict[str, Any]) -> None:
    read = validate_platform(service(**given)).platform["services"][0]
    assert {key: read[key] for key in normalized} == normalized


def test_a_url_alone_stands_for_an_http_mapping_with_its_defaults() -> None:
    http = validate_platform(service(http="http://127.0.0.1:3000/health")).platform["services"][0]["http"]
    assert http == {
        "url": "http://127.0.0.1:3000/health",
        "method": "GET",
        "expect_status": [200],
        "expect_body": "",
        "expect_headers": {},
        "follow_redirects": 0,
        "validate_certs": True,
        "ca_file": "",
        "server_name": "",
        "timeout_seconds": None,
        "warning_seconds": None,
        "critical_seconds": None,
    }


def test_further_short_forms() -> None:
    platform = validate_platform(
        minimal(
            root="/srv//small/",
            node_projects=["/srv/small", {"path": "/srv/other", "hosts": ["app-1"]}],
            certificates={"endpoints": ["www.small.net:443"]},
            backup={"directory": "/backup", "sources": [{"name": "all", "paths": "/srv/small"}]},
        )
    ).platform
    assert platform["root"] == "/srv/small"
    assert platform["node_projects"] == [
        {"path": "/srv/small", "hosts": []},
        {"path": "/srv/other", "hosts": ["app-1"]},
    ]
    assert platform["certificates"]["endpoints"] == [
        {"host": "www.small.net", "port": 443, "server_name": "", "starttls": ""}
    ]
    assert platform["backup"]["sources"][0]["paths"] == ["/srv/small"]
    assert platform["backup"]["keep"] == {"last": 0, "daily": 7, "weekly": 4, "monthly": 12, "yearly": 0, "within_days": 0}
    assert platform["backup"]["drill"] == {
        "every_days": 7.0, "max_days": 35.0, "files": [], "command": [], "run_as": "", "databases": True,
    }


WHAT_TO_WRITE = (
    ": describe the platform in the inventory, for example in group_vars/all.yml, with at least "
    "`upkeep_platform: {name: My platform, root: /opt/my-platform}` "
    "(every key: docs/platform.md of upkeep.runbook, examples: its inventories)"
)


@pytest.mark.parametrize(
    "description, state",
    [
        (None, "is not set"),
        ({}, "is not set"),
        ("", "is not set"),
        ("NeuroSense", 'must be a mapping, not "NeuroSense"'),
        ([{"name": "x"}], "must be a mapping, not a list"),
        (7, "must be a mapping, not 7"),
        (True, "must be a mapping, not true"),
    ],
)
def test_without_a_description_the_message_says_what_to_write(description: Any, state: str) -> None:
    with pytest.raises(PlatformError) as caught:
        validate_platform(description)
    assert caught.value.message == f"upkeep_platform {state}{WHAT_TO_WRITE}"


def test_one_mistake_is_one_sentence() -> None:
    with pytest.raises(PlatformError) as caught:
        validate_platform(service(prot=1))
    assert caught.value.message == (
        'upkeep_platform is wrong: services[0].prot: unknown key; did you mean "port"? accepted: '
        f"{SERVICE_KEYS} (every key is explained in docs/platform.md of upkeep.runbook)"
    )


def test_several_mistakes_are_a_list() -> None:
    with pytest.raises(PlatformError) as caught:
        validate_platform(minimal(root="srv", owner="a b", services=[{"name": "api"}]))
    assert caught.value.message == (
        "upkeep_platform has 3 mistakes (every key is explained in docs/platform.md of upkeep.runbook):\n"
        '- root: must be an absolute path without "..", such as /opt/app, not "srv"\n'
        '- owner: must be the name of a user, such as www-data, not "a b"\n'
        f'- services[0]: "api" has nothing to look at: give at least one of {PROBED_BY}'
    )


def test_mistakes_stand_in_the_order_of_the_description() -> None:
    """Whatever finds them: the schema, the rules between keys, or the search for placeholders and secrets."""
    description = {
        "certificates": {},
        "services": [{"name": "api", "unit": "a b", "x.y[0]": 1}, {"port": 0, "http": "www"}, {"name": "api", "unit": "b"}],
        "owner": "changeme",
        "backup": {"directory": "b", "sources": []},
        "name": "two\nlines",
    }
    assert [line.split(": ")[0] for line in mistakes(description)] == [
        "root", "certificates", "services[0].unit", "services[0].x.y[0]", "services[1].name", "services[1].port",
        "services[1].http.url", "services[2].name", "owner", "backup.directory", "backup.sources", "name",
    ]


@pytest.mark.parametrize(
    "description, mistake",
    [
        ({"root": "/srv"}, "name: is required (text of one line)"),
        ({"name": "x"}, "root: is required (absolute path)"),
        ({"name": " ", "root": "/srv"}, "name: is required (text of one line)"),
        (minimal(name=["x"]), "name: must be text of one line, not a list"),
        (minimal(name=True), "name: must be text of one line, not true"),
        (minimal(name="two\nlines"), 'name: must be a text of one line with 1 to 100 characters, not "two lines"'),
        (
            minimal(root="/srv/../etc"),
            'root: must be an absolute path without "..", such as /opt/app, not "/srv/../etc"',
        ),
        (minimal(root="/srv/*"), 'root: must be one path without wildcards, not "/srv/*"'),
        (minimal(services={"name": "api"}), "services: must be a list (start each item with a dash), not a mapping"),
        (minimal(services="api"), 'services: must be a list (start each item with a dash), not "api"'),
        (minimal(services=["api"]), f'services[0]: must be a mapping with the keys {SERVICE_KEYS}, not "api"'),
        (minimal(services=[None]), f"services[0]: must be a mapping with the keys {SERVICE_KEYS}, not nothing"),
        (service(port=0), "services[0].port: must be a whole number, 1 to 65535, not 0"),
        (service(port=65536), "services[0].port: must be a whole number, 1 to 65535, not 65536"),
        (service(port="80a"), 'services[0].port: must be a whole number, 1 to 65535, not "80a"'),
        (service(port=True), "services[0].port: must be a whole number, 1 to 65535, not true"),
        (service(port=80.5), "services[0].port: must be a whole number, 1 to 65535, not 80.5"),
        (service(unit="a b"), 'services[0].unit: must be the name of a systemd unit, such as nginx.service, not "a b"'),
        (service(http={}), "services[0].http.url: is required (http:// or https:// URL)"),
        (
            service(http="127.0.0.1:80"),
            "services[0].http.url: must be a URL that starts with http:// or https:// and names a host, "
            'not "127.0.0.1:80"',
        ),
        (
            service(websocket="http://127.0.0.1/"),
            "services[0].websocket.url: must be a URL that starts with ws:// or wss:// and names a host, "
            'not "http://127.0.0.1/"',
        ),
        (
            service(http="http://127.0.0.1:99999/"),
            "services[0].http.url: must be a URL that starts with http:// or https:// and names a host, "
            'not "http://127.0.0.1:99999/"',
        ),
        (
            service(http={"url": "http://127.0.0.1/", "expect_status": "ok"}),
            'services[0].http.expect_status[0]: must be a whole number, 100 to 599, not "ok"',
        ),
        (
            service(http={"url": "http://127.0.0.1/", "expect_status": []}),
            "services[0].http.expect_status: must have at least 1 item",
        ),
        (
            service(http={"url": "http://127.0.0.1/", "expect_body": "("}),
            'services[0].http.expect_body: must be a regular expression; "(" is none: missing ), '
            "unterminated subpattern at position 0",
        ),
        (
            service(http={"url": "http://127.0.0.1/", "method": "GTE"}),
            'services[0].http.method: must be one of GET, HEAD, OPTIONS, POST, not "GTE"; did you mean "GET"?',
        ),
        (
            service(http={"url": "http://127.0.0.1/", "validate_certs": "maybe"}),
            'services[0].http.validate_certs: must be true or false, not "maybe"',
        ),
        (
            service(http={"url": "http://127.0.0.1/", "expect_headers": {"Server": ["x"]}}),
            "services[0].http.expect_headers.Server: must be text, not a list",
        ),
        (
            service(http={"url": "http://127.0.0.1/", "timeout": 3}),
            'services[0].http.timeout: unknown key; did you mean "timeout_seconds"? accepted: url, method, '
            "expect_status, expect_body, expect_headers, follow_redirects, validate_certs, ca_file, server_name, "
            "timeout_seconds, warning_seconds, critical_seconds",
        ),
        (
            service(http={"url": "http://127.0.0.1/", "timeout_seconds": "nan"}),
            'services[0].http.timeout_seconds: must be a number, 0.01 to 300, not "nan"',
        ),
        (
            service(http={"url": "http://127.0.0.1/", "warning_seconds": 2, "critical_seconds": 1}),
            "services[0].http.warning_seconds: must not be more than critical_seconds",
        ),
        (
            service(process={"pattern": "node", "minimum": 3, "maximum": 2}),
            "services[0].process.minimum: must not be more than maximum",
        ),
        (
            service(tcp="db"),
            'services[0].tcp: must be host:port, such as www.example.com:443 or [2001:db8::1]:443, not "db"',
        ),
        (service(tcp={"host": "db"}), "services[0].tcp.port: is required (whole number, 1 to 65535)"),
        (
            service(tcp={"host": "a_b!", "port": 1}),
            'services[0].tcp.host: must be a host name or an IP address, not "a_b!"',
        ),
        (service(reopen={}), "services[0].reopen: give either signal or command"),
        (service(reopen={"signal": "USR1", "command": "x"}), "services[0].reopen: give either signal or command"),
        (
            service(reopen={"signal": "USR1"}),
            "services[0].reopen: nobody to send the signal to: give pid_file, or unit or process of the service",
        ),
        (
            service(unit="x", reopen={"signal": "USR3"}),
            "services[0].reopen.signal: must be one of HUP, USR1, USR2, INT, TERM, WINCH, "
            'not "USR3"; did you mean "USR2"?',
        ),
        (
            minimal(services=[{"name": "api", "port": 1}, {"name": "api", "port": 2}]),
            'services[1].name: "api" is the name of services[0] already',
        ),
        (minimal(certificates={}), "certificates: names no certificate: give paths, endpoints or served_by"),
        (minimal(databases=[{"type": "postgresql"}]), "databases[0].name: is required for the type postgresql"),
        (minimal(databases=[{"type": "sqlite"}]), "databases[0].path: is required for the type sqlite"),
        (
            minimal(databases=[{"type": "mysql", "name": "shop", "port": 3307}]),
            "databases[0].host: is required with the port of a mysql, whose client would take the local socket: write 127.0.0.1",
        ),
        (
            minimal(databases=[{"type": "postgres", "name": "x"}]),
            'databases[0].type: must be one of postgresql, mysql, sqlite, not "postgres"; did you mean "postgresql"?',
        ),
        (
            minimal(backup={"directory": "/b", "sources": []}),
            "backup.sources: must have at least 1 item",
        ),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "pattern": "sub/*.tar"}),
            'backup.pattern[0]: must be a name without folders, such as backup_*.tar.gz, not "sub/*.tar"',
        ),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "keep": {"daily": 0}}),
            "backup.keep: keeps nothing: give at least one of last, daily, weekly, monthly, yearly, within_days above 0",
        ),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "engine": "restic"}),
            "backup.restic: is required for the engine restic",
        ),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "restic": "backup"}),
            'backup.restic.repository: must be an absolute path or begin with sftp:, rest:, s3: or another prefix of restic, not "backup"',
        ),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "label": "a/b"}),
            'backup.label: must be letters, digits, dots, dashes and underscores, such as shop-app, not "a/b"',
        ),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "drill": {"max_days": 3}}),
            "backup.drill.max_days: must not be less than every_days",
        ),
        (
            minimal(recovery={"env_files": [{"path": "/a/.env", "mode": 0o640}]}),
            'recovery.env_files[0].mode: must be four octal digits in quotes, such as "0600", not "416"',
        ),
        (
            service(name="tick-backend") | {"recovery": {"start_order": ["tick-bakend"]}},
            'recovery.start_order[0]: "tick-bakend" is none of the services; did you mean "tick-backend"? accepted: tick-backend',
        ),
        (
            minimal(contacts=[{"role": "admin", "audiences": ["ops"], "channels": [{"type": "mail", "address": "x"}]}]),
            'contacts[0].channels[0].address: must be a mail address or a telephone number, not "x"',
        ),
        (
            minimal(contacts=[{"role": "admin", "audiences": ["ops"], "channels": [{"type": "webhook"}]}]),
            "contacts[0].channels[0].name: is required for the type webhook",
        ),
        (
            minimal(contacts=[{"role": "admin", "audiences": ["ops"], "channels": [{"type": "file", "path": "/x", "name": "chat"}]}]),
            "contacts[0].channels[0].name: means nothing for the type file, which takes path",
        ),
        (
            minimal(contacts=[{"role": "admin", "audiences": ["ops"], "channels": [{"type": "mail", "address": "+49 30 1234567"}]}]),
            'contacts[0].channels[0].address: must be a mail address, not "+49 30 1234567"',
        ),
        (
            minimal(
                contacts=[
                    {"role": "Chief Admin", "audiences": ["ops"], "channels": [{"type": "mail", "address": "a@b"}]}
                ]
            ),
            'contacts[0].role: must be a word of lower-case letters, digits and _, not "Chief Admin"',
        ),
        (
            minimal(servcies=[]),
            'servcies: unknown key; did you mean "services"? accepted: name, root, root_hosts, owner, '
            "services, watched_paths, node_projects, certificates, databases, caches, web_logs, backup, recovery, security, contacts",
        ),
    ],
)
def test_each_mistake_is_named_with_its_place(description: Any, mistake: str) -> None:
    assert mistakes(description) == [mistake]


@pytest.mark.parametrize(
    "text",
    ["[Name]", "[Phone]", "[Email]", "your-domain.com", "www.yourdomain.com", "changeme", "CHANGE_ME", "domain.com"],
)
def test_placeholders_are_refused(text: str) -> None:
    (found,) = mistakes(minimal(name=text))
    assert found == f'name: "{text}" is a placeholder: write the real value, or remove the item'


@pytest.mark.parametrize(
    "text",
    ["Yourself", "domain.company.net", "Domain Driven", "maindomain.com", "[Na]", "exchange media", "My exchange"],
)
def test_ordinary_names_are_no_placeholders(text: str) -> None:
    assert validate_platform(minimal(name=text)).platform["name"] == text


def test_texts_that_are_compared_or_sent_are_free() -> None:
    free = {"url": "ws://127.0.0.1/", "send": "changeme", "expect": "your-app is up"}
    assert validate_platform(service(websocket=free)).platform["services"][0]["websocket"]["send"] == "changeme"


@pytest.mark.parametrize(
    "description, path, message",
    [
        (minimal(password="S3CRET"), "password", SECRET),
        (
            minimal(databases=[{"type": "mysql", "name": "x", "db_password": "S3CRET"}]),
            "databases[0].db_password",
            SECRET,
        ),
        (service(token={"value": "S3CRET"}), "services[0].token", SECRET),
        (service(api_key=["S3CRET"]), "services[0].api_key", SECRET),
        (minimal(password_files=["S3CRET"]), "password_files", SECRET),
        (
            minimal(backup={"directory": "/b", "sources": [{"name": "a", "paths": "/a"}], "restic": "rest:https://u:S3CRET@host/"}),
            "backup.restic",
            f"must be a URL without a user name or password; {SECRET}",
        ),
        (
            service(http="http://admin:S3CRET@127.0.0.1/"),
            "services[0].http",
            f"must be a URL without a user name or password; {SECRET}",
        ),
        (
            minimal(caches=[{"type": "redis", "url": "redis://:S3CRET@127.0.0.1"}]),
            "caches[0].url",
            f"must be a URL without a user name or password; {SECRET}",
        ),
        (
            service(http={"url": "https://127.0.0.1/?access_token=S3CRET"}),
            "services[0].http.url",
            f"must be a URL without a key or token; {SECRET}",
        ),
        (
            service(unit="https://u:S3CRET@127.0.0.1/"),
            "services[0].unit",
            f"must be a URL without a user name or password; {SECRET}",
        ),
    ],
)
def test_secrets_are_refused_and_never_repeated(description: Any, path: str, message: str) -> None:
    found = mistakes(description)
    assert f"{path}: {message}" in found
    assert "S3CRET" not in "".join(found)


def test_hosts_are_names_of_the_inventory() -> None:
    description = {"root_hosts": ["nowhere"], **service(hosts=["app-1", "backend", "backnd", "app-3"])}
    assert mistakes(description, groups=GROUPS) == [
        'root_hosts[0]: "nowhere" is no host or group of the inventory; accepted: '
        "all, app-1, app-2, backend, empty, ungrouped",
        'services[0].hosts[2]: "backnd" is no host or group of the inventory; did you mean "backend"? accepted: '
        "all, app-1, app-2, backend, empty, ungrouped",
        'services[0].hosts[3]: "app-3" is no host or group of the inventory; did you mean "app-2"? accepted: '
        "all, app-1, app-2, backend, empty, ungrouped",
    ]
    assert validate_platform(description).platform["services"][0]["hosts"][3] == "app-3"
    assert validate_platform(description, groups={"all": [], "ungrouped": []}), "only the implicit localhost is known"


def test_a_group_without_hosts_is_a_warning() -> None:
    assert validate_platform(service(hosts=["empty"]), groups=GROUPS).warnings == [
        'services[0].hosts[0]: the group "empty" has no hosts: nobody looks after this item'
    ]


def test_examples_are_one_warning() -> None:
    description = service(http="https://www.example.com/", tcp="192.0.2.7:80", upstream="api.shop.example:443")
    description["contacts"] = [
        {"role": "a", "audiences": ["b"], "channels": [{"type": "mail", "address": f"{n}@example.org"}]} for n in "abcd"
    ]
    assert validate_platform(description).warnings == [
        "names or addresses that are only examples stand in services[0].http, services[0].tcp, services[0].upstream, "
        "contacts[0].channels[0].address, contacts[1].channels[0].address and 2 more: write the real ones"
    ]


@pytest.mark.parametrize("host", ["www.myexample.com", "example.shop.net", "192.0.20.1", "10.192.0.2"])
def test_real_names_are_no_examples(host: str) -> None:
    assert validate_platform(service(tcp=f"{host}:80")).warnings == []


def test_a_backup_inside_its_own_source_is_a_warning() -> None:
    backup = {"directory": "/srv/small/backups", "sources": [{"name": "all", "paths": ["/srv/small"]}]}
    assert validate_platform(minimal(backup=backup)).warnings == [], "our own leave their folder out"
    backup["pattern"] = ["all-*.tar"]
    assert validate_platform(minimal(backup=backup)).warnings == [
        "backup.directory lies inside backup.sources[0].paths: exclude it, or each backup holds those before it"
    ]
    backup["sources"][0]["exclude"] = ["backups"]
    assert validate_platform(minimal(backup=backup)).warnings == []


def test_the_list_of_mistakes_is_bounded() -> None:
    found = mistakes(minimal(services=[{"name": f"s{index}", "port": 0} for index in range(MAX_PROBLEMS + 5)]))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == "and 5 more"


def test_a_long_value_is_shortened_in_the_message() -> None:
    (found,) = mistakes(service(unit="x y" * 1000))
    assert len(found) < 200


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from _places(item, (*path, key))


def _set(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


JUNK = [
    None,
    "",
    "  ",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    [[]],
    [{}],
    {"a": {"b": 1}},
    "\x00\x1b[31m",
    "x" * 5000,
    "http://[",
    "ü:é",
    object(),
]


def test_whatever_stands_anywhere_gives_a_value_or_a_message() -> None:
    """Junk in each place gives either a normalized description, or a message that names the place or one near it."""
    for place in list(_places(full_description()))[1:]:
        for junk in JUNK:
            description = full_description()
            _set(description, place, copy.copy(junk))
            try:
                platform = validate_platform(description, groups=GROUPS).platform
            except PlatformError as error:
                assert str(place[0]) in error.message, (place, junk)
                assert "\x1b" not in error.message
            else:
                assert set(platform) == set(full_description())


def test_several_kinds_of_junk_at_once_are_all_named() -> None:
    chance = random.Random(20261122)
    for _round in range(50):
        description = full_description()
        wrong = chance.sample(["root", "owner", "databases", "caches", "contacts", "web_logs"], 3)
        for key in wrong:
            description[key] = {"surprise": 1}
        assert sorted(line.split(":")[0] for line in mistakes(description)) == sorted(wrong)
