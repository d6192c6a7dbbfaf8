-- Positions of nodes as the daemon saw them, so that a restart forgets none: by them
-- the writes of conflicts are placed against each other.

create table pgconflict.position_seen (
    place bigint generated always as identity,
    system_identifier bigint not null,
    subid bigint,
    began timestamptz not null,
    ended timestamptz not null,
    lsn bigint not null,
    confirmed bigint not null,
    oldest_xid bigint not null,
    session timestamptz not null,
    primary key (place, system_identifier)
);
create index on pgconflict.position_seen using brin (ended);
comment on table pgconflict.position_seen is
    'How far each node had written its WAL, or applied another''s, in the last six hours';
comment on column pgconflict.position_seen.subid is
    'The subscription that had applied so far; null: the node''s own WAL was written so far';
comment on column pgconflict.position_seen.began is
    'The node''s clock before it was asked; ended: after';
comment on column pgconflict.position_seen.lsn is
    'The position, as a number; confirmed: what had been confirmed to the publisher before';
comment on column pgconflict.position_seen.oldest_xid is
    'Every lower transaction had ended before the position was read';
comment on column pgconflict.position_seen.session is
    'Names the connection: between positions of one the server did not crash';

revoke all on all tables in schema pgconflict from public;
