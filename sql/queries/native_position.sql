-- returns: how far each of a node's own conflict tables was copied
-- one row per subscription; privilege: SELECT on native_position
select subid, remote_commit_lsn::text as remote_commit_lsn
  from pgconflict.native_position
 where system_identifier = $1
