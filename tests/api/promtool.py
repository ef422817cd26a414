"""Prometheus's own opinion of what `/metrics` says."""

import shutil
import subprocess
from typing import Final

PROGRAM: Final = shutil.which("promtool")
MISSING: Final = "no promtool on this machine (on Debian: apt-get install prometheus)"


def complaints(text: bytes) -> str:
    """What promtool has to say against it; nothing where all is well."""
    assert PROGRAM is not None
    checked = subprocess.run([PROGRAM, "check", "metrics"], input=text, capture_output=True, timeout=30, check=False)
    return (checked.stdout + checked.stderr).decode() if checked.returncode else checked.stderr.decode()
