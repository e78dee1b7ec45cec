"""What the commands of the terminal do: each takes the workspace and its arguments, and returns the document or (exit code, document)."""
