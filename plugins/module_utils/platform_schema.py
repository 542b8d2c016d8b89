# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of ``upkeep_platform`` as data. ``docs/platform.md`` explains every one of them; a test keeps both equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils import platform_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_kinds import (
    Choice,
    Field,
    Flag,
    Integer,
    Kind,
    ListOf,
    Number,
    Record,
    Text,
    TextMap,
)

LINE = Text(values.read_line, "text of one line")
FREE = Text(values.read_free, "text")
PATTERN = Text(values.read_pattern, "regular expression")
NAME_GLOB = Text(values.read_name_glob, "file name, wildcards allowed")
PATH = Text(values.read_path, "absolute path")
GLOB = Text(values.read_glob, "absolute path, wildcards allowed")
USER = Text(values.read_user, "user name")
UNIT = Text(values.read_unit, "systemd unit")
WORD = Text(values.read_word, "word")
HOST = Text(values.read_host, "host name or address")
HTTP_URL = Text(values.read_http_url, "http:// or https:// URL")
WEBSOCKET_URL = Text(values.read_websocket_url, "ws:// or wss:// URL")
REDIS_URL = Text(values.read_redis_url, "redis://, rediss:// or unix:// URL")
ADDRESS = Text(values.read_contact_address, "mail address or telephone number")
PORT = Integer(1, 65535)
COUNT = Integer(0, 100_000)
SECONDS = Number(0.01, 300)

#: The hosts or groups that an item is about; none named: all hosts.
HOSTS = Field(ListOf(Text(values.read_line, "host or group")))
HOST_PORT = {"host": Field(HOST, required=True), "port": Field(PORT, required=True)}


def _optional(kind: Kind) -> Field:
    return Field(kind)


def _as(key: str) -> Callable[[str], dict[str, Any]]:
    """Return what lets a plain value stand for a mapping with the one key ``key``."""
    return lambda text: {key: text}


def _host_and_port(text: str) -> dict[str, Any]:
    host, port = values.split_host_port(text)
    return {"host": host, "port": port}


#: What talking over HTTP and over WebSocket has in common: TLS and time.
TALK = {
    "validate_certs": Field(Flag(), default=True),
    "ca_file": _optional(PATH),
    "server_name": _optional(HOST),
    "timeout_seconds": _optional(SECONDS),
    "warning_seconds": _optional(SECONDS),
    "critical_seconds": _optional(SECONDS),
}

HTTP = Record(
    {
        "url": Field(HTTP_URL, required=True),
        "method": Field(Choice(("GET", "HEAD", "OPTIONS", "POST"), values.read_upper), default="GET"),
        "expect_status": Field(ListOf(Integer(100, 599), minimum=1), default=[200]),
        "expect_body": _optional(PATTERN),
        "expect_headers": _optional(TextMap()),
        "follow_redirects": Field(Integer(0, 20), default=0),
        **TALK,
    },
    from_text=_as("url"),
)

WEBSOCKET = Record(
    {
        "url": Field(WEBSOCKET_URL, required=True),
        "send": _optional(FREE),
        "expect": _optional(PATTERN),
        "subprotocol": _optional(LINE),
        "ping": Field(Flag(), default=True),
        **TALK,
    },
    from_text=_as("url"),
)

CONNECTION = Record({**HOST_PORT, "tls": Field(Flag(), default=False)}, from_text=_host_and_port)

SERVICE = Record(
    {
        "name": Field(LINE, required=True),
        "hosts": HOSTS,
        "user": _optional(USER),
        "unit": _optional(UNIT),
        "pm2": _optional(Record({"app": Field(LINE, required=True), "user": _optional(USER)}, from_text=_as("app"))),
        "process": _optional(
            Record(
                {
                    "pattern": Field(PATTERN, required=True),
                    "user": _optional(USER),
                    "minimum": Field(COUNT, default=1),
                    "maximum": _optional(COUNT),
                },
                from_text=_as("pattern"),
            )
        ),
        "port": _optional(PORT),
        "http": _optional(HTTP),
        "websocket": _optional(WEBSOCKET),
        "tcp": _optional(CONNECTION),
        "upstream": _optional(CONNECTION),
        "logs": _optional(ListOf(GLOB)),
        "reopen": _optional(
            Record(
                {
                    "signal": _optional(Choice(("HUP", "USR1", "USR2", "INT", "TERM", "WINCH"), values.read_signal)),
                    "pid_file": _optional(PATH),
                    "command": _optional(ListOf(FREE)),
                }
            )
        ),
        "hint": _optional(LINE),
    }
)

