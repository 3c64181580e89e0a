/* Every fixed statement of the ledger, prepared at first use. */
#ifndef MLOPSCTL_LEDGER_SQL_H
#define MLOPSCTL_LEDGER_SQL_H

/* The hashed columns of a run in their order (docs/ledger.md), then the hashes themselves. */
#define MLO_RUN_HASHED                                                                                       \
    "id, seq, started_ns, ended_ns, command, argv, cwd, user, host, tool_version, git_commit, git_dirty, "   \
    "note, status, exit_code, undo_of"
#define MLO_RUN_COLUMNS    MLO_RUN_HASHED ", prev_hash, hash"
#define MLO_EFFECT_COLUMNS "run, ordinal, kind, target, before, after, state"

#define MLO_SQL_LIST(X)                                                                                      \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(SAVE_MOVES, "SAVEPOINT moves")                                                                         \
    X(DROP_MOVES, "ROLLBACK TO moves")                                                                       \
    X(HEAD, "SELECT seq, hash FROM head")                                                                    \
    X(SET_HEAD, "UPDATE head SET seq = ?1, hash = ?2")                                                       \
    X(RUN_INSERT, "INSERT INTO runs (started_ns, command, argv, cwd, user, host, tool_version, git_commit, " \
                  "git_dirty, note, undo_of, status) VALUES (?,?,?,?,?,?,?,?,?,?,nullif(?,0),'running')")    \
    X(RUN_END, "UPDATE runs SET seq = ?2, ended_ns = ?3, status = ?4, exit_code = ?5 WHERE id = ?1")         \
    X(RUN_HASH, "UPDATE runs SET prev_hash = ?2, hash = ?3 WHERE id = ?1")                                   \
    X(RUN_STATUS, "SELECT status, command, seq, undo_of FROM runs WHERE id = ?1")                            \
    X(RUN_ROW, "SELECT " MLO_RUN_COLUMNS " FROM runs WHERE id = ?1")                                         \
    X(RUNNING, "SELECT id, command FROM runs WHERE status <> 'done' AND status = 'running' ORDER BY id")     \
    X(RUNS_AFTER, "SELECT id, seq FROM runs WHERE seq > ?1 ORDER BY seq DESC")                               \
    X(EFFECT_INSERT, "INSERT INTO effects (run, ordinal, kind, target, before, after, state, seq) "          \
                     "VALUES (?,?,?,?,?,?,?,nullif(?,0))")                                                   \
    X(EFFECT_STATE, "UPDATE effects SET state = ?3 WHERE run = ?1 AND ordinal = ?2")                         \
    X(EFFECT_AFTER, "UPDATE effects SET after = ?3 WHERE run = ?1 AND ordinal = ?2")                         \
    X(EFFECT_SEQ, "UPDATE effects SET seq = ?2 WHERE run = ?1 AND seq IS NULL")                              \
    X(EFFECTS, "SELECT " MLO_EFFECT_COLUMNS " FROM effects WHERE run = ?1 ORDER BY ordinal")                 \
    X(EFFECTS_BACK, "SELECT " MLO_EFFECT_COLUMNS " FROM effects WHERE run = ?1 ORDER BY ordinal DESC")       \
    X(EFFECT_LAST, "SELECT after, run FROM effects WHERE kind = ?1 AND target = ?2 AND seq IS NOT NULL "     \
                   "ORDER BY seq DESC, run DESC, ordinal DESC LIMIT 1")                                      \
    X(EFFECT_HISTORY, "SELECT " MLO_EFFECT_COLUMNS " FROM effects WHERE kind = ?1 AND target = ?2 "          \
                      "AND seq IS NOT NULL ORDER BY seq DESC, run DESC, ordinal DESC LIMIT ?3")              \
    X(EFFECTS_OF, "SELECT " MLO_EFFECT_COLUMNS " FROM effects WHERE kind = ?1 ORDER BY run DESC, "           \
                  "ordinal DESC")                                                                            \
    X(EFFECT_LATER, "SELECT " MLO_EFFECT_COLUMNS                                                             \
                    ", seq FROM effects WHERE kind = ?1 AND target = ?2 AND seq > ?3 ORDER BY seq DESC")     \
    X(EFFECT_OPEN, "SELECT run FROM effects WHERE kind = ?1 AND target = ?2 AND seq IS NULL AND run <> ?3 "  \
                   "LIMIT 1")                                                                                \
    X(UNDO_MARKS, "SELECT r.seq FROM effects AS e JOIN runs AS r ON r.id = CAST(e.target AS INTEGER) "       \
                  "WHERE e.run = ?1 AND e.kind = 'run' AND e.after = 'undone' ORDER BY r.seq LIMIT 1")       \
    X(METRIC_PUT, "INSERT INTO metrics (run, key, value) VALUES (?,?,?) "                                    \
                  "ON CONFLICT (run, key) DO UPDATE SET value = excluded.value")                             \
    X(METRICS, "SELECT run, key, value FROM metrics WHERE run = ?1 ORDER BY key")                            \
    X(ARTIFACT_PUT, "INSERT INTO artifacts (run, ordinal, kind, digest, size) VALUES (?,?,?,?,?)")           \
    X(ARTIFACTS, "SELECT run, ordinal, kind, digest, size FROM artifacts WHERE run = ?1 ORDER BY ordinal")   \
    X(NAME_GET, "SELECT digest, run FROM names WHERE kind = ?1 AND name = ?2")                               \
    X(NAME_PUT, "INSERT INTO names (kind, name, digest, run) VALUES (?,?,?,?) ON CONFLICT (kind, name) "     \
                "DO UPDATE SET digest = excluded.digest, run = excluded.run")                                \
    X(NAME_DROP, "DELETE FROM names WHERE kind = ?1 AND name = ?2")                                          \
    X(NAMES, "SELECT n.kind, n.name, n.digest, n.run, r.ended_ns FROM names AS n "                           \
             "LEFT JOIN runs AS r ON r.id = n.run ORDER BY n.kind, n.name")                                  \
    X(NAMES_OF, "SELECT n.kind, n.name, n.digest, n.run, r.ended_ns FROM names AS n "                        \
                "LEFT JOIN runs AS r ON r.id = n.run WHERE n.kind = ?1 ORDER BY n.name")

#endif
