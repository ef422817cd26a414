-- name: load_definitions
-- All active parameters of all activated components of one machine, each row with how many there must be.
SELECT parameter.id, component.name AS component, parameter.name, parameter.unit, parameter.device,
       parameter.register_kind, parameter.address, parameter.data_type, parameter.word_order, parameter.bit,
       parameter.length, parameter.scale, parameter."offset", parameter.set_value_parameter_id,
       parameter.write_address, parameter.set_value, parameter.min_value, parameter.max_value,
       parameter.range_low, parameter.range_high, parameter.sentinels, parameter.tolerance,
       parameter.scan_interval_ms, parameter.is_writable, parameter.plc_symbol, parameter.coherence_group,
       parameter.version,
       (SELECT count(*)
          FROM component_parameters counted
          JOIN machine_components its ON its.id = counted.component_id
          -- by name and not by the row's machine: counted once and not once a row
          JOIN machines named ON named.id = its.machine_id AND named.name = $1::text
         WHERE its.is_activated AND counted.is_active) AS expected
  FROM machines machine
  JOIN machine_components component ON component.machine_id = machine.id AND component.is_activated
  JOIN component_parameters parameter ON parameter.component_id = component.id AND parameter.is_active
 WHERE machine.name = $1::text
 ORDER BY component.name, parameter.name;

-- name: all_definitions
-- All parameters of one machine, inactive ones too, as an import compares them.
SELECT parameter.id, component.name AS component, parameter.name, parameter.unit, parameter.device,
       parameter.register_kind, parameter.address, parameter.data_type, parameter.word_order, parameter.bit,
       parameter.length, parameter.scale, parameter."offset", parameter.write_address, parameter.set_value,
       parameter.min_value, parameter.max_value, parameter.range_low, parameter.range_high, parameter.sentinels,
       parameter.tolerance, parameter.scan_interval_ms, parameter.is_writable, parameter.is_active,
       parameter.plc_symbol, parameter.coherence_group, parameter.set_value_parameter_id,
       shown_by_component.name || '/' || shown_by.name AS set_value_parameter
  FROM machines machine
  JOIN machine_components component ON component.machine_id = machine.id
  JOIN component_parameters parameter ON parameter.component_id = component.id
  LEFT JOIN component_parameters shown_by ON shown_by.id = parameter.set_value_parameter_id
  LEFT JOIN machine_components shown_by_component ON shown_by_component.id = shown_by.component_id
 WHERE machine.name = $1::text
 ORDER BY component.name, parameter.name;

-- name: upsert_machine
-- Makes a machine where it is missing and returns its id.
INSERT INTO machines (name) VALUES ($1::text)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name
RETURNING id;

-- name: upsert_components
-- Makes the components of a machine that are missing.
INSERT INTO machine_components (machine_id, name)
SELECT $1::int, name FROM unnest($2::text[]) AS name
    ON CONFLICT (machine_id, name) DO NOTHING;

-- name: upsert_parameter
-- Makes or changes one parameter; its live set-value is left alone where it is there already.
INSERT INTO component_parameters (
    component_id, name, unit, device, register_kind, address, data_type, word_order, bit, length, scale, "offset",
    write_address, set_value, min_value, max_value, range_low, range_high, sentinels, tolerance, scan_interval_ms,
    is_writable, plc_symbol, coherence_group, is_active)
SELECT component.id, $3::text, $4::text, $5::text, $6::text, $7::int, $8::text, $9::text, $10::smallint, $11::smallint,
       $12::float8, $13::float8, $14::int, $15::float8, $16::float8, $17::float8, $18::float8, $19::float8,
       $20::float8[], $21::float8, $22::int, $23::boolean, $24::text, $25::text, true
  FROM machine_components component
 WHERE component.machine_id = $1::int AND component.name = $2::text
    ON CONFLICT (component_id, name) DO UPDATE SET
       unit = excluded.unit, device = excluded.device, register_kind = excluded.register_kind,
       address = excluded.address, data_type = excluded.data_type, word_order = excluded.word_order,
       bit = excluded.bit, length = excluded.length, scale = excluded.scale, "offset" = excluded."offset",
       write_address = excluded.write_address, min_value = excluded.min_value, max_value = excluded.max_value,
       range_low = excluded.range_low, range_high = excluded.range_high, sentinels = excluded.sentinels,
       tolerance = excluded.tolerance, scan_interval_ms = excluded.scan_interval_ms,
       is_writable = excluded.is_writable, plc_symbol = excluded.plc_symbol,
       coherence_group = excluded.coherence_group, is_active = true;

-- name: link_set_value_parameter
-- Says which parameter, by component and name, holds the tool's set-value of another; NULL says none does.
UPDATE component_parameters parameter
   SET set_value_parameter_id = (
       SELECT shown_by.id
         FROM component_parameters shown_by
         JOIN machine_components its ON its.id = shown_by.component_id
        WHERE its.machine_id = $1::int AND its.name = $4::text AND shown_by.name = $5::text)
  FROM machine_components component
 WHERE component.id = parameter.component_id AND component.machine_id = $1::int
   AND component.name = $2::text AND parameter.name = $3::text;

-- name: deactivate_parameters
-- Takes parameters out of service that a definitions file no longer has; their points stay.
UPDATE component_parameters SET is_active = false WHERE id = ANY ($1::int[]);
