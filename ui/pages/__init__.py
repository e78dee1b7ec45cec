"""The pages of the side bar, one file each: what a page holds and what its controls do."""
