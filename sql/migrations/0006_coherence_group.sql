-- Which parameters must be read by one request because they are of one moment
-- depends: 0005_retention

-- migrate: apply

ALTER TABLE component_parameters ADD COLUMN coherence_group text NOT NULL DEFAULT '';
COMMENT ON COLUMN component_parameters.coherence_group IS
    'parameters of one device with the same word here are read by one request; empty for none';

-- migrate: rollback

ALTER TABLE component_parameters DROP COLUMN coherence_group;
