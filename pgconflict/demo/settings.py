"""Settings of a server of our own, and how postgresql.conf has them."""

from __future__ import annotations

from collections.abc import Mapping

SettingValue = str | int | float | bool
Settings = Mapping[str, SettingValue]

# The keys are "since this major version".
DEFAULT_SETTINGS: Mapping[int, Settings] = {
    15: {
        "listen_addresses": "127.0.0.1",
        "unix_socket_permissions": "0777",
        "shared_buffers": "16MB",
        "max_connections": 100,
        "wal_level": "logical",
        "max_wal_senders": 30,
        "max_replication_slots": 30,
        "max_worker_processes": 40,
        "max_logical_replication_workers": 30,
        "track_commit_timestamp": True,
        "autovacuum": True,
        "logging_collector": True,
        "log_destination": "jsonlog",
        "log_directory": "log",
        "log_timezone": "UTC",
        "timezone": "UTC",
        # The data is thrown away with the server: only its speed matters.
        "fsync": False,
        "full_page_writes": False,
    },
    18: {
        # Until 17 max_replication_slots limited the origins too.
        "max_active_replication_origins": 30,
    },
}


def defaults_of(major: int) -> dict[str, SettingValue]:
    """Return `DEFAULT_SETTINGS` of one major version."""
    return {
        key: value
        for since, settings in DEFAULT_SETTINGS.items()
        if since <= major
        for key, value in settings.items()
    }


def conf_value(value: SettingValue) -> str:
    """Return a value as postgresql.conf has it, quoted."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
