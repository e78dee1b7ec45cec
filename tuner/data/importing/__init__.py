"""One pass over a file: each record becomes a canonical row or a problem, and rows become Parquet.

`import_pass` goes record by record, `arrow_import` a column at a time, both with the same result. In: a `Reader`. Out: rows.parquet,
problems, the split. May import `detection`, `readers`, `schema`."""
