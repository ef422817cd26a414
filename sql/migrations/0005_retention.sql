-- Dropping a whole day of points, the only way in which points are ever removed
-- depends: 0004_point_indexes

-- migrate: apply

CREATE FUNCTION drop_day_partition(day date) RETURNS boolean LANGUAGE plpgsql
    SET search_path FROM CURRENT
    SET timezone TO 'UTC'
    SET datestyle TO 'ISO' AS $$
DECLARE
    partition constant text := 'process_data_points_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_inherits
                    WHERE inhparent = 'process_data_points'::regclass
                      AND inhrelid = to_regclass(quote_ident(partition))) THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE %I', partition);
    RETURN true;
END
$$;
COMMENT ON FUNCTION drop_day_partition IS
    'drops the partition of one UTC day; true if there was one; waits no longer than lock_timeout';

-- migrate: rollback
