# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The JSON reports of ``npm audit``: one row for each vulnerability, whichever npm wrote it.

npm 6 writes ``advisories``, npm 7 and newer ``vulnerabilities``. The exit status of npm tells nothing: it is 1 for
findings and for a registry that is away, and versions differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.upkeep.runbook.plugins.module_utils.npm.projects import Unaudited
from ansible_collections.upkeep.runbook.plugins.module_utils.text import plain

#: From the mildest to the worst, as npm calls them.
SEVERITIES = ("info", "low", "moderate", "high", "critical")
#: A severity that npm does not have. It is told, and never taken for a mild one.
UNKNOWN_SEVERITY = "unknown"
MAX_AFFECTED = 20
MAX_PATHS = 10_000

_GHSA = re.compile(r"GHSA(?:-[0-9a-z]{4}){3}", re.IGNORECASE)
#: What npm 6 writes when no version is mended.
_NO_PATCH = ("", "<0.0.0", "<=0.0.0")


def rank(severity: str) -> int:
    """Return the rank of a severity; an unknown one is the worst."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)


def read_report(output: str, dependencies: int, omit: Collection[str]) -> list[dict[str, Any]]:
    """Return the vulnerabilities that npm reports, worst first.

    :param output: what npm printed.
    :param dependencies: how many packages the lockfile names; a report that knows none of them is no report.
    :param omit: kinds of dependencies that are left out; npm 6 reports them all the same.
    :raises Unaudited: when npm reports that there was no audit, or nothing that can be understood.
    """
    try:
        # Where npm fails twice it prints two objects; the first one says what began it.
        report = json.JSONDecoder().raw_decode(output, output.find("{"))[0] if "{" in output else None
    except (ValueError, RecursionError) as exc:
        raise Unaudited("npm printed no whole report", again=True) from exc
    if not isinstance(report, dict):
        raise Unaudited("npm printed no report", again=True)
    if "error" in report or "message" in report:
        raise _failure(report)
    if isinstance(report.get("vulnerabilities"), dict):
        rows = list(_second_form(report["vulnerabilities"]))
    elif isinstance(report.get("advisories"), dict):
        rows = list(_first_form(report["advisories"], omit))
    else:
        raise Unaudited("npm printed a report of an unknown form")
    _check_totals(report.get("metadata"), dependencies, rows, omit)
    return sorted(rows, key=lambda row: (-rank(row["severity"]), row["package"], row["id"]))


def count_severities(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many vulnerabilities there are of each severity, and in all."""
    severities = [row["severity"] for row in rows]
    counts = {severity: severities.count(severity) for severity in reversed(SEVERITIES)}
    if UNKNOWN_SEVERITY in severities:
        counts[UNKNOWN_SEVERITY] = severities.count(UNKNOWN_SEVERITY)
    return {**counts, "total": len(severities)}


def _failure(report: Mapping[str, Any]) -> Unaudited:
    """Return what npm says about an audit that it could not make."""
    error = report.get("error")
    error = error if isinstance(error, dict) else {"summary": error}
    said = next((text for text in (report.get("message"), error.get("summary"), error.get("detail"), error.get("code"))
                 if isinstance(text, str) and text.strip()), "an error without words")
    status = report.get("statusCode")
    # What the registry refuses on principle it refuses again; 408 and 429 ask for another attempt.
    refused = isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)
    return Unaudited(f"npm got no audit: {plain(said, 300).rstrip('.')}", again=not refused)


