-- $1 to $8: kind, source, targets, database, options, role on the nodes, account, host;
-- $9: version of pgconflict
-- returns: the number of the run
-- one row; privilege: INSERT and SELECT on sequence_sync
insert into pgconflict.sequence_sync (
    kind, source_node, target_nodes, database, options, node_role, os_user, host,
    pgconflict_version)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
returning sync_id
