-- One node: a table, and who may do what.  Variables: odd (t or f), password.
\set ON_ERROR_STOP on

create table customer (id int primary key, email text unique, name text);
-- Numbers of its own for each node: odd ones here, even ones there.
create table orders (id bigint primary key, customer int, item text);
create sequence orders_id increment by 2 owned by orders.id;
alter table orders alter column id set default nextval('orders_id');
\if :odd
select setval('orders_id', 1, false);
\else
select setval('orders_id', 2, false);
\endif
insert into customer select g, 'c' || g || '@example.com', 'Customer ' || g
  from generate_series(1, 1000) g;

-- Reads what is published.
create role replicator login replication password :'password';
grant select on customer, orders to replicator;

-- What `pgconflict init --grants pgconflict` prints, and SELECT for verdicts and
-- sequences.
create role pgconflict login password :'password';
GRANT pg_monitor TO "pgconflict";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean) TO "pgconflict";
GRANT SELECT ON pg_catalog.pg_replication_origin_status TO "pgconflict";
GRANT EXECUTE ON FUNCTION pg_catalog.pg_show_replication_origin_status() TO "pgconflict";
grant select on customer, orders, orders_id to pgconflict;

create publication shop for all tables;
-- A change made under this origin stays here: subscriptions with origin = none leave
-- it out.
select pg_replication_origin_create('resolution');
