-- What began an index on the same column: each change of a run's state wrote both.

DROP INDEX runs_by_state{of_runs};

DROP INDEX runs_by_parent{of_runs};
