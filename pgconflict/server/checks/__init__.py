"""What stands in the way of seeing every conflict of a node, and what mends it.

`facts` asks the server; the other modules judge what it said, and nothing else.
"""

from pgconflict.server.checks.facts import Facts, read
from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.checks.judge import judge, unreachable

__all__ = [
    "Check",
    "Facts",
    "Finding",
    "Severity",
    "judge",
    "read",
    "unreachable",
]
