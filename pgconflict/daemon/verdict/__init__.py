"""What each conflict did to the data: looks at its row on both nodes, finds the cause.

`job` goes round. `nodes` and `positions` ask the servers how far they are, `ways` and
`straight` who sends to whom, `tables` what became of a table, `rows` and `keys` what a
row is; `watch` is one conflict on its way, `links` its two nodes, `index` what both
logged about its row, `third` what a further one did, `history` what was seen before.
`causes` puts it together; the rule itself is pure: `pgconflict.core.cause`.
"""
