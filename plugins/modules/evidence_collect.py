#!/usr/bin/python
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action plugin of the same name, which does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: evidence_collect
version_added: 0.1.0
short_description: Pull the evidence of a suspect host to the controller
description:
  - Takes what is gone first first, the clock, processes, network, sessions, kernel modules, mounts, the journal, logs, what starts something
    again, the metadata of files, and files. Each is pulled page by page over the connection into a new folder,
    C(<directory>/<incident>/<host>/<collection>), with a C(manifest.json) of everything.
  - Nothing is written on the host but what Ansible needs itself, which is unpacked in memory (C(/dev/shm)) where there is some. Use
    pipelining, as the role C(evidence) does. Modules do not note their calls in the log of the host.
  - The SHA-256 of every piece and of every whole file is taken on the host and here, and compared. Afterwards everything is read back.
  - Beginning, end and each failure are noted in the custody log of the incident, see M(upkeep.runbook.custody_log); the end with the SHA-256
    of the manifest.
  - What is not taken is listed in the manifest with its reason. Values of environments, private keys and other secrets are not taken, only
    their metadata and SHA-256.
  - A collection that is killed stays as it is and never counts; the next one begins anew, since what is gone first is another by then.
author:
  - upkeep.runbook contributors (!UNKNOWN)
attributes:
  action:
    description: Runs on the controller, and M(upkeep.runbook.evidence_read) on the host.
    support: full
  check_mode:
    description: Shows what would be collected and about how much, and writes nothing anywhere.
    support: full
  diff_mode:
    description: Changes nothing on the host.
    support: N/A
