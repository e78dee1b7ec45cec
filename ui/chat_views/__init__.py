"""Parts of the Chat page: tasks other than chat, and feedback on answers."""
