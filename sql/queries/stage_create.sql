-- A connection's own table for rows that may be in the conflict log already.
-- privilege: TEMPORARY on the database
create temporary table if not exists stage (
    kind text, conflict_type text, severity text, sqlstate text, stalls boolean,
    node text, system_identifier bigint, database text, subid oid, subname text,
    relid oid, schemaname text, relname text, relation text, operation text,
    index_names text[], remote_origin text, remote_xid bigint, remote_commit_lsn
    pg_lsn, remote_commit_ts timestamptz, replica_identity_full boolean,
    replica_identity jsonb, remote_tuple jsonb, local_conflicts jsonb[],
    truncated_columns text[], replica_identity_text text, remote_tuple_text text,
    message text, detail text, context text, first_logged_at timestamptz,
    last_logged_at timestamptz, source text, status text, status_at timestamptz,
    identity bytea, pid integer, session_id text, line_num bigint,
    place integer, fresh boolean not null default false)
on commit delete rows
