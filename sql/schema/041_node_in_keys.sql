-- Every key of what is recorded names the server it is about, so that a site may
-- distribute these tables by system_identifier; a unique index must hold that column.

alter table pgconflict.conflict_log
    drop constraint conflict_log_pkey,
    add primary key (first_logged_at, conflict_id, system_identifier);
