#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: resource_metrics
short_description: Measure processors, memory, file systems and network of a host and compare them with thresholds
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
description:
  - Takes two samples with a pause between them, so that what it says of processors, processes and network is about
    now and not about all the time since the host started.
  - Compares each figure with its thresholds and returns one check for each, with the figure, the threshold and the
    next step.
  - Needs no special rights. Without root's rights it cannot look into the processes of other users, which RV(checks)
    then says.
  - In a container with a limit of its own (control groups, version 2) processors, memory, swap and pressure are those
    of the container. The load average, waiting for storage and stolen time are always those of the whole host.
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  sample_seconds:
    description:
      - How long to wait between the two samples, V(0.1) to V(60), in seconds.
      - A short peak in a short sample is ordinary. Raise this to judge a longer time.
    type: float
    default: 0.4
  paths:
    description:
      - Paths whose file systems are looked at. Each has its checks of bytes, inodes and whether it can be written;
        paths on the same file system share one reading.
      - A path that does not exist, or whose file system does not answer, is V(unknown) in one check, C(disk.space).
    type: list
    elements: dict
    default:
      - path: /
    suboptions:
      path:
        description: Absolute path of a folder or file.
        type: path
        required: true
      warning_percent:
        description: Used bytes that are a warning, in percent. By default O(thresholds.disk_warning_percent).
        type: float
      critical_percent:
        description: Used bytes that are critical, in percent. By default O(thresholds.disk_critical_percent).
        type: float
      inodes_warning_percent:
        description: Used inodes that are a warning, in percent. By default O(thresholds.inodes_warning_percent).
        type: float
      inodes_critical_percent:
        description: Used inodes that are critical, in percent. By default O(thresholds.inodes_critical_percent).
        type: float
      min_free_bytes:
        description: Fewer free bytes than this are critical, whatever the percentage.
        type: int
      read_only:
        description:
          - The file system is meant to be read-only. Being so is then ok, and being full is not checked.
        type: bool
        default: false
  thresholds:
    description:
      - Where figures become a warning and where critical. Reaching a threshold counts. V(0) switches a threshold off.
      - A warning threshold above its critical one is refused.
      - By default the time and the pressure of the processors only warn, since a host at work is no emergency. The load
        over minutes, and want of memory or storage, can be critical.
    type: dict
    default: {}
    suboptions:
      cpu_warning_percent:
        description:
          - Share of time in which the processors were busy, in percent.
          - This much is a warning.
        type: float
        default: 80.0
      cpu_critical_percent:
        description:
          - Share of time in which the processors were busy, in percent.
          - This much is critical.
        type: float
        default: 0.0
      iowait_warning_percent:
        description:
          - Share of time in which the processors were idle because storage was slow, in percent.
          - This much is a warning.
        type: float
        default: 30.0
      iowait_critical_percent:
        description:
          - Share of time in which the processors were idle because storage was slow, in percent.
          - This much is critical.
        type: float
        default: 0.0
      steal_warning_percent:
        description:
          - Share of time that the hypervisor gave to other machines, in percent.
          - This much is a warning.
        type: float
        default: 10.0
      steal_critical_percent:
        description:
          - Share of time that the hypervisor gave to other machines, in percent.
          - This much is critical.
        type: float
        default: 0.0
      cpu_pressure_warning_percent:
        description:
          - Share of the last minute in which some work waited for a processor (PSI C(some avg60)), in percent.
          - This much is a warning.
        type: float
        default: 80.0
      cpu_pressure_critical_percent:
        description:
          - Share of the last minute in which some work waited for a processor (PSI C(some avg60)), in percent.
          - This much is critical.
        type: float
        default: 0.0
      load_warning_per_core:
        description:
          - Load average of five minutes, divided by the number of cores, per core.
          - This much is a warning.
        type: float
        default: 2.0
      load_critical_per_core:
        description:
          - Load average of five minutes, divided by the number of cores, per core.
          - This much is critical.
        type: float
        default: 4.0
      memory_warning_percent:
        description:
          - Share of memory that is not available to new work (from MemAvailable), of the container's limit when there
            is one, in percent.
          - This much is a warning.
        type: float
        default: 85.0
      memory_critical_percent:
        description:
          - Share of memory that is not available to new work (from MemAvailable), of the container's limit when there
            is one, in percent.
          - This much is critical.
        type: float
        default: 95.0
      memory_pressure_warning_percent:
        description:
          - Share of the last minute in which all work stood still for want of memory (PSI C(full avg60)), in percent.
          - This much is a warning.
        type: float
        default: 10.0
      memory_pressure_critical_percent:
        description:
          - Share of the last minute in which all work stood still for want of memory (PSI C(full avg60)), in percent.
          - This much is critical.
        type: float
        default: 30.0
      oom_kills_warning_count:
        description:
          - Number of processes that the kernel killed for want of memory since the last run, or since the host
            started when there is no history.
          - This much is a warning.
        type: float
        default: 1.0
      oom_kills_critical_count:
        description:
          - Number of processes that the kernel killed for want of memory since the last run, or since the host
            started when there is no history.
          - This much is critical.
        type: float
        default: 0.0
      swap_warning_percent:
        description:
          - Share of swap that is used, in percent.
          - This much is a warning.
        type: float
        default: 60.0
      swap_critical_percent:
        description:
          - Share of swap that is used, in percent.
          - This much is critical.
        type: float
        default: 90.0
      disk_warning_percent:
        description:
          - Share of a file system that is used, as C(df) counts it (blocks reserved for root are not
            available), in percent.
          - This much is a warning.
        type: float
        default: 85.0
      disk_critical_percent:
        description:
          - Share of a file system that is used, as C(df) counts it (blocks reserved for root are not
            available), in percent.
          - This much is critical.
        type: float
        default: 95.0
      inodes_warning_percent:
        description:
          - Share of the inodes of a file system that are used, in percent.
          - This much is a warning.
        type: float
        default: 85.0
      inodes_critical_percent:
        description:
          - Share of the inodes of a file system that are used, in percent.
          - This much is critical.
        type: float
        default: 95.0
      io_pressure_warning_percent:
        description:
          - Share of the last minute in which all work stood still waiting for storage (PSI C(full avg60)), in
            percent.
          - This much is a warning.
        type: float
        default: 30.0
      io_pressure_critical_percent:
        description:
          - Share of the last minute in which all work stood still waiting for storage (PSI C(full avg60)), in
            percent.
          - This much is critical.
        type: float
        default: 60.0
      network_errors_warning_per_second:
        description:
          - Errors of a network interface, receiving and transmitting, per second.
          - This much is a warning.
        type: float
        default: 1.0
      network_errors_critical_per_second:
        description:
          - Errors of a network interface, receiving and transmitting, per second.
          - This much is critical.
        type: float
        default: 100.0
      network_drops_warning_per_second:
        description:
          - Packets that a network interface dropped, receiving and transmitting, per second.
          - This much is a warning.
        type: float
        default: 100.0
      network_drops_critical_per_second:
        description:
          - Packets that a network interface dropped, receiving and transmitting, per second.
          - This much is critical.
        type: float
        default: 10000.0
      listen_drops_warning_count:
        description:
          - Attempts to connect that listeners of TCP dropped since the last run, or since the host started when there is no
            history, most often because the queue of connections that wait to be accepted was full.
          - This much is a warning.
        type: float
        default: 100.0
      listen_drops_critical_count:
        description:
          - Attempts to connect that listeners of TCP dropped since the last run, or since the host started when there is no
            history, most often because the queue of connections that wait to be accepted was full.
          - This much is critical.
        type: float
        default: 0.0
      syn_flood_warning_count:
        description:
          - Requests to connect that met a full queue of half-open connections since the last run, or since the host
            started when there is no history.
          - This much is a warning.
        type: float
        default: 100.0
      syn_flood_critical_count:
        description:
          - Requests to connect that met a full queue of half-open connections since the last run, or since the host
            started when there is no history.
          - This much is critical.
        type: float
        default: 0.0
      conntrack_warning_percent:
        description:
          - Share of the table of tracked connections that is used, in percent.
          - This much is a warning.
        type: float
        default: 75.0
      conntrack_critical_percent:
        description:
          - Share of the table of tracked connections that is used, in percent.
          - This much is critical.
        type: float
        default: 90.0
      files_warning_percent:
        description:
          - Share of the file handles the kernel allows that are open, in percent.
          - This much is a warning.
        type: float
        default: 80.0
      files_critical_percent:
        description:
          - Share of the file handles the kernel allows that are open, in percent.
          - This much is critical.
        type: float
        default: 95.0
  required:
    description:
      - Checks that must be made, and wholly.
      - Many hosts cannot make them, since their kernel does not count pressure or does not track connections, or the
        user of the task may not look into all processes. By default what cannot be had is then left out, and
        RV(metrics.unavailable) says why; a check listed here is C(unknown) with the reason instead.
    type: list
    elements: str
    choices: [cpu.pressure, memory.pressure, io.pressure, network.conntrack, restart.required]
    default: []
  interfaces_ignored:
    description: Shell patterns of the names of network interfaces to leave out.
    type: list
    elements: str
    default: [lo, "veth*", "cali*", "ifb*"]
  top_processes:
    description: How many processes to return by processor time, and how many by memory; V(0) to V(50).
    type: int
    default: 5
  timeout_seconds:
    description: How long a file system may take to answer, V(0.1) to V(60), in seconds.
    type: float
    default: 5.0
  history:
    description:
      - File on the host that keeps the figures, bounded; by default none is kept.
      - It gives RV(series) their past, and the number of processes killed and of connections that listeners lost since
        the last run.
      - A damaged file is set aside and begun anew, which is a warning. A file that cannot be written is C(unknown).
    type: path
