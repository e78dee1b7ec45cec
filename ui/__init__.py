"""The page. Nothing in here is imported before the environment is settled: Gradio reads it once, while it is imported."""

from ui import gradio_options

gradio_options.settle_environment()
