-- Records what is about to be done to a subscription, before it is done.
-- $1 action, $2 node, $3 system identifier, $4 database, $5 subscription oid, $6 its
-- name, $7 slot, $8 publisher, $9 finish LSN, $10 remote xid, $11 statements, $12 role
-- on the node, $13 operating system's user, $14 host, $15 reason, $16 changes, $17
-- whether all of them are known
-- returns: action_id; one row; privilege: INSERT on subscription_action
insert into pgconflict.subscription_action (
    action, node, system_identifier, database, subid, subname, slot_name, publisher,
    remote_commit_lsn, remote_xid, statements, node_role, os_user, host, reason,
    changes, changes_known)
values ($1, $2, $3, $4, $5::oid, $6, $7, $8, $9::pg_lsn, $10, $11::text[], $12, $13,
        $14, $15, $16, $17)
returning action_id
