-- Removes entries staged twice: the same log entry, read again within one batch.
-- privilege: none, it is the connection's own table
delete from pg_temp.stage s
 using (select ctid as row_id,
               row_number() over (
                   partition by system_identifier, identity, session_id, line_num
                   order by ctid) as reading
          from pg_temp.stage) r
 where s.ctid = r.row_id and r.reading > 1
