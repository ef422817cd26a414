-- Indexes of the list of runs and of what is still to be done with a run
-- depends: 0011_run_summaries
-- transaction: false

-- migrate: apply

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_process_runs_started
    ON process_runs (started_at DESC, id DESC);
COMMENT ON INDEX idx_process_runs_started IS 'a page of the list of runs of all machines, newest first';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_process_runs_machine_started_id
    ON process_runs (machine_id, started_at DESC, id DESC);
COMMENT ON INDEX idx_process_runs_machine_started_id IS 'a page of the list of runs of a machine, newest first';

-- the index above begins with the same columns and has the order of runs that began at one moment too
DROP INDEX CONCURRENTLY IF EXISTS idx_process_runs_machine_started;

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_process_runs_running
    ON process_runs (machine_id, started_at DESC) WHERE status = 'running';
COMMENT ON INDEX idx_process_runs_running IS 'the run that a machine is in';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_process_runs_unsealed
    ON process_runs (ended_at) WHERE sealed_at IS NULL AND ended_at IS NOT NULL;
COMMENT ON INDEX idx_process_runs_unsealed IS 'runs that have ended and are not sealed yet, oldest first';

CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_process_runs_unsummarised
    ON process_runs (ended_at) WHERE summarised_at IS NULL AND ended_at IS NOT NULL AND kind <> 'idle';
COMMENT ON INDEX idx_process_runs_unsummarised IS 'runs that have ended and are not summarised yet, oldest first';

COMMENT ON INDEX idx_recorder_quarantine_process IS 'what was refused in a run';

-- migrate: rollback
