"""Bytes to conflicts, states to plans: pure functions, no I/O and no clock."""
