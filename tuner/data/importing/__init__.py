"""Import a file in one pass: each record becomes a canonical row or a problem, and the rows are written to Parquet.

`import_pass` works record by record, `arrow_import` column by column, both with the same result. Input: a `Reader`. Output: rows.parquet,
problems and the train/validation split. May import `detection`, `readers`, `schema`."""
