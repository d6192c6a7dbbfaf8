-- $1: file; $2: where from; $3: how much; $4: how much of its beginning
-- returns: what stands there, and after that the file's first bytes, so that bytes of
--          a file that was replaced in between are known by its beginning; null where
--          there is no such file
-- one row; privilege: EXECUTE on pg_read_binary_file(text, bigint, bigint, boolean)
select d.data,
       pg_catalog.pg_read_binary_file($1::text, 0, $4::bigint, true) as head
  from (select pg_catalog.pg_read_binary_file($1::text, $2::bigint, $3::bigint, true)
                   as data
        offset 0) d
