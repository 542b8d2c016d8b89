#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read logs from where the last run ended, and say what is wrong, new or unusual in them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: log_scan
version_added: 0.1.0
short_description: Read logs from where the last run ended, and say what is wrong, new or unusual in them
description:
  - Reads what was written to logs since the last run, each line once, whatever was rotated, packed, truncated or copied in
    between. Counts lines by level and by named patterns, tells kinds of errors that no run met before, and compares the
    errors per minute with those of the last seven days.
  - The level of a line is the one that its writer gave it, a word such as C(ERROR), C([error]) or C(level=error), a number of
    pino or bunyan, a syslog priority. Exceptions and unhandled rejections of Node.js and Python without one are errors. A
    stack trace is one line.
  - What could not be read is V(unknown) with the reason. Lines of any length and content are counted in bounded memory.
    Secrets of well-known forms are masked in whatever is kept or returned.
  - Reads logs and its own memory, and writes only the latter.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  groups:
    description: Logs that are looked at together. What is remembered goes by their names.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the group, the subject of its checks.
        type: str
        required: true
      paths:
        description:
          - Absolute paths of logs, wildcards allowed. What was rotated away from a log (C(app.log.1), C(app.log-20261122.gz),
            C(app-2026-11-22.log), the archives of M(upkeep.runbook.log_rotate)) need not be named.
          - Files packed with gzip, xz, bzip2 and zstd are read; their content decides, not their name.
          - As root a link, wherever in the path, is followed only when root made it or the owner of the file.
        type: list
        elements: str
      journal:
        description: Entries of the journal of systemd, instead of O(groups[].paths).
        type: dict
        suboptions:
          units:
            description: Only those of these units.
            type: list
            elements: str
            default: []
          identifiers:
            description: Only those with these identifiers. With units as well, both must fit.
            type: list
            elements: str
            default: []
          priority:
            description: Only those with this priority or a worse one, V(0) to V(7) or V(emerg) to V(debug).
            type: str
          sources:
            description:
              - Only what the kernel, or systemd itself (process 1), wrote. They are known by fields that journald sets and no program can
                forge. Goes with neither O(groups[].journal.units) nor O(groups[].journal.identifiers).
              - A journal without one message of the kernel is V(unknown) unless it begins after the host was started. In a container the kernel
                writes into the journal of another host.
            type: list
            elements: str
            choices: [kernel, systemd]
            default: []
          reach:
            description:
              - Also tell how far back the journal reaches (C(log.reach)), beside the time that is looked at. What it does not hold any more is
                V(unknown), unless the host itself is not older (C(/etc/machine-id)).
            type: bool
            default: false
      levels:
        description: Whether lines are judged by their level. Without, only O(patterns) count, as in access logs.
        type: bool
        default: true
      warning_count:
        description: This many error lines in one run are a warning. Default is that of the module.
        type: int
      critical_count:
        description: This many error lines in one run are critical. Default is that of the module.
        type: int
      warning_per_minute:
        description: This many error lines per minute are a warning. Default is that of the module.
        type: float
      critical_per_minute:
        description: This many error lines per minute are critical. Default is that of the module.
        type: float
  patterns:
    description: Expressions that are counted, each a check C(log.pattern) with the subject C(group/name).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the pattern.
        type: str
        required: true
      regex:
        description:
          - Regular expression of Python that a line must hold. It is matched on bytes, so C(\w) and ignored case are about ASCII.
          - Expressions in which nothing can match the end of a line (no C(\s), C(\W), C(\D), C([^…]) or lookaround) are searched
            for in many lines at once, which is several times faster.
        type: str
      literal:
        description: Text that a line must hold, instead of O(patterns[].regex).
        type: str
      ignore_case:
        description: Whether upper and lower case are the same.
        type: bool
        default: false
      severity:
        description: The status when it is found, without counts and rates. V(info) only counts.
        type: str
        choices: [info, warning, critical]
        default: warning
      warning_count:
        description: This many lines in one run are a warning. V(0) switches the threshold off.
        type: int
      critical_count:
        description: This many lines in one run are critical. V(0) switches the threshold off.
        type: int
      warning_per_minute:
        description: This many lines per minute are a warning. V(0) switches the threshold off.
        type: float
      critical_per_minute:
        description: This many lines per minute are critical. V(0) switches the threshold off.
        type: float
      groups:
        description: Names of the groups in which it is looked for. Empty for all.
        type: list
        elements: str
        default: []
  ignore:
    description:
      - Lines that do not count, neither by level nor by pattern, until a moment.
      - One that has expired, or fitted no line for O(unused_days), is a warning.
    type: list
    elements: dict
    default: []
    suboptions:
      regex:
        description: Regular expression that a line must hold.
        type: str
      literal:
        description: Text that a line must hold, instead of O(ignore[].regex).
        type: str
      reason:
        description: Why these lines do not matter.
        type: str
        required: true
      expires:
        description: Until when, as C(2027-01-31) (to the end of that day, UTC) or C(2027-01-31T12:00:00Z).
        type: str
        required: true
      groups:
        description: Names of the groups in which it counts. Empty for all.
        type: list
        elements: str
        default: []
  since:
    description:
      - Where the first look at a log begins. A duration before now (V(90m), V(24h), V(7d)), a time with its zone, V(beginning),
        or V(end), which only notes where the log ends.
      - In files the times at the beginnings of lines are used. A log whose times are not understood is read whole.
    type: str
    default: 24h
  cursor:
    description:
      - Whether to go on where the last run ended, and to remember where this one ends.
      - Without, everything since O(since) is looked at, and nothing is remembered or compared. For looking into a problem.
    type: bool
    default: true
  warning_count:
    description: This many error lines of a group in one run are a warning. V(0) switches the threshold off.
    type: int
    default: 0
  critical_count:
    description: This many error lines of a group in one run are critical. V(0) switches the threshold off.
    type: int
    default: 0
  warning_per_minute:
    description: This many error lines of a group per minute are a warning. V(0) switches the threshold off.
    type: float
    default: 1.0
  critical_per_minute:
    description: This many error lines of a group per minute are critical. V(0) switches the threshold off.
    type: float
    default: 10.0
  baseline_factor:
    description:
      - Errors per minute are unusual, a warning, when they exceed the median of the last seven days by this many times the
        median deviation of the runs (and by half the median, and by 0.05 per minute). V(1) to V(1000).
    type: float
    default: 6.0
  baseline_runs:
    description: So many earlier runs are needed for that, V(2) to V(1000). Fewer are said, and are no status.
    type: int
    default: 5
  new_signatures_warning:
    description: This many kinds of errors that no run met before are a warning. V(0) switches the threshold off.
    type: int
    default: 1
  new_signatures_critical:
    description: This many kinds of errors that no run met before are critical. V(0) switches the threshold off.
    type: int
    default: 0
  unused_days:
    description: An ignore that fitted no line for so many days is a warning, V(1) to V(3650).
    type: int
    default: 30
  max_matches:
    description: How many lines are returned of the errors and of each pattern of a group, V(0) to V(1000); 200 in all.
    type: int
    default: 5
  max_new_signatures:
    description: How many new kinds of errors of a group are returned, V(1) to V(1000); 200 in all.
    type: int
    default: 20
  timeout_seconds:
    description: How long the call may take, V(1) to V(86400) seconds. What is not read by then is read by the next run.
    type: float
    default: 300.0
  state_directory:
    description: Folder of what is remembered (C(log-scan) in it). It is created with mode 0700.
    type: path
    default: /var/lib/upkeep
  run_id:
    description: Id of the run, for who waits for the lock.
    type: str
