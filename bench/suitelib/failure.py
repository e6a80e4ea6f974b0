# SPDX-License-Identifier: MIT
"""Why a command failed, for a person."""

import subprocess


def reason_of(failure: Exception) -> str:
    """One line: how it ended, and the last that it said."""
    if isinstance(failure, subprocess.TimeoutExpired):
        return f"it took more than {failure.timeout:.0f} seconds"
    if isinstance(failure, subprocess.CalledProcessError):
        how = (f"ended by signal {-failure.returncode}" if failure.returncode < 0
               else f"exit status {failure.returncode}")
        return "; ".join([how, *(failure.stderr or "").strip().splitlines()[-1:]])
    return str(failure)
