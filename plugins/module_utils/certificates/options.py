# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options of ``cert_expiry``, checked: what is wrong is refused in words before anything is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.lifetime import Thresholds, read_thresholds
from ansible_collections.upkeep.runbook.plugins.module_utils.certificates.starttls import PROTOCOLS
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.platform_values import read_host, split_host_port

_RANGES = {"timeout_seconds": (0.1, 300), "concurrency": (1, 256)}
_KEYS = ("host", "port", "server_name", "starttls", "ca_file")
#: What openssl s_client calls it.
_OTHER_NAMES = {"postgres": "postgresql"}


@dataclass(frozen=True)
class Endpoint:
    """A server to ask for its certificate.

    :ivar server_name: asked for and looked for in the certificate, when it is not ``host``.
    :ivar starttls: the protocol in which TLS is started, or nothing.
    :ivar ca_file: whom to trust, or nothing for the option of the module.
    """

    host: str
    port: int
    server_name: str = ""
    starttls: str = ""
    ca_file: str = ""

    @property
    def name(self) -> str:
        """The name that the certificate must be for."""
        return self.server_name or self.host

    def __str__(self) -> str:
        where = place(self.host, self.port)
        return f"{where} ({self.server_name})" if self.server_name and self.server_name != self.host else where


@dataclass(frozen=True)
class ServedFile:
    """A file whose first certificate an endpoint must serve."""

    path: str
    endpoint: Endpoint
    hint: str


@dataclass(frozen=True)
class Options:
    """The options of one call."""

    paths: tuple[str, ...]
    private_keys: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    served_by: tuple[ServedFile, ...]
    passphrases: tuple[str, ...]
    thresholds: Thresholds
    ca_file: str
    verify_chain: bool
    timeout_seconds: float
    concurrency: int
    return_all: bool


def read_options(given: Mapping[str, Any]) -> Options:
    """Return the options, checked.

    :param given: the options of the module.
    :raises UpkeepError: naming the option and, in a list, the item that is not accepted.
    """
    endpoints = read_endpoints(given["endpoints"])
    served_by = [_served_file(item, index) for index, item in enumerate(given["served_by"])]
    if not given["paths"] and not endpoints and not served_by:
        raise UpkeepError("There is nothing to look at: give paths, endpoints or served_by.")
    refuse_out_of_range(given, _RANGES)
    if not given["verify_chain"] and given["ca_file"]:
        raise UpkeepError("ca_file says whom to trust, but verify_chain is false: leave one of them out.")
    return Options(
        paths=_paths(given["paths"], "paths"),
        private_keys=_paths(given["private_keys"], "private_keys"),
        # A file that is compared needs its endpoint asked.
        endpoints=_each_once([*endpoints, *(item.endpoint for item in served_by)]),
        served_by=tuple(served_by),
        passphrases=tuple(text for text in (given["passphrase"], *(given["passphrases"] or [])) if text is not None),
        thresholds=read_thresholds(given),
        ca_file=_absolute(given["ca_file"], "ca_file") if given["ca_file"] else "",
        verify_chain=given["verify_chain"],
        timeout_seconds=given["timeout_seconds"],
        concurrency=given["concurrency"],
        return_all=given["return_all"],
    )


def read_endpoints(given: Sequence[Any]) -> tuple[Endpoint, ...]:
    """Return the servers of an option ``endpoints``, each once.

    :raises UpkeepError: naming the one that is not accepted.
    """
    return _each_once([_endpoint(item, f"endpoints[{index}]") for index, item in enumerate(given)])


def _each_once(endpoints: list[Endpoint]) -> tuple[Endpoint, ...]:
    """Return each server once, as it is described first: two descriptions of one subject would be one row twice."""
    first: dict[str, Endpoint] = {}
    for endpoint in endpoints:
        first.setdefault(str(endpoint), endpoint)
    return tuple(first.values())


def _paths(given: list[str], name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_absolute(path, f"{name}[{index}]") for index, path in enumerate(given)))


def _absolute(path: str, where: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise UpkeepError(f"{where}: {path!r} is not accepted; give an absolute path, such as /etc/ssl/certs/www.pem.")
    return path


def _served_file(item: Mapping[str, Any], index: int) -> ServedFile:
    where = f"served_by[{index}]"
    endpoint = _endpoint(item["endpoint"], f"{where}.endpoint")
    return ServedFile(_absolute(item["path"], f"{where}.path"), endpoint, item["hint"] or "")


def _endpoint(item: Any, where: str) -> Endpoint:
    if isinstance(item, str):
        try:
            return Endpoint(*split_host_port(item))
        except ValueError as exc:
            raise UpkeepError(f"{where} {exc}.") from exc
    if not isinstance(item, Mapping):
        raise UpkeepError(f"{where} must be host:port or a mapping with the keys {', '.join(_KEYS)}.")
    for key in item:
        if key not in _KEYS:
            raise UpkeepError(f"{where}.{key} is not known; the keys are {', '.join(_KEYS)}.")
    # What the platform description leaves empty is left out.
    given = {key: value for key, value in item.items() if value not in (None, "")}
    for key in ("host", "port"):
        if key not in given:
            raise UpkeepError(f"{where}.{key} is missing.")
    return Endpoint(
        host=_host(given["host"], f"{where}.host"),
        port=_port(given["port"], f"{where}.port"),
        server_name=_host(given["server_name"], f"{where}.server_name") if "server_name" in given else "",
        starttls=_starttls(given.get("starttls", ""), f"{where}.starttls"),
        ca_file=_absolute(str(given["ca_file"]), f"{where}.ca_file") if "ca_file" in given else "",
    )


def _host(value: Any, where: str) -> str:
    try:
        return read_host(str(value))
    except ValueError as exc:
        raise UpkeepError(f"{where} {exc}.") from exc


def _port(value: Any, where: str) -> int:
    text = "" if isinstance(value, bool) else str(value)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise UpkeepError(f"{where} must be a whole number from 1 to 65535, not {value!r}.")
    return int(text)


def _starttls(value: Any, where: str) -> str:
    name = _OTHER_NAMES.get(str(value), str(value))
    if name and name not in PROTOCOLS:
        raise UpkeepError(f"{where} must be one of {', '.join(PROTOCOLS)}, not {value!r}.")
    return name
