"""A stand-in for an npm registry: it serves what `npm audit` and `npm ci` ask, and can be told to do it badly.

    python3 registry.py --port 4873 --advisories advisories.json --fault /etc/registry-standin/fault

Both files are read anew for each request, so a test changes them while the registry runs. Without a fault file, or with an
empty one, it serves well. With port 0 it takes a free one; the first line that it prints is its URL.

advisories.json:
    {"advisories": [{"package": "leftpad", "id": 1001, "ghsa": "GHSA-aaaa-bbbb-cccc", "title": "…", "severity": "high",
                     "vulnerable_versions": "<1.2.0", "patched_versions": ">=1.2.0"}],
     "packages": {"leftpad": {"1.1.0": {}, "1.2.0": {"dependencies": {"other": "^1.0.0"}}}}}

The packages that `npm ci` gets hold their name and version and nothing else.

Faults: a status from 300 to 599 (its answer has a JSON body), or one of
    html      200 with a page, as a proxy for logging in gives it
    error     200 with {"error": …}
    empty     200 with nothing
    half      half of the body that was promised
    silence   takes the request and never answers
    drip      one byte a second
    close     closes the connection instead of answering
A number of times may follow, such as `500 2`: the next two requests fail, and then it serves well again.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

BULK = "/-/npm/v1/security/advisories/bulk"  # npm 7 and newer
AUDITS = ("/-/npm/v1/security/audits", "/-/npm/v1/security/audits/quick")  # npm 6, and where npm 7 to 10 ask next
SEVERITIES = ("info", "low", "moderate", "high", "critical")
PAGE = b"<!DOCTYPE html><title>Log in</title><p>Log in to use this network.</p>"


def number(version: str) -> tuple[int, ...]:
    """Return the numbers of a version; what follows a hyphen does not count here."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("-")[0])[:3])


def in_range(version: str, versions: str) -> bool:
    """Tell whether a version is in a range of the form ``>=1.0.0 <1.2.0 || =2.0.0``; ``*`` is every version."""
    compare = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b}
    for alternative in versions.split("||"):
        terms = re.findall(r"(<=|>=|<|>|=?)\s*(\d[\w.-]*|\*)", alternative)
        if terms and all(
            bound == "*" or compare.get(sign, lambda a, b: a == b)(number(version), number(bound)) for sign, bound in terms
        ):
            return True
    return False


def advisory_url(advisory: dict[str, Any]) -> str:
    """Return where people read more."""
    return f"https://github.com/advisories/{advisory['ghsa']}"


def bulk_answer(advisories: list[dict[str, Any]], asked: dict[str, list[str]]) -> dict[str, Any]:
    """Return the advisories of the packages whose versions npm names; npm finds out what else they concern."""
    found: dict[str, Any] = {}
    for advisory in advisories:
        name, versions = advisory["package"], advisory["vulnerable_versions"]
        if any(in_range(version, versions) for version in asked.get(name, [])):
            found.setdefault(name, []).append(
                {
                    **{key: advisory[key] for key in ("id", "title", "severity", "vulnerable_versions")},
                    "url": advisory_url(advisory),
                    "cwe": [],
                    "cvss": {"score": 0, "vectorString": None},
                }
            )
    return found


