# Copyright: upkeep.runbook contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which argument of an interpreter is the script that it runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class _Options(NamedTuple):
    """What the options of an interpreter mean.

    :ivar code: what fits one behind which there is code, or the name of a module, and no script.
    :ivar valued: those whose value is the next argument.
    """

    code: re.Pattern[str]
    valued: tuple[str, ...] = ()


_SHELL = _Options(re.compile(r"-[A-Za-z]*[cs][A-Za-z]*\Z"), ("-o", "+o", "-O", "+O", "--rcfile", "--init-file"))
_FAMILIES: tuple[tuple[re.Pattern[str], _Options], ...] = (
    (re.compile(r"python"), _Options(re.compile(r"-[bBdEhiIOPqRsSuvVx]*[cm]"), ("-W", "-X"))),
    (re.compile(r"perl"), _Options(re.compile(r"-(?![MmIC])[A-Za-z0-9]*[eE]\Z"), ("-I",))),
    (re.compile(r"ruby"), _Options(re.compile(r"-(?![IrCE])[A-Za-z]*e\Z"), ("-I", "-r", "-C", "-E"))),
    (re.compile(r"node|bun|deno"), _Options(
        re.compile(r"-(?:e|p|pe|ep)\Z|--(?:eval|print)\b"), ("-r", "--require", "--import", "--loader", "-C", "--conditions"),
    )),
    (re.compile(r"php"), _Options(re.compile(r"-[rRB]\Z|--(?:run|process-code)\Z"), ("-d", "-c", "-z"))),
    (re.compile(r"lua"), _Options(re.compile(r"-e"), ("-l",))),
)  # fmt: skip
_NAME_OF_SCRIPT = re.compile(r".*(?:/|\.\w{1,4}\Z)", re.DOTALL)


def script_argument(program: str, arguments: Sequence[str]) -> str | None:
    """Return the argument that names the script, or None when there is none that is a file.

    :param program: name of the interpreter; what is none of those known here counts as a shell.
    """
    options = next((options for name, options in _FAMILIES if name.match(program)), _SHELL)
    skipped = False
    for argument in arguments:
        if skipped:
            skipped = False
        elif argument == "-" or options.code.match(argument):
            return None
        elif argument in options.valued:
            skipped = True
        elif not argument.startswith(("-", "+")):
            return argument if _NAME_OF_SCRIPT.match(argument) else None
    return None
