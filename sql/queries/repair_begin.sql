-- $1: conflicts; $2, $3: schema and table; $4: key (JSON); $5: winner; $6: nodes to be
-- written; $7: statements by node (JSON); $8: rows before, by node (JSON);
-- $9: user of the machine; $10: its name; $11: why
-- returns: the number of the repair
-- one row; privilege: INSERT on repair
insert into pgconflict.repair (conflict_ids, schemaname, relname, key, winner, nodes,
                               statements, before, os_user, host, reason)
values ($1::bigint[], $2, $3, $4::jsonb, $5, $6::text[], $7::jsonb, $8::jsonb, $9, $10,
        $11)
returning repair_id
