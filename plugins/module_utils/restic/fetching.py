# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make one of our own archives of a snapshot, so that whatever restores, drills or compares archives does so with restic, too."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.archives import packing, tar_writer
from ansible_collections.upkeep.runbook.plugins.module_utils.atomic_files import make_private_directory
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.archive_writing import ArchiveWriter
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import Draft, archive_name, check_label, prepare_folder
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.destination import remove_leftovers
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.excluding import Exclusions
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.left_out import LeftOut
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest import MEMBER_NAME, ManifestWriter, sidecar_path
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.sources import Root
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.walking import Found, TreeWalk, member_name
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import OK, check_result, worst_of
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.figure_text import bytes_text
from ansible_collections.upkeep.runbook.plugins.module_utils.locking import LockOwner, exclusive_lock
from ansible_collections.upkeep.runbook.plugins.module_utils.restic import arguments
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.client import Client, open_client
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.contents import examine, read_header
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.listing import find_wanted
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.snapshots import Snapshot
from ansible_collections.upkeep.runbook.plugins.module_utils.restic.staging import DUMPS
from ansible_collections.upkeep.runbook.plugins.module_utils.restoring.preflight import existing_parent, refuse_space_at
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

#: Below the destination; what a killed run left there is removed by the next one.
_SCRATCH = ".upkeep-fetch"


def fetch_snapshot(options: Mapping[str, Any], *, now: datetime, check_mode: bool) -> dict[str, Any]:
    """Make an archive of a snapshot, unless it is there; return what the module returns.

    :param options: the options of the module ``restic_fetch``.
    :raises UpkeepError: when it cannot be made; nothing that looks like a backup is left then.
    """
    client = open_client(options, only_looking=check_mode)
    destination = options["destination"] or os.path.join(options["state_directory"], "restic-fetched")
    if not os.path.isabs(destination):
        raise UpkeepError(f"destination: {destination} is not accepted; give an absolute path")
    if check_mode:
        return _fetch(client, options, Path(destination), check_mode=True)
    owner = LockOwner(options["run_id"] or "-", "restic_fetch", to_iso(now))
    with exclusive_lock(Path(options["state_directory"]) / "lock", owner, wait_seconds=options["lock_wait_seconds"]):
        return _fetch(client, options, Path(destination), check_mode=False)


def _fetch(client: Client, options: Mapping[str, Any], destination: Path, *, check_mode: bool) -> dict[str, Any]:
    snapshot = find_wanted(client, options)
    header = read_header(client, snapshot)
    if header is None:
        raise UpkeepError(f"snapshot {snapshot.short} was not made by restic_backup and has no manifest; use restic_restore")
    path = destination / archive_name(check_label(options["label"]), snapshot.created, "none")
    if path.exists() and Path(sidecar_path(str(path))).exists():
        return _answer(client, snapshot, header, path, changed=False, check_mode=check_mode)
    size = examine(client, snapshot, ())
    refuse_space_at(existing_parent(str(path)), 2 * size.bytes, size.members)
    if not check_mode:
        prepare_folder(destination)
        remove_leftovers(destination, options["label"])
        make_archive(client, snapshot, header, path)
        if options["destination"] is None:
            _remove_others(path, options["label"])
    return _answer(client, snapshot, header, path, changed=True, check_mode=check_mode)


def _remove_others(path: Path, label: str) -> None:
    """Remove the archives of other snapshots that were fetched before: each is a whole copy, and only one is needed."""
    own = re.compile(rf"{re.escape(label)}_\d{{8}}T\d{{6}}Z\.tar")
    for name in sorted(os.listdir(path.parent)):
        if own.fullmatch(name) and name != path.name:
            for gone in (path.parent / name, Path(sidecar_path(str(path.parent / name)))):
                gone.unlink(missing_ok=True)


