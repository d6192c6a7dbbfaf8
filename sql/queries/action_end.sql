-- Records how it ended.
-- $1 action_id, $2 outcome, $3 what was seen
-- returns: nothing; privilege: UPDATE on subscription_action
update pgconflict.subscription_action
   set outcome = $2, seen = $3::text[], ended_at = now()
 where action_id = $1
