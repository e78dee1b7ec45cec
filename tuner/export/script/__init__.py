"""A run as a script of plain TRL, PEFT and transformers: `assembly` puts it together; what differs by objective lies beside it."""