def installed(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield each package of a lockfile of version 1 with its place."""
    for name, package in (tree.get("dependencies") or {}).items():
        yield (*path, name), package
        yield from installed(package, (*path, name))


def whole_answer(advisories: list[dict[str, Any]], tree: dict[str, Any]) -> dict[str, Any]:
    """Return the report that the older endpoints make of a whole lockfile."""
    report: dict[str, Any] = {"actions": [], "advisories": {}, "muted": []}
    packages = list(installed(tree))
    for advisory in advisories:
        name = advisory["package"]
        places = [(path, package) for path, package in packages if path[-1] == name]
        hit = [(path, package) for path, package in places if in_range(package["version"], advisory["vulnerable_versions"])]
        if hit:
            report["advisories"][str(advisory["id"])] = {
                **{key: advisory[key] for key in ("id", "title", "severity", "vulnerable_versions")},
                "module_name": name,
                "url": advisory_url(advisory),
                "github_advisory_id": advisory["ghsa"],
                "patched_versions": advisory.get("patched_versions", "<0.0.0"),
                "findings": [
                    {"version": package["version"], "paths": [">".join(path)], "dev": bool(package.get("dev"))}
                    for path, package in hit
                ],
            }
            resolves = [{"id": advisory["id"], "path": ">".join(path)} for path, _package in hit]
            report["actions"].append({"action": "review", "module": name, "resolves": resolves})
    found = [advisory["severity"] for advisory in report["advisories"].values()]
    report["metadata"] = {
        "vulnerabilities": {severity: found.count(severity) for severity in SEVERITIES},
        "dependencies": len(packages),
        "devDependencies": 0,
        "optionalDependencies": 0,
        "totalDependencies": len(packages),
    }
    return report


def package_page(url: str, name: str, versions: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what npm fetches about a package: which versions depend on a vulnerable one, and where it gets each."""
    newest = max(versions, key=number)
    return {
        "name": name,
        "dist-tags": {"latest": newest},
        "versions": {
            version: {"name": name, "version": version, "dist": distribution(url, name, version), **more}
            for version, more in versions.items()
        },
    }


def distribution(url: str, name: str, version: str) -> dict[str, str]:
    """Return where the archive of a package is, and its hash."""
    digest = hashlib.sha512(package_archive(name, version)).digest()
    return {"tarball": f"{url}{name}/-/{version}.tgz", "integrity": f"sha512-{base64.b64encode(digest).decode()}"}


@lru_cache
def package_archive(name: str, version: str) -> bytes:
    """Return what npm unpacks into node_modules; the same bytes each time, since its hash was promised."""
    files = {
        "package.json": json.dumps({"name": name, "version": version, "main": "index.js"}),
        "index.js": f"module.exports = {json.dumps(f'{name} {version}')};",
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


class Faults:
    """What the registry shall do badly, as the fault file says at this moment."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()

    def next(self) -> str:
        """Return the fault of this request, or an empty string; a fault with a number is used up by it."""
        with self._lock:
            try:
                words = self._path.read_text(encoding="ascii").split() if self._path else []
            except FileNotFoundError:
                words = []
            if len(words) == 2 and self._path:
                left = int(words[1])
                self._path.write_text(f"{words[0]} {left - 1}" if left > 1 else "", encoding="ascii")
            return words[0] if words else ""


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Registry

    def do_POST(self) -> None:  # noqa: N802
        """Answer an audit."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        advisories = self.server.content()["advisories"]
        if self.path == BULK:
            self.answer(200, bulk_answer(advisories, json.loads(body)))
        elif self.path in AUDITS:
            self.answer(200, whole_answer(advisories, json.loads(body)))
        else:
            self.answer(404, {"error": "not found"})

    def do_GET(self) -> None:  # noqa: N802
        """Answer with the page of a package, or with the archive of one of its versions."""
        name, _slash, file = unquote(self.path.lstrip("/").split("?")[0]).partition("/-/")
        versions = self.server.content().get("packages", {}).get(name, {})
        if versions and not file:
            self.answer(200, package_page(self.server.url, name, versions))
        elif file.endswith(".tgz") and file[:-4] in versions:
            self.answer(200, package_archive(name, file[:-4]), "application/octet-stream")
        else:
            self.answer(404, {"error": "not found"})

    def answer(self, status: int, content: dict[str, Any] | bytes, kind: str = "application/json") -> None:
        """Send an answer, as well or as badly as ordered."""
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        fault = self.server.faults.next()
        self.server.stopping.wait(self.server.delay_seconds)
        if fault.isdigit():
            status, body = int(fault), json.dumps({"error": f"the registry was told to answer {fault}"}).encode()
        elif fault == "html":
            body, kind = PAGE, "text/html; charset=utf-8"
        elif fault == "error":
            body = b'{"error": {"code": "EFAULT", "summary": "the registry was told to fail", "detail": ""}}'
        elif fault == "empty":
            body = b""
        elif fault in ("close", "silence"):
            if fault == "silence":
                self.server.stopping.wait(600)
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "half":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault == "drip":
            for byte in body:
                self.wfile.write(bytes([byte]))
                if self.server.stopping.wait(1):
                    return
        else:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print what was asked, one line each, without the time; of a token only that there was one."""
        token = " with a token" if self.headers.get("Authorization") else ""
        print(f"{self.command} {self.path} {args[1] if len(args) > 1 else ''}{token}", flush=True)


class Registry(ThreadingHTTPServer):
    """The registry on an address of this machine.

    :ivar delay_seconds: how late each answer comes.
    :ivar stopping: set when it ends, so that nobody waits for a silent one.
    """

    daemon_threads = True

    def __init__(self, address: tuple[str, int], advisories: Path, fault: Path | None, delay_seconds: float) -> None:
        super().__init__(address, Handler)
        self.delay_seconds = delay_seconds
        self._advisories = advisories
        self.faults = Faults(fault)
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}/"

    def content(self) -> dict[str, Any]:
        """Return what the file of advisories says now."""
        found: dict[str, Any] = json.loads(self._advisories.read_text(encoding="utf-8"))
        return found

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Somebody who hangs up before the end is what the faults are for."""

    def server_close(self) -> None:
        """End, and let go whoever waits."""
        self.stopping.set()
        super().server_close()


def main() -> None:
    """Serve until the end of the process."""
    parser = argparse.ArgumentParser(description="A stand-in for an npm registry")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=4873)
    parser.add_argument("--advisories", type=Path, required=True)
    parser.add_argument("--fault", type=Path)
    parser.add_argument("--delay-seconds", type=float, default=0.0, help="as if it were far away")
    options = parser.parse_args()
    registry = Registry((options.address, options.port), options.advisories, options.fault, options.delay_seconds)
    print(registry.url, flush=True)
    registry.serve_forever()


if __name__ == "__main__":
    main()
