-- name: schema_owner
-- Who owns the schema of this name, and whether this role may act as that owner.
SELECT owner.rolname AS owner, pg_has_role(current_user, owner.oid, 'MEMBER') AS may_act_as_owner,
       current_user AS role,
       (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) AS may_create_roles
  FROM pg_namespace schema
  JOIN pg_roles owner ON owner.oid = schema.nspowner
 WHERE schema.nspname = $1::text;

-- name: become_owner_of_schema
-- Acts as the role that owns the bookkeeping of this schema, so that what a member of it makes belongs to it too.
SELECT set_config('role', owner.rolname, false)
  FROM pg_class bookkeeping
  JOIN pg_namespace schema ON schema.oid = bookkeeping.relnamespace AND schema.nspname = $1::text
  JOIN pg_roles owner ON owner.oid = bookkeeping.relowner
 WHERE bookkeeping.relname = 'schema_migrations' AND owner.rolname <> current_user
   AND pg_has_role(current_user, owner.oid, 'MEMBER');

-- name: roles_prefix
-- Prefix of the roles of this schema, if it was handed to them: the name of its owner without _owner.
SELECT left(owner.rolname, -6) AS prefix
  FROM pg_namespace schema
  JOIN pg_roles owner ON owner.oid = schema.nspowner
 WHERE schema.nspname = $1::text AND right(owner.rolname, 6) = '_owner'
   AND to_regrole(quote_ident(left(owner.rolname, -6) || '_writer')) IS NOT NULL
   AND pg_has_role(current_user, owner.oid, 'MEMBER');

-- name: role_statements
-- Statements that make the roles of one schema ($1) with this prefix ($2), hand everything to its owner and shut out
-- everybody else, the roles named in $3 above all; with $4 false only what a member of the owner may run.
WITH role AS (
    SELECT kind, $2::text || '_' || kind AS name, to_regrole(quote_ident($2::text || '_' || kind)) AS present
      FROM unnest('{owner,writer,operator,reader}'::text[]) AS kind
), member AS (
    SELECT quote_ident(max(name) FILTER (WHERE kind = 'owner')) AS owner,
           max(name) FILTER (WHERE kind = 'owner') AS owner_name,
           string_agg(quote_ident(name), ', ' ORDER BY kind) FILTER (WHERE kind <> 'owner') AS others
      FROM role
), outsider AS (
    SELECT string_agg(name, ', ' ORDER BY name) AS names
      FROM (SELECT 'PUBLIC' AS name
             UNION ALL
            SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = ANY ($3::text[])) AS shut_out
), owned AS (
    SELECT c.relkind, c.oid::regclass AS id, quote_ident(c.relname) AS name, c.relowner AS owner
      FROM pg_class c
     WHERE c.relnamespace = to_regnamespace(quote_ident($1::text)) AND c.relkind IN ('r', 'p', 'v', 'm')
), step AS (
    SELECT 1 AS place, name AS part, format('CREATE ROLE %I NOLOGIN', name) AS statement
      FROM role WHERE present IS NULL AND $4::boolean
    UNION ALL
    -- whoever is no superuser can give away what it owns only to a role that it is in
    SELECT 2, '', format('GRANT %s TO %I', owner, current_user)
      FROM member
     WHERE $4::boolean AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       AND NOT coalesce(pg_has_role(current_user, to_regrole(owner), 'MEMBER'), false)
    UNION ALL
    SELECT 3, '', format('ALTER SCHEMA %I OWNER TO %s', $1::text, owner) FROM member WHERE $4::boolean
    UNION ALL
    SELECT 4, owned.name, format('ALTER %s %I.%s OWNER TO %s',
               CASE relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
               $1::text, owned.name, member.owner)
      FROM owned, member
     WHERE $4::boolean AND owned.owner IS DISTINCT FROM to_regrole(member.owner)::oid
    UNION ALL
    SELECT 5, p.proname, format('ALTER FUNCTION %I.%I(%s) OWNER TO %s',
               $1::text, p.proname, pg_get_function_identity_arguments(p.oid), member.owner)
      FROM pg_proc p, member
     WHERE $4::boolean AND p.pronamespace = to_regnamespace(quote_ident($1::text))
       AND p.proowner IS DISTINCT FROM to_regrole(member.owner)::oid
    UNION ALL
    -- what later releases make is no longer everybody's to run
    SELECT 6, '', format('ALTER DEFAULT PRIVILEGES FOR ROLE %s REVOKE ALL ON FUNCTIONS FROM PUBLIC', owner)
      FROM member
    UNION ALL
    SELECT 7, what, format('REVOKE ALL ON %s %I FROM %s, %s', what, $1::text, outsider.names, member.others)
      FROM outsider, member,
           unnest('{SCHEMA,ALL TABLES IN SCHEMA,ALL SEQUENCES IN SCHEMA,ALL FUNCTIONS IN SCHEMA}'::text[]) AS what
    UNION ALL
    SELECT 8, '', format('GRANT USAGE ON SCHEMA %I TO %s', $1::text, others) FROM member
)
SELECT statement FROM step ORDER BY place, part;

