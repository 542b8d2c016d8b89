# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of every module that works with a repository of restic."""

from __future__ import annotations


class ModuleDocFragment:
    """Which repository, what opens it, and how long to wait for others in it."""

    DOCUMENTATION = r"""
options:
  repository:
    description:
      - The repository, as restic takes it. An absolute path, or another place with its prefix, such as
        C(sftp:backup@storage:/srv/restic), C(rest:https://storage:8000/name) or C(s3:https://s3.example.com/bucket).
      - A password in it is masked in everything that is told, and never is on a command line.
    type: str
    required: true
  password_file:
    description:
      - File on the host with the password of the repository. Exactly one of this and O(password) is given.
    type: path
  password:
    description:
      - The password of the repository. It reaches restic through a file without a name.
      - Without the password nothing in the repository can be read. Keep it where the loss of this host does not take it along.
    type: str
  environment:
    description:
      - Variables with secrets for the place of the repository, such as C(AWS_ACCESS_KEY_ID) and C(AWS_SECRET_ACCESS_KEY).
      - All values are taken for secrets and masked in what the module returns, wherever they appear. What is no secret, such as a
        region, belongs into O(extended_options).
    type: dict
    default: {}
  extended_options:
    description: Extended options of restic by their names, such as C(sftp.command) or C(s3.region). They appear on its command line.
    type: dict
    default: {}
  program:
    description: The program, by its path, or by its name when it is found through C(PATH).
    type: path
    default: restic
  label:
    description:
      - What the backups are of. Each label of each host has its own snapshots in a repository. Letters, digits, dots, dashes
        and underscores.
    type: str
    required: true
  host:
    description:
      - The host under which the snapshots are kept, usually C(inventory_hostname). By default the name that the host gives itself.
    type: str
  unlock:
    description:
      - Remove the locks in the repository when each of them is of a process of this very host that does not run any more, as
        after a run that was killed. Any other lock is waited for (O(lock_wait_seconds)), and never removed.
      - Leave it V(false) where several hosts, or containers, share one name.
    type: bool
    default: false
  timeout_seconds:
    description: Time for the whole call, in seconds, V(1) to V(604800). restic is ended then, and removes its lock.
    type: float
    default: 21600.0
  state_directory:
    description:
      - Folder of the lock of this host, of the cache of restic (C(restic-cache)), and of the list of backups that were begun and
        not seen to their end (C(restic.json)). It is created with mode C(0700).
    type: path
    default: /var/lib/upkeep
  lock_wait_seconds:
    description: How long to wait for another run on this host, and for others in the repository, in seconds, V(0) to V(86400).
    type: float
    default: 0.0
requirements:
  - The program C(restic) on the host, 0.14 or later (Debian's package C(restic)). C(ssh) for a repository over C(sftp).
notes:
  - Local repositories and C(sftp) are tested. C(rest), C(s3) and others are handed to restic as they are, and untested.
  - restic that cannot do its work is told in words, such as a wrong password, a repository that is locked, and by whom, one that
    cannot be reached, and one that is not there.
"""