notes:
  - Limits of control groups version 1 are not seen.
  - Errors and drops of interfaces are counted in the sample only.
  - What listeners lost is counted in the network namespace of the task. What listens in a container with a network of its
    own is counted there.
  - Without psutil RV(top_processes) is empty, and whether processes run replaced code is C(unknown). All other
    figures do not need it.
requirements:
  - psutil 5.9 or newer on the host, for all that is said of processes. The playbook C(upkeep.runbook.prepare) installs
    it.
seealso:
  - module: upkeep.runbook.health_probe
"""

EXAMPLES = r"""
- name: Look at this host with the default thresholds
  upkeep.runbook.resource_metrics:

- name: Look at two file systems, one of which is large
  upkeep.runbook.resource_metrics:
    paths:
      - path: /
      - path: /srv/archive
        warning_percent: 95
        critical_percent: 99
        min_free_bytes: 10737418240
    thresholds:
      cpu_warning_percent: 90
      cpu_critical_percent: 98
      swap_critical_percent: 0 # never critical
    history: /var/lib/upkeep/history.sqlite
  register: resources_result

- name: Say what is wrong
  ansible.builtin.debug:
    msg: "{{ resources_result.checks | rejectattr('status', 'eq', 'ok') | map(attribute='summary') }}"
"""

RETURN = r"""
status:
  description: The worst status of the checks, V(ok), V(warning), V(unknown) or V(critical).
  type: str
  returned: success
  sample: warning
