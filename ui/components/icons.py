"""Icons: strokes on a grid of 24, in the colour of the text; decoration beside a word, hidden from screen readers."""

PATHS = {
    # pages
    "home": "M3 11 12 4l9 7M6 9.5V20h12V9.5M10 20v-5h4v5",
    "data": "M4 5h16v14H4zM4 10h16M4 14.5h16M10 5v14",
    "train": "M4 7h9M17 7h3M4 12h3M11 12h9M4 17h11M19 17h1M15 5v4M9 10v4M17 15v4",
    "runs": "M4 20V4M4 20h16M7 15l4-5 3 3 5-7",
    "chat": "M4 5h16v11H10l-5 4v-4H4z",
    "label": "M3 12V4h8l10 10-8 7zM7.5 8h.01",
    "export": "M12 4v11M8 8l4-4 4 4M5 13v7h14v-7",
    "settings": "M12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1",
    # states
    "good": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12l3 3 5-6",
    "warning": "M12 4 2.5 20h19zM12 10v4M12 17h.01",
    "bad": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9 9l6 6M15 9l-6 6",
    "info": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8h.01",
    "queued": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2",
    "running": "M5 12a7 7 0 1 1 2 5M5 12v0M5 19v-3h3",
    "stopped": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.5 9.5h5v5h-5z",
    # actions
    "reset": "M5 12a7 7 0 1 0 2-5M5 4v4h4",
}


def icon(name: str) -> str:
    """Return the SVG of an icon; KeyError for one that is not drawn."""
    return f'<svg class="ts-icon" viewBox="0 0 24 24" aria-hidden="true"><path d="{PATHS[name]}"/></svg>'
