# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read a backup and compare it with its manifests, the one beside the archive and the one inside.

With a manifest beside it the archive is read once, and once more where its contents are hashed and anything differs. Without
one, or with one that cannot be used or belongs to another backup, it is read to its end for the manifest inside, and a second
time to be compared with that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.archives.budget import Limits
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.contents import Contents, Watcher
from ansible_collections.upkeep.runbook.plugins.module_utils.archives.problems import ArchiveProblem, Damaged, Unread
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.comparing import Comparison
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_copies import InsideCopy, SidecarCopy, Watching
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.manifest_reading import read_lines
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.pairing import Differences
from ansible_collections.upkeep.runbook.plugins.module_utils.backups.quick_comparing import Differs, QuickComparison
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

BESIDE, INSIDE = "beside", "inside"

#: Reads the archive from its beginning; told who watches, whether the file itself is hashed, and whether to read quickly.
Read = Callable[["Watcher | None", bool, bool], Contents]


@dataclass
class Verified:
    """What a backup and its manifests say of one another.

    :ivar compared: which manifest the archive was compared with, BESIDE or INSIDE, or an empty text.
    :ivar header: that of the manifest it was compared with.
    :ivar whole: the archive was read to its end, and every line of the manifest was compared.
    :ivar found: what differs.
    :ivar problems: what is wrong with the manifests themselves, or with the file as a whole; sentences without a full stop.
    :ivar notes: what is not as it should be and harms nothing yet.
    :ivar unread: why nobody could tell, or None.
    :ivar absent: there is no manifest at all.
    :ivar hashed: contents were hashed.
    """

    compared: str = ""
    header: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    found: Differences = field(default_factory=Differences)
    members: int = 0
    torn: int = 0
    hashed_bytes: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unread: Unread | None = None
    absent: bool = False
    hashed: bool = False


def verify_manifest(path: str, size: int, read: Read, limits: Limits, *, hashes: bool) -> tuple[Contents, Verified]:
    """Read an archive and compare it with its manifests.

    :param path: of the archive, which says where the manifest beside it is.
    :param size: bytes of the archive.
    :param read: reads the archive from its beginning to its end.
    :param limits: of the time for the manifest beside it.
    :param hashes: hash and compare all contents; otherwise names, sizes, rights, owners, times and order.
    """
    first = _Quick()
    with SidecarCopy(path, limits) as beside:
        if beside.usable and hashes:
            first = _compare_quickly(beside, size, lambda watcher: read(watcher, True, True))
            if first.contents is not None and first.verified is not None:
                return first.contents, first.verified
    contents, verified = _compare_thoroughly(path, size, read, limits, hashes)
    if first.differs and not contents.ended and not _is_damaged(contents):
        # What was found in the first reading stays found, though the second one did not get as far.
        verified.problems.append("it is not what its manifest says, and could not be read once more to find out in what")
        contents = first.contents or contents
    return contents, verified


class _Quick(NamedTuple):
    """What a quick comparison has shown.

    :ivar differs: the archive is not what its manifest says, or is damaged.
    :ivar contents: what was read, or None when that was given up.
    :ivar verified: None when anything is not as it should be, so that a thorough comparison is to say what.
    """

    differs: bool = False
    contents: Contents | None = None
    verified: Verified | None = None


def _compare_quickly(beside: SidecarCopy, size: int, read: Callable[[Watcher], Contents]) -> _Quick:
    quick = QuickComparison(beside.pieces())
    inside = InsideCopy(keep=False)
    try:
        contents = read(Watching(quick, inside))
        fits = contents.ended and quick.fits()
    except Differs:
        return _Quick(differs=True)
    except ArchiveProblem:  # of the manifest
        return _Quick()
    if not contents.ended:
        return _Quick(_is_damaged(contents) and not contents.quick, contents)
    archive = beside.header["archive"]
    fits = fits and (size, contents.sha256) == (archive["bytes"], archive["sha256"])
    if not fits or _inside_problems(beside, inside) or _dump_problems(beside.header, inside.dumps):
        return _Quick(True, contents)
    if contents.quick and contents.problems:
        return _Quick(False, contents)
    verified = Verified(BESIDE, beside.header, whole=True, hashed=True)
    verified.members, verified.torn, verified.hashed_bytes = quick.members, quick.torn, quick.hashed_bytes
    return _Quick(False, contents, verified)


def _is_damaged(contents: Contents) -> bool:
    """Tell whether it is the archive itself that is damaged, and not one inside it."""
    return any(isinstance(problem, Damaged) and not problem.member for problem in contents.problems)


