-- Version 1 of the database file. Times are milliseconds since 1970; ids and hashes are raw bytes.

-- Types, named once. history: 0 = latest message only, 1 = all.
CREATE TABLE kinds (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  history INTEGER NOT NULL DEFAULT 0
);

-- Entities: each row is its winning message. late is the time from creation to it, so that an entity that was
-- written once needs no bytes for it. raw is the whole envelope, where it is not of the usual form.
CREATE TABLE ents (
  row INTEGER PRIMARY KEY,
  eid BLOB NOT NULL UNIQUE,
  kind INTEGER NOT NULL,
  created INTEGER NOT NULL,
  late INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  gid TEXT,
  pid BLOB,
  body BLOB NOT NULL,
  raw BLOB,
  updated INTEGER GENERATED ALWAYS AS (created + late) VIRTUAL
);
CREATE INDEX ents_created ON ents (kind, created, eid);
CREATE INDEX ents_updated ON ents (kind, updated, eid);
CREATE INDEX ents_parent ON ents (kind, pid, eid) WHERE pid IS NOT NULL;
CREATE INDEX ents_group ON ents (kind, gid, eid) WHERE gid IS NOT NULL;

-- Ends of entities.
CREATE TABLE tombstones (
  eid BLOB PRIMARY KEY,
  late INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  kind INTEGER
) WITHOUT ROWID;

-- Messages that are not their entity's state: kept of its past, or set aside (reason) by a reader's version.
CREATE TABLE log (
  eid BLOB NOT NULL,
  late INTEGER NOT NULL,
  counter INTEGER NOT NULL,
  hash BLOB NOT NULL,
  body BLOB,
  reason TEXT,
  reader INTEGER,
  PRIMARY KEY (eid, late, counter, hash)
) WITHOUT ROWID;
CREATE INDEX log_hash ON log (hash);
CREATE INDEX log_aside ON log (eid, late, counter, hash, reader) WHERE reason IS NOT NULL;

-- Hosts. stage: 0 = replay, 1 = upload, 2 = done. filled: how far the walk through all messages has come. history:
-- how often the numbers were forgotten, so that a process that has not heard of it writes none of the old ones.
CREATE TABLE links (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  label TEXT NOT NULL,
  url TEXT NOT NULL,
  number INTEGER NOT NULL,
  stage INTEGER NOT NULL DEFAULT 0,
  epoch BLOB,
  seq INTEGER,
  filled BLOB NOT NULL DEFAULT x'',
  history INTEGER NOT NULL DEFAULT 0,
  trouble_code TEXT,
  trouble_text TEXT,
  trouble_since INTEGER,
  trouble_retry INTEGER
);

-- What a link's numbers hold. state: 0 = a message of the entity (hash: which one of the log; empty: its winner),
-- 1 = superseded, 2 = damaged, 3 = unreadable, for this reason.
CREATE TABLE bags (
  link INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  eid BLOB,
  state INTEGER NOT NULL,
  hash BLOB,
  reason TEXT,
  PRIMARY KEY (link, seq)
) WITHOUT ROWID;
CREATE INDEX bags_held ON bags (link, eid, hash) WHERE state = 0;
CREATE INDEX bags_removable ON bags (link, seq) WHERE state IN (1, 2);
CREATE INDEX bags_unreadable ON bags (link, seq) WHERE state = 3;

-- What waits for a link. hash as in bags.
CREATE TABLE outbox (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  link INTEGER NOT NULL,
  eid BLOB NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (link, eid, hash)
);
CREATE INDEX outbox_order ON outbox (link, position);

-- One row: the reader that last tried what is set aside.
CREATE TABLE reader (version INTEGER NOT NULL);
INSERT INTO reader VALUES (0);

-- At most one row: a name of the seed that the database belongs to. It tells nothing of the seed.
CREATE TABLE owner (name TEXT NOT NULL);
