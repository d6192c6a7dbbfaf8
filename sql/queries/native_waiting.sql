-- returns: whether rows copied from PostgreSQL's own tables still lack their log entry
-- one row; privilege: SELECT on conflict_log
select exists (
    select from pgconflict.conflict_log
     where system_identifier = $1 and source = 'native' and attempts = 0
       and first_logged_at > now() - interval '1 hour') as waiting
