"""The PostgreSQL that the program brings along, for the demo and the tests; `ald-recorder run` asks for a DSN."""

from recorder.embedded.errors import (
    BinariesError,
    DataDirectoryError,
    EmbeddedError,
    ServerFailedError,
    ServerRunningError,
)
from recorder.embedded.folders import default_data_directory
from recorder.embedded.server import EmbeddedPostgres

__all__ = [
    "BinariesError",
    "DataDirectoryError",
    "EmbeddedError",
    "EmbeddedPostgres",
    "ServerFailedError",
    "ServerRunningError",
    "default_data_directory",
]
