-- A file without a version, as it was before versions were kept.
CREATE TABLE IF NOT EXISTS items (
    tbl TEXT NOT NULL, part TEXT NOT NULL, sort TEXT NOT NULL,
    value TEXT NOT NULL, version INTEGER NOT NULL, expires_at INTEGER,
    PRIMARY KEY (tbl, part, sort)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_expiring ON items (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, grp TEXT NOT NULL, body TEXT NOT NULL,
    visible_at INTEGER NOT NULL, receives INTEGER NOT NULL DEFAULT 0, lease TEXT
);
CREATE INDEX IF NOT EXISTS messages_by_group ON messages (queue, grp, seq);
CREATE INDEX IF NOT EXISTS messages_leased ON messages (queue, grp) WHERE lease IS NOT NULL;

-- One row for each group that has messages: when its next message may be handed out. A group's name begins
-- with its tenant: tenants take turns.
CREATE TABLE IF NOT EXISTS groups (
    queue TEXT NOT NULL, grp TEXT NOT NULL, ready_at INTEGER NOT NULL, PRIMARY KEY (queue, grp)
) WITHOUT ROWID;
DROP INDEX IF EXISTS groups_ready;
CREATE INDEX IF NOT EXISTS groups_in_turn ON groups (queue, substr(grp, 1, instr(grp || '#', '#') - 1), ready_at);

CREATE TABLE IF NOT EXISTS deduplications (
    queue TEXT NOT NULL, id TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (queue, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS deduplications_old ON deduplications (until);

CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT NOT NULL, letter TEXT NOT NULL
);
