#!/bin/sh
# Two people who write the same rows on two nodes, for ever.  ROUNDS and PAUSE (seconds)
# are for tests.
set -eu

run() { psql --no-psqlrc --quiet --output=/dev/null --dbname="$1" --command="$2"; }
# One transaction that ends half a second later: neither has seen the other's by then.
slowly() { run "$1" "$2; select pg_sleep(0.5)"; }
# Without telling the other node: for whoever clears up after a conflict.
quietly() {
    run "$1" "select pg_replication_origin_session_setup('resolution'); $2"
}

round=0
while [ "$round" != "${ROUNDS:-}" ]; do
    round=$((round + 1))
    # The same customer, at the same time, on both.
    id=$((1 + round % 50))
    slowly "$A" "update customer set name = 'a $round' where id = $id" &
    slowly "$B" "update customer set name = 'b $round' where id = $id" &
    slowly "$A" "insert into orders (customer, item) values ($id, 'apple')" &
    slowly "$B" "insert into orders (customer, item) values ($id, 'pear')" &
    wait
    # Deleted here while it is changed there.
    if [ $((round % 7)) = 0 ]; then
        id=$((100 + round % 900))
        slowly "$A" "update customer set name = 'a $round' where id = $id" &
        slowly "$B" "delete from customer where id = $id" &
        wait
    fi
    # One number, given twice: apply stops on both nodes until somebody makes room.
    if [ $((round % 120)) = 5 ]; then
        id=$((1000000 + round))
        slowly "$A" "insert into customer values ($id, 'a$id@example.com', 'Ada')" &
        slowly "$B" "insert into customer values ($id, 'b$id@example.com', 'Bob')" &
        wait
        sleep "${STOPPED:-60}"
        # Each takes the other's row now; then one of them writes it for both.
        quietly "$A" "delete from customer where id = $id"
        quietly "$B" "delete from customer where id = $id"
        sleep "${RETRIED:-12}"
        run "$A" "update customer set email = 'ab$id@example.com', name = 'Ada and Bob'
                   where id = $id"
    fi
    sleep "${PAUSE:-1}"
done
