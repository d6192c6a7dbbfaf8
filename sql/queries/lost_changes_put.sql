-- Records changes that a skipped transaction made, in their order.
-- $1 action_id, $2 place of the first, $3 JSON array of {schemaname, relname,
-- operation, key, row}
-- returns: nothing; privilege: INSERT on lost_change
insert into pgconflict.lost_change (
    action_id, place, schemaname, relname, operation, key, row_data)
select $1::bigint, $2::bigint + o.place - 1, c.schemaname, c.relname, c.operation,
       c.key, c.row
  from pg_catalog.jsonb_array_elements($3::text::jsonb) with ordinality o (change, place)
 cross join lateral pg_catalog.jsonb_to_record(o.change) as c (
     schemaname text, relname text, operation text, key jsonb, row jsonb)
