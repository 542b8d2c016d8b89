# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One collection from its beginning to its end in the custody log: what the action plugin ``evidence_collect`` does on the report host."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.chain import chain_check
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.entries import Entry, Head, Writer, read_incident
from ansible_collections.upkeep.runbook.plugins.module_utils.custody.log_file import append, log_path, read_log
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.collecting import Collecting, Wanted
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.items import ITEMS
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.questions import Questions
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.store import NotStored, Store, collection_id, host_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.tally import clock_check, collected_check, complete_check
from ansible_collections.upkeep.runbook.plugins.module_utils.evidence.verifying import note_manifest, verified_collection
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LETTING_GO_SECONDS, flock_within
from ansible_collections.upkeep.runbook.plugins.module_utils.option_ranges import refuse_out_of_range
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain_value
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

SCHEMA = 1
RANGES: dict[str, tuple[float, float]] = {
    "chunk_bytes": (65536, 4 * 1024 * 1024), "max_file_bytes": (0, 2**40), "max_total_bytes": (0, 2**45), "max_files": (0, 100_000),
    "journal_hours": (0, 24 * 3660), "clock_warning_seconds": (0, 86400),
}
_LOCK = ".collecting"


class Session:
    """What one collection knows of itself.

    :param params: the options of ``evidence_collect``.
    :param host: name of the host in the inventory.
    :param now: tells the time, UTC.
    :raises UpkeepError: when an option is wrong.
    """

    def __init__(self, params: Mapping[str, Any], host: str, writer: Writer, now: Callable[[], datetime]) -> None:
        refuse_out_of_range(params, RANGES)
        unknown = sorted(set(params["items"]) - set(ITEMS))
        if unknown or not params["items"]:
            raise UpkeepError(f"items: {', '.join(unknown) or 'nothing'} is not collected; choose among {', '.join(ITEMS)}.")
        self.incident = read_incident(params["incident"])
        self.directory = Path(params["directory"])
        self.host, self.writer, self.now, self.params = host, writer, now, params
        self.log = log_path(self.directory, self.incident)
        self.folder = self.log.parent / host_folder(host)
        self.wanted = Wanted(**{name: params[name] for name in Wanted.__dataclass_fields__})

    def note(self, outcome: str, summary: str, details: Mapping[str, Any]) -> tuple[dict[str, Any], Head]:
        """Note something in the custody log; return the check of the log and its new head."""
        entry = Entry(self.host, "evidence", outcome, summary, details)
        chain, head = append(self.log, [entry], self.writer, self.now())
        chain.head, chain.tail = head, b""
        return chain_check(chain, str(self.log)), head


def collect(session: Session, call: Callable[[dict[str, Any]], Mapping[str, Any]], tell: Callable[[str], None]) -> dict[str, Any]:
    """Collect the evidence of a host and return the answer of the action.

    :param call: asks the host once.
    :param tell: says which item is being collected.
    :raises UpkeepError: when it could not be begun, or its end could not be noted.
    """
    make_private_directory(session.directory)
    make_private_directory(session.log.parent)
    make_private_directory(session.folder)
    with _alone(session.folder):
        _note_unfinished(session)
        started = session.now()
        store = Store(session.folder, collection_id(started))
        name = store.path.name
        store.create()
        session.note("planned", f"Collecting evidence of {session.host} begins: {', '.join(session.params['items'])}.", {"collection": name})

        def failed(text: str, details: dict[str, Any]) -> None:
            session.note("failed", text, {"collection": name, **details})

        collecting = Collecting(Questions(call, failed), store, session.wanted, tell)
        collecting.run()
        manifest = _manifest(session, collecting, name, started)
        try:
            digest = store.finish(manifest)
        except NotStored as exc:
            session.note("failed", f"The collection {name} did not come to its end: {exc.message}.", {"collection": name})
            raise
        return _ended(session, collecting, store.path, digest, manifest)


def _ended(session: Session, collecting: Collecting, path: Path, digest: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Note the end, read everything back, and return the answer."""
    tally, complete = collecting.tally, collecting.tally.complete
    details = {"collection": path.name, "manifest_sha256": digest, **manifest["totals"]}
    ending = "is complete" if complete else f"is incomplete: {collecting.stopped or 'items failed'}"
    custody, head = session.note("done" if complete else "failed", f"The collection {path.name} {ending}.", details)
    _row, integrity = verified_collection(path, {path.name: digest})
    subject = f"{session.host}/{path.name}"
    checks = [
        collected_check(tally, session.host, digest), complete_check(tally, session.host),
        *([clock_check(collecting.clock, session.host, session.params["clock_warning_seconds"])] if "clock" in tally.items else []),
        integrity, custody,
    ]
    return {
        "changed": True, "collection": path.name, "path": str(path), "manifest_sha256": digest, "custody_head": head.as_dict(),
        "totals": manifest["totals"], "outcomes": tally.items, "clock": plain_value(collecting.clock), "left_out": plain_value(tally.gaps()),
        "status": worst_of(checks), "checks": checks,
        **({"unreachable": True} if collecting.lost else {}),
        **({} if complete else {"failed": True, "msg": f"The evidence of {subject} {ending}. What was collected is in {path}."}),
    }


def _manifest(session: Session, collecting: Collecting, name: str, started: datetime) -> dict[str, Any]:
    tally = collecting.tally
    return {
        "schema": SCHEMA, "incident": session.incident, "host": session.host, "collection": name, "run_id": session.writer.run_id,
        "operator": session.writer.operator, "started": to_iso(started), "ended": to_iso(session.now()),
        "outcome": "complete" if tally.complete else "incomplete", "stopped": collecting.stopped,
        "asked": {key: session.params[key] for key in Wanted.__dataclass_fields__},
        "clock": collecting.clock, "items": tally.items,
        "totals": {"files": len(tally.artifacts), "bytes": tally.bytes, "left_out": tally.kinds(), "uncounted": tally.uncounted},
        "artifacts": tally.artifacts, "left_out": tally.left_out,
    }


def _note_unfinished(session: Session) -> None:
    """Note once which collections of this host a killed run has left; they stay as they are and never count."""
    ended: dict[str, str] = {}
    told: set[str] = set()

    def visit(entry: dict[str, Any]) -> None:
        note_manifest(entry, ended)
        details = entry.get("details")
        if isinstance(details, dict) and details.get("unfinished"):
            told.add(str(details["unfinished"]))

    read_log(session.log, visit=visit)
    for path in sorted(session.folder.iterdir()):
        if path.is_dir() and path.name not in ended and path.name not in told:
            session.note(
                "failed", f"The collection {path.name} did not come to its end. It stays as it is and does not count; a new one begins.",
                {"unfinished": path.name},
            )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep a second collection of the same host and incident out; the kernel ends this with the process."""
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        if not flock_within(descriptor, LETTING_GO_SECONDS):
            raise UpkeepError(f"another run collects evidence into {folder}; wait until it has ended and start again")
        yield
    finally:
        os.close(descriptor)