notes:
  - The first run of a group tells nothing new. What it finds is known from then on.
  - A line that is not ended yet is left for the next run, unless nobody wrote to the file for five minutes.
seealso:
  - module: upkeep.runbook.log_rotate
"""

EXAMPLES = r"""
- name: Look at the logs of the services
  upkeep.runbook.log_scan:
    groups:
      - name: tick-backend
        paths: [/opt/neurosensefx/logs/backend.log]
      - name: system
        journal: {units: [nginx.service], priority: warning}
    patterns:
      - {name: blocking operations, regex: "event loop (?:blocked|lag)|slow query|ETIMEDOUT", ignore_case: true, warning_count: 5}
      - {name: out of memory, literal: heap out of memory, severity: critical}
    ignore:
      - {literal: "ECONNRESET by client", reason: Browsers do that., expires: "2027-06-30", groups: [tick-backend]}
  register: log_review_result

- name: See what the backend wrote in the last hour, without touching what is remembered
  upkeep.runbook.log_scan:
    groups: [{name: backend, paths: [/opt/neurosensefx/logs/backend.log]}]
    cursor: false
    since: 1h
    return_all: true
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: success
  type: str
  sample: warning
checks:
  description:
    - For each group C(log.readable), C(log.errors) and C(log.new_signatures), C(log.pattern) for each pattern,
      C(log.ignore) for each ignore, C(log.reach) where it is asked for, and C(log.cursor) when what is remembered was not usable or could not be kept.
  returned: success
  type: list
  elements: dict
  sample:
    - check: log.errors
      subject: tick-backend
      status: warning
      summary: >-
        tick-backend: 2880 error lines in 1 day (2 / min); warning from 1 / min, critical from 10 / min; unusual: the median of
        7 runs of 7 days is 0.02 / min, unusual above 0.07 / min.
      value: 2.0
      unit: per_minute
      warning: 1.0
      critical: 10.0
      hint: Look at matches and new_signatures of the result, or at the log itself.
