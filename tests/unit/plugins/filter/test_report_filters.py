"""The filters of the report, called as Ansible calls them: with its variables, its containers and its templates."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.upkeep.runbook.plugins.filter.render_html import render_html
from ansible_collections.upkeep.runbook.plugins.filter.run_record import run_record
from ansible_collections.upkeep.runbook.plugins.filter.run_verdict import run_verdict

OPTIONS: dict[str, Any] = {"platform": "P", "playbook": "daily", "promised_roles": ["health"]}
CHECK = {"check": "a.b", "subject": "x", "status": "ok", "summary": "Fine.", "value": None, "unit": None, "warning": None, "critical": None}
PONG = {"ping": "pong"}


class Lazy(Mapping):  # type: ignore[type-arg]
    """As Ansible's hostvars: readable by key, and no dict."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content

    def __getitem__(self, key: str) -> Any:
        return self.content[key]

    def __iter__(self) -> Any:
        raise AssertionError("reading every variable of every host would template all of them")

    def __len__(self) -> int:
        raise AssertionError("not needed")


def hostvars(**hosts: dict[str, Any]) -> Lazy:
    return Lazy({name: Lazy(variables) for name, variables in hosts.items()})


def test_the_run_id_is_that_of_any_host_that_has_one() -> None:
    found = hostvars(
        first={}, second={"platform_run_id": "20261122T050000Z-1a2b3c4d", "platform_result": PONG, "health_result": {"checks": [CHECK]}}
    )
    record = run_record(["first", "second"], found, **OPTIONS)
    assert record["run_id"] == "20261122T050000Z-1a2b3c4d"
    assert list(record["hosts"]) == ["first", "second"]
    assert record["hosts"]["second"]["roles"]["health"]["status"] == "ok"
    assert record["status"] == "unknown"


@pytest.mark.parametrize("run_id", [None, "", "x", "20261122T050000Z"])
def test_without_a_usable_run_id_it_makes_one(run_id: Any) -> None:
    record = run_record(["a"], hostvars(a={"platform_run_id": run_id}), **OPTIONS)
    assert len(record["run_id"]) == 25 and record["started"] == record["ended"]


def test_hosts_that_are_no_list_are_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="wants a list of host names"):
        run_record("all", hostvars(), **OPTIONS)


def test_a_verdict_with_another_word_fails_and_says_which_there_are() -> None:
    record = run_record(["a"], hostvars(a={}), **OPTIONS)
    assert run_verdict(record, "unknown")["fails"] is True
    assert run_verdict(record, "critical")["fails"] is False
    mistaken = run_verdict(record, "sometimes")
    assert mistaken["fails"] is True
    assert mistaken["message"].endswith("fail_on is 'sometimes', which is none of warning, unknown, critical, never.")


def template(tmp_path: Path, text: str) -> str:
    path = tmp_path / "page.html.j2"
    path.write_text(text)
    return str(path)


def test_every_value_is_escaped_and_none_is_a_template(tmp_path: Path) -> None:
    page = template(tmp_path, '<a title="{{ a }}">{% for b in list %}{{ b }}{% endfor %}</a>')
    html = render_html(page, {"a": '"><script>', "list": ["{{ 7*7 }}", "<b>'&"]})
    assert html == '<a title="&#34;&gt;&lt;script&gt;">{{ 7*7 }}&lt;b&gt;&#39;&amp;</a>'


def test_a_missing_value_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match="'absent' is undefined"):
        render_html(template(tmp_path, "{{ absent }}"), {})


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnsibleFilterError, match="finds no template nowhere.j2"):
        render_html(str(tmp_path / "nowhere.j2"), {})


def test_the_hash_is_that_of_the_raw_text(tmp_path: Path) -> None:
    page = template(tmp_path, '{% set style %}a > b { content: "&" }{% endset %}{{ style | csp_hash }}|{{ style }}')
    raw = 'a > b { content: "&" }'
    expected = base64.b64encode(hashlib.sha256(raw.encode()).digest()).decode()
    assert render_html(page, {}) == f"sha256-{expected}|{raw}"


PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: What a hostile target answers
      ansible.builtin.raw: cat {answer}
      register: answer
    - name: As a role registers it
      ansible.builtin.set_fact:
        platform_result: {{ping: pong}}
        health_result: "{{{{ answer.stdout | from_json }}}}"
    - name: The whole way
      ansible.builtin.debug:
        msg:
          record: "{{{{ record }}}}"
          markdown: "{{{{ record | upkeep.runbook.report_markdown }}}}"
          page: "{{{{ record | upkeep.runbook.report_page(hostvars, runs=[], stale_after_minutes=5) }}}}"
          html: "{{{{ '{template}' | upkeep.runbook.render_html(record | upkeep.runbook.report_page(hostvars)) }}}}"
          verdict: "{{{{ record | upkeep.runbook.run_verdict('never') }}}}"
      vars:
        record: >-
          {{{{ ansible_play_hosts_all | upkeep.runbook.run_record(hostvars, platform='P', playbook='daily',
             promised_roles=['health', 'resources'], run_tags=ansible_run_tags, skip_tags=ansible_skip_tags) }}}}
      run_once: true
"""


def test_the_whole_way_through_templates_of_ansible(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[4]
    nasty = "{{ 7*7 }}{% for %}{{ lookup('pipe', 'touch " + str(tmp_path / "owned") + "') }}"
    (tmp_path / "answer.json").write_text(
        json.dumps({
            "checks": [{**CHECK, "subject": nasty, "status": "warning", "evidence": {nasty: [nasty]}}],
            "series": [{"name": nasty, "unit": nasty, "points": [["2026-11-22T01:00:00Z", 1]]}],
            "uptime": {nasty: {"1d": 99}},
        })
    )
    playbook = tmp_path / "play.yml"
    html = checkout / "roles" / "report" / "templates" / "report.html.j2"
    playbook.write_text(PLAYBOOK.format(answer=tmp_path / "answer.json", template=html))
    command = ["ansible-playbook", "-i", "web,", "-c", "local", str(playbook)]
    done = subprocess.run(
        [str(Path(sys.executable).parent / command[0]), *command[1:]],
        cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
    )
    assert done.returncode == 0, done.stdout
    assert nasty in done.stdout.replace("''", "'"), "the text of the target appears as it is"
    assert "DEGRADED" not in done.stdout and "UNKNOWN" in done.stdout, "resources left no result"
    assert not (tmp_path / "owned").exists()
