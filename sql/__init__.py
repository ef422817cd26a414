"""The statements of the recorder, as files: migrations and named queries."""

from sql.errors import QueryFileError, SqlError, UnknownQueryError
from sql.named_query import QUERIES, Query, load_query

__all__ = ["QUERIES", "Query", "QueryFileError", "SqlError", "UnknownQueryError", "load_query"]