def _compare_thoroughly(path: str, size: int, read: Read, limits: Limits, hashes: bool) -> tuple[Contents, Verified]:
    verified = Verified()
    with SidecarCopy(path, limits) as beside:
        if beside.usable:
            contents = _compare_with_sidecar(beside, size, lambda watcher: read(watcher, hashes, False), hashes, verified)
            if contents is not None:
                return contents, verified
            verified = Verified(problems=verified.problems, unread=verified.unread)
        elif beside.problem is not None:
            _note_manifest(verified, "the manifest beside it", beside.problem)
    with InsideCopy() as inside:
        contents = _compare_with_inside(inside, read, hashes, verified)
    if verified.absent and not beside.absent:
        verified.absent = False
    elif beside.absent and not verified.absent:
        verified.notes.append("there is no manifest beside it")
    return contents, verified


def _compare_with_sidecar(
    beside: SidecarCopy, size: int, read: Callable[[Watcher], Contents], hashes: bool, verified: Verified
) -> Contents | None:
    """Return what was read, or None when the manifest is damaged or that of another backup, so that it says nothing of this one."""
    comparison = Comparison(beside.lines(), hashes=hashes)
    inside = InsideCopy(keep=False)
    contents = read(Watching(comparison, inside))
    archive = beside.header["archive"]
    whole = contents.ended
    if whole and inside.backup_id not in ("", beside.header["backup_id"]):
        verified.problems.append(
            f"the manifest beside it is that of another backup: it belongs to {plain(archive['name'], 200)}"
            f" ({beside.header['backup_id']}), and the one inside says {inside.backup_id}"
        )
        return None
    _take(verified, comparison, BESIDE, beside.header, whole)
    if verified.found.manifest is not None:
        _note_manifest(verified, "the manifest beside it", verified.found.manifest)
        return None if whole else contents
    if whole:
        verified.problems += _inside_problems(beside, inside)
        verified.problems += _dump_problems(beside.header, inside.dumps)
        if size != archive["bytes"]:
            verified.problems.append(f"it has {size} bytes, and its manifest says {archive['bytes']}")
        elif hashes and contents.sha256 and contents.sha256 != archive["sha256"]:
            verified.found.add_contents("the archive itself has other bytes than its manifest says (SHA-256)")
    return contents


def _inside_problems(beside: SidecarCopy, inside: InsideCopy) -> list[str]:
    if not inside.seen:
        return ["it has no manifest inside"]
    if inside.problem is not None:
        return [f"the manifest inside {inside.problem.message}"]
    if beside.digest() != inside.digest() or inside.header != {k: v for k, v in beside.header.items() if k != "archive"}:
        return ["the manifest inside and the one beside it say different things"]
    return []


def _compare_with_inside(inside: InsideCopy, read: Read, hashes: bool, verified: Verified) -> Contents:
    contents = read(Watching(None, inside), False, False)
    if not contents.ended:
        return contents
    if not inside.seen or inside.foreign:
        verified.absent = True
        return contents
    if inside.problem is not None:
        _note_manifest(verified, "the manifest inside", inside.problem)
        return contents
    header, lines = read_lines(inside.chunks())
    comparison = Comparison(lines, hashes=hashes)
    contents = read(Watching(comparison, InsideCopy(keep=False)), False, False)
    _take(verified, comparison, INSIDE, header, contents.ended)
    if verified.found.manifest is not None:
        _note_manifest(verified, "the manifest inside", verified.found.manifest)
    elif verified.whole:
        verified.problems += _dump_problems(header, inside.dumps)
    return contents


def _take(verified: Verified, comparison: Comparison, compared: str, header: dict[str, Any], whole: bool) -> None:
    if whole:
        comparison.finish()
    verified.compared, verified.header = compared, header
    verified.found, verified.members, verified.torn = comparison.found, comparison.members, comparison.torn
    verified.hashed_bytes = comparison.hashed_bytes
    verified.whole = whole and comparison.found.manifest is None
    verified.hashed = verified.whole and comparison.hashes


def _note_manifest(verified: Verified, which: str, problem: ArchiveProblem) -> None:
    if isinstance(problem, Unread):
        verified.unread = Unread(f"{which} {problem.message}", hint=problem.hint)
    else:
        verified.problems.append(f"{which} {problem.message}")


def _dump_problems(header: dict[str, Any], sizes: dict[str, int]) -> list[str]:
    """Return which dumps of the header have another size in the archive, or are not in it."""
    dumps = header.get("dumps")
    found = []
    for dump in dumps if isinstance(dumps, list) else []:
        member, size = (dump.get("member"), dump.get("bytes")) if isinstance(dump, dict) else (None, None)
        if not isinstance(member, str) or member not in sizes:
            found.append(f"the dump {plain(str(member), 200)} of its manifest is not in it")
        elif sizes[member] != size:
            found.append(f"the dump {plain(member, 200)} has {sizes[member]} bytes, and was made with {plain(str(size), 40)}")
    return found[:20]
