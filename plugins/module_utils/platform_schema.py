# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The keys of ``upkeep_platform`` as data. ``docs/platform.md`` explains every one of them; a test keeps both equal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils import platform_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_backup_schema import BACKUP, CACHE, DATABASE, RECOVERY
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_kinds import (
    ADDRESS,
    COUNT,
    FREE,
    GLOB,
    HOST,
    HOST_PORT,
    HOSTS,
    HTTP_URL,
    LINE,
    LOG_FORMAT,
    LOGIN_ROUTE,
    NETWORK,
    PATH,
    PATTERN,
    PORT,
    SECONDS,
    SETTINGS_KEY,
    UNIT,
    USER,
    WEBSOCKET_URL,
    WORD,
    optional,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.schema_kinds import (
    Choice,
    Field,
    Flag,
    Integer,
    ListOf,
    Number,
    Record,
    TextMap,
)


def _as(key: str) -> Callable[[str], dict[str, Any]]:
    """Return what lets a plain value stand for a mapping with the one key ``key``."""
    return lambda text: {key: text}


def _host_and_port(text: str) -> dict[str, Any]:
    host, port = values.split_host_port(text)
    return {"host": host, "port": port}


#: What talking over HTTP and over WebSocket has in common: TLS and time.
TALK = {
    "validate_certs": Field(Flag(), default=True),
    "ca_file": optional(PATH),
    "server_name": optional(HOST),
    "timeout_seconds": optional(SECONDS),
    "warning_seconds": optional(SECONDS),
    "critical_seconds": optional(SECONDS),
}

HTTP = Record(
    {
        "url": Field(HTTP_URL, required=True),
        "method": Field(Choice(("GET", "HEAD", "OPTIONS", "POST"), values.read_upper), default="GET"),
        "expect_status": Field(ListOf(Integer(100, 599), minimum=1), default=[200]),
        "expect_body": optional(PATTERN),
        "expect_headers": optional(TextMap()),
        "follow_redirects": Field(Integer(0, 20), default=0),
        **TALK,
    },
    from_text=_as("url"),
)

WEBSOCKET = Record(
    {
        "url": Field(WEBSOCKET_URL, required=True),
        "send": optional(FREE),
        "expect": optional(PATTERN),
        "subprotocol": optional(LINE),
        "ping": Field(Flag(), default=True),
        **TALK,
    },
    from_text=_as("url"),
)

CONNECTION = Record({**HOST_PORT, "tls": Field(Flag(), default=False)}, from_text=_host_and_port)

#: The lengths are those of an entry of ``secrets`` of ``secret_rotate``.
ROTATED = Record(
    {
        "key": Field(SETTINGS_KEY, required=True),
        "file": optional(PATH),
        "shared": optional(WORD),
        "per_host": Field(Flag(), default=False),
        "encoding": Field(Choice(("base64url", "hex", "alphanumeric")), default="base64url"),
        "bytes": Field(Integer(16, 512), default=48),
        "characters": Field(Integer(22, 1024), default=64),
    },
    from_text=_as("key"),
)

SERVICE = Record(
    {
        "name": Field(LINE, required=True),
        "hosts": HOSTS,
        "user": optional(USER),
        "unit": optional(UNIT),
        "pm2": optional(Record({"app": Field(LINE, required=True), "user": optional(USER)}, from_text=_as("app"))),
        "process": optional(
            Record(
                {
                    "pattern": Field(PATTERN, required=True),
                    "user": optional(USER),
                    "minimum": Field(COUNT, default=1),
                    "maximum": optional(COUNT),
                },
                from_text=_as("pattern"),
            )
        ),
        "port": optional(PORT),
        "http": optional(HTTP),
        "websocket": optional(WEBSOCKET),
        "tcp": optional(CONNECTION),
        "upstream": optional(CONNECTION),
        "logs": optional(ListOf(GLOB)),
        "reopen": optional(
            Record(
                {
                    "signal": optional(Choice(("HUP", "USR1", "USR2", "INT", "TERM", "WINCH"), values.read_signal)),
                    "pid_file": optional(PATH),
                    "command": optional(ListOf(FREE)),
                }
            )
        ),
        "rotate": optional(ListOf(ROTATED)),
        "hint": optional(LINE),
    }
)

ENDPOINT = Record(
    {
        **HOST_PORT,
        "server_name": optional(HOST),
        "starttls": optional(Choice(("smtp", "imap", "pop3", "ftp", "ldap", "postgresql", "mysql"))),
    },
    from_text=_host_and_port,
)

CERTIFICATES = Record(
    {
        "hosts": HOSTS,
        "paths": optional(ListOf(GLOB)),
        "key_files": optional(ListOf(GLOB)),
        "endpoints": optional(ListOf(ENDPOINT)),
        "served_by": optional(
            ListOf(
                Record(
                    {
                        "path": Field(PATH, required=True),
                        "endpoint": Field(ENDPOINT, required=True),
                        "hint": optional(LINE),
                    }
                )
            )
        ),
        "ca_file": optional(PATH),
    }
)

CONTACT = Record(
    {
        "role": Field(WORD, required=True),
        "name": optional(LINE),
        "audiences": Field(ListOf(WORD, minimum=1), required=True),
        "level": Field(Integer(1, 4), default=1),
        "order": Field(Integer(1, 100), default=1),
        "channels": Field(
            ListOf(
                Record(
                    {
                        "type": Field(Choice(("mail", "webhook", "file", "phone")), required=True),
                        "address": optional(ADDRESS),
                        "name": optional(WORD),
                        "path": optional(PATH),
                    }
                ),
                minimum=1,
            ),
            required=True,
        ),
    }
)

#: The keys are those of a group of ``access_log_stats``.
WEB_LOG = Record(
    {
        "name": optional(LINE),
        "hosts": HOSTS,
        "paths": Field(ListOf(GLOB, minimum=1), required=True),
        "error_paths": optional(ListOf(GLOB)),
        "format": optional(LOG_FORMAT),
        "fields": optional(TextMap()),
        "trusted_proxies": optional(ListOf(LINE)),
        "exclude_routes": optional(ListOf(LINE)),
        "exclude_agents": optional(ListOf(LINE)),
        "auth_routes": optional(ListOf(LOGIN_ROUTE)),
        "objective_percent": optional(Number(0, 99.9999)),
    }
)

DIRECTORY = Record({"path": Field(PATH, required=True), "hosts": HOSTS}, from_text=_as("path"))

#: The keys are those of an entry of ``secrets`` of ``security_configuration``.
PRIVATE_FILE = Record(
    {"path": Field(GLOB, required=True), "hosts": HOSTS, "owner": optional(USER), "group": optional(USER)}, from_text=_as("path")
)

WATCHED = Record({"path": Field(GLOB, required=True), "hosts": HOSTS}, from_text=_as("path"))

SECURITY = Record(
    {
        "integrity": optional(
            Record(
                {
                    "paths": Field(ListOf(WATCHED, minimum=1), required=True),
                    "exclude": optional(ListOf(LINE)),
                }
            )
        ),
        "trusted_networks": optional(ListOf(NETWORK)),
        "access": optional(
            Record(
                {
                    "accounts": optional(ListOf(USER)),
                    "keys": optional(ListOf(LINE)),
                    "sudo": optional(ListOf(LINE)),
                }
            )
        ),
        "private_files": optional(ListOf(PRIVATE_FILE)),
        "limited_paths": optional(ListOf(PATH)),
    }
)

PLATFORM = Record(
    {
        "name": Field(LINE, required=True),
        "root": Field(PATH, required=True),
        "root_hosts": HOSTS,
        "owner": optional(USER),
        "services": optional(ListOf(SERVICE)),
        "watched_paths": optional(ListOf(DIRECTORY)),
        "node_projects": optional(ListOf(DIRECTORY)),
        "certificates": optional(CERTIFICATES),
        "databases": optional(ListOf(DATABASE)),
        "caches": optional(ListOf(CACHE)),
        "web_logs": optional(ListOf(WEB_LOG)),
        "backup": optional(BACKUP),
        "recovery": optional(RECOVERY),
        "security": optional(SECURITY),
        "contacts": optional(ListOf(CONTACT)),
    }
)
