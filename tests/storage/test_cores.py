"""Promise 8: keys and identities, which stand in the memory of our processes, come into no dump of it."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMITS = "import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))"
CHILD = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {LIMITS!r}], check=True)"
MANAGE = "import sys, manage; sys.argv = ['manage.py', 'help']; manage.main()"
WSGI = "import config.wsgi"
OPEN = resource.getrlimit(resource.RLIMIT_CORE)[1] != 0
NONE = {"1 1"} if OPEN else {"0 0", "1 1"}
"""Who may raise a limit of 0 is root, and not always."""
SHUT = "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0))"


def limits(*lines: str) -> str:
    """What a process that did this says of itself, or of its child."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=ROOT, env=dict(os.environ), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("entry", [MANAGE, WSGI])
@pytest.mark.parametrize("asked", [LIMITS, CHILD])
def test_promise_8_no_process_of_ours_leaves_a_core(entry: str, asked: str) -> None:
    """A limit of 1 holds for a program that takes dumps from a pipe, too; 0 does not."""
    assert limits(entry, asked) in NONE


def test_a_limit_that_may_not_be_raised_stays() -> None:
    assert limits(SHUT, MANAGE, LIMITS) in {"0 0", "1 1"}