def _second_form(vulnerabilities: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Read a report of npm 7 or newer, which has an entry for each package that is vulnerable or depends on one.

    ``via`` holds advisories, and the names of packages that pass their vulnerability on.
    """
    entries = {name: entry for name, entry in vulnerabilities.items() if isinstance(entry, dict)}
    if len(entries) != len(vulnerabilities):
        raise Unaudited("npm printed a report of an unknown form")
    seen: set[tuple[str, str]] = set()
    for name, entry in entries.items():
        via = _items(entry.get("via"))
        for advisory in via:
            if isinstance(advisory, dict):
                package = str(advisory.get("name") or name)
                row = _row(advisory, package, advisory.get("source"), entry.get("severity"))
                if (row["id"], row["package"]) not in seen:
                    seen.add((row["id"], row["package"]))
                    yield {**row, **_whereabouts(entries.get(package, entry), entries)}
        if not any(isinstance(item, dict) or isinstance(item, str) and item in entries for item in via):
            # Nothing says why it is vulnerable; that it is, is no less true.
            yield {**_row(entry, name, None, entry.get("severity")), **_whereabouts(entry, entries)}


def _whereabouts(entry: Mapping[str, Any], entries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "direct": entry.get("isDirect") is True,
        "paths": _texts(entry.get("nodes")),
        "affects": sorted(_dependents(entry, entries))[:MAX_AFFECTED],
        **_fix(entry.get("fixAvailable")),
    }


def _dependents(entry: Mapping[str, Any], entries: Mapping[str, Any]) -> set[str]:
    """Return the packages that are vulnerable because of this one, at any distance."""
    found: set[str] = set()
    waiting = _texts(entry.get("effects"))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _texts(entries.get(name, {}).get("effects"))
    return found


def _fix(available: Any) -> dict[str, Any]:
    """Return whether there is a fix and what it is; it is null when npm does not say."""
    if isinstance(available, dict):
        breaking = " (may break: a new major version)" if available.get("isSemVerMajor") else ""
        return {"fix_available": True, "fix": plain(f"{available.get('name')}@{available.get('version')}", 200) + breaking}
    if available is True:
        return {"fix_available": True, "fix": "within the versions that package.json accepts"}
    return {"fix_available": False if available is False else None, "fix": None}


def _first_form(advisories: Mapping[str, Any], omit: Collection[str]) -> Iterator[dict[str, Any]]:
    """Read a report of npm 6, which has an entry for each advisory."""
    for number, advisory in advisories.items():
        if not isinstance(advisory, dict):
            raise Unaudited("npm printed a report of an unknown form")
        findings = [finding for finding in _items(advisory.get("findings")) if isinstance(finding, dict)]
        counting = [finding for finding in findings if not any(finding.get(kind) for kind in omit)]
        if findings and not counting:
            continue
        paths = [path for finding in counting for path in _texts(finding.get("paths"))]
        patched = str(advisory.get("patched_versions") or "")
        row = _row(advisory, str(advisory.get("module_name") or number), advisory.get("id", number), None)
        if _GHSA.fullmatch(str(advisory.get("github_advisory_id"))):
            row["id"] = str(advisory["github_advisory_id"])
        yield {
            **row,
            "direct": any(">" not in path for path in paths),
            "paths": paths,
            "affects": sorted({path.split(">")[0] for path in paths if ">" in path})[:MAX_AFFECTED],
            "fix_available": patched not in _NO_PATCH,
            "fix": plain(f"{row['package']} {patched}", 200) if patched not in _NO_PATCH else None,
        }


def _row(advisory: Mapping[str, Any], package: str, source: Any, severity: Any) -> dict[str, Any]:
    """Return what both forms say of an advisory."""
    url = plain(str(advisory.get("url") or ""), 300)
    known = _GHSA.search(url)
    number = str(source) if isinstance(source, (int, str)) and str(source).isdecimal() and str(source).isascii() else None
    given = advisory.get("severity") or severity
    return {
        "id": known[0] if known else number or plain(package, 200),
        "source": int(number) if number and len(number) < 16 else None,
        "package": plain(package, 200),
        "severity": given if given in SEVERITIES else UNKNOWN_SEVERITY,
        "title": plain(str(advisory.get("title") or ""), 200),
        "url": url,
        "range": plain(str(advisory.get("range") or advisory.get("vulnerable_versions") or ""), 200),
    }


def _check_totals(metadata: Any, dependencies: int, rows: list[dict[str, Any]], omit: Collection[str]) -> None:
    """Refuse a report that contradicts itself or the lockfile: an npm that could not read it finds nothing either."""
    metadata = metadata if isinstance(metadata, dict) else {}
    read = metadata.get("totalDependencies", metadata.get("dependencies"))
    read = read.get("total") if isinstance(read, dict) else read
    if dependencies and not rows and read in (0, None):
        raise Unaudited(
            f"npm has read none of its {dependencies} dependencies",
            hint="Use an npm that knows the version of this lockfile: npm 7 or newer knows each.",
        )
    counts = metadata.get("vulnerabilities")
    counted = [count for name, count in counts.items() if name != "total"] if isinstance(counts, dict) else []
    if not rows and not omit and any(isinstance(count, int) and count > 0 for count in counted):
        raise Unaudited("npm counts vulnerabilities that its report does not name")


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [plain(item, 300) for item in _items(value) if isinstance(item, str)][:MAX_PATHS]
