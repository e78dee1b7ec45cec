"""Judging answers in pairs: projects, leases, verdicts, how far they can be trusted, and what is made of them."""
