"""Parts of the Runs page: the overview of a run, the table of all, what differs between some."""
