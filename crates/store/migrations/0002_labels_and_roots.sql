-- Labels of runs, and the run at the top of each family of runs.

ALTER TABLE runs ADD COLUMN root_id VARCHAR(64) NULL;

CREATE INDEX runs_by_name ON runs (name, created_ms);

CREATE INDEX runs_of_state ON runs (state, created_ms);

CREATE INDEX runs_of_parent ON runs (parent_id, created_ms);

CREATE TABLE labels (
  run_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (run_id, name),
  FOREIGN KEY (run_id) REFERENCES runs (id)
) {table_options};

CREATE INDEX labels_by_value ON labels (name, value);
