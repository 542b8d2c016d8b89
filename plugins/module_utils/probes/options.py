# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one place where the options of probes are checked, against the table of their type.

Ansible's own check of nested options names neither the index of the probe nor which options its type has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.probes import option_values as values
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import parse_url
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.option_table import COMMON, OPTIONS, Option


@dataclass(frozen=True)
class Probe:
    """One probe, checked and with every default filled in."""

    name: str
    type: str
    options: dict[str, Any]

    @property
    def series(self) -> str:
        """The beginning of the names of its series in the history."""
        return f"probe:{self.type}:{self.name}"


def read_probes(raw: list[dict[str, Any]], secret_headers: dict[str, Any]) -> list[Probe]:
    """Check all probes and fill in their defaults.

    :param secret_headers: headers by probe name, added to those of its http and websocket probes.
    :raises UpkeepError: naming the index of the probe, the option and what is accepted.
    """
    probes: list[Probe] = []
    first_index: dict[tuple[str, str], int] = {}
    for index, entry in enumerate(raw):
        probe = _read_probe(index, entry)
        key = (probe.type, probe.name)
        if key in first_index:
            raise UpkeepError(
                f"probes[{index}] is a second {probe.type} probe named {probe.name!r}, after "
                f"probes[{first_index[key]}]; give one of them another name"
            )
        first_index[key] = index
        probes.append(probe)
    _add_secret_headers(probes, secret_headers)
    return probes


def _read_probe(index: int, entry: dict[str, Any]) -> Probe:
    where = f"probes[{index}]"
    kind = entry.get("type")
    if kind not in OPTIONS:
        problem = "is missing" if kind is None else f"is {kind!r}"
        raise UpkeepError(f"{where}.type {problem}; accepted values: {', '.join(sorted(OPTIONS))}")
    table = {**COMMON, **OPTIONS[kind]}
    unknown = sorted(str(key) for key in entry if key not in table and key not in ("name", "type"))
    if unknown:
        raise UpkeepError(
            f"{where}.{unknown[0]} is no option of a probe of type {kind}; "
            f"accepted options: {', '.join(sorted([*table, 'name', 'type']))}"
        )
    given = {key: value for key, value in entry.items() if value is not None}
    if kind == "pm2" and "name" in given:
        given.setdefault("app", given["name"])
    options = {key: _read_option(where, kind, key, option, given) for key, option in table.items()}
    _check_together(where, kind, options)
    name = _read_name(where, given) if "name" in given else default_name(kind, options)
    return Probe(name, kind, options)


def _read_option(where: str, kind: str, key: str, option: Option, given: dict[str, Any]) -> Any:
    if key not in given:
        if option.required:
            raise UpkeepError(f"{where}.{key} is missing; a probe of type {kind} needs it")
        return option.default
    if given[key] == option.default:
        return option.default
    try:
        return option.convert(given[key])
    except ValueError as exc:
        raise UpkeepError(f"{where}.{key} {exc}") from None


def _read_name(where: str, given: dict[str, Any]) -> str:
    try:
        return str(values.text(given["name"]))
    except ValueError as exc:
        raise UpkeepError(f"{where}.name {exc}") from None


def _check_together(where: str, kind: str, options: dict[str, Any]) -> None:
    """Refuse options that contradict each other or leave nothing to look at."""
    for low, high in (
        ("warning_seconds", "critical_seconds"),
        ("warning_restarts", "critical_restarts"),
        ("minimum", "maximum"),
    ):
        lower, upper = options.get(low), options.get(high)
        if lower is not None and upper is not None and lower > upper and high in options:
            raise UpkeepError(f"{where}.{low} ({lower:g}) must not be more than {where}.{high} ({upper:g})")
    if kind == "process" and not any(options[key] for key in ("pattern", "exe", "user")):
        raise UpkeepError(f"{where} must say which process it means; give at least one of pattern, exe, user")
    if kind == "tcp" and not options["tls"] and (options["ca_file"] or options["server_name"]):
        raise UpkeepError(f"{where}.tls must be true for ca_file and server_name to have a meaning")
    if kind == "dns" and options["server"] is not None and options["record"] == "any":
        raise UpkeepError(f"{where}.record must be A or AAAA when a server is asked directly")


def default_name(kind: str, options: dict[str, Any]) -> str:
    """Return the name of a probe that was given none: what it looks at, without credentials."""
    if kind == "http":
        return parse_url(options["url"], ("http", "https")).shown
    if kind == "websocket":
        return parse_url(options["url"], ("ws", "wss")).shown
    if kind == "tcp":
        return place(options["host"], options["port"])
    if kind == "port":
        return place(options["address"], options["port"]) if options["address"] else f"port {options['port']}"
    if kind == "process":
        return str(options["pattern"] or options["exe"] or f"processes of {options['user']}")
    if kind == "command":
        return str(options["argv"][0]).rsplit("/", 1)[-1]
    return str(options[{"unit": "unit", "pm2": "app", "dns": "host"}[kind]])


def _add_secret_headers(probes: list[Probe], secret_headers: dict[str, Any]) -> None:
    """Add the headers to the probes they name; a name of no probe is one of another host, which has its own call."""
    for name, given in secret_headers.items():
        try:
            headers = values.headers(values.header_value)(given)
        except ValueError as exc:
            raise UpkeepError(f"secret_headers[{name!r}] {exc}") from None
        for probe in probes:
            if probe.name == name and "headers" in probe.options:
                probe.options["headers"] = {**probe.options["headers"], **headers}
