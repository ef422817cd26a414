"""How `config.toml` says where the database is, and how long anything there may take."""

from typing import Self

from pydantic import Field, SecretStr, model_validator

from recorder.config.section import Seconds, Section


class DatabaseConfig(Section):
    """The PostgreSQL that everything goes into."""

    dsn: SecretStr = SecretStr("")
    """postgresql://user:password@host:port/database"""
    direct_dsn: SecretStr = SecretStr("")
    """The same of the server itself, where dsn leads to a pooler in transaction mode: for migrations, notices and
    upkeep; empty where dsn leads there."""
    schema_name: str = Field(default="ald", alias="schema", pattern=r"^[a-z_][a-z0-9_]{0,62}$")
    """Schema of its own for all tables."""
    pool_min: int = Field(default=5, ge=1, le=100)
    """Connections kept open."""
    pool_max: int = Field(default=20, ge=1, le=100)
    """Connections at most."""
    connect_timeout_s: Seconds = 10
    """Longest wait for a connection to be made."""
    acquire_timeout_s: Seconds = 30
    """Longest wait for a connection of the pool."""
    statement_timeout_s: Seconds = 60
    """Longest run of one statement, COPY included."""
    lock_timeout_s: Seconds = 10
    """Longest wait for a lock."""
    dead_after_s: float = Field(default=10, ge=4, le=600)
    """Silence of a connection over TCP after which either side takes the other for dead, and the server frees what its
    session has locked; longer only where a line is often silent for so long and comes back."""
    prepared_statements: bool = True
    """Switch off behind a pooler in transaction mode (PgBouncer, port 6543 of managed services): then nothing is asked
    of a connection that lasts longer than a transaction."""
    bulk_load: bool = True
    """Whether all definitions are loaded by one query; switched off, by one for each component."""
    slow_statement_s: Seconds = 1.0
    """A statement that takes longer is named in the log."""

    @model_validator(mode="after")
    def _pool_limits_agree(self) -> Self:
        if self.pool_min > self.pool_max:
            raise ValueError(
                f"pool_min {self.pool_min} is above pool_max {self.pool_max}; lower one or raise the other"
            )
        return self
