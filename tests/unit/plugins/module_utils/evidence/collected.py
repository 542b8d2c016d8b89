"""Collections without Ansible: the host's side is called in this process, and its answers pass through JSON as on the wire."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import Writer
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence import store
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.answering import answer_question
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.options import argument_spec
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import AskFailed
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.session import Session, collect
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.verifying import verify_evidence
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now
from ansible_collections.upkeep.runbook.plugins.modules import evidence_read, evidence_verify

OPTIONS = {name: option.get("default") for name, option in argument_spec().items()}
QUESTION = {name: option.get("default") for name, option in evidence_read.argument_spec().items()}
VERIFY = {name: option.get("default") for name, option in evidence_verify.argument_spec().items()}
#: To flush all that other programs wrote takes long on a busy machine, and matters to power cuts alone.
store.sync_file_system = lambda _descriptor: None
Call = Callable[[dict[str, Any]], Mapping[str, Any]]


def ask(**question: Any) -> dict[str, Any]:
    """Ask this host, as the action does over a connection."""
    if question["ask"] == "time":
        return {"clock": {"time": time.time()}}
    reads = [{"offset": 0, "content": True, **read} for read in question.get("reads", [])]
    try:
        answer = answer_question({**QUESTION, **json.loads(json.dumps(question)), "reads": reads})
    except UpkeepError as exc:
        raise AskFailed(exc.message) from exc
    read: dict[str, Any] = json.loads(json.dumps(answer))
    return read


def session_of(directory: Path, **options: Any) -> Session:
    """Return a session of the incident INC-1 that takes only files by default."""
    given = {**OPTIONS, "directory": str(directory), "incident": "INC-1", "items": ["files"], "chunk_bytes": 65536, **options}
    return Session(given, "web-1", Writer("ada", "ada@controller", "20261128T210000Z-1a2b3c4d"), utc_now)


def collection(directory: Path, call: Call | None = None, **options: Any) -> dict[str, Any]:
    """Collect, and return the answer."""
    return collect(session_of(directory, **options), call or (lambda question: ask(**question)), lambda _item: None)


def manifest_of(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a collection."""
    read: dict[str, Any] = json.loads((Path(answer["path"]) / "manifest.json").read_bytes())
    return read


def verified(directory: Path, **options: Any) -> dict[str, Any]:
    """Verify all collections of the incident."""
    return verify_evidence({**VERIFY, "directory": str(directory), "incident": "INC-1", "return_all": True, **options})


def entries_of(directory: Path) -> list[dict[str, Any]]:
    """Return the entries of the custody log."""
    return [json.loads(line) for line in (directory / "INC-1/custody.jsonl").read_bytes().splitlines()]
