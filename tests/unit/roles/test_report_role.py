"""The role in real plays on this machine: hosts that are down, tags, limits, check mode, and the exit status at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.upkeep.runbook.tests.kept_modules import kept_modules

CHECKOUT = Path(__file__).parents[3]

# As a cadence: play 1 leaves results behind, play 2 reports.
PLAYBOOK = """
- name: Look
  hosts: all
  gather_facts: false
  ignore_unreachable: true
  ignore_errors: true
  tasks:
    - name: Give the run its id
      ansible.builtin.set_fact:
        platform_run_id: "{{ run_id | default('20261122T050000Z-1a2b3c4d') }}"
      run_once: true
      tags: [always]
    - name: Reach the host
      ansible.builtin.ping:
      register: platform_result
      tags: [always]
    - name: Leave the host
      ansible.builtin.meta: end_host
      when: platform_result is unreachable
      tags: [always]
    - name: Probe
      ansible.builtin.set_fact:
        health_result:
          checks:
            - {check: service.http, subject: shop, status: "{{ seen | default('ok') }}", summary: "Seen {{ '{{' }} 7*7 }}."}
      tags: [health]
    - name: Measure
      ansible.builtin.raw: exit 1
      register: resources_result
      when: crash | default(false) | bool
      tags: [resources]

- name: Report
  hosts: all
  gather_facts: false
  tags: [always]
  roles:
    - role: upkeep.runbook.report
      vars:
        report_playbook: daily
        report_promised_roles: [health, resources]
        upkeep_platform: {name: NeuroSense FX, root: /srv}
"""

INVENTORY = """
[all]
dead ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1
web ansible_connection=local
monitor ansible_connection=local

