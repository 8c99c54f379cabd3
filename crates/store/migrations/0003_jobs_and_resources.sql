-- Jobs, their tasks and instances; clusters, images, apps and keys; the record of changes.

CREATE TABLE jobs (
  id VARCHAR(64) NOT NULL PRIMARY KEY,
  owner VARCHAR(64) NOT NULL,
  name VARCHAR(191) NOT NULL,
  state VARCHAR(32) NOT NULL,
  priority INT NOT NULL,
  project VARCHAR(191) NULL,
  message {bigtext} NOT NULL,
  created_ms BIGINT NOT NULL,
  started_ms BIGINT NULL,
  ended_ms BIGINT NULL,
  spec {bigtext} NOT NULL,
  plan {bigtext} NOT NULL
) {table_options};

CREATE INDEX jobs_of_owner ON jobs (owner, id);

CREATE INDEX jobs_of_owner_by_state ON jobs (owner, state, id);

CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE job_tasks (
  job_id VARCHAR(64) NOT NULL,
  name VARCHAR(64) NOT NULL,
  position INT NOT NULL,
  cluster VARCHAR(64) NOT NULL,
  state VARCHAR(32) NOT NULL,
  started_ms BIGINT NULL,
  ended_ms BIGINT NULL,
  waiting BIGINT NOT NULL,
  running BIGINT NOT NULL,
  finished BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  stopped BIGINT NOT NULL,
  PRIMARY KEY (job_id, name)
) {table_options};

CREATE INDEX job_tasks_of_cluster ON job_tasks (cluster, job_id);

CREATE TABLE job_instances (
  job_id VARCHAR(64) NOT NULL,
  task VARCHAR(64) NOT NULL,
  number INT NOT NULL,
  state VARCHAR(32) NOT NULL,
  started_ms BIGINT NULL,
  ended_ms BIGINT NULL,
  retries INT NOT NULL,
  attempts INT NOT NULL,
  node VARCHAR(64) NOT NULL,
  result {bigtext} NOT NULL,
  PRIMARY KEY (job_id, task, number)
) {table_options};

CREATE TABLE resources (
  kind VARCHAR(32) NOT NULL,
  id VARCHAR(191) NOT NULL,
  owner VARCHAR(64) NOT NULL,
  name VARCHAR(191) NOT NULL,
  state VARCHAR(32) NOT NULL,
  version BIGINT NOT NULL,
  created_ms BIGINT NOT NULL,
  doc {bigtext} NOT NULL,
  PRIMARY KEY (kind, id)
) {table_options};

CREATE INDEX resources_of_owner ON resources (kind, owner, id);

CREATE TABLE audit (
  id VARCHAR(64) NOT NULL PRIMARY KEY,
  at_ms BIGINT NOT NULL,
  account VARCHAR(64) NOT NULL,
  action VARCHAR(64) NOT NULL,
  resource VARCHAR(191) NOT NULL,
  detail {bigtext} NOT NULL
) {table_options};