checks:
  description:
    - One check result for each figure. Their ids are C(cpu.usage), C(cpu.iowait), C(cpu.steal), C(cpu.pressure),
      C(load.per_core), C(memory.usage), C(memory.pressure), C(memory.oom_kills), C(swap.usage), C(disk.space),
      C(disk.inodes), C(disk.readonly), C(io.pressure), C(network.errors), C(network.listen_drops), C(network.syn_flood),
      C(network.conntrack), C(files.handles), C(restart.required) and C(history.integrity).
  type: list
  elements: dict
  returned: success
  sample:
    - check: disk.space
      subject: /opt/neurosensefx
      status: warning
      summary: >-
        /opt/neurosensefx is 91.2 % full (warning at 85 %, critical at 95 %); 4.1 GiB are free on /dev/vda.
      value: 91.2
      unit: percent
      warning: 85.0
      critical: 95.0
metrics:
  description: Every figure. What could not be measured is null, and RV(metrics.unavailable) says why.
  type: dict
  returned: success
  contains:
    measured:
      description: When, UTC.
      type: str
    sample_seconds:
      description: The time between the two samples.
      type: float
    uptime_seconds:
      description: How long the host has been up.
      type: float
    cpu:
      description:
        - Shares of the sampled time in percent (C(usage_percent), C(user_percent), C(nice_percent),
          C(system_percent), C(idle_percent), C(iowait_percent), C(irq_percent), C(softirq_percent),
          C(steal_percent)), C(cores), C(core_usage_percent) and, in a container with a limit, C(limit_cores).
        - Usage is all that is neither idle nor waiting for storage.
      type: dict
    load:
      description:
        - Load averages (C(load_1m), C(load_5m), C(load_15m)) and C(per_core), the one of five minutes for each core.
      type: dict
    memory:
      description:
        - C(scope) (V(host) or V(cgroup)), C(total_bytes), C(available_bytes), C(used_bytes), C(used_percent) and
          more.
      type: dict
    swap:
      description: C(total_bytes), C(used_bytes), C(used_percent).
      type: dict
    oom_kills:
      description:
        - Processes killed for want of memory, C(since_boot) and C(since_last_run), which is null at the first run.
      type: dict
    cpu_pressure:
      description: Averages of 10, 60 and 300 seconds in percent, C(some) and C(full), and which one is graded.
      type: dict
    memory_pressure:
      description: The same for memory.
      type: dict
    io_pressure:
      description: The same for storage.
      type: dict
    interfaces:
      description:
        - Bytes, packets, errors and drops a second of each network interface that ever carried a packet; at most 64.
      type: list
      elements: dict
    tcp_states:
      description: How many TCP connections are in each state.
      type: dict
    listen_drops:
      description:
        - Attempts to connect that listeners of TCP dropped, C(since_boot) and C(since_last_run), which is null at the first
          run, and C(overflows_since_boot), those that met a full queue of connections that wait to be accepted.
      type: dict
    syn_flood:
      description:
        - Requests to connect that met a full queue of half-open connections, C(since_boot) and C(since_last_run), which is
          null at the first run. C(cookies_since_boot) are those that were answered with a cookie, C(dropped_since_boot)
          those that were dropped.
        - It is null where C(net.ipv4.tcp_syncookies) is V(2), since every request is answered with a cookie then.
      type: dict
    conntrack:
      description: Tracked connections, C(count), C(max) and C(used_percent).
      type: dict
    files:
      description: File handles, C(open), C(max) and C(used_percent).
      type: dict
    processes:
      description: How many processes there are, C(total) and C(by_state) (in the words of psutil).
      type: dict
    file_systems:
      description:
        - One row for each of O(paths), with C(path), C(mount_point), C(device), C(file_system), C(read_only),
          C(total_bytes), C(used_bytes), C(available_bytes), C(reserved_bytes), C(used_percent), C(inodes_total),
          C(inodes_used) and C(inodes_used_percent), or with C(problem).
      type: list
      elements: dict
    restart:
      description:
        - Whether the host waits for a restart (C(reboot_required), C(reasons), C(packages), C(running_kernel),
          C(newer_kernel)), and the processes that run code which was replaced or removed.
      type: dict
    unavailable:
      description: Why a figure is missing, by its key in RV(metrics).
      type: dict
