"""The console in a browser: textual-serve runs one read-only console for each visitor. On this machine alone.

textual-serve has no authentication, so it listens on loopback and the consoles it runs change nothing.
"""

import shlex
import sys
from pathlib import Path
from typing import Final

from textual_serve.server import Server

DEFAULT_PORT: Final = 8010
HOST: Final = "127.0.0.1"


def serve(socket: Path, *, port: int = DEFAULT_PORT) -> None:
    """Serve until interrupted."""
    command = [sys.executable, "-m", "recorder", "console", "--socket", str(socket), "--read-only"]
    Server(shlex.join(command), host=HOST, port=port, title="ALD recorder").serve()
