#!/bin/sh
# Makes the two nodes of docker-compose.yml replicate to each other.  $A, $B and $LOG are
# connection strings; $A_FOR_PEER and $B_FOR_PEER those of the subscriptions.
set -eu
here=$(dirname "$0")

ask() { psql --no-psqlrc --quiet --tuples-only --no-align --dbname="$1" --command="$2"; }

if [ "$(ask "$B" 'select count(*) from pg_subscription')" != 0 ]; then
    echo 'set up already'
    exit 0
fi

node() {
    psql --no-psqlrc --quiet --output=/dev/null --dbname="$1" \
        --set=odd="$2" --set=password="${PGPASSWORD:-}" --file="$here/node.sql"
}
node "$A" t
node "$B" f

# Both have the same rows already; from now on each gets what the other writes, and not
# what the other only got.
subscribe() {
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=on --set=name="$2" --set=peer="$3" \
        --dbname="$1" <<'END'
create subscription :"name" connection :'peer' publication shop
    with (copy_data = false, origin = none, streaming = on);
END
}
subscribe "$B" from_a "$A_FOR_PEER"
subscribe "$A" from_b "$B_FOR_PEER"

# Grafana reads the conflict log, and nothing else.
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=on --set=password="${PGPASSWORD:-}" \
    --dbname="$LOG" <<'END'
create role grafana login password :'password';
grant usage on schema pgconflict to grafana;
grant select on pgconflict.conflict_log, pgconflict.conflict_hour,
      pgconflict.open_conflicts, pgconflict.top_keys to grafana;
END
echo 'a and b replicate to each other'
