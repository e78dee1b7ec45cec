"""Network access: every connection, the Hub token, and retries when a server is busy. Imports no other package of Tunesmith."""
