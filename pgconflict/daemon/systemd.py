"""Tells systemd how the daemon is: READY, WATCHDOG, STOPPING. sd_notify(3)."""

from __future__ import annotations

import os
import socket
import time


def notify(*states: str) -> bool:
    """Sends states such as `READY=1`; False when nobody asked (no NOTIFY_SOCKET).

    Raises nothing: a service manager that does not listen is no reason to stop.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]  # an abstract socket
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.settimeout(1)
            channel.sendto("\n".join(states).encode(), address)
    except OSError:
        return False
    return True


def reloading() -> bool:
    """Says that a reload begins; READY=1 says that it is done."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")


def watchdog_interval() -> float | None:
    """Seconds between two signs of life that systemd wants at most; None: none."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    if not microseconds.isdecimal() or pid != str(os.getpid()):
        return None
    return int(microseconds) / 1_000_000
