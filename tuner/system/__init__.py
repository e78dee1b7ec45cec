"""What is asked of the operating system: processes, limits, the space kept on a disk, folders of strangers, the supervisor's machine folder.

May import `paths`, `locks`, `errors`, `network`."""
