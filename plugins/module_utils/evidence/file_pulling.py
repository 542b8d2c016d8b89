# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pull files: small ones several at a time, large ones piece by piece, and each compared with what the host has in the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.paths import path_of
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import AskFailed, Questions
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.store import Artifact, Damaged, Store
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.tally import Tally

MAX_TOGETHER = 200
#: Batches that fail one after another end an item.
MAX_FAILURES = 3
_CHANGES = ("device", "inode", "size", "modified", "changed")


class FilePulling:
    """Pulls the files of one item.

    :param max_total_bytes: of the whole collection.
    :param secrets: whether private keys are pulled.
    """

    def __init__(
        self, questions: Questions, store: Store, tally: Tally, item: str, *, chunk_bytes: int, max_total_bytes: int, secrets: bool
    ) -> None:
        self._questions, self._store, self._tally, self._item = questions, store, tally, item
        self._chunk_bytes, self._max_total_bytes = chunk_bytes, max_total_bytes
        self._limits = {"chunk_bytes": chunk_bytes, "secrets": secrets}
        self._planned = tally.bytes
        self._handled: set[str] = set()

    def pull(self, listing: Mapping[str, Any]) -> None:
        """Pull what a listing names.

        :raises AskFailed: when several batches in a row failed.
        """
        for row in listing["left_out"]:
            self._tally.leave_out(self._item, row)
        self._tally.uncounted += listing.get("more_left_out", 0)
        try:
            self._pull(listing["files"])
        except Exception as exc:
            for file in listing["files"]:
                if file["raw"] not in self._handled:
                    self._leave_out(file, "failed", f"was not read any more: {exc}")
            raise

    def _pull(self, files: Sequence[Mapping[str, Any]]) -> None:
        failures = 0
        for batch in self._batches(files):
            try:
                if len(batch) == 1 and batch[0]["content"] and batch[0]["status"]["size"] > self._chunk_bytes:
                    self._pull_large(batch[0])
                else:
                    self._pull_together(batch)
                failures = 0
            except (AskFailed, Damaged):
                failures += 1
                if failures >= MAX_FAILURES:
                    raise

    def _batches(self, files: Sequence[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
        """Yield files that fit into one answer, in their order; those that do not fit into the collection are left out."""
        batch: list[Mapping[str, Any]] = []
        size = 0
        for file in files:
            wanted = file["status"]["size"] if file["content"] else 0
            if self._planned + wanted > self._max_total_bytes:
                self._leave_out(file, "total", f"has {wanted} bytes, and all is to have at most {self._max_total_bytes}")
                continue
            self._planned += wanted
            if batch and (size + wanted > self._chunk_bytes or len(batch) >= MAX_TOGETHER):
                yield batch
                batch, size = [], 0
            batch.append(file)
            size += wanted
        if batch:
            yield batch

    def _pull_together(self, batch: Sequence[Mapping[str, Any]]) -> None:
        reads = [
            {"raw": file["raw"], "offset": 0, "length": file["status"]["size"], "content": file["content"]} for file in batch
        ]
        try:
            answers = self._questions.ask({"ask": "read", "reads": reads, **self._limits})["reads"]
        except AskFailed as exc:
            for file in batch:
                self._leave_out(file, "failed", f"was not read: {exc.message}")
            raise
        for file, answer in zip(batch, answers):
            if "left_out" in answer:
                self._leave_out(file, **answer["left_out"], **_hash_of(answer))
            elif not file["content"]:
                self._leave_out(file, "secret", "is a secret by its name", **_hash_of(answer))
            else:
                self._take(file, answer)

    def _take(self, file: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        """Keep a file that came in one piece; one that was damaged on its way is said, and the next ones are taken."""
        artifact = self._open(file)
        try:
            artifact.append(answer)
        except Exception as exc:
            artifact.row["partial"] = True
            self._keep(artifact, file, {"status": file["status"]}, "")
            if not isinstance(exc, Damaged):
                raise
            self._leave_out(file, "failed", exc.message)
            self._questions.note_failure(f"{file['path']}: {exc.message}", {"path": file["path"]})
            return
        self._keep(artifact, file, answer, answer["sha256"])

    def _pull_large(self, file: Mapping[str, Any]) -> None:
        """Pull a file in pieces, then ask the host for the checksum of as much of it."""
        artifact, size = self._open(file), file["status"]["size"]
        answer: Mapping[str, Any] = {}
        try:
            while artifact.size < size:
                answer = self._read(file, artifact.size, min(self._chunk_bytes, size - artifact.size))
                if "left_out" in answer or not answer["bytes"]:
                    break
                artifact.append(answer)
            if "left_out" in answer:
                artifact.row["partial"] = True
                self._leave_out(file, **answer["left_out"], **_hash_of(answer))
                self._keep(artifact, file, {"status": file["status"]}, "")
                return
            whole = self._read(file, 0, artifact.size, content=False)
        except Exception as exc:
            artifact.row["partial"] = True
            self._leave_out(file, "failed", f"was read in part: {exc}")
            self._keep(artifact, file, {"status": file["status"]}, "")
            raise
        self._keep(artifact, file, whole if "status" in whole else answer, whole.get("sha256", ""))

    def _read(self, file: Mapping[str, Any], offset: int, length: int, *, content: bool = True) -> Mapping[str, Any]:
        read = {"raw": file["raw"], "offset": offset, "length": length, "content": content}
        answer: Mapping[str, Any] = self._questions.ask({"ask": "read", "reads": [read], **self._limits})["reads"][0]
        return answer

    def _open(self, file: Mapping[str, Any]) -> Artifact:
        source = {"path": file["path"], "raw": file["raw"], "status": file["status"]}
        return self._store.open(self._item, os.path.basename(path_of(file["raw"])), source)

    def _keep(self, artifact: Artifact, file: Mapping[str, Any], answer: Mapping[str, Any], source_sha256: str) -> None:
        row = artifact.end()
        row["source_sha256"] = source_sha256
        # Of what came in part nobody can tell.
        row["change"] = "" if row.get("partial") else _change(file["status"], answer["status"], row, bool(answer.get("changed")))
        self._handled.add(file["raw"])
        self._tally.bytes += row["bytes"]
        self._tally.artifacts.append(row)
        self._store.note(row)

    def _leave_out(self, file: Mapping[str, Any], kind: str, reason: str, **more: Any) -> None:
        self._handled.add(file["raw"])
        self._tally.leave_out(self._item, {
            "path": file["path"], "raw": file["raw"], "kind": kind, "reason": reason, "status": file["status"], **more
        })


def _hash_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {"sha256": answer["sha256"]} if "sha256" in answer else {}


def _change(before: Mapping[str, Any], after: Mapping[str, Any], row: Mapping[str, Any], while_read: bool) -> str:
    """Return how a file differs from when it was listed: '', ``grew``, ``exchanged`` or ``changed``.

    One that grew has the same beginning, and that is what was taken.
    """
    if row["source_sha256"] == row["sha256"] and row["bytes"] == before["size"]:
        same = all(before[key] == after[key] for key in _CHANGES)
        if same and not while_read:
            return ""
        if (before["device"], before["inode"]) == (after["device"], after["inode"]) and after["size"] > before["size"]:
            return "grew"
    return "exchanged" if (before["device"], before["inode"]) != (after["device"], after["inode"]) else "changed"
