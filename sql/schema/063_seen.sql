-- What the daemon saw of the nodes, so that a restart forgets none: every position of
-- a second in one row, and when vacuums were at work on a table.

drop table pgconflict.position_seen;

create table pgconflict.position_seen (
    place bigint generated always as identity,
    system_identifier bigint not null,
    subid bigint,
    up_since timestamptz not null,
    until timestamptz not null,
    began timestamptz[] not null,
    ended timestamptz[] not null,
    lsn bigint[] not null,
    confirmed bigint[] not null,
    oldest_xid bigint[] not null,
    primary key (place, system_identifier)
);
create index on pgconflict.position_seen using brin (until);
comment on table pgconflict.position_seen is
    'How far each node had written its WAL, or applied another''s, in the last six hours';
comment on column pgconflict.position_seen.subid is
    'The subscription that had applied so far; null: the node''s own WAL was written so far';
comment on column pgconflict.position_seen.up_since is
    'The same between two positions: the server did not crash between them';
comment on column pgconflict.position_seen.until is
    'The last of `ended`';
comment on column pgconflict.position_seen.began is
    'The node''s clock before it was asked each time; ended: after';
comment on column pgconflict.position_seen.lsn is
    'The positions, as numbers; confirmed: what had been confirmed to the publisher before';
comment on column pgconflict.position_seen.oldest_xid is
    'Every lower transaction had ended before the position was read';

create table pgconflict.table_seen (
    system_identifier bigint not null,
    relid bigint not null,
    seen_at timestamptz not null,
    up_since timestamptz not null,
    change text not null,
    same_since timestamptz not null,
    vacuums bigint not null,
    vacuuming_ms double precision,
    at_work_since timestamptz,
    vacuum_began timestamptz[] not null,
    vacuum_ended timestamptz[] not null,
    primary key (system_identifier, relid)
);
comment on table pgconflict.table_seen is
    'Tables with conflicts: since when they are as they are, and when vacuums may have been at work; times by the node''s clock';
comment on column pgconflict.table_seen.seen_at is
    'When it was looked at last, at least';
comment on column pgconflict.table_seen.up_since is
    'The same between two looks: the server did not crash between them';
comment on column pgconflict.table_seen.change is
    'Names the last change of its definition, or TRUNCATE; same_since: since when it is known to be the last';
comment on column pgconflict.table_seen.vacuums is
    'How many vacuums had ended; vacuuming_ms: how long they all took, null until 17';
comment on column pgconflict.table_seen.at_work_since is
    'Since when at the earliest one is at work; null if none is';
comment on column pgconflict.table_seen.vacuum_began is
    'Since when at the earliest each was at work; vacuum_ended: until when at the latest';

revoke all on all tables in schema pgconflict from public;
