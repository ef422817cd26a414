-- name: settle_schema
-- Where the rest of a transaction looks for tables; not by set_config, since a query fixes the isolation level.
SET LOCAL search_path TO $1;
SET LOCAL timezone TO 'UTC';

-- name: settle_time_limits
-- How long the rest of a transaction waits: for a statement ($1) or its client, and for a lock ($2).
SET LOCAL statement_timeout TO $1;
SET LOCAL idle_in_transaction_session_timeout TO $1;
SET LOCAL lock_timeout TO $2;
