"""Parts of the Train page: the form of settings, memory, dry run, methods, presets, the model suggestion."""
