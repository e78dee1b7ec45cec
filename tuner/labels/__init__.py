"""Pairwise labelling of answers: projects, leases, judgments, their quality, and the datasets built from them."""
