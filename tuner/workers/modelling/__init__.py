"""Models with torch: load a base, put a method on it (`peft_methods`), save, merge. Used by training, serving and merging."""
