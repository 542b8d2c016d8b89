# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Collect the evidence of one host: ask it page by page, check what arrives, keep it, and say what is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.file_pulling import FilePulling
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.items import CLOCK, FILE_ITEMS, ITEMS, JOURNAL, METADATA
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import AskFailed, HostLost, Questions
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.store import Artifact, Damaged, NotStored, Store
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.tally import Tally

#: Pages without anything in a row; each may have passed over an entry that is too long.
_MAX_EMPTY = 100


@dataclass(frozen=True)
class Wanted:
    """What is to be collected; the fields are the options of ``evidence_collect``."""

    items: Sequence[str]
    logs: Sequence[str]
    persistence: Sequence[str]
    paths: Sequence[str]
    metadata_paths: Sequence[str]
    exclude: Sequence[str]
    journal_hours: float
    chunk_bytes: int
    max_file_bytes: int
    max_total_bytes: int
    max_files: int
    secrets: bool

    def listed(self, item: str) -> list[str]:
        """Return the paths of an item of files."""
        return list({"logs": self.logs, "persistence": self.persistence, "files": self.paths}[item])

    def listing(self, item: str) -> dict[str, Any]:
        """Return the question for the files of an item."""
        # The journal is taken as text; its own files are one format of systemd's and many gigabytes.
        exclude = [*self.exclude, *(["/var/log/journal/*"] if item == "logs" and JOURNAL in self.items else [])]
        return {
            "ask": "list", "paths": self.listed(item), "exclude": exclude, "max_files": self.max_files,
            "max_file_bytes": self.max_file_bytes, "secrets": self.secrets,
        }


class Collecting:
    """One collection under way.

    :ivar tally: what there is so far.
    :ivar clock: that of the host beside ours; None until it was read.
    :ivar stopped: why it ended early, or ''.
    """

    def __init__(self, questions: Questions, store: Store, wanted: Wanted, tell: Callable[[str], None]) -> None:
        self.tally = Tally(items={item: "not begun" for item in ITEMS if item in wanted.items})
        self.clock: dict[str, Any] | None = None
        self.stopped = ""
        self.lost = False
        self._questions, self._store, self._wanted, self._tell = questions, store, wanted, tell

    def run(self) -> None:
        """Take one item after another; an item that fails does not keep the others from being taken."""
        for item in self.tally.items:
            self._tell(item)
            try:
                self._item(item)
                self.tally.items[item] = "done"
            except (AskFailed, Damaged) as exc:
                self._failed(item, exc.message)
            except (HostLost, NotStored) as exc:
                self._failed(item, exc.message)
                self.stopped, self.lost = exc.message, isinstance(exc, HostLost)
                return
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
                # Who rules the host rules its answers.
                self._failed(item, f"the host answered what cannot be used ({type(exc).__name__}: {exc})")

    def _failed(self, item: str, reason: str) -> None:
        self.tally.items[item] = "failed"
        self.tally.leave_out(item, {"path": item, "kind": "failed", "reason": f"did not come to its end: {reason}"})
        self._questions.note_failure(f"{item}: {reason}", {"item": item})

    def _item(self, item: str) -> None:
        if item == CLOCK:
            self._read_clock()
        elif item in FILE_ITEMS:
            pulling = FilePulling(
                self._questions, self._store, self.tally, item, chunk_bytes=self._wanted.chunk_bytes,
                max_total_bytes=self._wanted.max_total_bytes, secrets=self._wanted.secrets,
            )
            pulling.pull(self._questions.ask(self._wanted.listing(item)))
        else:
            self._read_pages(item)

    def _read_clock(self) -> None:
        """Note the clock of the host beside ours: the time lies between the question and its answer, so the quickest answer counts."""
        best: dict[str, Any] = {}
        # A module takes long to start; the bare question for the time does not, but not every host answers it.
        clock: Mapping[str, Any] = {}
        for ask in ("clock", "time", "time", "time"):
            before = time.time()
            try:
                answer = self._questions.ask({"ask": ask})
            except AskFailed:
                if not best:
                    raise
                break
            after = time.time()
            clock = clock or answer["clock"]
            told = float(answer["clock"]["time"])
            if not math.isfinite(told):
                raise ValueError("the time is no time")
            if not best or after - before < 2 * best["uncertainty_seconds"]:
                best = {
                    **clock, "time": told, "controller_before": before, "controller_after": after,
                    "offset_seconds": told - (before + after) / 2, "uncertainty_seconds": (after - before) / 2,
                }
        self.clock = best
        text = json.dumps(best, indent=1).encode("ascii") + b"\n"
        artifact = self._store.open(CLOCK, "clock.json", {"source": "clock"})
        self._keep(artifact, [_local_piece(text)])

    def _read_pages(self, item: str) -> None:
        """Take pages until there are no more; pieces of one name become one file."""
        question = self._question(item)
        files: dict[str, Artifact] = {}
        empty = 0
        try:
            while True:
                answer = self._questions.ask(question)
                empty = 0 if any(piece["bytes"] for piece in answer["pieces"]) else empty + 1
                for row in answer["left_out"]:
                    self.tally.leave_out(item, row)
                self.tally.uncounted += answer.get("more_left_out", 0)
                for piece in answer["pieces"]:
                    name = str(piece["name"])
                    if name not in files:
                        files[name] = self._store.open(item, name, {"source": str(piece.get("source", ""))})
                    files[name].append(piece)
                    self.tally.bytes += piece["bytes"]
                if answer["cursor"] is None:
                    return
                if self.tally.bytes >= self._wanted.max_total_bytes:
                    self.tally.leave_out(item, {
                        "path": item, "kind": "total", "reason": f"was cut off: all is to have at most {self._wanted.max_total_bytes} bytes"
                    })
                    return
                if answer["cursor"] == question["cursor"] or empty > _MAX_EMPTY:
                    raise AskFailed("the host answers pages without an end")
                question["cursor"] = answer["cursor"]
        except Exception:
            for artifact in files.values():
                artifact.row["partial"] = True
            raise
        finally:
            for artifact in files.values():
                self._keep(artifact, [])

    def _question(self, item: str) -> dict[str, Any]:
        question: dict[str, Any] = {"cursor": "", "chunk_bytes": self._wanted.chunk_bytes}
        if item == JOURNAL:
            now = self.clock["time"] if self.clock else time.time()
            return {**question, "ask": item, "since": max(now - self._wanted.journal_hours * 3600, 0), "until": now}
        if item == METADATA:
            return {**question, "ask": item, "paths": list(self._wanted.metadata_paths)}
        return {**question, "ask": item} if item == "processes" else {**question, "ask": "state", "item": item}

    def _keep(self, artifact: Artifact, pieces: Sequence[Mapping[str, Any]]) -> None:
        for piece in pieces:
            artifact.append(piece)
            self.tally.bytes += piece["bytes"]
        row = artifact.end()
        self.tally.artifacts.append(row)
        self._store.note(row)


def _local_piece(data: bytes) -> dict[str, Any]:
    return {
        "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "data": base64.b64encode(zlib.compress(data)).decode("ascii")
    }
