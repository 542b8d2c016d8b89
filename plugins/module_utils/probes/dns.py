# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The DNS probe: a name has addresses, as this host resolves it or as one server answers."""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK
from ansible_collections.upkeep.runbook.plugins.module_utils.host_port import place
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import NETWORK_HINT, resolve
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.dns_wire import (
    Answer,
    Garbled,
    question,
    read_answer,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Outcome, Unchecked, seconds
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import open_stream

_FAMILIES = {"A": socket.AF_INET, "AAAA": socket.AF_INET6, "any": socket.AF_UNSPEC}
_NO_SUCH_NAME = 3
_CODES = {1: "format error", 2: "server failure", 4: "not implemented", 5: "refused"}
_MAX_STRAY_ANSWERS = 20
_SHOWN = 20


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    record = "address" if options["record"] == "any" else f"{options['record']} record"
    return f"The {record} of {options['host']}"


def probe_dns(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Look the name up once and compare its addresses with the expected ones."""
    if options["server"] is None:
        addresses = _resolved(options, deadline)
        source = ""
    else:
        addresses = _ask(options, deadline)
        source = f" from {place(options['server'], options['server_port'])}"
    latency = deadline.elapsed()
    shown = ", ".join(addresses[:5]) + (", …" if len(addresses) > 5 else "")
    summary = f"{target_of(options)} is {shown}{source} after {seconds(latency)}"
    details = {"addresses": addresses[:_SHOWN]}
    missing = [address for address in options["expect_addresses"] if address not in addresses]
    if missing:
        return Outcome(CRITICAL, f"{summary}; {', '.join(missing)} was expected.", latency, details=details)
    return Outcome(OK, f"{summary}.", latency, details=details)


def _resolved(options: dict[str, Any], deadline: Deadline) -> list[str]:
    try:
        found = resolve(options["host"], 0, deadline, _FAMILIES[options["record"]])
    except Broken as exc:
        raise Broken("does not exist") from exc
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _ask(options: dict[str, Any], deadline: Deadline) -> list[str]:
    server, port = options["server"], options["server_port"]
    try:
        asked = question(int.from_bytes(os.urandom(2), "big"), options["host"], options["record"])
    except ValueError:
        raise Broken(f"cannot exist: {options['host']} is no valid name") from None
    try:
        answer = _over_udp(asked, server, port, deadline)
        if answer.truncated:
            answer = _over_tcp(asked, server, port, deadline)
    except Broken as exc:
        # A name server that is down says nothing about the name; probe the server itself with type tcp.
        raise Unchecked(f"the name server {place(server, port)} {exc}", hint=NETWORK_HINT) from exc
    except Garbled as exc:
        raise Unchecked(f"the answer of the name server {place(server, port)} cannot be read: {exc}") from exc
    if answer.code == _NO_SUCH_NAME:
        raise Broken(f"does not exist: {place(server, port)} knows no such name")
    if answer.code:
        reason = _CODES.get(answer.code, f"code {answer.code}")
        raise Unchecked(f"the name server {place(server, port)} answered {reason}", hint=NETWORK_HINT)
    if not answer.addresses:
        raise Broken(f"does not exist: {place(server, port)} knows the name without one")
    return list(dict.fromkeys(answer.addresses))


def _over_udp(asked: bytes, server: str, port: int, deadline: Deadline) -> Answer:
    family, _kind, _protocol, _name, address = _server_address(server, port, deadline)
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        try:
            connection.connect(address)  # the kernel drops answers of anybody else
            connection.send(asked)
            for _answer in range(_MAX_STRAY_ANSWERS):
                connection.settimeout(deadline.remaining("gave no answer"))
                message = connection.recv(4096)
                if message[:2] == asked[:2]:
                    return read_answer(message, asked)
        except socket.timeout:
            raise Broken(f"gave no answer within {deadline.limit_seconds:g} s") from None
        except OSError as exc:
            raise Broken(f"could not be asked: {exc.strerror}") from exc
    raise Broken("sent only answers to other questions")


def _over_tcp(asked: bytes, server: str, port: int, deadline: Deadline) -> Answer:
    stream = open_stream(server, port, deadline)
    try:
        stream.send(struct.pack("!H", len(asked)) + asked)
        (length,) = struct.unpack("!H", stream.read_exactly(2))
        return read_answer(stream.read_exactly(length), asked)
    finally:
        stream.close()


def _server_address(server: str, port: int, deadline: Deadline) -> tuple[Any, ...]:
    try:
        return resolve(server, port, deadline)[0]
    except Broken as exc:
        raise Unchecked(f"the name server {server} {exc}") from exc
