"""Logs: for people on a terminal, JSON lines elsewhere; the standard library's loggers go the same way."""

import logging
import sys
from typing import Literal

import structlog


def configure(*, level: str = "info", form: Literal["auto", "console", "json"] = "auto") -> None:
    """Set up logging to standard error, once a process.

    Args:
        level: lowest level that is logged.
        form: ``auto`` looks whether standard error is a terminal.
    """
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()) if for_people else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processor=renderer))
    root = logging.getLogger()
    root.handlers = [handler]
    set_level(level)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    # its pool logs a trace at each attempt to come back; that the database is away is said once, by the writer
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)


def set_level(level: str) -> None:
    """Change the lowest level that is logged."""
    logging.getLogger().setLevel(level.upper())
