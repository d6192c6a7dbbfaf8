-- Moves a node's position.
-- returns: nothing; privilege: INSERT and UPDATE on log_position
insert into pgconflict.log_position as p (
    node, system_identifier, log_format, file_name, signature, signature_length,
    byte_offset, state)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (node, system_identifier) do update
   set log_format = excluded.log_format, file_name = excluded.file_name,
       signature = excluded.signature, signature_length = excluded.signature_length,
       byte_offset = excluded.byte_offset, state = excluded.state, updated_at = now()
