-- What is rare is looked for over months: which hours hold a type or a table must not
-- take a look at every hour.

create index on pgconflict.conflict_hour (conflict_type, hour);
create index on pgconflict.conflict_hour (relname, hour);
