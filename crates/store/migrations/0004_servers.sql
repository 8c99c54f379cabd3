-- Servers that share the database.

CREATE TABLE servers (
  id VARCHAR(191) NOT NULL PRIMARY KEY,
  name VARCHAR(191) NOT NULL,
  beat BIGINT NOT NULL,
  fenced SMALLINT NOT NULL,
  seen_ms BIGINT NOT NULL
) {table_options};
