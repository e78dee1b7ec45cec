"""What the browser runs before Gradio's scripts (early.js): Gradio adds our other scripts only after its own have begun."""

from pathlib import Path

from gradio import routes
from jinja2 import ChoiceLoader, DictLoader

SCRIPT = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
PAGE = "frontend/index.html"


def prepend() -> None:
    """Put the script at the top of Gradio's page, once; a page of another shape stays as it is (a test then fails)."""
    loader = routes.templates.env.loader
    if isinstance(loader, ChoiceLoader):
        return
    source = loader.get_source(routes.templates.env, PAGE)[0]
    script = "{% raw %}<script>\n" + SCRIPT + "</script>{% endraw %}"
    routes.templates.env.loader = ChoiceLoader([DictLoader({PAGE: source.replace("<head>", "<head>\n" + script, 1)}), loader])
