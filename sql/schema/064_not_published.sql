-- One more reason for which a difference may be as it should be.

comment on column pgconflict.verdict.reason is
    'Why pending or unverifiable: apply_behind, peer_away, no_key, hidden, ambiguous, no_privilege, no_table, row_filter, types_differ, not_published, busy';
