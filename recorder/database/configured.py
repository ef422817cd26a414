"""The pool as `config.toml` wants it: one place, so that daemon, api and measurements go by the same fields."""

from recorder.config.file import Config
from recorder.database.pool import DatabaseSettings


def configured(config: Config, *, application_name: str, dsn: str = "") -> DatabaseSettings:
    """How this configuration's database is reached; what one process does otherwise, it replaces.

    Args:
        config: its DSN must be set, unless another is given.
        application_name: by which the server knows these connections.
        dsn: instead of the configuration's, of the server itself.

    Raises:
        ConfigurationError: there is no DSN.
    """
    database = config.database
    return DatabaseSettings(
        dsn=dsn or config.require_dsn(),
        direct_dsn=dsn or config.require_server_dsn(),
        schema=database.schema_name,
        application_name=application_name,
        pool_min=database.pool_min,
        pool_max=database.pool_max,
        connect_timeout_s=database.connect_timeout_s,
        acquire_timeout_s=database.acquire_timeout_s,
        statement_timeout_s=database.statement_timeout_s,
        lock_timeout_s=database.lock_timeout_s,
        dead_after_s=database.dead_after_s,
        prepared_statements=database.prepared_statements,
        slow_statement_s=database.slow_statement_s,
    )
