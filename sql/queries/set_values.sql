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
