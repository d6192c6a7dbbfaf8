"""One active-active node: connections, catalogs, logs, sequences."""
