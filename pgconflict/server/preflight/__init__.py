"""The gate before a major upgrade or a switchover.

`facts` asks the servers; the other modules judge what they said, and nothing else.
"""