-- name: grant_statements
-- Statements that grant to writer, operator and reader of one schema ($1) and prefix ($2) what each needs, and no more.
WITH wanted (roles, privilege, relations) AS (
    VALUES
    -- all of them read what was recorded, and what the schema is
    ('writer,operator,reader', 'SELECT',
     'machines,machine_components,component_parameters,component_parameter_versions,process_runs,process_steps,'
     'process_data,process_data_times,process_data_chunks,guarded_points,process_run_summaries,'
     'set_value_changes,acquisition_minutes,recorder_events,recorders,recorder_streams,quality_codes,machine_access,'
     'recorder_quarantine,schema_migrations'),
    ('operator,reader', 'SELECT', 'recipe_statistics'),
    -- below the policies of guarded_points: readers only as long as there are none
    ('writer', 'SELECT', 'process_data_points'),
    ('writer', 'INSERT',
     'machines,process_runs,process_steps,process_data_points,acquisition_minutes,recorder_events,recorders,'
     'recorder_streams,recorder_quarantine,set_value_changes'),
    ('writer', 'UPDATE', 'process_runs,process_steps,acquisition_minutes,recorders,recorder_streams'),
    ('writer', 'UPDATE (name)', 'machines'),
    ('writer', 'UPDATE (set_value)', 'component_parameters'),
    ('operator', 'INSERT', 'machines,machine_components,component_parameters'),
    ('operator', 'UPDATE', 'machines,machine_components,component_parameters')
), callable (roles, functions) AS (
    VALUES
    ('writer,operator,reader', 'visible_machines,visible_recorders,is_guarded,get_process_run,last_values_of_run'),
    ('writer',
     'claim_recorder,claim_stream,advance_stream,ensure_day_partition,summarise_run,refresh_recipe_statistics,'
     'analyze_points,store_points_singly,is_refusal_of_content')
), step AS (
    SELECT 1 AS place, relation || privilege AS part,
           format('GRANT %s ON %I.%I TO %s', privilege, $1::text, relation,
                  (SELECT string_agg(quote_ident($2::text || '_' || kind), ', ')
                     FROM unnest(string_to_array(wanted.roles, ',')) AS kind)) AS statement
      FROM wanted, unnest(string_to_array(relations, ',')) AS relation
     -- of a schema that is older than this release
     WHERE to_regclass(format('%I.%I', $1::text, relation)) IS NOT NULL
    UNION ALL
    SELECT 2, '', format('GRANT SELECT ON %I.process_data_points TO %I, %I', $1::text,
                         $2::text || '_operator', $2::text || '_reader')
      FROM pg_class
     WHERE oid = to_regclass(format('%I.guarded_points', $1::text)) AND NOT relrowsecurity
    UNION ALL
    SELECT 3, p.proname || p.oid,
           format('GRANT EXECUTE ON FUNCTION %I.%I(%s) TO %s', $1::text, p.proname,
                  pg_get_function_identity_arguments(p.oid),
                  (SELECT string_agg(quote_ident($2::text || '_' || kind), ', ')
                     FROM unnest(string_to_array(callable.roles, ',')) AS kind))
      FROM callable
      JOIN pg_proc p ON p.proname = ANY (string_to_array(callable.functions, ','))
     WHERE p.pronamespace = to_regnamespace(quote_ident($1::text))
)
SELECT statement FROM step ORDER BY place, part;

