-- Records a row that differs and that no log line told of.
-- $1: node; $2: its system identifier; $3: database; $4: subscription; $5: its name;
-- $6: relation; $7, $8: schema and table; $9: key (JSON); $10: key as text;
-- $11: the publisher's row (JSON); $12: this node's (JSON); $13: message;
-- $14: identity; $15: comparison; $16: place in it; $17: columns;
-- $18: values by node (JSON)
-- returns: the number of the conflict
-- one row; privilege: INSERT on conflict_log, verdict
with put as (
    insert into pgconflict.conflict_log (
        kind, severity, stalls, node, system_identifier, database, subid, subname,
        relid, schemaname, relname, relation, replica_identity, replica_identity_text,
        remote_tuple, local_conflicts, message, first_logged_at, last_logged_at,
        source, status, status_at, verdict, verdict_at, cause, effect, identity, place,
        session_id, line_num)
    values ('difference', 'LOG', false, $1, $2, $3, $4::oid, $5, $6::oid, $7, $8,
            $7 || '.' || $8, $9::jsonb, $10, $11::jsonb,
            case when $12::jsonb is null then '{}'::jsonb[]
                 else array[jsonb_build_object('tuple', $12::jsonb)] end,
            $13, now(), now(), 'verify', 'applied', now(), 'diverged', now(), 'unknown',
            'diverged', $14::bytea, $15::int, 'verify/' || $15::bigint, $16::bigint)
    returning conflict_id),
history as (
    insert into pgconflict.verdict (conflict_id, looked_at, verdict, columns, row_values,
                                    cause, effect)
    select conflict_id, now(), 'diverged', $17::text[], $18::jsonb, 'unknown', 'diverged'
      from put)
select conflict_id from put