options:
  directory:
    description: Folder of the incidents on the controller; a leading C(~) is the home of the user who runs Ansible. Created with mode 0700.
    type: str
    required: true
  incident:
    description: Id of the incident, 1 to 64 letters, digits, dots, underscores and dashes.
    type: str
    required: true
  report_host:
    description:
      - The host that keeps the evidence. It must be the controller itself, V(localhost) or a host of the inventory whose connection is
        V(local); another one is refused.
    type: str
    default: localhost
  items:
    description: What is collected. It is always taken in the order of volatility, which is that of the default.
    type: list
    elements: str
    choices: [clock, processes, network, sessions, modules, mounts, journal, logs, persistence, metadata, files]
    default: [clock, processes, network, sessions, modules, mounts, journal, logs, persistence, metadata, files]
  logs:
    description: Files, folders and wildcards of V(logs). A folder means all that is in it; hidden names match too.
    type: list
    elements: str
    default: [/var/log]
  persistence:
    description: The same of V(persistence). By default what starts something again, or lets somebody in again.
    type: list
    elements: str
    default: [/etc/passwd, /etc/group, /etc/shadow, /etc/sudoers, /etc/sudoers.d, /etc/pam.d, /etc/security, /etc/ssh, /root/.ssh,
      /home/*/.ssh, /etc/crontab, '/etc/cron.*', /etc/anacrontab, /var/spool/cron, /var/spool/at, /etc/systemd, /run/systemd/system,
      /run/systemd/transient, /root/.config/systemd, /home/*/.config/systemd, /root/.config/autostart, /home/*/.config/autostart,
      /etc/init.d, /etc/rc.local, '/etc/rc*.d', /etc/udev/rules.d, /etc/modules, /etc/modules-load.d, /etc/modprobe.d,
      /etc/ld.so.preload, /etc/ld.so.conf, /etc/ld.so.conf.d, /etc/profile, /etc/profile.d, /etc/bash.bashrc, /etc/zsh, /etc/environment,
      /etc/skel, '/root/.*rc', '/root/.*profile', '/root/.*login', '/root/.*logout', '/root/.*_history', '/home/*/.*rc',
      '/home/*/.*profile', '/home/*/.*login', '/home/*/.*logout', '/home/*/.*_history', /etc/hosts, /etc/resolv.conf,
      /etc/nsswitch.conf, /etc/apt/apt.conf.d, /etc/update-motd.d]
  paths:
    description: The same of V(files).
    type: list
    elements: str
    default: []
  metadata_paths:
    description: Folders of V(metadata), below which each name becomes a line of a body file.
    type: list
    elements: str
    default: [/dev/shm, /tmp, /var/tmp, /root, /home, /etc, /usr/local, /var/spool]
  exclude:
    description: Patterns of paths that are not taken, such as C(*/node_modules/*).
    type: list
    elements: str
    default: []
  journal_hours:
    description: So far back the journal is taken, V(0) to V(87840) hours.
    type: float
    default: 72.0
  chunk_bytes:
    description: About so much is pulled at a time, V(65536) to V(4194304) bytes. It bounds the memory on both sides.
    type: int
    default: 2097152
  max_file_bytes:
    description: A larger file is left out, V(0) to V(1099511627776) bytes.
    type: int
    default: 268435456
  max_total_bytes:
    description: So much is taken in all, V(0) to V(35184372088832) bytes.
    type: int
    default: 4294967296
  max_files:
    description: So many files are taken of each of V(logs), V(persistence) and V(files), V(0) to V(100000).
    type: int
    default: 10000
  secrets:
    description: Take the contents of secrets too, such as private keys, C(.env) files, C(/etc/shadow) and histories of shells.
    type: bool
    default: false
  clock_warning_seconds:
    description: A clock that differs by so much is a warning, V(0) to V(86400) seconds.
    type: float
    default: 2.0
  operator:
    description: Who collects. By default the user of AWX, or who runs Ansible.
    type: str
    default: ""
  run_id:
    description: Id of the run.
    type: str
    default: ""
notes:
  - Command lines of processes are taken as they are, and units, crontabs and logs too; there may be secrets in them.
  - A host whose kernel or tools were exchanged can tell what it likes. For that, take an image of its disk and memory.
seealso:
  - module: upkeep.runbook.evidence_verify
  - module: upkeep.runbook.custody_log
"""

EXAMPLES = r"""
- name: Collect the evidence before anything is changed
  upkeep.runbook.evidence_collect:
    directory: /srv/reports/incidents
    incident: INC-42
    paths: [/opt/neurosensefx]
    exclude: ["*/node_modules/*"]
  vars:
    ansible_pipelining: true
  register: evidence_result

- name: Only what is gone first
  upkeep.runbook.evidence_collect:
    directory: /srv/reports/incidents
    incident: INC-42
    items: [clock, processes, network, sessions]
"""

RETURN = r"""
status:
  description: The worst status of RV(checks).
  returned: when something was collected
  type: str
  sample: ok
checks:
  description:
    - C(evidence.collected) is critical when not every item came to its end; the task fails then.
    - C(evidence.complete) says whether something is missing that nobody meant to leave out.
    - C(evidence.clock) says by how much the clock of the host differs. C(evidence.integrity) says that all that was written was read back.
    - C(custody.chain) is about the custody log.
  returned: when something was collected
  type: list
  elements: dict
  sample:
    - check: evidence.collected
      subject: backend
      status: ok
      summary: 412 files with 38.4 MiB were collected and are whole.
      value: 412
      unit: count
      warning: null
      critical: null
collection:
  description: Id of the collection.
  returned: when something was collected
  type: str
  sample: 20261122T050000Z-1a2b3c4d
path:
  description: Its folder.
  returned: success
  type: str
  sample: /srv/reports/incidents/INC-42/backend/20261122T050000Z-1a2b3c4d
manifest_sha256:
  description: SHA-256 of its manifest, as the custody log has it.
  returned: when something was collected
  type: str
custody_head:
  description: The last entry of the custody log, C(sequence) and C(sha256). Keep it elsewhere.
  returned: when something was collected
  type: dict
totals:
  description: C(files), C(bytes), and C(left_out) by kind.
  returned: when something was collected
  type: dict
outcomes:
  description: How each item ended, C(done), C(failed) or C(not begun).
  returned: when something was collected
  type: dict
clock:
  description: The clock of the host; C(offset_seconds) is by how much it is ahead of the controller's, C(uncertainty_seconds) how well that is known.
  returned: when something was collected
  type: dict
left_out:
  description: What is missing although nobody meant to leave it out, at most 100; the manifest has all.
  returned: when something was collected
  type: list
  elements: dict
plan:
  description: For each item C(files), C(bytes) and what would be left out, as far as that can be told beforehand.
  returned: in check mode
  type: list
  elements: dict
"""