groups:
  description: The groups that are not ok, or all with O(return_all).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the group.
      type: str
    status:
      description: The worst of its checks.
      type: str
    lines:
      description: Lines that were read.
      type: int
    bytes:
      description: Bytes that were read, unpacked.
      type: int
    minutes:
      description: The time that the run looked at, or null when that is not known.
      type: float
    levels:
      description: Lines with the levels C(fatal), C(error) and C(warning).
      type: dict
    errors:
      description: Lines with the level error or worse.
      type: int
    errors_per_minute:
      description: The same per minute, or null.
      type: float
    baseline:
      description: C(runs), C(median_per_minute), C(deviation_per_minute) and C(limit_per_minute) of the last seven days, or null.
      type: dict
    patterns:
      description: C(name), C(count) and C(per_minute) of each pattern.
      type: list
      elements: dict
    signatures:
      description: Kinds of errors C(seen) in this run, the C(new) ones, and C(folded_lines) of more kinds than are told apart.
      type: dict
    ignored_lines:
      description: Lines that were ignored.
      type: int
    cut_lines:
      description: Lines longer than 64 KiB, of which only the beginning was looked at.
      type: int
    nul_bytes:
      description: Bytes of holes, which a writer leaves that does not append to a truncated log.
      type: int
    files:
      description: C(path), C(state), C(lines) and C(bytes) of the files that were read, at most 50.
      type: list
      elements: dict
    files_seen:
      description: Files that belong to the group, those included that have not changed.
      type: int
    journal_begins:
      description: When the oldest entry of the journal was written, UTC, with O(groups[].journal.reach); otherwise null.
      type: str
    complete:
      description: Whether everything was read in time.
      type: bool
    warnings:
      description: Sentences about lines that may be missed.
      type: list
      elements: str
    problems:
      description: What could not be read, and why.
      type: list
      elements: str
matches:
  description: Some lines with errors and patterns, the first ones of each.
  returned: success
  type: list
  elements: dict
  contains:
    group:
      description: Name of the group.
      type: str
    pattern:
      description: Name of the pattern; null for a line that is there for its level.
      type: str
    level:
      description: V(fatal), V(error), V(warning) or null.
      type: str
    file:
      description: Where it stood; C(journal) for the journal.
      type: str
    line:
      description: At most 300 characters of it, printable, secrets masked.
      type: str
matches_left_out:
  description: How many more there are.
  returned: success
  type: int
new_signatures:
  description: Kinds of errors that no run met before, the most frequent first.
  returned: success
  type: list
  elements: dict
  contains:
    group:
      description: Name of the group.
      type: str
    fingerprint:
      description: Sixteen hexadecimal digits, the same in every run.
      type: str
    level:
      description: V(fatal) or V(error).
      type: str
    signature:
      description: The line without what changes from line to line.
      type: str
    count:
      description: Lines of this run.
      type: int
    first_seen:
      description: The run that met it first, UTC.
      type: str
    last_seen:
      description: The run that met it last, UTC.
      type: str
    file:
      description: Where the first of its lines stood.
      type: str
    sample:
      description: The first of its lines, as in RV(matches[].line).
      type: str
totals:
  description: Sums over all groups, C(groups), C(lines), C(bytes), C(errors), C(ignored_lines), C(cut_lines), C(new_signatures).
  returned: success
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.log_scanning.inspection import scan_logs
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    names = {"type": "list", "elements": "str", "default": []}
    limits = {
        "warning_count": {"type": "int"}, "critical_count": {"type": "int"},
        "warning_per_minute": {"type": "float"}, "critical_per_minute": {"type": "float"},
    }  # fmt: skip
    journal = {
        "units": names,
        "identifiers": names,
        "priority": {"type": "str"},
        "sources": {**names, "choices": ["kernel", "systemd"]},
        "reach": {"type": "bool", "default": False},
    }
    group = {
        "name": {"type": "str", "required": True},
        "paths": {"type": "list", "elements": "str"},
        "journal": {"type": "dict", "options": journal},
        "levels": {"type": "bool", "default": True},
        **limits,
    }
    expression = {"regex": {"type": "str"}, "literal": {"type": "str"}}
    pattern = {
        "name": {"type": "str", "required": True},
        **expression,
        "ignore_case": {"type": "bool", "default": False},
        "severity": {"type": "str", "choices": ["info", "warning", "critical"], "default": "warning"},
        **limits,
        "groups": names,
    }
    ignore = {
        **expression,
        "reason": {"type": "str", "required": True},
        "expires": {"type": "str", "required": True},
        "groups": names,
    }
    return {
        "groups": {"type": "list", "elements": "dict", "options": group, "required": True},
        "patterns": {"type": "list", "elements": "dict", "options": pattern, "default": []},
        "ignore": {"type": "list", "elements": "dict", "options": ignore, "default": []},
        "since": {"type": "str", "default": "24h"},
        "cursor": {"type": "bool", "default": True},
        "warning_count": {"type": "int", "default": 0},
        "critical_count": {"type": "int", "default": 0},
        "warning_per_minute": {"type": "float", "default": 1.0},
        "critical_per_minute": {"type": "float", "default": 10.0},
        "baseline_factor": {"type": "float", "default": 6.0},
        "baseline_runs": {"type": "int", "default": 5},
        "new_signatures_warning": {"type": "int", "default": 1},
        "new_signatures_critical": {"type": "int", "default": 0},
        "unused_days": {"type": "int", "default": 30},
        "max_matches": {"type": "int", "default": 5},
        "max_new_signatures": {"type": "int", "default": 20},
        "timeout_seconds": {"type": "float", "default": 300.0},
        "state_directory": {"type": "path", "default": "/var/lib/upkeep"},
        "run_id": {"type": "str"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = scan_logs(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
