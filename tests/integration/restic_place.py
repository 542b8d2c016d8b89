"""An application with a database, and a repository of restic for it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.tests.unit.plugins.modules.module_process import answer_of, run_module, start_module

PASSWORD = "correct horse battery"

#: An empty repository, made by ``restic init``. Its password is turned into a key with the least work that restic accepts (N = 2
#: instead of 32768), which saves a tenth of a second of each of some hundred calls.
_CONFIG = (
    "ua1mqRSlHfBhtozKWxeA061gDnQkLpoF5TrSMnMUU6citIGE1DXq85ZdL9uZvuAUBbIUfAEB/QBXisrI43l0Jc3v13A9h2x9DcurB0iH7HkApg0zVUsQ7N/Q"
    "7ld0Uhu7dm+eZbt6OeW2/3OMnK/Z8DZMj26dIEmeWhE92+2rhvFy5iHErje20Cr1q8/E/v1h2pU/aS2DPrxN9Ug="
)
_KEY = {
    "created": "2026-11-22T00:00:00Z", "username": "tests", "hostname": "tests", "kdf": "scrypt", "N": 2, "r": 1, "p": 1,
    "salt": "NNOKMmq/vyvaRtp/WdxxkNgHAgd0Izqal3lJitHYVn/kDGBO3Gv+Bq9U+2c9RYIMtYbaLN/WW7U2d69EXKVw3A==",
    "data": (
        "cf/50AzB+VvNNxJIOjRKkc/KtpdROng+CcPJVxav6l6jddj2YOwTBJ+02ntiOq7x3to9CPiy5IuAetA2KCTiUH2ekwK1+dymuWDaO1y3T+9xdj7phJ0+nrqW"
        "pxoGSTW/M0+QF2r6otSGyUfenfhQcxCZKEwX4ZTRFpabzYRlxT8WUzLIHCRszpLZalR7ReVbgOkZ7X8eqHveXVl/S9hUMA=="
    ),
}


class Place:
    """Files, a database, a repository and a state directory in one folder.

    :ivar options: what each call of a module is given.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app, self.repository, self.state = folder / "app", folder / "repository", folder / "state"
        (self.app / "node_modules" / "left").mkdir(parents=True)
        (self.app / "node_modules" / "left" / "index.js").write_text("left out")
        (self.app / "config").mkdir()
        (self.app / "config" / "app.json").write_text('{"port": 8081}')
        (self.app / "data.bin").write_bytes(os.urandom(300_000))
        (self.app / os.fsdecode(b"caf\xe9\n*[1]")).write_text("a name that is no UTF-8")
        (self.app / "current").symlink_to("config/app.json")
        os.mkfifo(self.app / "pipe")
        self.database = folder / "orders.db"
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE orders (number INTEGER)")
            connection.executemany("INSERT INTO orders VALUES (?)", [(number,) for number in range(100)])
        connection.close()
        self.options: dict[str, Any] = {
            "repository": str(self.repository), "password": PASSWORD, "label": "shop-app1", "host": "app1",
            "state_directory": str(self.state),
        }

    def make_repository(self) -> None:
        """Put the empty repository where it belongs."""
        for name in ("data", "index", "keys", "locks", "snapshots"):
            (self.repository / name).mkdir(parents=True)
        (self.repository / "config").write_bytes(base64.b64decode(_CONFIG))
        key = json.dumps(_KEY).encode()
        (self.repository / "keys" / hashlib.sha256(key).hexdigest()).write_bytes(key)

    @property
    def sources(self) -> dict[str, Any]:
        """What is backed up."""
        return {
            "sources": [{"name": "application", "paths": [str(self.app)], "exclude": ["node_modules"]}],
            "dumps": [{"name": "orders.sqlite", "type": "sqlite", "path": str(self.database)}],
        }

    def run(self, name: str, **options: Any) -> dict[str, Any]:
        """Run a module and return its answer; nothing that it says may hold the password."""
        answer = run_module(name, {**self.options, **options})
        assert PASSWORD not in repr(answer)
        return answer

    def start(self, name: str, **options: Any) -> subprocess.Popen[str]:
        """Start a module."""
        return start_module(name, {**self.options, **options})

    def backup(self, **options: Any) -> dict[str, Any]:
        """Make a backup, which must go well."""
        answer = self.run("restic_backup", **{"init": True, **self.sources, **options})
        assert not answer.get("failed"), answer["msg"]
        return answer

    def restic(self, *words: str, **environment: str) -> str:
        """Run restic itself and return what it writes."""
        settings = {"RESTIC_REPOSITORY": str(self.repository), "RESTIC_PASSWORD": PASSWORD, **environment}
        result = subprocess.run(
            ["restic", "--no-cache", *words], env={**os.environ, **settings}, capture_output=True, text=True, check=True, timeout=120
        )
        return result.stdout

    def snapshots(self) -> int:
        """Return how many snapshots the repository has, those that do not count among them."""
        return len([line for line in self.restic("list", "snapshots", "--no-lock").splitlines() if len(line) == 64])

    def tree(self) -> dict[str, bytes | str]:
        """Return what is in the application, but for what is no file or link."""
        found: dict[str, bytes | str] = {}
        for path in sorted(self.app.rglob("*")):
            if path.is_symlink():
                found[str(path.relative_to(self.app))] = os.readlink(path)
            elif path.is_file():
                found[str(path.relative_to(self.app))] = path.read_bytes()
        return found

    def wrapper(self, script: str) -> str:
        """Return a program that stands for restic and runs this shell script."""
        path = self.folder / "restic-wrapper"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)


def status_of(answer: dict[str, Any], check: str) -> str:
    """Return the status of a check."""
    return str(next(row["status"] for row in answer["checks"] if row["check"] == check))


def summary_of(answer: dict[str, Any], check: str) -> str:
    """Return the sentence of a check with the next step."""
    return next(f"{row['summary']} {row.get('hint', '')}" for row in answer["checks"] if row["check"] == check)


__all__ = ["PASSWORD", "Place", "answer_of", "status_of", "summary_of"]
