# SPDX-License-Identifier: MIT
"""The reason why a command failed, as text."""

import subprocess


def reason_of(failure: Exception) -> str:
    """Returns one line: how the command ended, and the last line of its stderr."""
    if isinstance(failure, subprocess.TimeoutExpired):
        return f"it took more than {failure.timeout:.0f} seconds"
    if isinstance(failure, subprocess.CalledProcessError):
        how = (f"ended by signal {-failure.returncode}" if failure.returncode < 0
               else f"exit status {failure.returncode}")
        return "; ".join([how, *(failure.stderr or "").strip().splitlines()[-1:]])
    return str(failure)