def make_archive(client: Client, snapshot: Snapshot, header: Mapping[str, Any], path: Path) -> None:
    """Restore a snapshot beside the place of the archive, and pack it.

    :raises UpkeepError: when it cannot be restored whole or packed; nothing is kept.
    """
    scratch = str(path.parent / _SCRATCH)
    _remove(scratch)
    make_private_directory(Path(scratch))
    try:
        client.call(arguments.restore(snapshot.id, directory=scratch, include=()))
        _pack(client, snapshot, header, path, scratch)
    except OSError as exc:
        raise UpkeepError(f"cannot make {path}: {exc.strerror or exc}; nothing was kept") from exc
    finally:
        _remove(scratch)


def _pack(client: Client, snapshot: Snapshot, header: Mapping[str, Any], path: Path, scratch: str) -> None:
    """Pack what restic wrote, under the names that an archive has for it."""
    with ExitStack() as stack:
        draft = stack.enter_context(closing(Draft(path.parent, path.name)))
        listed = stack.enter_context(closing(ManifestWriter(str(path.parent))))
        target = packing.PackedFile(draft.descriptor)
        packer = packing.start_packer("none", None, target)
        stack.callback(packer.close)
        writer = ArchiveWriter(packer, listed)
        writer.write_all(_members(header, scratch), time.monotonic() + client.seconds_left)
        written = {
            **header, "snapshot": snapshot.id,
            "totals": {"members": listed.members, "files": writer.files, "bytes": writer.contents, "torn": 0},
        }
        writer.write_last(MEMBER_NAME, listed.size(written), listed.chunks(written))
        packer.write([tar_writer.end_of_archive(writer.position)])
        packer.finish()
        draft.publish(listed.chunks({**written, "archive": {"name": path.name, "bytes": target.bytes, "sha256": target.sha256}}))


def _members(header: Mapping[str, Any], scratch: str) -> Iterator[Found]:
    """Yield the sources, then the dumps.

    :raises UpkeepError: when a source is missing, or something cannot be read.
    """
    none = Exclusions(())
    roots = [
        Root(scratch + path, str(source["name"]), none, False) for source in header.get("sources") or [] for path in source["paths"]
    ]
    for root in roots:
        if not os.path.lexists(root.path):
            raise UpkeepError(f"the snapshot has no {root.path[len(scratch):]}, which its manifest lists")
    above = len(member_name(scratch))
    prefix = member_name("/")
    for found in TreeWalk(roots, None, LeftOut(), read=True):
        linked = found.target if found.type != "hardlink" else prefix + found.target[above:]
        yield found._replace(name=prefix + found.name[above:], target=linked)
    dumps = Root(f"{scratch}/{DUMPS}", "", none, False)
    if header.get("dumps"):
        for found in TreeWalk([dumps], None, LeftOut(), read=True):
            if found.type == "file":
                yield found._replace(name=found.name[above + 1 :])


def _answer(
    client: Client, snapshot: Snapshot, header: Mapping[str, Any], path: Path, *, changed: bool, check_mode: bool
) -> dict[str, Any]:
    size = path.stat().st_size if path.exists() else None
    state = "would be made" if changed and check_mode else "was made" if changed else "is there"
    text = f"{path} {state} of snapshot {snapshot.short} in {client.subject}{f', {bytes_text(size)}' if size else ''}."
    checks = [check_result("backup.fetch", header["label"], OK, text, value=size, unit="bytes")]
    return {
        "changed": changed, "status": worst_of(checks), "checks": checks,
        "backup": {
            "path": str(path), "manifest_path": sidecar_path(str(path)), "snapshot": snapshot.id, "backup_id": header["backup_id"],
            "label": header["label"], "bytes": size, "started": header["started"],
        },
        "diff": {"before": "" if changed else f"{path}\n", "after": f"{path}\n"},
    }


def _remove(scratch: str) -> None:
    try:
        shutil.rmtree(scratch)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise UpkeepError(f"cannot remove {scratch}, which holds restored files: {exc.strerror}") from exc
