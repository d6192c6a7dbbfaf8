"""Records PostgreSQL logical replication conflicts; keeps sequences in step."""

__version__ = "0.1.0"
