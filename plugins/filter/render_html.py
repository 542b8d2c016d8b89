# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Render HTML with every value escaped, which the template lookup does not do."""

from __future__ import annotations

DOCUMENTATION = r"""
name: render_html
version_added: 0.1.0
short_description: Render an HTML template with every value escaped
description:
  - Renders a Jinja2 template with autoescape on. Whatever a target wrote (names, log lines, HTTP bodies) appears as text and
    cannot become markup.
  - A value that the template uses and the context lacks is an error, never an empty place.
  - The template sees the context and nothing else; no variables, lookups or plugins of Ansible. It may include files of its own
    directory.
  - The template has one filter of its own, C(csp_hash), which returns the hash of an inline style or script for the page's
    Content-Security-Policy.
author:
  - upkeep.runbook contributors
positional: _input, context
options:
  _input:
    description: Path of the template on the controller.
    type: path
    required: true
  context:
    description: The values that the template uses. Text in it is data and is never a template.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Render the page of a run
  ansible.builtin.set_fact:
    page: "{{ (role_path ~ '/templates/report.html.j2') | upkeep.runbook.render_html(content) }}"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from ansible.errors import AnsibleFilterError


def render_html(template_path: str, context: Mapping[str, Any]) -> str:
    """Return the rendered template."""
    # Late, since Ansible loads every filter file in each worker process that uses one of them.
    from ansible_collections.upkeep.runbook.plugins.module_utils.content_security import csp_hash
    from ansible_collections.upkeep.runbook.plugins.module_utils.errors import UpkeepError
    from ansible_collections.upkeep.runbook.plugins.module_utils.native_values import native_value

    directory, name = os.path.split(os.path.abspath(str(template_path)))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # The text inside <style> and <script> is raw; the hash must be taken of that and not of its escaped form.
    environment.filters["csp_hash"] = lambda text: csp_hash(str(text))
    try:
        return environment.get_template(name).render(native_value(context))
    except jinja2.TemplateNotFound as exc:
        raise AnsibleFilterError(f"render_html finds no template {exc.name} in {directory}") from None
    except (jinja2.TemplateError, UpkeepError) as exc:
        raise AnsibleFilterError(f"render_html cannot render {template_path}: {exc}") from exc


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by its name."""
        return {"render_html": render_html}
