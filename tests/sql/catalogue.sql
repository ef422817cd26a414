-- All that makes the schema named $1, one line an object, the same on every supported version.
-- Constraints of NOT NULL (contype n) have rows of their own only since PostgreSQL 18; columns tell the same.
SELECT 'column ' || a.attrelid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
       || CASE WHEN a.attidentity <> '' THEN ' identity ' || a.attidentity::text ELSE '' END
       || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
       || coalesce(' -- ' || col_description(a.attrelid, a.attnum), '') AS line
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'relation ' || c.oid::regclass || ' ' || c.relkind::text || coalesce(' ' || c.reloptions::text, '')
       || coalesce(' ' || pg_get_partkeydef(c.oid), '') || coalesce(' -- ' || obj_description(c.oid, 'pg_class'), '')
  FROM pg_class c
 WHERE c.relnamespace = $1::regnamespace
UNION ALL
SELECT 'index ' || pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid
 WHERE c.relnamespace = $1::regnamespace
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint
 WHERE connamespace = $1::regnamespace AND contype <> 'n'
UNION ALL
SELECT 'trigger ' || pg_get_triggerdef(t.oid)
  FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = $1::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'function ' || pg_get_functiondef(oid) || coalesce(' -- ' || obj_description(oid, 'pg_proc'), '')
  FROM pg_proc
 WHERE pronamespace = $1::regnamespace
UNION ALL
SELECT 'view ' || c.oid::regclass || ' reads ' || string_agg(DISTINCT d.refobjid::regclass::text, ', ')
  FROM pg_class c
  JOIN pg_rewrite r ON r.ev_class = c.oid
  JOIN pg_depend d ON d.objid = r.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
 WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('v', 'm')
 GROUP BY c.oid
 ORDER BY 1
