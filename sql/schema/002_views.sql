-- What DBAs ask the conflict log, as views; docs/conflict-log.md has an example of each.

create view pgconflict.pg_conflict_log as
select c.relid, c.schemaname, c.relname, c.conflict_type,
       c.remote_xid::text::xid as remote_xid,
       c.remote_commit_lsn, c.remote_commit_ts, c.remote_origin,
       c.replica_identity_full,
       c.replica_identity::json as replica_identity,
       c.remote_tuple::json as remote_tuple,
       case when c.local_conflicts is not null then
           array(select pg_catalog.row_to_json(e)
                   from unnest(c.local_conflicts) with ordinality as l (row, place)
                  cross join lateral (
                      select l.row ->> 'xid' as xid,
                             (l.row ->> 'commit_ts')::timestamptz as commit_ts,
                             l.row ->> 'origin' as origin,
                             nullif(l.row -> 'key', 'null')::json as key,
                             nullif(l.row -> 'tuple', 'null')::json as tuple) e
                  order by l.place)
       end as local_conflicts
  from pgconflict.conflict_log c
 where c.kind = 'conflict';
comment on view pgconflict.pg_conflict_log is
    'The conflicts of all nodes in the columns of the tables pg_conflict.pg_conflict_log_<subid> of PostgreSQL 20: a query for one works on the other';

create view pgconflict.open_conflicts as
select c.conflict_id, c.first_logged_at, c.last_logged_at, c.attempts, c.status,
       c.node, c.database, c.subname, c.kind, c.conflict_type, c.sqlstate,
       c.schemaname, c.relname, c.relation, c.operation, c.index_names,
       c.remote_origin, c.remote_xid, c.remote_commit_lsn,
       c.replica_identity_text, c.message, c.acknowledged_at, c.acknowledged_by, c.note
  from pgconflict.conflict_log c
 where c.stalls and c.status in ('open', 'disabled');
comment on view pgconflict.open_conflicts is
    'What keeps a subscription from applying: logged again at each attempt (open), or disabled because of it';

create view pgconflict.transaction_conflicts as
select c.system_identifier, c.node, c.database, c.subname, c.remote_origin,
       c.remote_xid, c.remote_commit_lsn, c.remote_commit_ts,
       count(*) over remote_transaction as conflicts,
       bool_or(c.stalls) over remote_transaction as stopped_apply,
       c.conflict_id, c.first_logged_at, c.kind, c.conflict_type, c.operation,
       c.schemaname, c.relname, c.relation, c.replica_identity_text, c.remote_tuple_text,
       c.attempts, c.status
  from pgconflict.conflict_log c
 where c.remote_xid is not null
window remote_transaction as (
    partition by c.system_identifier, c.node, c.database, c.subname, c.remote_origin,
                 c.remote_xid, c.remote_commit_lsn, c.remote_commit_ts);
comment on view pgconflict.transaction_conflicts is
    'Each conflict with its remote transaction, and how many the transaction met; ask by node and remote_xid';

-- A row is named by the key as the server prints it. What an insert ran into is named
-- by the local row's key only.
create view pgconflict.row_history as
select c.schemaname, c.relname, k.key, c.first_logged_at, c.node, c.subname,
       c.conflict_type, c.operation, c.remote_origin, c.remote_xid, c.remote_commit_lsn,
       c.remote_commit_ts, c.remote_tuple_text, c.remote_tuple, c.local_conflicts,
       c.attempts, c.status, c.verdict, c.effect, c.conflict_id
  from pgconflict.conflict_log c
 cross join lateral (select c.replica_identity_text as key) k
 where c.kind = 'conflict' and k.key is not null
