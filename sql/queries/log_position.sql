-- returns: where reading a node's log goes on
-- one row per node, none before the first; privilege: SELECT on log_position
select log_format, file_name, signature, signature_length, byte_offset,
       state::text as state
  from pgconflict.log_position
 where node = $1 and system_identifier = $2
