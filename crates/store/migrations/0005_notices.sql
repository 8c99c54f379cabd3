-- Messages that wait for their receivers.

CREATE TABLE notices (
  id VARCHAR(64) NOT NULL PRIMARY KEY,
  kind VARCHAR(32) NOT NULL,
  owner VARCHAR(191) NOT NULL,
  subject VARCHAR(64) NOT NULL,
  receiver {bigtext} NOT NULL,
  tries INT NOT NULL,
  created_ms BIGINT NOT NULL,
  body {bigtext} NOT NULL
) {table_options};

CREATE INDEX notices_of_owner ON notices (kind, owner, id);
