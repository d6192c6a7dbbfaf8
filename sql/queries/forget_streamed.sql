-- Removes what is remembered of streamed transactions once it can't be asked for.
-- returns: nothing; privilege: DELETE on streamed_transaction
delete from pgconflict.streamed_transaction
 where system_identifier = $1 and seen_at < now() - interval '7 days'
