-- Indexes of the plain tables, each with the reader it serves
-- depends: 0002_functions
-- transaction: false

-- What an interrupted run left invalid is dropped (CONCURRENTLY) by the runner before this file runs.

-- migrate: apply

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_component_parameters_component_id
    ON component_parameters (component_id);
COMMENT ON INDEX idx_component_parameters_component_id IS 'all parameters of a component';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_component_parameters_component_active
    ON component_parameters (component_id, is_active) WHERE is_active;
COMMENT ON INDEX idx_component_parameters_component_active IS 'load of the definitions: active parameters alone';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_component_parameters_id_set_value
    ON component_parameters (id) INCLUDE (set_value, min_value, max_value);
COMMENT ON INDEX idx_component_parameters_id_set_value IS 'set-values and limits by id, from the index alone';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_machine_components_machine_activated
    ON machine_components (machine_id, is_activated) WHERE is_activated;
COMMENT ON INDEX idx_machine_components_machine_activated IS 'activated components of a machine';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_process_runs_machine_started
    ON process_runs (machine_id, started_at DESC);
COMMENT ON INDEX idx_process_runs_machine_started IS 'list of runs of a machine, newest first';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_recorder_streams_recorder_epoch
    ON recorder_streams (recorder, epoch);
COMMENT ON INDEX idx_recorder_streams_recorder_epoch IS 'next epoch of a recorder';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_set_value_changes_parameter_changed
    ON set_value_changes (parameter_id, changed_at DESC);
COMMENT ON INDEX idx_set_value_changes_parameter_changed IS 'history of the set-value of a parameter, newest first';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_set_value_changes_process
    ON set_value_changes (process_id) WHERE process_id IS NOT NULL;
COMMENT ON INDEX idx_set_value_changes_process IS 'changes of set-values in a run';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_recorder_events_recorder_occurred
    ON recorder_events (recorder, occurred_at DESC);
COMMENT ON INDEX idx_recorder_events_recorder_occurred IS 'events of a recorder, newest first';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_recorder_events_process
    ON recorder_events (process_id) WHERE process_id IS NOT NULL;
COMMENT ON INDEX idx_recorder_events_process IS 'events in a run';

-- migrate: rollback
