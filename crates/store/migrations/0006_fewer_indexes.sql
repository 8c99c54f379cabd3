-- What began an index on the same column is gone: each change of a run's state wrote both. The index of states has all that
-- a sorted page of runs in some states is found by.

DROP INDEX runs_by_state{of_runs};

DROP INDEX runs_by_parent{of_runs};

DROP INDEX runs_of_state{of_runs};

CREATE INDEX runs_of_state ON runs (state, created_ms, id);