union all
select c.schemaname, c.relname, k.key, c.first_logged_at, c.node, c.subname,
       c.conflict_type, c.operation, c.remote_origin, c.remote_xid, c.remote_commit_lsn,
       c.remote_commit_ts, c.remote_tuple_text, c.remote_tuple, c.local_conflicts,
       c.attempts, c.status, c.verdict, c.effect, c.conflict_id
  from pgconflict.conflict_log c
 cross join lateral (
    select distinct l ->> 'key_text' as key from unnest(c.local_conflicts) l) k
 where c.kind = 'conflict' and c.stalls and k.key is not null
   and k.key is distinct from c.replica_identity_text
union all
-- Copied from a server's own table, which has no text of the key.
select c.schemaname, c.relname, k.key, c.first_logged_at, c.node, c.subname,
       c.conflict_type, c.operation, c.remote_origin, c.remote_xid, c.remote_commit_lsn,
       c.remote_commit_ts, c.remote_tuple_text, c.remote_tuple, c.local_conflicts,
       c.attempts, c.status, c.verdict, c.effect, c.conflict_id
  from pgconflict.conflict_log c
 cross join lateral (
    select '(' || string_agg(e.key, ', ') || ')=('
               || string_agg(coalesce(e.value, 'null'), ', ') || ')' as key
      from pg_catalog.jsonb_each_text(c.replica_identity) e) k
 where c.kind = 'conflict' and c.source = 'native'
   and c.replica_identity_text is null and not coalesce(c.replica_identity_full, false)
   and k.key is not null;
comment on view pgconflict.row_history is
    'The conflicts of one row on all nodes; ask by schemaname, relname and key, key as in (id)=(1)';

create view pgconflict.top_keys as
select h.schemaname, h.relname, h.key, count(*) as conflicts,
       sum(h.attempts)::bigint as attempts,
       array_agg(distinct h.node order by h.node) as nodes,
       array_agg(distinct h.conflict_type order by h.conflict_type) as conflict_types,
       min(h.first_logged_at) as first_logged_at,
       max(h.first_logged_at) as last_logged_at
  from pgconflict.row_history h
 where h.first_logged_at >= now() - interval '1 day'
 group by h.schemaname, h.relname, h.key;
comment on view pgconflict.top_keys is
    'Rows by how often they conflicted in the last 24 hours; order by conflicts desc';

-- The roles that own tables on the nodes are nobody here, so who owns what is told by
-- hand: a role of this database, and what it may see.
create table pgconflict.table_owner (
    role_name name not null,
    node text,
    schemaname text not null,
    relname text,
    unique nulls not distinct (role_name, node, schemaname, relname)
);
comment on table pgconflict.table_owner is
    'Which tables'' conflicts a role and its members see in own_conflicts';
comment on column pgconflict.table_owner.node is 'Null: the tables of every node';
comment on column pgconflict.table_owner.relname is 'Null: every table of the schema';

create view pgconflict.own_conflicts with (security_barrier) as
select c.*
  from pgconflict.conflict_log c
 where exists (
    select from pgconflict.table_owner o
      join pg_catalog.pg_roles r on r.rolname = o.role_name
     where pg_catalog.pg_has_role(current_user, r.oid, 'usage')
       and o.schemaname = c.schemaname
       and (o.relname is null or o.relname = c.relname)
       and (o.node is null or o.node = c.node));
comment on view pgconflict.own_conflicts is
    'The conflicts on the tables that table_owner gives to the current role; only where the table''s name is certain';

-- Who reads the conflict log reads its views.
do $$
declare
    reader text;
begin
    for reader in
        select distinct pg_catalog.quote_ident(r.rolname)
          from pg_catalog.pg_class c
          cross join lateral pg_catalog.aclexplode(c.relacl) a
          join pg_catalog.pg_roles r on r.oid = a.grantee
         where c.oid = 'pgconflict.conflict_log'::pg_catalog.regclass
           and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
    loop
        execute pg_catalog.format(
            'grant select on pgconflict.pg_conflict_log, pgconflict.open_conflicts,'
            ' pgconflict.transaction_conflicts, pgconflict.row_history,'
            ' pgconflict.top_keys to %s', reader);
    end loop;
end
$$;
