-- name: check_server
-- What this server and this session are.
SELECT split_part(current_setting('server_version'), ' ', 1) AS version, current_user AS role,
       current_database() AS database;

-- name: check_rights
-- Each right that the recorder needs on its tables, and whether this role has it; NULL where the table is missing.
SELECT needed.name || ': ' || needed.privilege AS needed,
       has_table_privilege(to_regclass(needed.name), needed.privilege) AS is_there
  FROM (VALUES ('machines', 'INSERT, UPDATE'), ('machine_components', 'INSERT'),
               ('component_parameters', 'INSERT, UPDATE'), ('process_runs', 'INSERT, UPDATE'),
               ('process_steps', 'INSERT, UPDATE'), ('process_data_points', 'INSERT'),
               ('recorders', 'INSERT, UPDATE'), ('recorder_streams', 'INSERT, UPDATE'),
               ('acquisition_minutes', 'INSERT, UPDATE'), ('recorder_events', 'INSERT')) AS given (name, privileges)
 CROSS JOIN LATERAL (SELECT given.name, unnest(string_to_array(given.privileges, ', ')) AS privilege) AS needed
 UNION ALL
SELECT 'process_data_points: a partition for each day (only its owner may attach one)',
       (SELECT pg_has_role(c.relowner, 'USAGE') FROM pg_class c WHERE c.oid = to_regclass('process_data_points'))
 UNION ALL
SELECT 'schema: CREATE, for the partition of each day', has_schema_privilege(current_schema(), 'CREATE');

-- name: check_clock
-- The server's clock; it is asked often, so it is as short as a statement can be.
SELECT clock_timestamp() AS now;
