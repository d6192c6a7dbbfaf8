"""What stands in the way of seeing every conflict of a node, and what mends it.

`facts` asks the server; the other modules judge what it said, and nothing else.
"""

from pgconflict.server.checks.across import judge as judge_across
from pgconflict.server.checks.contents import Contents, Other, read_contents
from pgconflict.server.checks.facts import Facts, read
from pgconflict.server.checks.finding import Check, Finding, Severity
from pgconflict.server.checks.judge import (
    judge,
    refuse_closed,
    sort,
    unreachable,
    unread,
)
from pgconflict.server.checks.node_view import (
    Place,
    View,
    read_place,
    read_view,
)

__all__ = [
    "Check",
    "Contents",
    "Facts",
    "Finding",
    "Other",
    "Place",
    "Severity",
    "View",
    "judge",
    "judge_across",
    "read",
    "read_contents",
    "read_place",
    "read_view",
    "refuse_closed",
    "sort",
    "unreachable",
    "unread",
]
