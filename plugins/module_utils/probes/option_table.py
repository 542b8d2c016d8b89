# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every option of every type of probe: how its value is read, its default, and how it is described."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.probes import option_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.option_values import Converter


@dataclass(frozen=True)
class Option:
    """One option: how its value is read, and what it is when nobody gives it (a required one has no default).

    :ivar type: its type, as Ansible names it.
    """

    convert: Converter
    default: Any = None
    required: bool = False
    type: str = "str"
    elements: str | None = None
    choices: tuple[str, ...] = ()


def _choice(*accepted: str, default: str) -> Option:
    return Option(values.choice(*accepted), default, choices=accepted)


def _path() -> Option:
    return Option(values.path, type="path")


def _whole(low: int, high: int, default: int | None = None, *, required: bool = False) -> Option:
    return Option(values.whole(low, high), default, required, type="int")


def _number(low: float, high: float, default: float | None = None) -> Option:
    return Option(values.number(low, high), default, type="float")


def _flag(default: bool) -> Option:
    return Option(values.boolean, default, type="bool")


def _headers(item: Converter) -> Option:
    return Option(values.headers(item), {}, type="dict")


def _list(item: Converter, default: list[Any] | None, elements: str = "str", *, required: bool = False) -> Option:
    return Option(values.list_of(item), default, required, type="list", elements=elements)


_LIMIT = 1_000_000
COMMON = {
    "timeout_seconds": _number(0.01, 3600, 5.0),
    "retries": _whole(0, 1000, 0),
    "interval_seconds": _number(0, 3600, 1.0),
    "consecutive": _whole(1, 1000, 1),
    "hint": Option(values.text),
}
_LATENCY = {
    "warning_seconds": _number(0, 3600),
    "critical_seconds": _number(0, 3600),
}
_TLS = {
    "validate_certs": _flag(True),
    "ca_file": _path(),
    "server_name": Option(values.token),
}
_RESTARTS = {
    "warning_restarts": _whole(1, _LIMIT, 1),
    "critical_restarts": _whole(1, _LIMIT),
}

#: Every option of every type, beside those that all types share.
OPTIONS: dict[str, dict[str, Option]] = {
    "http": {
        **_LATENCY,
        **_TLS,
        "url": Option(values.url("http", "https"), required=True),
        "method": Option(values.method, "GET"),
        "headers": _headers(values.header_value),
        "host_header": Option(values.header_value),
        "body": Option(values.text),
        "expect_status": _list(values.whole(100, 599), [200], "int"),
        "expect_body": Option(values.pattern),
        "expect_headers": _headers(values.pattern),
        "follow_redirects": Option(values.redirects, 0, type="int"),
        "max_body_bytes": _whole(0, 1 << 40, 8 * 1024 * 1024),
    },
    "tcp": {
        **_LATENCY,
        **_TLS,
        "host": Option(values.token, "localhost"),
        "port": _whole(1, 65535, required=True),
        "send": Option(values.text),
        "expect": Option(values.pattern),
        "tls": _flag(False),
    },
    "websocket": {
        **_LATENCY,
        **_TLS,
        "url": Option(values.url("ws", "wss"), required=True),
        "headers": _headers(values.header_value),
        "host_header": Option(values.header_value),
        "subprotocol": Option(values.token),
        "send": Option(values.text),
        "expect": Option(values.pattern),
        "ping": _flag(True),
    },
    "dns": {
        **_LATENCY,
        "host": Option(values.token, required=True),
        "record": _choice("A", "AAAA", "any", default="any"),
        "server": Option(values.token),
        "server_port": _whole(1, 65535, 53),
        "expect_addresses": _list(values.ip_address, []),
    },
    "command": {
        **_LATENCY,
        "argv": _list(values.text, None, required=True),
        "directory": _path(),
        "expect_rc": _list(values.whole(0, 255), [0], "int"),
        "expect_stdout": Option(values.pattern),
    },
    "port": {
        "port": _whole(1, 65535, required=True),
        "address": Option(values.ip_address),
        "unit": Option(values.unit),
        "pid_file": _path(),
        "pattern": Option(values.pattern),
        "user": Option(values.token),
    },
    "process": {
        "pattern": Option(values.pattern),
        "exe": _path(),
        "user": Option(values.token),
        "minimum": _whole(0, _LIMIT, 1),
        "maximum": _whole(0, _LIMIT),
    },
    "unit": {
        **_RESTARTS,
        "unit": Option(values.unit, required=True),
        "expect_state": _list(values.choice("active", "inactive", "activating"), ["active"]),
    },
    "pm2": {
        **_RESTARTS,
        "app": Option(values.text, required=True),
        "user": Option(values.token),
        "executable": Option(values.token, "pm2"),
        "pm2_home": _path(),
        "minimum": _whole(1, _LIMIT, 1),
    },
}


def described_options() -> dict[str, dict[str, Any]]:
    """Return the options of all types together, as an argument spec describes them.

    What only some types require, or give another default, is neither required nor has it a default here.
    """
    spec: dict[str, dict[str, Any]] = {
        "name": {"type": "str"},
        "type": {"type": "str", "required": True, "choices": list(OPTIONS)},
    }
    for table in (COMMON, *OPTIONS.values()):
        for key, option in table.items():
            described: dict[str, Any] = {"type": option.type, "default": option.default}
            if option.elements:
                described["elements"] = option.elements
            if option.choices:
                described["choices"] = list(option.choices)
            if spec.setdefault(key, described)["default"] != option.default:
                described["default"] = None
                spec[key] = described
    return spec
