"""How a script pads: lengths as those of our own batches."""

from tuner.settings import trainer_arguments
from tuner.settings.run_config import Settings


def even(length: str, settings: Settings) -> str:
    """Return the code that gives the length of a batch whose longest row has the length that the code `length` gives."""
    multiple = trainer_arguments.multiple(settings)
    return f"-(-{length} // {multiple}) * {multiple}" if multiple else length
