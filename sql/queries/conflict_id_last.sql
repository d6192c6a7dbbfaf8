-- returns: the highest number given to a conflict so far, stored or not; one row
-- privilege: SELECT on conflict_id_seq
select case when is_called then last_value else 0 end from pgconflict.conflict_id_seq
