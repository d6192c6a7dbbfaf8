"""Subscriptions as the operator sees them, and what is done to them step by step.

`facts` asks a node; `publisher` finds the server at the other end; `peek` reads what
it would send next; `skip` and `drop` change a node, and only they do.
"""