top_processes:
  description: The processes that used most processor time in the sample, then those that hold most memory.
  type: list
  elements: dict
  returned: success
  contains:
    pid:
      description: Process id.
      type: int
    user:
      description: Owner.
      type: str
    name:
      description:
        - Program, and the script for an interpreter. Other arguments are left out, since they may be secrets.
      type: str
    unit:
      description: Unit of systemd, or null.
      type: str
    state:
      description: State in the word of psutil, such as V(sleeping).
      type: str
    cpu_percent:
      description: Processor time in the sample; 100 is one core.
      type: float
    rss_bytes:
      description: Resident memory, shared memory counted wholly.
      type: int
    pss_bytes:
      description: Resident memory, shared memory divided among its users; null when it may not be read.
      type: int
    top_by:
      description: Why it is listed, V(cpu), V(memory) or both.
      type: list
      elements: str
series:
  description: Figures with their past of 30 days, at most 96 points each, oldest first.
  type: list
  elements: dict
  returned: success
  sample:
    - name: cpu.usage
      unit: percent
      points: [["2026-01-01T00:00:00Z", 4.2]]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.gauges import REQUIRABLE
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.inspection import inspect_resources
from ansible_collections.upkeep.runbook.plugins.module_utils.resources.thresholds import threshold_options
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module."""
    path = {
        "path": {"type": "path", "required": True},
        **{
            f"{prefix}{level}_percent": {"type": "float"}
            for prefix in ("", "inodes_")
            for level in ("warning", "critical")
        },
        "min_free_bytes": {"type": "int"},
        "read_only": {"type": "bool", "default": False},
    }
    return {
        "sample_seconds": {"type": "float", "default": 0.4},
        "paths": {"type": "list", "elements": "dict", "options": path, "default": [{"path": "/"}]},
        "thresholds": {"type": "dict", "options": threshold_options(), "default": {}},
        "required": {"type": "list", "elements": "str", "choices": list(REQUIRABLE), "default": []},
        "interfaces_ignored": {"type": "list", "elements": "str", "default": ["lo", "veth*", "cali*", "ifb*"]},
        "top_processes": {"type": "int", "default": 5},
        "timeout_seconds": {"type": "float", "default": 5.0},
        "history": {"type": "path"},
        "return_all": {"type": "bool", "default": False},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        result = inspect_resources(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
