-- returns: whether any conflict was ever looked at
-- one row; privilege: SELECT on effect_hour
select exists (select from pgconflict.effect_hour) as known
