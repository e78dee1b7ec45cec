"""New versions of a dataset from its own rows: fixes of the quality report, rows edited by hand."""