ENDPOINT = Record(
    {
        **HOST_PORT,
        "server_name": _optional(HOST),
        "starttls": _optional(Choice(("smtp", "imap", "pop3", "ftp", "ldap", "postgresql", "mysql"))),
    },
    from_text=_host_and_port,
)

CERTIFICATES = Record(
    {
        "hosts": HOSTS,
        "paths": _optional(ListOf(GLOB)),
        "key_files": _optional(ListOf(GLOB)),
        "endpoints": _optional(ListOf(ENDPOINT)),
        "served_by": _optional(
            ListOf(
                Record(
                    {
                        "path": Field(PATH, required=True),
                        "endpoint": Field(ENDPOINT, required=True),
                        "hint": _optional(LINE),
                    }
                )
            )
        ),
        "ca_file": _optional(PATH),
    }
)

DATABASE = Record(
    {
        "type": Field(Choice(("postgresql", "mysql", "sqlite")), required=True),
        "hosts": HOSTS,
        "name": _optional(LINE),
        "path": _optional(PATH),
        "host": _optional(HOST),
        "port": _optional(PORT),
        "user": _optional(USER),
    }
)

BACKUP = Record(
    {
        "hosts": HOSTS,
        "directory": Field(PATH, required=True),
        "sources": Field(
            ListOf(
                Record(
                    {
                        "name": Field(LINE, required=True),
                        "hosts": HOSTS,
                        "paths": Field(ListOf(GLOB, minimum=1), required=True),
                        "exclude": _optional(ListOf(LINE)),
                        "pattern": _optional(ListOf(NAME_GLOB)),
                        "require": _optional(ListOf(LINE)),
                    }
                ),
                minimum=1,
            ),
            required=True,
        ),
        "keep": Field(
            Record(
                {
                    "last": Field(COUNT, default=0),
                    "daily": Field(COUNT, default=0),
                    "weekly": Field(COUNT, default=0),
                    "monthly": Field(COUNT, default=0),
                }
            ),
            default={"daily": 7, "weekly": 4, "monthly": 12},
        ),
        "pattern": _optional(ListOf(NAME_GLOB)),
        "require": _optional(ListOf(LINE)),
        "max_age_hours": _optional(Number(0, 100_000)),
        "min_bytes": _optional(Integer(0, 2**53)),
        "max_shrink_percent": _optional(Number(0, 100)),
    }
)

CONTACT = Record(
    {
        "role": Field(WORD, required=True),
        "name": _optional(LINE),
        "audiences": Field(ListOf(WORD, minimum=1), required=True),
        "level": Field(Integer(1, 4), default=1),
        "order": Field(Integer(1, 100), default=1),
        "channels": Field(
            ListOf(
                Record(
                    {
                        "type": Field(Choice(("mail", "webhook", "file", "phone")), required=True),
                        "address": _optional(ADDRESS),
                        "name": _optional(WORD),
                        "path": _optional(PATH),
                    }
                ),
                minimum=1,
            ),
            required=True,
        ),
    }
)

CACHE = Record(
    {
        "type": Field(Choice(("redis",)), required=True),
        "hosts": HOSTS,
        "url": Field(REDIS_URL, required=True),
    }
)

WEB_LOG = Record({"paths": Field(ListOf(GLOB, minimum=1), required=True), "hosts": HOSTS})

DIRECTORY = Record({"path": Field(PATH, required=True), "hosts": HOSTS}, from_text=_as("path"))

PLATFORM = Record(
    {
        "name": Field(LINE, required=True),
        "root": Field(PATH, required=True),
        "root_hosts": HOSTS,
        "owner": _optional(USER),
        "services": _optional(ListOf(SERVICE)),
        "watched_paths": _optional(ListOf(DIRECTORY)),
        "node_projects": _optional(ListOf(DIRECTORY)),
        "certificates": _optional(CERTIFICATES),
        "databases": _optional(ListOf(DATABASE)),
        "caches": _optional(ListOf(CACHE)),
        "web_logs": _optional(ListOf(WEB_LOG)),
        "backup": _optional(BACKUP),
        "contacts": _optional(ListOf(CONTACT)),
    }
)
