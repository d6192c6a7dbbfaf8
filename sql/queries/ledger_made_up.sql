-- Forgets the differences of an epoch: all of it was recorded after all.
-- returns: nothing; privilege: DELETE on ledger_difference
delete from pgconflict.ledger_difference
 where system_identifier = $1 and subid = $2 and counter = $3 and epoch_began_at = $4
