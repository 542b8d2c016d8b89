# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HTTP/1.1 on the wire: a request as bytes, an answer read within bounds.

``http.client`` is not used: its timeouts are per read, so that a server that sends one byte a second holds it for
ever, and importing it costs as much as many probes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from ansible_collections.upkeep.runbook.plugins.module_utils.probes.outcome import Broken
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.streams import Stream
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain

MAX_LINE_BYTES = 16 * 1024
MAX_HEADERS = 200
MAX_INFORMATIONAL = 10
KEPT_BODY_BYTES = 256 * 1024

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: .*)?")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")


@dataclass(frozen=True)
class Head:
    """Status and headers of an answer; header names are in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Return every value of a header."""
        return [value for key, value in self.headers if key == name]

    def joined(self, name: str) -> str:
        """Return the values of a header as one comma-separated list; empty when there is none."""
        return ", ".join(self.all(name))


@dataclass(frozen=True)
class Body:
    """The beginning of a body, and how long all of it was."""

    kept: bytes
    total_bytes: int

    @property
    def cut(self) -> bool:
        return self.total_bytes > len(self.kept)


def request_bytes(
    method: str, path: str, defaults: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """Return a request; a header of ``headers`` takes the place of the default of the same name."""
    given = {name.lower() for name in headers}
    lines = [f"{method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in defaults.items() if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if (body is not None or method in ("POST", "PUT", "PATCH")) and "content-length" not in given:
        lines.append(f"Content-Length: {len(body or b'')}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + (body or b"")


def read_head(stream: Stream) -> Head:
    """Read status line and headers of the final answer; interim answers (100 Continue) are skipped.

    :raises Broken: for silence, garbage, or headers without end.
    """
    for _attempt in range(MAX_INFORMATIONAL):
        line = stream.read_line(MAX_LINE_BYTES)
        if not line:
            raise Broken("closed the connection without an answer")
        match = _STATUS_LINE.fullmatch(line)
        if not match:
            raise Broken(f"answered with something that is not HTTP ({plain(decode(line[:60]), 60)!r})")
        head = Head(int(match.group(1)), tuple(_read_headers(stream)))
        if head.status >= 200 or head.status == 101:
            return head
    raise Broken(f"sent more than {MAX_INFORMATIONAL} interim answers and no final one")


def _read_headers(stream: Stream) -> list[tuple[str, str]]:
    headers: list[tuple[str, str]] = []
    for _count in range(MAX_HEADERS + 1):
        line = stream.read_line(MAX_LINE_BYTES)
        if stream.ended:
            raise Broken("closed the connection in the middle of its answer")
        if not line:
            return headers
        if line[:1] in b" \t" and headers:  # a folded header, obsolete but legal in old servers
            name, value = headers.pop()
            headers.append((name, f"{value} {decode(line).strip()}"))
            continue
        name_bytes, colon, value_bytes = line.partition(b":")
        if not colon or not name_bytes:
            raise Broken(f"sent a header that is none ({plain(decode(line[:60]), 60)!r})")
        headers.append((decode(name_bytes).strip().lower(), decode(value_bytes).strip()))
    raise Broken(f"sent more than {MAX_HEADERS} headers")


def read_body(stream: Stream, head: Head, method: str, limit: int) -> Body:
    """Read the body to its end and keep its first 256 KiB.

    :param limit: a body of more bytes than this counts as endless.
    :raises Broken: when it is longer, breaks off, or is framed wrongly.
    """
    if method == "HEAD" or head.status in (204, 304):
        return Body(b"", 0)
    collector = _Collector(limit)
    lengths = {length.strip() for value in head.all("content-length") for length in value.split(",")}
    if "chunked" in head.joined("transfer-encoding").lower():
        _read_chunks(stream, collector)
    elif lengths:
        if len(lengths) > 1 or not (next(iter(lengths)).isascii() and next(iter(lengths)).isdigit()):
            raise Broken("sent a Content-Length that is no number")
        _read_counted(stream, collector, int(lengths.pop()[:18]))
    else:
        while True:
            data = stream.read()
            if not data:
                break
            collector.add(data)
    return Body(bytes(collector.kept), collector.total)


class _Collector:
    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.kept = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        if self.total > self.limit:
            raise Broken(f"sent a body of more than {self.limit} bytes (max_body_bytes)")
        self.kept += data[: KEPT_BODY_BYTES - len(self.kept)]


def _read_counted(stream: Stream, collector: _Collector, length: int) -> None:
    received = 0
    while received < length:
        data = stream.read(min(length - received, 65536))
        if not data:
            raise Broken(f"closed the connection after {received} of {length} bytes of the body")
        received += len(data)
        collector.add(data)


def _read_chunks(stream: Stream, collector: _Collector) -> None:
    while True:
        match = _CHUNK_SIZE.fullmatch(stream.read_line(MAX_LINE_BYTES))
        if not match:
            raise Broken("broke off or garbled its chunked body")
        size = int(match.group(1), 16)
        if size == 0:
            _read_headers(stream)  # trailers
            return
        _read_counted(stream, collector, size)
        if stream.read_exactly(2) != b"\r\n":
            raise Broken("broke off or garbled its chunked body")


def body_text(head: Head, body: Body) -> str:
    """Return the kept part of a body as text; a body that was packed unasked is unpacked within the same bound."""
    data = body.kept
    encoding = head.joined("content-encoding").lower()
    if encoding in ("gzip", "x-gzip", "deflate"):
        try:
            data = zlib.decompressobj(wbits=47).decompress(data, KEPT_BODY_BYTES)
        except zlib.error as exc:
            raise Broken(f"sent a body that claims to be {encoding} and is not") from exc
    return decode(data)
