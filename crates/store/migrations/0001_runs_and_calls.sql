-- Runs, their calls, and what call caching remembers about files.
-- `{bigtext}` and `{table_options}` are replaced for each engine; statements end with a semicolon at a line's end.

CREATE TABLE runs (
  id VARCHAR(64) NOT NULL PRIMARY KEY,
  parent_id VARCHAR(64) NULL,
  name VARCHAR(191) NOT NULL,
  state VARCHAR(32) NOT NULL,
  dir {bigtext} NOT NULL,
  created_ms BIGINT NOT NULL,
  started_ms BIGINT NULL,
  ended_ms BIGINT NULL,
  owner VARCHAR(191) NULL,
  spec {bigtext} NOT NULL,
  result {bigtext} NULL
) {table_options};

CREATE INDEX runs_by_created ON runs (created_ms);

CREATE INDEX runs_by_state ON runs (state);

CREATE INDEX runs_by_parent ON runs (parent_id);

CREATE TABLE calls (
  run_id VARCHAR(64) NOT NULL,
  call_name VARCHAR(191) NOT NULL,
  shard VARCHAR(64) NOT NULL,
  attempt INT NOT NULL,
  task VARCHAR(191) NOT NULL,
  state VARCHAR(32) NOT NULL,
  started_ms BIGINT NULL,
  ended_ms BIGINT NULL,
  exit_code INT NULL,
  cached SMALLINT NOT NULL,
  cache_key VARCHAR(64) NULL,
  reusable SMALLINT NOT NULL,
  start_doc {bigtext} NOT NULL,
  end_doc {bigtext} NULL,
  PRIMARY KEY (run_id, call_name, shard, attempt),
  FOREIGN KEY (run_id) REFERENCES runs (id)
) {table_options};

CREATE INDEX calls_by_cache_key ON calls (cache_key, ended_ms);

CREATE INDEX calls_by_task ON calls (task, ended_ms);

CREATE TABLE file_digests (
  path_hash VARCHAR(64) NOT NULL PRIMARY KEY,
  path {bigtext} NOT NULL,
  size BIGINT NOT NULL,
  mtime_ns BIGINT NOT NULL,
  inode BIGINT NOT NULL,
  digest VARCHAR(64) NOT NULL
) {table_options};

CREATE TABLE blobs (
  hash VARCHAR(64) NOT NULL PRIMARY KEY,
  content {bigtext} NOT NULL
) {table_options};
