"""One recorder a data directory: a file lock that ends with its process, however that ends."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from recorder.errors import AlreadyRunningError, SpoolError


@contextmanager
def only_recorder_of(data_directory: Path) -> Iterator[None]:
    """Hold the data directory for as long as the block runs.

    Raises:
        AlreadyRunningError: another process holds it; the message says which.
        SpoolError: the folder cannot be written.
    """
    path = data_directory / "recorder.lock"
    try:
        data_directory.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise SpoolError(
            f"{data_directory}: cannot be written ({error.strerror}); check [recorder] data_directory"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunningError(
                f"{data_directory}: a recorder runs here already ({_holder(file.read())}); "
                "stop it first, or give this one a [recorder] data_directory and number of its own"
            ) from None
        except OSError as error:
            raise SpoolError(
                f"{path}: cannot be locked ({error.strerror}); put [recorder] data_directory on a local disk"
            ) from error
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")}))
        file.flush()
        yield


def _holder(content: str) -> str:
    try:
        held = json.loads(content)
        return f"process {held['pid']}, since {held['since']}"
    except (ValueError, KeyError, TypeError):
        return "which one is not known"
