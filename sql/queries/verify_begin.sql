-- $1, $2: schema and table; $3: nodes; $4: their system identifiers; $5: key columns;
-- $6: user of the machine; $7: its name
-- returns: the number of the comparison
-- one row; privilege: INSERT on verify_run
insert into pgconflict.verify_run (schemaname, relname, nodes, system_identifiers,
                                   key_columns, os_user, host)
values ($1, $2, $3, $4::bigint[], $5, $6, $7)
returning run_id
