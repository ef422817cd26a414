"""Programs that look at what is deployed; a test that needs one that is not there is skipped, and says so."""

import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PROJECT: Final = DEPLOY.parent
_PACKAGES: Final = {"systemd-analyze": "systemd", "systemd-nspawn": "systemd-container", "promtool": "prometheus"}


def program(name: str) -> str:
    """The whole path of a program; skips the test where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine (on Debian: apt-get install {_PACKAGES[name]})")
    return found


def said(*command: str | Path) -> str:
    """What a program prints; it has to succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr
