# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security updates that wait, as far as the lists of apt on the host know. Nothing is fetched, locked or written."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ansible_collections.upkeep.runbook.plugins.module_utils.access_review.host import Absent, Host, Unseen
from ansible_collections.upkeep.runbook.plugins.module_utils.checks import WARNING
from ansible_collections.upkeep.runbook.plugins.module_utils.commands import run_command
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.host_files import HostFiles
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.restarts import host_restart
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.apt_answers import (
    Archive,
    Update,
    read_packages,
    read_periodic,
    read_release,
    read_updates,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.programs import failure_of, find_program
from ansible_collections.upkeep.runbook.plugins.module_utils.security_configuration.rules import (
    Finding,
    Rule,
    found,
    in_order,
    unseen,
)
from ansible_collections.upkeep.runbook.plugins.module_utils.text import decode, plain
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import to_iso

PENDING = Rule(
    "updates.pending", WARNING, "what they mend is known to everybody", "Install them: apt-get update && apt-get upgrade, on one host first.",
)
KEPT_BACK = Rule(
    "updates.kept_back", WARNING, "an upgrade leaves it out",
    "See why it is held or pinned: apt-mark showhold; apt-cache policy. Then apt-mark unhold, or ignore it with a reason and an end.",
)
UNFINISHED = Rule("updates.unfinished", WARNING, "apt installs nothing until they are", "Finish them: dpkg --configure -a")
UNATTENDED = Rule(
    "updates.unattended", WARNING, "nothing installs security updates by itself",
    "apt install unattended-upgrades && dpkg-reconfigure unattended-upgrades; see that apt-daily-upgrade.timer runs.",
)
REBOOT = Rule("updates.reboot", WARNING, "the old code runs until then", "Restart the host in the next window.")
RULES = (PENDING, KEPT_BACK, UNFINISHED, UNATTENDED, REBOOT)

LISTS = "/var/lib/apt/lists"
#: Touched when apt updated its lists well.
_STAMPS = ("/var/lib/apt/periodic/update-success-stamp", "/var/lib/apt/periodic/update-stamp")
_OUTPUT_BYTES = 64 * 1024 * 1024
_RELEASE_BYTES = 4 * 1024 * 1024
#: Otherwise apt would write its cache anew.
_NO_CACHE = ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")
_SUBJECT = "packages"
_UPDATE_HINT = "Let it be updated: apt-get update, and see that apt-daily.timer runs."


class Limits(NamedTuple):
    """What the platform asks.

    :ivar max_age_hours: lists that are older say nothing.
    :ivar unattended: whether updates must be installed by themselves.
    """

    max_age_hours: float
    unattended: bool


def inspect_updates(limits: Limits, *, now: datetime, timeout_seconds: float, host: Host) -> tuple[list[Finding], dict[str, Any]]:
    """Return what is found, and figures."""
    apt, dpkg = find_program("apt-cache"), find_program("dpkg-query")
    if apt is None or dpkg is None:
        return [unseen("updates", _SUBJECT, "Pending security updates are not known: this host has no apt.", "Look with its own package manager.")], {}
    listing = run_command(
        [dpkg, "-W", "-f", "${db:Status-Abbrev} ${binary:Package}\n"], timeout_seconds=timeout_seconds, max_output_bytes=_OUTPUT_BYTES
    )
    packages = read_packages(listing.stdout)
    if not listing.succeeded or listing.truncated or not packages:
        return [unseen("updates", _SUBJECT, f"dpkg could not be asked which packages are installed: {failure_of(listing)}.")], {}
    names = [package.name for package in packages]
    policy = run_command([apt, *_NO_CACHE, "policy", "--", *names], timeout_seconds=timeout_seconds, max_output_bytes=_OUTPUT_BYTES)
    held = {name for package in packages if package.held for name in (package.name, package.name.partition(":")[0])}
    unfinished = [package.name for package in packages if not package.finished]
    findings = [_unfinished(unfinished), _reboot(host), *_unattended(limits, now, timeout_seconds, host)]
    if not policy.succeeded or policy.truncated:
        return [unseen("updates", _SUBJECT, f"apt could not be asked for updates: {failure_of(policy)}."), *findings], {"installed": len(names)}
    updates = read_updates(policy.stdout, held)
    archives, problems = read_archives(host)
    age_hours = age_of_lists(archives, _stamps(host), now)
    figures = {
        "packages": len(names), "pending": len(updates), "kept_back": sum(update.kept_back for update in updates), "held": sorted(held)[:100],
        "lists_age_hours": None if age_hours is None else round(age_hours, 1),
        "updates": [update.__dict__ for update in updates[:200]],
    }  # fmt: skip
    return [*judge_updates(updates, age_hours, limits, problems), *findings], figures


def read_archives(host: Host) -> tuple[list[Archive], list[str]]:
    """Return what the lists say of themselves, and which could not be read."""
    archives, problems = [], []
    try:
        names = [name for name in host.names(LISTS) if name.endswith("Release")]
    except (Absent, Unseen):
        return [], []
    for name in names:
        try:
            archives.append(read_release(decode(host.read(posixpath.join(LISTS, name), _RELEASE_BYTES)[0])))
        except Absent:
            continue
        except Unseen as exc:
            problems.append(f"{name} {exc}")
    return archives, problems


def _stamps(host: Host) -> list[datetime]:
    found_times = []
    for path in _STAMPS:
        try:
            found_times.append(datetime.fromtimestamp(os.lstat(host.located(path)).st_mtime, timezone.utc))
        except (OSError, OverflowError, ValueError):
            continue
    return found_times


def age_of_lists(archives: Sequence[Archive], stamps: Sequence[datetime], now: datetime) -> float | None:
    """Return for how many hours nobody can know of newer security updates; None where no list of them is dated.

    The date of the file is that of the server, and a copy of it keeps no other. What counts is the date within the list of security
    updates, or that of the last update of apt that ended well, if that is later.
    """
    dated = [archive.dated for archive in archives if archive.security and archive.dated is not None]
    if not dated:
        return None
    latest = max([max(dated), *(stamp for stamp in stamps if stamp <= now)])
    return max(0.0, (now - latest).total_seconds() / 3600)


def judge_updates(updates: Sequence[Update], age_hours: float | None, limits: Limits, problems: Sequence[str]) -> list[Finding]:
    """Return the findings about updates that wait, and about what is known of them."""
    findings = [
        found(
            KEPT_BACK, update.package,
            f"The security update of {update.package} from {update.installed} to {update.security} is {'held' if update.held else 'kept back'}:"
            f" {KEPT_BACK.why}.",
        )
        for update in updates if update.kept_back
    ]
    waiting = [update for update in updates if not update.kept_back]
    count = len(waiting)
    old = age_hours is None or age_hours > limits.max_age_hours
    if waiting:
        shown = ", ".join(f"{update.package} {update.security}" for update in waiting[:5])
        words = "security update waits" if count == 1 else "security updates wait"
        findings.append(found(
            PENDING, _SUBJECT, f"{count} {words}: {plain(shown, 250)}{', …' if count > 5 else ''}; {PENDING.why}.", value=count, unit="count",
            warning=1, evidence={"packages": [update.package for update in waiting[:100]]},
        ))  # fmt: skip
    elif not old:
        findings.append(in_order(PENDING, _SUBJECT, "No security update waits.", value=0, unit="count", warning=1))
    if age_hours is None:
        said = f" ({problems[0]})" if problems else ""
        findings.append(unseen(
            "updates", "lists", f"apt has no list of an archive of security updates{plain(said, 150)}, so that none is known.",
            "Add it to the sources (Debian: <codename>-security), then: apt-get update",
        ))  # fmt: skip
    elif old:
        findings.append(Finding(
            "updates", "lists", "unknown",
            f"The lists of security updates are {age_hours / 24:.1f} days old (known up to {limits.max_age_hours:g} hours): newer ones may wait.",
            _UPDATE_HINT, value=round(age_hours, 1), unit="hours",
        ))  # fmt: skip
    return findings


def _unfinished(names: Sequence[str]) -> Finding:
    if not names:
        return in_order(UNFINISHED, "dpkg", "Every package is wholly installed.")
    return found(
        UNFINISHED, "dpkg", f"{len(names)} packages are not wholly installed ({plain(', '.join(names[:5]), 200)}): {UNFINISHED.why}.",
        value=len(names), unit="count",
    )


def _reboot(host: Host) -> Finding:
    restart = host_restart(HostFiles(host.located("/")))
    if not restart["reboot_required"]:
        return in_order(REBOOT, "host", "No update waits for a restart of the host.")
    packages = f" (for {plain(', '.join(restart['packages'][:5]), 150)})" if restart["packages"] else ""
    return found(REBOOT, "host", f"Updates wait for a restart of the host{packages}: {'; '.join(restart['reasons'])}; {REBOOT.why}.")


def _unattended(limits: Limits, now: datetime, timeout_seconds: float, host: Host) -> list[Finding]:
    """Return whether updates install themselves; a finding only where that is asked for."""
    program = find_program("unattended-upgrade")
    config = find_program("apt-config")
    dump = run_command([config or "apt-config", "dump"], timeout_seconds=timeout_seconds)
    if not dump.succeeded:
        return [unseen("updates", "unattended-upgrades", f"apt could not be asked what it does by itself: {failure_of(dump)}.")]
    periodic = read_periodic(dump.stdout)
    missing = [
        words for words, is_there in (
            ("unattended-upgrades is not installed", program is not None),
            ("APT::Periodic::Update-Package-Lists is 0", periodic.get("Update-Package-Lists", 0) > 0),
            ("APT::Periodic::Unattended-Upgrade is 0", periodic.get("Unattended-Upgrade", 0) > 0),
            ("APT::Periodic::Enable is 0", periodic.get("Enable", 1) > 0),
        ) if not is_there
    ]  # fmt: skip
    last = ""
    try:
        moment = os.lstat(host.located("/var/lib/apt/periodic/unattended-upgrades-stamp")).st_mtime
        last = f"; they ran last on {to_iso(datetime.fromtimestamp(moment, timezone.utc))}"
    except (OSError, OverflowError, ValueError):
        pass
    if not missing:
        return [in_order(UNATTENDED, "unattended-upgrades", f"Security updates install themselves{last}.")]
    text = f"Updates do not install themselves: {'; '.join(missing)}"
    if not limits.unattended:
        return [in_order(UNATTENDED, "unattended-upgrades", f"{text}; nobody asks for it.")]
    return [found(UNATTENDED, "unattended-upgrades", f"{text}; {UNATTENDED.why}.")]
