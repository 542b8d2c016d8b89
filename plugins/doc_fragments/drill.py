# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a restore is tried: the option of every module that drills."""

from __future__ import annotations

from textwrap import indent

from ansible_collections.upkeep.runbook.plugins.doc_fragments.dumps import DUMP_OPTIONS


class ModuleDocFragment:
    """The schedule of drills, and what is asked of a backup that was restored for one."""

    DOCUMENTATION = r"""
options:
  drill:
    type: dict
    suboptions:
      every_days:
        description: A drill is due when the last good one is older, in days. V(0) is each time.
        type: float
        default: 7.0
      max_days:
        description: No good drill for so long is critical, in days. V(0) is no limit.
        type: float
        default: 35.0
      directory:
        description:
          - Folder in which the scratch folder is made, as an absolute path. Its file system needs room for the unpacked backup, and
            5 percent of it stay free.
        type: path
        default: /var/tmp
      files:
        description:
          - Files that must be in the restored tree and not empty, by the paths from which they were saved; wildcards are allowed.
          - In an archive of another program, paths in the archive.
        type: list
        elements: str
        default: []
      command:
        description:
          - Program and arguments that must succeed. Its working directory is the restored tree, in which C(/opt/app) is C(opt/app).
        type: list
        elements: str
        default: []
      run_as:
        description: User whom that program runs as, who can read the tree then. By default the user of the module.
        type: str
      databases:
        description: Whether the dumps named by O(drill.dumps) are loaded into scratch databases and counted.
        type: bool
        default: true
      dumps:
        description:
          - Databases, each with how its server is reached, as in O(upkeep.runbook.backup_create#module:dumps). Roles
            (V(postgresql_globals)) are not loaded.
        type: list
        elements: dict
        default: []
        suboptions:
""" + indent(DUMP_OPTIONS, 10 * " ") + r"""
      sample:
        description: Which backups of a group are tried.
        type: list
        elements: str
        choices: [newest, oldest, random]
        default: [newest]
      timeout_seconds:
        description: Time for the drills of a group, V(1) to V(86400), in seconds.
        type: float
        default: 3600.0
"""