-- name: row_security_statements
-- Statements that let operators and readers of one schema ($1) and prefix ($2) see only the machines that
-- machine_access gives them, or, with $3 false, everything again.
WITH guarded (relation, condition) AS (
    VALUES
    ('machines', 'id = ANY ((SELECT %1$I.visible_machines())::int[])'),
    ('machine_components', 'machine_id = ANY ((SELECT %1$I.visible_machines())::int[])'),
    ('process_runs', 'machine_id = ANY ((SELECT %1$I.visible_machines())::int[])'),
    ('component_parameters', 'component_id IN (SELECT id FROM %1$I.machine_components)'),
    ('component_parameter_versions', 'parameter_id IN (SELECT id FROM %1$I.component_parameters)'),
    ('set_value_changes', 'parameter_id IN (SELECT id FROM %1$I.component_parameters)'),
    ('recorders', 'machine IN (SELECT name FROM %1$I.machines)'),
    ('recorder_streams', 'recorder = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    ('recorder_quarantine', 'stream_id IN (SELECT stream_id FROM %1$I.recorder_streams)'),
    ('recorder_events', 'recorder = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    -- the number of its recorder is in every process id: no run has to be looked up for each point
    ('process_steps', '((process_id >> 12) & 1023)::int = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    ('guarded_points', '((process_id >> 12) & 1023)::int = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    ('process_data_times', '((process_id >> 12) & 1023)::int = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    ('process_data_chunks', '((process_id >> 12) & 1023)::int = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    ('process_run_summaries', '((process_id >> 12) & 1023)::int = ANY ((SELECT %1$I.visible_recorders())::int[])'),
    ('acquisition_minutes', '((process_id >> 12) & 1023)::int = ANY ((SELECT %1$I.visible_recorders())::int[])')
), step AS (
    SELECT 1 AS place, relation || number AS part, statement
      FROM guarded
     CROSS JOIN LATERAL (VALUES
           (1, 'DROP POLICY IF EXISTS by_machine ON %1$I.%2$I'),
           (2, 'DROP POLICY IF EXISTS of_writer ON %1$I.%2$I'),
           (3, CASE WHEN $3::boolean THEN 'CREATE POLICY by_machine ON %1$I.%2$I TO %3$I, %4$I USING (' || condition
                                          || ')' END),
           (4, CASE WHEN $3::boolean THEN 'CREATE POLICY of_writer ON %1$I.%2$I TO %5$I USING (true)' END),
           (5, 'ALTER TABLE %1$I.%2$I ' || CASE WHEN $3::boolean THEN 'ENABLE' ELSE 'DISABLE' END
               || ' ROW LEVEL SECURITY')) AS template (number, text)
     CROSS JOIN LATERAL format(text, $1::text, relation, $2::text || '_operator', $2::text || '_reader',
                               $2::text || '_writer') AS statement
     WHERE text IS NOT NULL
    UNION ALL
    -- with the rights of whoever reads it, or the policies would not apply
    SELECT 2, '', format('ALTER VIEW %I.process_data SET (security_invoker = %s)', $1::text, $3::boolean::text)
    UNION ALL
    SELECT 3, '', format('%s SELECT ON %I.process_data_points %s %I, %I',
                         CASE WHEN $3::boolean THEN 'REVOKE' ELSE 'GRANT' END, $1::text,
                         CASE WHEN $3::boolean THEN 'FROM' ELSE 'TO' END,
                         $2::text || '_operator', $2::text || '_reader')
)
SELECT statement FROM step ORDER BY place, part;
