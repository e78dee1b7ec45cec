"""Judging pairs of answers: projects, pairs, leases, verdicts, agreement, win rates, and what is made of them."""
