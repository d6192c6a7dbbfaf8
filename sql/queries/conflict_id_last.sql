-- returns: the highest number given to a conflict so far, stored or not; one row
-- privilege: SELECT on conflict_id_seq
select last_value from pgconflict.conflict_id_seq
