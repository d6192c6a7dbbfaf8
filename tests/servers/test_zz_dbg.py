import time
from tests.servers.test_daemon import one_way, lose_rows, miss, set_destination
from tests.fixtures.waiting import wait_until
import pytest
@pytest.mark.parametrize("n", range(6))
def test_x(new_pair, new_daemon, n):
        pair = new_pair(18, settings={"log_destination": "csvlog"})
        daemon = new_daemon({"b": pair.b.dsn})
        daemon.start()
        made = one_way(pair)
        lose_rows(made, range(1, 6001))
        first = 1
        for destination in ("jsonlog","csvlog","jsonlog","csvlog"):
            for step in range(2):
                miss(made, range(first, first + 600))
                first += 600
                if step == 0:
                    set_destination(pair.b, destination)
            made.catch_up()
            expected = first - 1
            try: wait_until(lambda: daemon.count()>=expected, "x", timeout=15)
            except AssertionError:
                print(destination, daemon.count(), daemon.query("select file_name, byte_offset, log_format, state->>'done_before', updated_at from pgconflict.log_position"))
                print(daemon.query("select source, count(*), min(first_logged_at), max(first_logged_at), min(ingested_at), max(ingested_at) from pgconflict.conflict_log group by 1"))
                print(daemon.said())
                for f in sorted((pair.b.cluster.data_directory/"log").iterdir()): print(f.name, f.stat().st_size, f.stat().st_mtime, f.read_bytes().count(b"conflict=update_missing"))
                print([l for l in daemon.get("/metrics")[1].splitlines() if "gaps" in l or "log_read" in l or "restarts_total" in l or "unrec" in l])
                for f in sorted((pair.b.cluster.data_directory/"log").glob("*.log")): 
                    b=f.read_bytes()
                    if b"conflict=" in b: print(f.name, b[:3000].decode()); open("/tmp/"+f.name,"wb").write(b)
                raise
