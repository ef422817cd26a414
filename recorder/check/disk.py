"""Whether the disk can keep what the database cannot take yet, and what waits in the spool."""

import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from recorder.check.spread import Spread
from recorder.check.verdict import Report, Verdict
from recorder.config.file import Config
from recorder.spool.store import FILE_FORMAT

SECTION: Final = "Disk"
_WRITES: Final = 20
_WRITE_BYTES: Final = 16 * 1024
"""About an entry of a hundred parameters with its header."""
_SLOW_MS: Final = 50.0
_MIB: Final = 1024 * 1024
_WAITING: Final = """
SELECT count(*), coalesce(sum(row_count), 0) FROM entries
WHERE +sequence > (SELECT CAST(value AS INTEGER) FROM spool WHERE key = 'acknowledged')
"""
"""The plus lets SQLite use the index that covers this, instead of reading through the entries."""


def check_disk(config: Config, report: Report) -> None:
    """Look at the data directory; a folder that is not there yet is looked at where it will be made."""
    folder = config.recorder.data_directory
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if not existing.is_dir():
        report.add(SECTION, Verdict.FAULT, f"{existing} is a file: check [recorder] data_directory")
        return
    _check_space(config, existing, report)
    _check_writing(folder, existing, report)
    _check_spool(folder / "spool.sqlite3", report)


def _check_space(config: Config, existing: Path, report: Report) -> None:
    usage = shutil.disk_usage(existing)
    percent = 100.0 * (usage.total - usage.free) / usage.total
    needed = config.spool.max_mib * _MIB
    figures = {"free_bytes": usage.free, "used_percent": round(percent, 1), "spool_max_bytes": needed}
    free = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.0f} GB"
    if usage.free < needed:
        message = f"{free}, less than [spool] max_mib = {config.spool.max_mib}: free some, or lower it"
        report.add(SECTION, Verdict.FAULT, message, **figures)
    elif percent >= config.retention.disk_warning_percent:
        limit = f"{config.retention.disk_warning_percent:g} %"
        report.add(SECTION, Verdict.WARNING, f"{free}: {percent:.0f} % are used, more than {limit}", **figures)
    else:
        report.add(SECTION, Verdict.OK, f"{free} at {existing}", **figures)


def _check_writing(folder: Path, existing: Path, report: Report) -> None:
    """Measure what each batch waits for."""
    try:
        spread = _measure_fsync(existing)
    except OSError as error:
        advice = "run as the recorder's user, or change [recorder] data_directory"
        report.add(SECTION, Verdict.FAULT, f"{existing} cannot be written ({error.strerror}): {advice}")
        return
    where = "" if existing == folder else f"; {folder} will be made at the first start"
    message = f"a durable write (fsync) takes {spread}"
    if spread.p99_ms > _SLOW_MS:
        advice = "samples wait for it in memory, and a power cut costs them: use an SSD, not an SD card"
        report.add(SECTION, Verdict.WARNING, f"{message}: {advice}{where}", **spread.to_plain())
    else:
        report.add(SECTION, Verdict.OK, f"{message}{where}", **spread.to_plain())


def _measure_fsync(folder: Path) -> Spread:
    durations_ms = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_WRITES):
            file.write(os.urandom(_WRITE_BYTES))
            begun_ns = time.perf_counter_ns()
            file.flush()
            os.fsync(file.fileno())
            durations_ms.append((time.perf_counter_ns() - begun_ns) / 1e6)
    return Spread.of(durations_ms)


def _check_spool(path: Path, report: Report) -> None:
    """Look into the spool without a lock, since a daemon may be writing it."""
    if not path.exists():
        report.add(SECTION, Verdict.OK, "no spool yet: it is made at the first start", entries=0)
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as spool:
            [version] = spool.execute("PRAGMA user_version").fetchone()
            entries, rows = spool.execute(_WAITING).fetchone()
    except sqlite3.Error as error:
        message = f"{path} cannot be read ({error}): at its next start the recorder sets a damaged one aside"
        report.add(SECTION, Verdict.FAULT, message)
        return
    if version != FILE_FORMAT:
        message = f"{path} is of another release (format {version}, this one has {FILE_FORMAT}): install that one"
        report.add(SECTION, Verdict.FAULT, message, format=version)
        return
    waiting = "nothing waits" if not entries else f"{entries} entries with {rows} rows wait for the database"
    report.add(SECTION, Verdict.OK, f"the spool can be read, {waiting}", entries=entries, rows=rows)