[all:vars]
ansible_python_interpreter="{{ ansible_playbook_python }}"
"""


@dataclass
class Ran:
    """How a run ended."""

    rc: int
    stdout: str
    stderr: str
    reports: Path

    @property
    def output(self) -> str:
        """Everything it printed."""
        return self.stdout + self.stderr

    @property
    def record(self) -> dict[str, Any]:
        """The record of the newest run."""
        found: dict[str, Any] = json.loads((self.reports / "latest.json").read_text())
        return found


@pytest.fixture
def play(tmp_path: Path) -> Any:
    """Give a function that runs the playbook with further arguments and variables."""
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "hosts.ini").write_text(INVENTORY)
    (tmp_path / "home").mkdir()

    def run(*arguments: str, **variables: Any) -> Ran:
        command = [
            str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(tmp_path / "hosts.ini"), str(tmp_path / "play.yml"),
            "-e", json.dumps({"upkeep_report_directory": str(tmp_path / "reports"), **variables}), *arguments,
        ]
        environment = {
            **os.environ, "HOME": str(tmp_path / "home"), "ANSIBLE_NOCOLOR": "1",
            **kept_modules(tmp_path.parent, others=os.environ.get("ANSIBLE_CALLBACK_PLUGINS", "")),
        }
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        return Ran(done.returncode, done.stdout, done.stderr, tmp_path / "reports")

    return run


def test_the_first_host_is_down_and_the_report_is_whole(play: Any) -> None:
    ran = play()
    assert ran.rc != 0
    record = ran.record
    assert record["health"] == "UNHEALTHY" and record["run_id"] == "20261122T050000Z-1a2b3c4d"
    assert record["hosts"]["dead"]["reachable"] is False
    assert record["hosts"]["web"]["roles"]["health"]["checks"][0]["summary"] == "Seen {{ 7*7 }}."
    assert record["hosts"]["web"]["roles"]["resources"]["status"] == "not_run"
    assert "CRITICAL  dead" in ran.output and "not run   web, monitor" in ran.output
    assert "NeuroSense FX is UNHEALTHY (daily: 1 critical, 4 ok on 3 hosts). Worst: dead host.reachable dead" in ran.output
    page = ran.reports / "runs" / record["run_id"] / "report.html"
    assert f"Report: {page} on localhost" in ran.output and "{{ 7*7 }}" in page.read_text()
    assert (ran.reports / "heartbeats" / "neurosense_fx_cf237f4e.daily.json").exists()


def test_every_host_is_down(play: Any) -> None:
    ran = play("--limit", "dead")
    assert ran.rc != 0 and ran.record["health"] == "UNHEALTHY"
    assert list(ran.record["hosts"]) == ["dead"]
    assert not (ran.reports / "heartbeats").exists(), "a run with --limit does not speak for the platform"


def test_a_healthy_run_succeeds_on_another_report_host_and_under_another_callback(play: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "oneline")
    ran = play("--limit", "web", upkeep_report_host="monitor")
    assert ran.rc == 0 and ran.record["health"] == "HEALTHY"
    assert "STATUS" in ran.stdout and "report.html on monitor" in ran.stdout


@pytest.mark.parametrize(
    ("seen", "fail_on", "fails"),
    [("unknown", "critical", False), ("critical", "never", False)],
)
def test_the_exit_status(play: Any, seen: str, fail_on: str, fails: bool) -> None:
    ran = play("--limit", "web", seen=seen, upkeep_fail_on=fail_on)
    assert (ran.rc != 0) is fails
    assert ran.record["status"] == seen


def test_another_word_for_the_severity_is_refused(play: Any) -> None:
    ran = play("--limit", "web", upkeep_fail_on="sometimes")
    assert ran.rc != 0 and "none of warning, unknown, critical, never" in ran.output


def test_a_role_that_crashes_is_unknown(play: Any) -> None:
    ran = play("--limit", "web", crash=True)
    assert ran.rc != 0
    assert ran.record["hosts"]["web"]["roles"]["resources"]["checks"][0]["check"] == "role.result"
    assert ran.record["hosts"]["web"]["roles"]["health"]["status"] == "ok"


def test_tags_leave_roles_out(play: Any) -> None:
    ran = play("--limit", "web", "--tags", "health")
    assert ran.rc == 0
    assert ran.record["hosts"]["web"]["roles"]["resources"]["reason"] == "left out by the tags of this run"


def test_check_mode_says_the_same_and_writes_nothing(play: Any, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    ran = play("--check", upkeep_prometheus_directory=str(metrics))
    assert ran.rc != 0
    assert "CRITICAL  dead" in ran.output and "Check mode: no report was written." in ran.output
    assert not ran.reports.exists() and not list(metrics.iterdir())


def test_a_report_that_cannot_be_written_fails_the_run_and_the_table_is_there(play: Any) -> None:
    ran = play("--limit", "web", upkeep_report_host="dead", upkeep_fail_on="never")
    assert ran.rc != 0
    assert "ok       web" in ran.output and "The report could not be written on dead: " in ran.output


def test_rights_that_the_inventory_asks_for_are_not_those_of_the_report(play: Any, tmp_path: Path) -> None:
    become = {"ansible_become": True, "ansible_become_user": "nobody", "ansible_become_exe": "/nonexistent/sudo"}
    (tmp_path / "hosts.ini").write_text(INVENTORY + "".join(f"{key}={value}\n" for key, value in become.items()))
    ran = play("--limit", "web")
    assert ran.record["hosts"]["web"]["roles"]["platform"]["status"] == "unknown", "no module runs on the host"
    assert (ran.reports / "latest.html").exists(), "and the report is written all the same"


def test_metrics_and_a_second_run(play: Any, tmp_path: Path) -> None:
    metrics = tmp_path / "metrics"
    metrics.mkdir()
    play(upkeep_prometheus_directory=str(metrics))
    ran = play(upkeep_prometheus_directory=str(metrics), run_id="20261122T060000Z-1a2b3c4d")
    text = (metrics / "upkeep_neurosense_fx_cf237f4e.prom").read_text()
    assert 'upkeep_check_status{platform="NeuroSense FX",host="dead",check="host.reachable",subject="dead"} 2' in text
    index = json.loads((ran.reports / "index.json").read_text())
    assert [run["run_id"] for run in index["runs"]] == ["20261122T060000Z-1a2b3c4d", "20261122T050000Z-1a2b3c4d"]
    assert "0 of the last 2 runs healthy" in (ran.reports / "latest.html").read_text()
    assert ran.output.count("changed=0") == 3


def test_silence_of_a_cadence_is_unknown(play: Any) -> None:
    cadence = [{"playbook": "weekly", "warning_hours": 170, "critical_hours": 340}]
    ran = play("--limit", "web", report_heartbeats=cadence)
    assert ran.rc != 0
    (check,) = ran.record["hosts"]["localhost"]["roles"]["report"]["checks"]
    assert (check["check"], check["subject"], check["status"]) == ("heartbeat.age", "weekly", "unknown")


#: As callbacks that print nothing but JSON do.
JSON_CALLBACK = """
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = "{name: json, type: stdout, short_description: prints JSON}"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "json"

    def v2_playbook_on_stats(self, stats):
        self._display.display("{}")
"""


def test_output_for_programs_stays_clean(play: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "callbacks").mkdir()
    (tmp_path / "callbacks" / "json.py").write_text(JSON_CALLBACK)
    monkeypatch.setenv("ANSIBLE_CALLBACK_PLUGINS", str(tmp_path / "callbacks"))
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", "json")
    ran = play("--limit", "web")
    assert json.loads(ran.stdout) == {}
    assert "STATUS" in ran.output and "Report: " in ran.output
