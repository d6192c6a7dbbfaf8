-- Records local rows that make room for a transaction, before they do.
-- $1 action_id, $2 JSON array of {schemaname, relname, fate, key, row}
-- returns: nothing; privilege: INSERT on moved_row
insert into pgconflict.moved_row (
    action_id, place, schemaname, relname, fate, key, row_data)
select $1::bigint, o.place, c.schemaname, c.relname, c.fate, c.key, c.row
  from pg_catalog.jsonb_array_elements($2::text::jsonb) with ordinality o (one, place)
 cross join lateral pg_catalog.jsonb_to_record(o.one) as c (
     schemaname text, relname text, fate text, key jsonb, row jsonb)
