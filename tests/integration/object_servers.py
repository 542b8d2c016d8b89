"""As much of restic's REST protocol and of S3 as restic uses, on 127.0.0.1 and in memory, behind a user or an access key."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

USER, SECRET = "storekeeper", "s3cret word"
_LISTED = "application/vnd.x.restic.rest.v2"


@dataclass
class ObjectServer:
    """A server that runs.

    :ivar address: ``host:port``.
    :ivar objects: what it holds, by the path of the address.
    :ivar asked: ``METHOD path`` of each request.
    """

    address: str
    stop: Callable[[], None]
    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    """What both protocols share; a request without the right credentials is refused."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *_words: object) -> None:
        """Tests look at ``asked``."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def give(self, content: bytes, **headers: str) -> None:
        """Answer with the part of an object that is asked for."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not wanted:
            return self.answer(200, content, **headers)
        first = int(wanted[1])
        last = min(int(wanted[2] or len(content) - 1), len(content) - 1)
        part = f"bytes {first}-{last}/{len(content)}"
        return self.answer(206, content[first : last + 1], Content_Range=part, **headers)

    def handle_one(self) -> None:
        """Answer a request."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.chunks() if self.headers.get("Transfer-Encoding") == "chunked" else b""
        url = urlsplit(self.path)
        self.server.state.asked.append(f"{self.command} {url.path}")
        with self.server.lock:
            self.serve(unquote(url.path), {key: values[0] for key, values in parse_qs(url.query, keep_blank_values=True).items()}, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_one

    def chunks(self) -> bytes:
        whole = b""
        while size := int(self.rfile.readline().strip(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def serve(self, path: str, query: dict[str, str], body: bytes) -> None:
        """Answer a request whose body was read."""
        raise NotImplementedError


class RestHandler(_Handler):
    """https://restic.readthedocs.io/en/stable/REST_backend.html, version 2."""

    def serve(self, path: str, query: dict[str, str], body: bytes) -> None:
        objects = self.server.state.objects
        expected = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            return self.answer(401)
        if path.endswith("/"):
            if query.get("create") == "true":
                return self.answer(200)
            rows = [{"name": name[len(path) :], "size": len(data)} for name, data in sorted(objects.items()) if name.startswith(path)]
            return self.answer(200, json.dumps(rows).encode(), Content_Type=_LISTED)
        if self.command == "POST":
            if path in objects:
                return self.answer(403)
            name = path.rpartition("/")[2]
            if name != "config" and hashlib.sha256(body).hexdigest() != name:
                return self.answer(400)
            objects[path] = body
            return self.answer(200)
        if path not in objects:
            return self.answer(404)
        if self.command == "DELETE":
            del objects[path]
            return self.answer(200)
        return self.give(objects[path], Content_Type="application/octet-stream")


class S3Handler(_Handler):
    """One bucket. The signature of a request is not computed; that it names the key and the region is asked."""

    def serve(self, path: str, query: dict[str, str], body: bytes) -> None:
        objects = self.server.state.objects
        bucket, _slash, key = path.lstrip("/").partition("/")
        if not self.headers.get("Authorization", "").startswith(f"AWS4-HMAC-SHA256 Credential={USER}/"):
            return self.refuse(403, "AccessDenied", "Access Denied.")
        if not key:
            return self.answer_about_bucket(bucket, query)
        if self.command == "PUT":
            signed = "aws-chunked" in self.headers.get("Content-Encoding", "") or "STREAMING" in self.headers.get("X-Amz-Content-Sha256", "")
            objects[path] = _unsigned(body) if signed else body
            return self.answer(200, ETag=_tag(objects[path]))
        if self.command == "DELETE":
            objects.pop(path, None)
            return self.answer(204)
        if path not in objects:
            return self.refuse(404, "NoSuchKey", "The specified key does not exist.")
        return self.give(objects[path], ETag=_tag(objects[path]), Last_Modified="Sun, 22 Nov 2026 01:00:00 GMT")

    def answer_about_bucket(self, bucket: str, query: dict[str, str]) -> None:
        objects = self.server.state.objects
        if "location" in query:
            return self.answer(200, b"<LocationConstraint></LocationConstraint>")
        if self.command != "GET":
            return self.answer(200)
        prefix, start = query.get("prefix", ""), len(bucket) + 2
        found = {name[start:]: data for name, data in sorted(objects.items()) if name[start:].startswith(prefix)}
        whole = {name: data for name, data in found.items() if not query.get("delimiter") or "/" not in name[len(prefix) :]}
        rows = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-11-22T01:00:00.000Z</LastModified><ETag>{escape(_tag(data))}</ETag>"
            f"<Size>{len(data)}</Size></Contents>"
            for name, data in whole.items()
        )
        folders = {prefix + name[len(prefix) :].partition("/")[0] + "/" for name in found if name not in whole}
        rows += "".join(f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders))
        text = f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"
        return self.answer(200, text.encode(), Content_Type="application/xml")

    def refuse(self, status: int, code: str, message: str) -> None:
        self.answer(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(), Content_Type="application/xml")


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


def _unsigned(body: bytes) -> bytes:
    """Return what is in chunks of which each has a signature before it."""
    whole, place = b"", 0
    while True:
        end = body.index(b"\r\n", place)
        size = int(body[place:end].partition(b";")[0], 16)
        if not size:
            return whole
        whole += body[end + 2 : end + 2 + size]
        place = end + 2 + size + 2


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    lock: threading.Lock
    state: ObjectServer


@contextmanager
def object_server(handler: type[_Handler]) -> Iterator[ObjectServer]:
    """Run a server while the block runs, unless it is stopped in it."""
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)

    def stop() -> None:
        server.shutdown()
        server.server_close()

    server.lock = threading.Lock()
    server.state = ObjectServer(f"127.0.0.1:{server.server_address[1]}", stop)
    thread.start()
    try:
        yield server.state
    finally:
        stop()
