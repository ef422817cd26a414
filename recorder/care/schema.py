"""Whether a schema is of this release: said once, before a hundred statements each say it in their own words."""

from recorder.database.migration import status
from recorder.errors import DatabaseError


async def require_schema(dsn: str, schema: str, *, operation: str) -> None:
    """Do nothing where all migrations of this release are applied.

    Raises:
        DatabaseError: some are not; or no connection, or no right to look.
    """
    state = await status(dsn, schema)
    if state.pending:
        what = "has no tables yet" if not state.applied else f"lacks {len(state.pending)} migrations of this release"
        raise DatabaseError(f"{operation}: schema {schema} {what}; run: ald-recorder database migrate")
