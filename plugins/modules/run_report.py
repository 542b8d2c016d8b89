#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Write the report of a run."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_report
version_added: 0.1.0
short_description: Write the record, the pages, the heartbeat and the metrics of a run
description:
  - Writes everything that stays of a run in one call, into one directory that C(docs/reports.md) describes.
  - Every file is wholly old or wholly new. A run that is killed while it writes is completed or removed by the next one.
  - One run writes at a time. A second one waits, and then says which run holds the directory.
  - Keeps the newest runs of each playbook of each platform and removes older ones; only files with its own names are ever removed.
  - This is bookkeeping, so RV(ignore:changed) is always false.
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
attributes:
  check_mode:
    support: full
    details:
      - Nothing is written, and RV(paths) says where it would be.
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  directory:
    description: Absolute directory of the reports, created with mode 0750 when it is missing. Files have mode 0640.
    type: path
    required: true
  record:
    description: The run record, as built by P(upkeep.runbook.run_record#filter).
    type: dict
    required: true
  html:
    description: The page of the run.
    type: str
    required: true
  markdown:
    description: The same as Markdown.
    type: str
    required: true
  whole:
    description:
      - Whether the run covered the whole platform.
      - Only such a run leaves a heartbeat and metrics, since both speak for the whole.
    type: bool
    default: true
  keep_runs:
    description: How many runs of each playbook of each platform are kept. The newest whole run of each is kept in any case.
    type: int
    default: 100
  prometheus_directory:
    description:
      - Directory of the node exporter's textfile collector, which must exist.
      - One file for each platform, mode 0644, holds the metrics of the newest whole run of each playbook.
      - Without it no metrics are written.
    type: path
  wait_seconds:
    description: How long to wait for another run that writes into the same directory, in seconds.
    type: float
    default: 30.0
seealso:
  - module: upkeep.runbook.run_history
  - plugin: upkeep.runbook.run_record
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Write the report on the report host
  upkeep.runbook.run_report:
    directory: /var/lib/reports
    record: "{{ report_record }}"
    html: "{{ page }}"
    markdown: "{{ report_record | upkeep.runbook.report_markdown }}"
    prometheus_directory: /var/lib/prometheus/node-exporter
  delegate_to: monitor.example.com
  run_once: true
"""

RETURN = r"""
paths:
  description: Where the files are, absolute.
  returned: always
  type: dict
  contains:
    record:
      description: The run record.
      type: str
    html:
      description: The page of this run.
      type: str
    markdown:
      description: The Markdown of this run.
      type: str
    latest:
      description: A copy of the page of the newest run.
      type: str
    index:
      description: The page that lists past runs.
      type: str
    prometheus:
      description: The metrics; only with O(prometheus_directory).
      type: str
removed:
  description: Ids of the old runs that were removed.
  returned: always
  type: list
  elements: str
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.report_files import (
    Report,
    Written,
    report_paths,
    write_report,
)


def argument_spec() -> dict[str, Any]:
    """Return the options, as data."""
    return {
        "directory": {"type": "path", "required": True},
        "record": {"type": "dict", "required": True},
        "html": {"type": "str", "required": True},
        "markdown": {"type": "str", "required": True},
        "whole": {"type": "bool", "default": True},
        "keep_runs": {"type": "int", "default": 100},
        "prometheus_directory": {"type": "path"},
        "wait_seconds": {"type": "float", "default": 30.0},
    }


def write(params: dict[str, Any], *, check_mode: bool) -> Written:
    """Write the report, or say where it would be.

    :raises UpkeepError: when an option is wrong or a file cannot be written.
    """
    directory = Path(params["directory"])
    if not directory.is_absolute():
        raise UpkeepError(f"directory is {params['directory']!r}; it must be absolute")
    if params["keep_runs"] < 1:
        raise UpkeepError(f"keep_runs is {params['keep_runs']}; it must be 1 or more")
    metrics = Path(params["prometheus_directory"]) if params["prometheus_directory"] else None
    if check_mode:
        return Written(report_paths(directory, params["record"], metrics))
    report = Report(params["record"], params["html"], params["markdown"], params["whole"])
    return write_report(
        directory, report, keep_runs=params["keep_runs"], prometheus_directory=metrics, wait_seconds=params["wait_seconds"]
    )


def main() -> None:
    """Wire the options to the files."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    # The pages do not travel back with the result.
    invocation = {"module_args": {key: module.params[key] for key in ("directory", "keep_runs", "prometheus_directory")}}
    try:
        written = write(module.params, check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, invocation=invocation, **exc.details)
    for problem in written.problems:
        module.warn(problem)
    module.exit_json(changed=False, paths=written.paths, removed=written.removed, invocation=invocation)


if __name__ == "__main__":
    main()
