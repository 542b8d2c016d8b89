# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answer what the collection of evidence asks a host, one bounded page at a time. Nothing is written on the host."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.clock import read_clock
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.journal_pages import journal_page
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.listing import Listing
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.metadata import metadata_page
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.mounts import read_mounts
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.paths import named, path_of
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.process_rows import processes_page
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.reading import LeftOut, packed, problem_of, read_piece
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.state_sources import Source, read_source, sources_of
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range

PROC = Path("/proc")
RANGES = {"chunk_bytes": (4096, 16 * 1024 * 1024), "max_files": (0, 100_000), "max_file_bytes": (0, 2**50)}
#: Pieces of files in one question.
MAX_READS = 1000
_MAX_PROBLEMS = 500


def answer_question(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for by ``ask``.

    :raises UpkeepError: when the question is wrong.
    """
    refuse_out_of_range(params, RANGES)
    answers: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
        "clock": lambda _params: {"clock": read_clock(time.time())}, "processes": _processes, "state": _state, "journal": _journal,
        "list": _list, "read": _read, "metadata": _metadata,
    }
    return answers[params["ask"]](params)


def piece(name: str, data: bytes, source: str = "", **more: Any) -> dict[str, Any]:
    """Return bytes on their way to the report host: the end of the file ``name`` as far as it was taken."""
    return {"name": name, "source": source, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "data": packed(data), **more}


def _processes(params: Mapping[str, Any]) -> dict[str, Any]:
    data, last = processes_page(PROC, int(params["cursor"] or 0), params["chunk_bytes"])
    return {"pieces": [piece("processes.jsonl", data, "/proc")], "left_out": [], "cursor": None if last is None else str(last)}


def _state(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return sources until a page is full; the cursor is the name of the last one."""
    sources = sources_of(params["item"], PROC)
    begin = [source.name for source in sources].index(params["cursor"]) + 1 if params["cursor"] else 0
    pieces: list[dict[str, Any]] = []
    left_out: list[dict[str, Any]] = []
    size = 0
    for source in sources[begin:]:
        try:
            data, cut, more = read_source(source)
        except LeftOut as exc:
            left_out.append(_gap(source, exc))
        else:
            size += len(data)
            pieces.append(piece(source.name, data, source.text, **more))
            if cut:
                left_out.append(_gap(source, LeftOut("size", "was cut off where it became too long")))
        if size >= params["chunk_bytes"]:
            return {"pieces": pieces, "left_out": left_out, "cursor": source.name}
    return {"pieces": pieces, "left_out": left_out, "cursor": None}


def _gap(source: Source, why: LeftOut) -> dict[str, Any]:
    return {"path": source.text, "kind": why.kind, "reason": why.reason}


def _journal(params: Mapping[str, Any]) -> dict[str, Any]:
    try:
        data, cursor, long = journal_page(params["since"] or 0, params["until"] or 0, params["cursor"], params["chunk_bytes"])
    except LeftOut as exc:
        return {"pieces": [], "left_out": [{"path": "journal", "kind": exc.kind, "reason": exc.reason}], "cursor": None}
    left_out = [{"path": "journal", "kind": "size", "reason": "has an entry that is too long"}] if long else []
    return {"pieces": [piece("journal.jsonl", data, "journalctl")], "left_out": left_out, "cursor": cursor}


def _list(params: Mapping[str, Any]) -> dict[str, Any]:
    for index, path in enumerate(params["paths"]):
        if not path.startswith("/") or "\0" in path or "/../" in f"{path}/":
            raise UpkeepError(f"paths[{index}]: {path!r} is no absolute path.")
    listing = Listing(
        read_mounts(), params["max_files"], params["max_file_bytes"], params["secrets"],
        exclude=tuple(os.fsencode(path) for path in params["exclude"]),
    )
    listing.add(params["paths"])
    return {"files": listing.files, "left_out": listing.left_out, "more_left_out": listing.more_left_out}


def _read(params: Mapping[str, Any]) -> dict[str, Any]:
    if len(params["reads"]) > MAX_READS or sum(r["length"] for r in params["reads"] if r["content"]) > params["chunk_bytes"]:
        raise UpkeepError("reads: more is asked for than fits into one answer.")
    return {"reads": [read_piece(request, secrets=params["secrets"]) for request in params["reads"]]}


def _metadata(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return a page of lines; the cursor is the number of a root and a path."""
    number, _colon, raw = params["cursor"].partition(":")
    after = (int(number), path_of(raw)) if raw else None
    # Each folder once, by its real name, and none that is below another.
    real = sorted({os.path.realpath(os.fsencode(path)) for path in params["paths"]})
    roots = [path for path in real if not any(path != other and path.startswith(other.rstrip(b"/") + b"/") for other in real)]
    data, count, problems, last = metadata_page(roots, read_mounts(), after, params["chunk_bytes"])
    left_out = []
    for path, problem in problems[:_MAX_PROBLEMS]:
        absent = path in roots and isinstance(problem, FileNotFoundError)
        why = LeftOut("absent", "is not there") if absent else problem_of(problem)
        left_out.append({**named(path), "kind": why.kind, "reason": why.reason})
    cursor = None if last is None else f"{last[0]}:{named(last[1])['raw']}"
    return {
        "pieces": [piece("bodyfile", data, "lstat", lines=count)], "left_out": left_out,
        "more_left_out": max(len(problems) - _MAX_PROBLEMS, 0), "cursor": cursor,
    }
