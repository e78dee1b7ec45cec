"""Parts of the Data page: ways to import, Quality, Token preview, versions, one row to edit."""
