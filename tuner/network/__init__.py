"""Other computers: which connections there are, the Hub's token, and asking again when a server is busy. Imports no other room."""
