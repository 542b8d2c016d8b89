#!/usr/bin/python
# -*- coding: utf-8 -*-
# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
---
module: health_probe
short_description: Probe services, their listeners, processes and units, many at once
description:
  - Looks at services from the host it runs on and says of each whether it works, with the latency and the reason.
  - All probes of a call run at the same time. Each has one deadline for everything it does, so that a server that is
    silent, never
    ends or sends one byte a second costs its timeout and no more.
  - A service that does not work is V(critical). What could not be looked at (no network, no right, a missing program)
    is V(unknown),
    with the reason and how to mend it. The module itself fails only when an option is wrong.
  - It looks and changes nothing. In particular it starts neither the service nor a PM2 daemon. Commands of type
    V(command) run in
    check mode as well, so give only commands that look.
  - Proxies from the environment are not used.
version_added: 0.1.0
author:
  - upkeep.runbook contributors (!UNKNOWN)
extends_documentation_fragment:
  - upkeep.runbook.attributes
  - upkeep.runbook.attributes.inspecting
  - upkeep.runbook.checks
options:
  probes:
    description:
      - What to look at. Every probe has a type, and only the options of that type.
      - A null stands for an option that is not given.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - V(http) sends one request and judges status, headers and body of the answer.
          - V(tcp) connects, and optionally sends a text and waits for one.
          - V(websocket) opens a WebSocket (RFC 6455), checks the key in the answer, and waits for the answer to a ping.
          - V(dns) looks up the addresses of a name.
          - V(command) runs a command and judges its exit status and output.
          - V(port) finds who listens on a TCP port and whether it is the expected process. It connects to nothing.
          - V(process) counts processes. It never counts itself, what started it, other parts of Ansible, kernel threads
            or zombies.
          - V(unit) asks systemd for the state of a unit and how often it was restarted since the last run.
          - V(pm2) asks PM2 for an application, and the kernel whether its processes really run.
        type: str
        required: true
        choices: [http, tcp, websocket, dns, command, port, process, unit, pm2]
      name:
        description:
          - Name of the probe, which is the subject of its check. Unique among the probes of its type.
          - By default what it looks at, such as the URL without user and password.
        type: str
      timeout_seconds:
        description: Time for one attempt, from name resolution to the last byte of the answer.
        type: float
        default: 5
      retries:
        description: How many attempts may fail before the probe fails.
        type: int
        default: 0
      interval_seconds:
        description: Pause between two attempts.
        type: float
        default: 1
      consecutive:
        description: How many attempts in a row must succeed. A failed one begins the count anew.
        type: int
        default: 1
      hint:
        description:
          - The next step for who reads that the probe is not ok, such as where its log is.
          - A probe that could not look tells what keeps it from looking instead, where it knows.
          - Without it, what the type of the probe knows, such as a command that looks closer.
        type: str
      warning_seconds:
        description: A latency from which a right answer is a V(warning). Of types V(http), V(tcp), V(websocket), V(dns)
          and V(command).
        type: float
      critical_seconds:
        description: A latency from which a right answer is V(critical). Of the same types.
        type: float
      url:
        description:
          - Of type V(http), a C(http://) or C(https://) URL; of type V(websocket), a C(ws://) or C(wss://) URL.
            Required for both.
          - User and password in it are sent as basic authentication and shown nowhere.
        type: str
      method:
        description: Method of the request. Of type V(http).
        type: str
        default: GET
      headers:
        description:
          - Headers of the request. Of types V(http) and V(websocket).
          - Their values are not logged. Headers that are secrets of the inventory are better given as
            O(secret_headers).
        type: dict
        default: {}
      host_header:
        description: Value of the Host header, when it is not the host of the URL. Of types V(http) and V(websocket).
        type: str
      body:
        description: Body of the request. Of type V(http).
        type: str
      expect_status:
        description: Accepted status codes of the answer. Of type V(http).
        type: list
        elements: int
        default: [200]
      expect_body:
        description: A regular expression of Python that must be found in the first 256 KiB of the body. Of type
          V(http).
        type: str
      expect_headers:
        description: Names of headers that the answer must have, each with a regular expression that its value must
          match. Of type V(http).
        type: dict
        default: {}
      follow_redirects:
        description:
          - How many redirects to follow, 0 to 20. V(false) is none and V(true) is 5. Of type V(http).
          - The default is none, so that the status of the URL itself is judged.
          - Headers and body go to another server than that of the URL in no case.
        type: int
        default: 0
      max_body_bytes:
        description: A body of more bytes than this counts as endless, which is V(critical). Of type V(http).
        type: int
        default: 8388608
      validate_certs:
        description: Whether the certificate must be valid for the name. Of types V(http), V(tcp) and V(websocket).
        type: bool
        default: true
      ca_file:
        description: File with the only certificates of authorities to trust, in PEM. Of types V(http), V(tcp) and
          V(websocket).
        type: path
      server_name:
        description: Name to ask for (SNI) and to find in the certificate, when it is not the host. Of types V(http),
          V(tcp) and V(websocket).
        type: str
      host:
        description:
          - Of type V(tcp), the host to connect to, V(localhost) by default. Every address of it is tried, IPv6 and
            IPv4.
          - Of type V(dns), the name to look up. Required.
        type: str
      port:
        description: Of type V(tcp), the port to connect to; of type V(port), the port to find the listener of. Required
          for both.
        type: int
      tls:
        description: Speak TLS. Of type V(tcp).
        type: bool
        default: false
      send:
        description: Text to send after connecting. Of type V(tcp), and as a text message of type V(websocket).
        type: str
      expect:
        description:
          - A regular expression of Python. Of type V(tcp), it must be found in the first 64 KiB of what the server
            sends; of type
            V(websocket), in one of its messages.
        type: str
      subprotocol:
        description: The WebSocket subprotocol to offer, which the server must choose. Of type V(websocket).
        type: str
      ping:
        description:
          - Send a ping and wait for its answer, which every WebSocket server must give. Of type V(websocket).
          - A server that accepts connections and then hangs is found by this only.
        type: bool
        default: true
      address:
        description:
          - IP address that the listener must serve; one on all addresses serves it, and one for IPv6 only no IPv4 address.
            By default any. Of type V(port).
        type: str
      unit:
        description:
          - Of type V(unit), the unit to ask for. Required.
          - Of type V(port), the unit that the listening process must belong to. Without a suffix it is a service. An alias will
            do.
        type: str
      pid_file:
        description: File with the id of the process that must listen, itself or through a process it started. Of type
          V(port).
        type: path
      pattern:
        description:
          - A regular expression of Python that must be found in program and arguments of the process, joined by spaces.
          - Of type V(process), at least one of O(probes[].pattern), O(probes[].exe) and O(probes[].user) is required.
            Of type V(port),
            it is what the listening process must match.
          - An editor that has the program open matches as well. Add O(probes[].user) or O(probes[].exe) to tell them
            apart.
        type: str
      exe:
        description: Path of the program that the process must run, such as V(/usr/bin/node). Of type V(process).
        type: path
      user:
        description:
          - Name or number of a user. Of types V(process) and V(port), the process must run as this user.
          - Of type V(pm2), the user whose PM2 is asked, by default the one that the module runs as.
        type: str
      minimum:
        description:
          - The least number of processes of type V(process), or of instances of type V(pm2).
          - V(0) together with O(probes[].maximum=0) demands that no process matches.
        type: int
        default: 1
      maximum:
        description: The greatest number of processes. Of type V(process).
        type: int
      expect_state:
        description: Accepted states, of V(active), V(inactive) and V(activating). A unit that reloads is active. Of
          type V(unit).
        type: list
        elements: str
        default: [active]
      warning_restarts:
        description:
          - So many restarts since the last run are a V(warning). Of types V(unit) and V(pm2).
          - Without O(history) no run knows of the last one.
        type: int
        default: 1
      critical_restarts:
        description: So many restarts since the last run are V(critical). Of types V(unit) and V(pm2).
        type: int
      app:
        description: Name of the application in PM2. By default O(probes[].name). Of type V(pm2).
        type: str
      executable:
        description: Name or path of the C(pm2) program. Of type V(pm2).
        type: str
        default: pm2
      pm2_home:
        description: Directory of the PM2 daemon, by default C(.pm2) in the home of the user. Of type V(pm2).
        type: path
      record:
        description: Kind of address, V(A), V(AAAA) or V(any). Of type V(dns).
        type: str
        default: any
        choices: [A, AAAA, any]
      server:
        description:
          - Host or address of a name server to ask directly. By default the name is resolved as every program on the
            host resolves it. Of
            type V(dns).
          - Needs O(probes[].record) V(A) or V(AAAA).
        type: str
      server_port:
        description: Port of that name server. Of type V(dns).
        type: int
        default: 53
      expect_addresses:
        description: Addresses that must be among the answers. Of type V(dns).
        type: list
        elements: str
        default: []
      argv:
        description:
          - Program and arguments. No shell is involved, and C(LC_ALL) is V(C). Required for type V(command).
          - It is the command that is waited for, and not a daemon that it leaves behind with its output open.
        type: list
        elements: str
      directory:
        description: Directory to run the command in, by default C(/). Of type V(command).
        type: path
      expect_rc:
        description: Accepted exit statuses. Of type V(command).
        type: list
        elements: int
        default: [0]
      expect_stdout:
        description: A regular expression of Python that must be found in the first 64 KiB of the output. Of type
          V(command).
        type: str
  secret_headers:
    description:
      - Headers that are secrets, by name of the probe. They are added to those of the V(http) and V(websocket) probes
        of that name.
      - Names that no probe has are ignored, since one dictionary often serves many hosts.
    type: dict
    default: {}
  wait_seconds:
    description:
      - Try failing probes again until all succeed or so many seconds have passed. V(0) does not wait.
      - A probe that cannot succeed on this host, for want of a program or a right, is not tried again.
    type: float
    default: 0
  concurrency:
    description: How many attempts may be under way at the same time.
    type: int
    default: 32
  history:
    description:
      - File on the host in which latencies, restarts and results are kept from run to run. Without it RV(series) and
        RV(uptime) are
        empty and restarts since the last run are not known.
      - It is bookkeeping. It does not make the task changed, and in check mode it is read and not written.
    type: path
notes:
  - A regular expression with several repeats is searched in a process of its own, which ends at the deadline of the
    probe. No pattern
    and no answer can hold the module.
  - Without psutil probes of type V(process) are V(unknown), and those of type V(port) tell only whether somebody
    listens; where they shall tell who, they are V(unknown) too. The others do not need it.
  - To see processes of other users, and who holds their sockets, the task needs root.
requirements:
  - psutil 5.9 or newer on the host, for the types V(process) and V(port). The playbook C(upkeep.runbook.prepare)
    installs it.
"""

EXAMPLES = r"""
- name: Look at a service from all sides
  upkeep.runbook.health_probe:
    probes:
      - name: tick-backend
        type: unit
        unit: tick-backend.service
      - name: tick-backend
        type: port
        port: 8081
        unit: tick-backend.service
      - name: tick-backend
        type: http
        url: http://127.0.0.1:8081/health
        expect_body: '"status": ?"ok"'
        warning_seconds: 0.5
        hint: "Read its log: journalctl -u tick-backend.service -n 100"
      - name: tick-backend
        type: websocket
        url: ws://127.0.0.1:8081/
    history: /var/lib/upkeep/history.sqlite
  become: true

- name: Wait until the frontend has answered three times in a row, for at most two minutes
  upkeep.runbook.health_probe:
    probes:
      - type: http
        url: https://www.example.com/
        follow_redirects: 2
        consecutive: 3
    wait_seconds: 120
  register: frontend
  failed_when: frontend.status == 'critical'

- name: A trading server far away, a worker of PM2, and a name
  upkeep.runbook.health_probe:
    probes:
      - type: tcp
        host: live.example.com
        port: 5035
        tls: true
      - type: pm2
        app: worker
        user: deploy
      - type: dns
        host: www.example.com
        record: A
        expect_addresses: [192.0.2.10]
    return_all: true
"""

RETURN = r"""
status:
  description: The worst status of all checks.
  type: str
  returned: success
  sample: critical
checks:
  description:
    - Check results C(service.http), C(service.port) and so on, with the name of the probe as subject. The value is the
      latency in
      seconds for types that have one.
    - C(history.integrity) is among them when the history was damaged or could not be written.
  type: list
  elements: dict
  returned: success
  sample:
    - check: service.http
      subject: tick-backend
      status: critical
      summary: GET http://127.0.0.1:8081/health answered 500 after 0.012 s; 200 was expected.
      value: 0.012
      unit: s
      warning: 0.5
      critical: null
      hint: "Read its log: journalctl -u tick-backend.service -n 100"
probes:
  description: One entry for each probe, in the order given, also for those that are ok.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the probe.
      type: str
      returned: always
    type:
      description: Type of the probe.
      type: str
      returned: always
    status:
      description: V(ok), V(warning), V(unknown) or V(critical).
      type: str
      returned: always
    latency_seconds:
      description: Time until the answer was complete; null when there was none or the type has none.
      type: float
      returned: always
    attempts:
      description: How many attempts were made.
      type: int
      returned: always
    failed_attempts:
      description: How many of them failed.
      type: int
      returned: always
    summary:
      description: One sentence with what was found and what was expected.
      type: str
      returned: always
    hint:
      description: How to go on.
      type: str
      returned: when there is one
    uptime:
      description: Percent of the runs of the last 1, 7 and 30 days that found it up, of those that could look. Empty
        without history.
      type: dict
      returned: always
    http_status:
      description: Status code of the answer.
      type: int
      returned: type http, when answered
    body_bytes:
      description: Length of the body.
      type: int
      returned: type http, when answered
    listeners:
      description: Address, process ids and user of each listening socket. Empty without psutil.
      type: list
      elements: dict
      returned: type port
    pids:
      description: Ids of the first 20 processes.
      type: list
      elements: int
      returned: type process
    restarts:
      description: Restart counter of the service.
      type: int
      returned: types unit and pm2, when known
    restarts_since_last:
      description: Restarts since the last run; null when there was none.
      type: int
      returned: types unit and pm2, when known
    instances:
      description: Id, process, status, restarts, uptime and memory of each instance.
      type: list
      elements: dict
      returned: type pm2, when known
    addresses:
      description: The first 20 addresses.
      type: list
      elements: str
      returned: type dns, when resolved
    rc:
      description: Exit status of the command.
      type: int
      returned: type command, when it ended
  sample:
    - name: tick-backend
      type: http
      status: ok
      latency_seconds: 0.012
      attempts: 1
      failed_attempts: 0
      summary: GET http://127.0.0.1:8081/health answered 200 after 0.012 s.
      http_status: 200
      body_bytes: 15
      uptime: {"1d": 100.0, "7d": 99.65, "30d": 99.9}
series:
  description: Latencies of the last seven days from the history, at most 96 points each, oldest first.
  type: list
  elements: dict
  returned: success
  sample:
    - name: http tick-backend
      unit: s
      points: [["2026-11-21T06:00:00Z", 0.011], ["2026-11-22T06:00:00Z", 0.012]]
uptime:
  description:
    - Percent of the runs that found a name up, by name of the probe. Where probes of several types share a name, that
      of the worst.
  type: dict
  returned: success
  sample: {"tick-backend": {"1d": 100.0, "7d": 99.65, "30d": null}}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.discretion import discreet, secrets_of
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.examination import examine
from ansible_collections.upkeep.runbook.plugins.module_utils.probes.option_table import described_options
from ansible_collections.upkeep.runbook.plugins.module_utils.utc_time import utc_now


def argument_spec() -> dict[str, Any]:
    """Return the options of the module, with all options that a probe of some type has."""
    return {
        "probes": {"type": "list", "elements": "dict", "required": True, "options": described_options()},
        "secret_headers": {"type": "dict", "default": {}, "no_log": True},
        "wait_seconds": {"type": "float", "default": 0.0},
        "concurrency": {"type": "int", "default": 32},
        "history": {"type": "path"},
        "return_all": {"type": "bool", "default": False},
    }


def spec_without_probe_options() -> dict[str, Any]:
    """Return the argument spec without the options of probes: those are checked by the table of each type.

    Ansible's check could name neither the index of a wrong probe nor the options of its type, and would give every
    probe the defaults of all types.
    """
    spec = argument_spec()
    del spec["probes"]["options"]
    return spec


class DiscreetModule(AnsibleModule):
    """A module that keeps headers, bodies and passwords of its probes out of the system log and of ``-vvv``."""

    def log(self, msg: str, log_args: Any = None) -> None:
        """Log nothing: Ansible would log all options of the call."""

    def exit_json(self, **kwargs: Any) -> None:
        """Return the result, with the options of the call without their secrets."""
        super().exit_json(invocation={"module_args": discreet(self.params)}, **kwargs)

    def fail_json(self, msg: str, **kwargs: Any) -> None:
        """Fail, with the options of the call without their secrets."""
        super().fail_json(msg, invocation={"module_args": discreet(self.params)}, **kwargs)


def main() -> None:
    """Run the probes; a service that is down is a result, only a wrong option is a failure."""
    module = DiscreetModule(argument_spec=spec_without_probe_options(), supports_check_mode=True)
    module.no_log_values.update(secrets_of(module.params))
    try:
        result = examine(module.params, now=utc_now(), check_mode=module.check_mode)
    except UpkeepError as exc:
        module.fail_json(msg=exc.message, **exc.details)
    else:
        module.exit_json(**result)


if __name__ == "__main__":
    main()
