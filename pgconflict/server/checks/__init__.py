"""What stands in the way of seeing every conflict of a node, and what mends it.

`facts` asks the server; the other modules judge what it said, and nothing else.
"""

from pgconflict.server.checks.across import judge as judge_across
from pgconflict.server.checks.facts import Facts, read
from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.checks.judge import judge, sort, unreachable
from pgconflict.server.checks.node_view import View, read_view

__all__ = [
    "Check",
    "Facts",
    "Finding",
    "Severity",
    "View",
    "judge",
    "judge_across",
    "read",
    "read_view",
    "sort",
    "unreachable",
]
