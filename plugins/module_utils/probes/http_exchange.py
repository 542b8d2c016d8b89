# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The HTTP probe: one request within one deadline, judged by status, headers and body."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import CRITICAL, OK
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.addresses import Target, parse_url
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.deadline import Deadline
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.http_wire import (
    Body,
    Head,
    body_text,
    read_body,
    read_head,
    request_bytes,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken, Outcome, listed, seconds
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.patterns import found
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import open_stream, tls_options
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

SCHEMES = ("http", "https")
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class _Request:
    method: str
    target: Target
    headers: dict[str, str]
    body: bytes | None


def target_of(options: dict[str, Any]) -> str:
    """Return what the probe looks at, for people."""
    return f"{options['method']} {parse_url(options['url'], SCHEMES).shown}"


def probe_http(options: dict[str, Any], deadline: Deadline) -> Outcome:
    """Ask once and judge the answer; the time it takes includes name resolution, TLS and redirects."""
    request = _first_request(options)
    seen = [request.target.shown]
    while True:
        head, body = _exchange(request, options, deadline, first=len(seen) == 1)
        location = head.joined("location")
        if options["follow_redirects"] == 0 or head.status not in _REDIRECTS or not location:
            return _judge(options, head, body, deadline, seen)
        request = _redirected(request, head.status, location)
        if request.target.shown in seen:
            raise Broken(f"redirects in a loop (back to {plain(request.target.shown, 200)})")
        seen.append(request.target.shown)
        if len(seen) - 1 > options["follow_redirects"]:
            raise Broken(f"redirects more than {options['follow_redirects']} times (follow_redirects)")


def _first_request(options: dict[str, Any]) -> _Request:
    target = parse_url(options["url"], SCHEMES)
    headers = with_credentials(options["headers"], target)
    if options["host_header"]:
        headers = {"Host": options["host_header"], **headers}
    body = None if options["body"] is None else options["body"].encode("utf-8")
    return _Request(options["method"], target, headers, body)


def with_credentials(headers: dict[str, str], target: Target) -> dict[str, str]:
    """Return the headers with those of ``user:password@`` of the URL, unless they say something else already."""
    if not (target.user or target.password) or "authorization" in {name.lower() for name in headers}:
        return headers
    token = base64.b64encode(f"{target.user}:{target.password}".encode()).decode("ascii")
    return {**headers, "Authorization": f"Basic {token}"}


def _exchange(request: _Request, options: dict[str, Any], deadline: Deadline, *, first: bool) -> tuple[Head, Body]:
    target = request.target
    tls = tls_options(options, target.secure)
    if tls is not None and not first:
        tls = {**tls, "server_name": None}
    defaults = {
        "Host": target.host_header,
        "User-Agent": "upkeep.runbook health_probe",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    stream = open_stream(target.host, target.port, deadline, tls)
    try:
        stream.send(request_bytes(request.method, target.path, defaults, request.headers, request.body))
        head = read_head(stream)
        if head.status == 101:
            raise Broken("answered 101 to a plain request")
        return head, read_body(stream, head, request.method, options["max_body_bytes"])
    finally:
        stream.close()


def _redirected(request: _Request, status: int, location: str) -> _Request:
    """Return the next request; headers and body of the user never go to another server than the one they name."""
    try:
        target = parse_url(urljoin(request.target.shown, location), SCHEMES)
    except ValueError as exc:
        raise Broken(f"redirects to {plain(location, 200)!r}: {exc}") from None
    same = target.origin == request.target.origin
    keeps_method = status in (307, 308) or request.method in ("GET", "HEAD")
    return _Request(
        method=request.method if keeps_method else "GET",
        target=target,
        headers=request.headers if same else {},
        body=request.body if same and keeps_method else None,
    )


def _judge(options: dict[str, Any], head: Head, body: Body, deadline: Deadline, seen: list[str]) -> Outcome:
    latency = deadline.elapsed()
    answered = f"{target_of(options)} answered {head.status} after {seconds(latency)}"
    if len(seen) > 1:
        answered += f" from {plain(seen[-1], 200)}"
    details: dict[str, Any] = {"http_status": head.status, "body_bytes": body.total_bytes, "url": seen[-1]}
    complaint = _complaint(options, head, body, deadline)
    if complaint:
        return Outcome(CRITICAL, f"{answered}; {complaint}.", latency, details=details)
    return Outcome(OK, f"{answered}.", latency, details=details)


def _complaint(options: dict[str, Any], head: Head, body: Body, deadline: Deadline) -> str:
    """Return what is wrong with the answer, or an empty string."""
    if head.status not in options["expect_status"]:
        return f"{listed(options['expect_status'])} was expected"
    for name, pattern in options["expect_headers"].items():
        value = head.joined(name.lower())
        if not head.all(name.lower()):
            return f"the header {name} is missing"
        if not found(pattern, value, deadline):
            return f"its header {name} does not match '{pattern}'"
    if options["expect_body"] is not None and not found(options["expect_body"], body_text(head, body), deadline):
        where = f"the first {len(body.kept)} bytes of its body" if body.cut else "its body"
        return f"'{options['expect_body']}' was not found in {where}"
    return ""
