-- The set-values of some parameters from indexes alone, with all that their statement asks for
-- depends: 0016_run_notices
-- transaction: false

-- migrate: apply

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_component_parameters_active_set_value
    ON component_parameters (id) INCLUDE (component_id, set_value, min_value, max_value, tolerance, is_writable)
 WHERE is_active;
COMMENT ON INDEX idx_component_parameters_active_set_value IS 'set-values and limits by id, from the index alone';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_machine_components_activated
    ON machine_components (id) WHERE is_activated;
COMMENT ON INDEX idx_machine_components_activated IS 'whether a component is activated, from the index alone';

-- the first of these holds the same columns and those that it lacks
DROP INDEX CONCURRENTLY IF EXISTS idx_component_parameters_id_set_value;

-- migrate: rollback
