-- name: set_values_of_machine
-- Desired set-values and write limits of all active parameters of one machine.
SELECT parameter.id AS parameter_id, parameter.set_value AS desired, parameter.min_value, parameter.max_value,
       parameter.tolerance, parameter.is_writable
  FROM machines machine
  JOIN machine_components component ON component.machine_id = machine.id AND component.is_activated
  JOIN component_parameters parameter ON parameter.component_id = component.id AND parameter.is_active
 WHERE machine.name = $1::text;

-- name: set_values_by_id
-- Desired set-values and write limits of some parameters; one that is not in service is left out.
SELECT parameter.id AS parameter_id, parameter.set_value AS desired, parameter.min_value, parameter.max_value,
       parameter.tolerance, parameter.is_writable
  FROM component_parameters parameter
  JOIN machine_components component ON component.id = parameter.component_id AND component.is_activated
 WHERE parameter.id = ANY ($1::int[]) AND parameter.is_active;

-- name: record_set_value_change
-- Records who changed a set-value, when, why and with what outcome; what was done is desired from then on.
WITH changed AS (
    INSERT INTO set_value_changes (changed_at, parameter_id, process_id, old_value, new_value, changed_by, source,
                                   reason, read_back, outcome)
    VALUES (to_timestamp(0) + $1::int8 * interval '1 microsecond', $2::int4, $3::int8, $4::float8, $5::float8,
            $6::text, $7::text, $8::text, $9::float8, $10::text)
    RETURNING parameter_id, new_value, outcome
)
UPDATE component_parameters parameter
   SET set_value = changed.new_value
  FROM changed
 WHERE parameter.id = changed.parameter_id AND changed.outcome IN ('done', 'followed');
