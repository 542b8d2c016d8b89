# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Verify collections on the report host: every file beside its manifest, and every manifest beside the custody log."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.checks import (
    CRITICAL, OK, UNKNOWN, WARNING, check_result, fold_ok, worst_of,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.chain import chain_check
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import read_head, read_incident
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.log_file import log_path, read_log
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.store import MANIFEST, PROGRESS, host_folder

MAX_MANIFEST_BYTES = 256 * 1024 * 1024
_MAX_PROBLEMS = 20
_BUFFER_BYTES = 1024 * 1024
_HINT = "Keep the folder as it is, and find out who could write there."


def verify_evidence(params: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the module ``evidence_verify`` was asked for, and return its answer.

    :raises UpkeepError: when an option is wrong.
    """
    path = log_path(params["directory"], read_incident(params["incident"]))
    noted: dict[str, str] = {}
    checks = [_custody(path, params["expected_head"], noted)]
    collections = []
    for folder in _folders(path.parent, params["host"], params["collection"]):
        row, check = verified_collection(folder, noted)
        collections.append(row)
        checks.append(check)
    missing = sorted(set(noted) - {row["collection"] for row in collections}) if not (params["host"] or params["collection"]) else []
    for name in missing:
        checks.append(check_result(
            "evidence.integrity", name, CRITICAL, f"The collection {name} is in the custody log, and its folder is gone.", hint=_HINT
        ))
    if not collections and not missing:
        checks.append(check_result("evidence.integrity", str(path.parent), UNKNOWN, "There is no collection of evidence."))
    return {
        "status": worst_of(checks), "checks": fold_ok(checks, return_all=params["return_all"]),
        "collections": [row for row in collections if params["return_all"] or row["status"] != OK],
        "totals": {"collections": len(collections), "whole": sum(row["status"] == OK for row in collections)},
    }


def _custody(path: Path, expected: Any, noted: dict[str, str]) -> dict[str, Any]:
    """Return the check of the custody log, and collect which manifests it knows."""
    head = read_head(expected)
    try:
        chain = read_log(path, expected=head, visit=lambda entry: note_manifest(entry, noted))
    except UpkeepError as exc:
        return check_result("custody.chain", str(path), UNKNOWN, f"Nobody can tell: {exc.message}.")
    if chain is None:
        return check_result("custody.chain", str(path), CRITICAL if head else UNKNOWN, "There is no custody log.", hint=_HINT if head else None)
    return chain_check(chain, str(path))


def note_manifest(entry: Mapping[str, Any], noted: dict[str, str]) -> None:
    """Take from an entry of the custody log which manifest a collection ended with."""
    details = entry.get("details")
    if entry.get("step") == "evidence" and isinstance(details, dict) and details.get("manifest_sha256"):
        noted[str(details.get("collection"))] = str(details["manifest_sha256"])


def verified_collection(folder: Path, noted: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what is known of a collection, and the check ``evidence.integrity`` about it.

    :param noted: the SHA-256 of manifests that the custody log knows, by collection.
    """
    subject = f"{folder.parent.name}/{folder.name}"
    row: dict[str, Any] = {"host": folder.parent.name, "collection": folder.name, "path": str(folder), "files": 0, "bytes": 0}
    expected, problems = noted.get(folder.name), []
    try:
        content = _content(folder / MANIFEST)
    except FileNotFoundError:
        if expected is None:
            return _answered(row, check_result(
                "evidence.integrity", subject, WARNING, f"The collection {subject} did not come to its end, and does not count.",
                hint=f"What is whole of it is listed in {PROGRESS}.",
            ))
        return _answered(row, check_result("evidence.integrity", subject, CRITICAL, f"The manifest of {subject} is gone.", hint=_HINT))
    except (OSError, UpkeepError) as exc:
        return _answered(row, check_result("evidence.integrity", subject, UNKNOWN, f"The manifest of {subject} cannot be read: {exc}."))
    if expected is None:
        return _answered(row, check_result(
            "evidence.integrity", subject, WARNING, f"The custody log knows no end of the collection {subject}, so it does not count.",
            hint="Its run was killed at the end, or its folder was put there. Collect again.",
        ))
    if hashlib.sha256(content).hexdigest() != expected:
        problems.append("the manifest is another one than the custody log knows")
    else:
        manifest = json.loads(content)
        row["outcome"] = manifest["outcome"]
        problems += list(_problems(folder, manifest["artifacts"], row))
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return _answered(row, check_result(
            "evidence.integrity", subject, CRITICAL, f"{subject} is not what was collected: {problems[0]}{more}.", value=len(problems),
            unit="count", hint=_HINT, evidence={"problems": problems[:_MAX_PROBLEMS]},
        ))
    if row["outcome"] != "complete":
        return _answered(row, check_result(
            "evidence.integrity", subject, WARNING,
            f"All {row['files']} files of {subject} are as they were collected, and the collection is incomplete.", value=0, unit="count",
            hint="Its manifest says why. Collect again.",
        ))
    return _answered(row, check_result(
        "evidence.integrity", subject, OK, f"All {row['files']} files of {subject} are as they were collected.", value=0, unit="count"
    ))


def _answered(row: dict[str, Any], check: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return {**row, "status": check["status"]}, check


def _content(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_MANIFEST_BYTES:
            raise UpkeepError("it is no file of a manifest")
        return stream.read()


def _problems(folder: Path, artifacts: list[dict[str, Any]], row: dict[str, Any]) -> Iterator[str]:
    """Yield what is not as the manifest says."""
    known = {MANIFEST, PROGRESS}
    for artifact in artifacts:
        known.add(artifact["stored"])
        try:
            size, wrong = _hashed(folder / artifact["stored"], artifact)
        except OSError as exc:
            yield f"{artifact['stored']} cannot be read ({exc.strerror})"
            continue
        row["files"] += 1
        row["bytes"] += size
        if wrong:
            yield f"{artifact['stored']} {wrong}"
    for parent, folders, files in os.walk(folder):
        for name in [*files, *(name for name in folders if os.path.islink(os.path.join(parent, name)))]:
            relative = os.path.relpath(os.path.join(parent, name), folder)
            if relative not in known:
                yield f"{relative} is not in the manifest"


def _hashed(path: Path, artifact: Mapping[str, Any]) -> tuple[int, str]:
    """Return the size of a file, and what is wrong with it or ''."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return 0, "is no file"
        digest, size = hashlib.sha256(), 0
        while data := stream.read(_BUFFER_BYTES):
            digest.update(data)
            size += len(data)
        if size == artifact["bytes"] and digest.hexdigest() == artifact["sha256"]:
            return size, ""
        for chunk in artifact["chunks"]:
            stream.seek(chunk["offset"])
            if hashlib.sha256(stream.read(chunk["bytes"]) or b"").hexdigest() != chunk["sha256"]:
                return size, f"was changed within {chunk['bytes']} bytes from {chunk['offset']} on"
        return size, f"has {size} bytes instead of {artifact['bytes']}"


def _folders(incident: Path, host: str | None, collection: str | None) -> Iterator[Path]:
    hosts = [incident / host_folder(host)] if host else sorted(_below(incident))
    for folder in hosts:
        for path in sorted(_below(folder)):
            if collection in (None, "", path.name):
                yield path


def _below(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            yield from (folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return
