"""PostgreSQL: the pool, its prepared statements and COPY. The only room that knows asyncpg."""

from recorder.database.connection import connect_once, quote_identifier
from recorder.database.listening import Listening, listening
from recorder.database.pool import Database, DatabaseSettings
from recorder.database.session import Session, single_session
from recorder.database.translation import FOREIGN_ERRORS, translate

__all__ = [
    "FOREIGN_ERRORS",
    "Database",
    "DatabaseSettings",
    "Listening",
    "Session",
    "connect_once",
    "listening",
    "quote_identifier",
    "single_session",
    "translate",
]
