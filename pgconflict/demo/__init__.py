"""Embedded PostgreSQL nodes that show the real daemon at work."""
