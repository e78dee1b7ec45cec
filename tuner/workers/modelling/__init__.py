"""Models with torch: load a base model, apply a method to it (`peft_methods`), save, merge. Used by training, serving and merging."""
