-- Removes what is remembered of streamed transactions once it can't be asked for.
-- returns: nothing; privilege: DELETE on streamed_transaction
delete from pgconflict.streamed_transaction where seen_at < now() - interval '7 days'
