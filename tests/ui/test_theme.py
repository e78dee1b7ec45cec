"""Contrast of the theme's colours, light and dark: 4.5 to 1 for text, 3 to 1 for what must be seen of a control (WCAG 2.2, 1.4.3 and 1.4.11)."""

import re
from pathlib import Path

import gradio
import pytest

from ui.components import theme

GROUNDS = ("body_background_fill", "background_fill_primary", "background_fill_secondary", "block_background_fill", "input_background_fill")
TEXTS = ("body_text_color", "body_text_color_subdued", "block_info_text_color", "block_title_text_color", "link_text_color")
EDGES = ("input_border_color", "checkbox_border_color", "button_secondary_border_color", "checkbox_background_color_selected")
BUTTONS = ("button_primary", "button_secondary")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_measure():
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21) and contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("side", [0, 1], ids=["light", "dark"])
def test_text_controls_and_buttons_can_be_seen(side):
    colour = {name: pair[side] for name, pair in theme.COLOURS.items()}
    assert all(re.fullmatch("#[0-9A-F]{6}", c) for c in colour.values())
    for ground in GROUNDS:
        for text in TEXTS:
            assert contrast(colour[text], colour[ground]) >= 4.5, (text, ground)
        for edge in EDGES:
            assert contrast(colour[edge], colour[ground]) >= 3, (edge, ground)
    for button in BUTTONS:
        for state in ("", "_hover"):
            assert contrast(colour[f"{button}_text_color{state}"], colour[f"{button}_background_fill{state}"]) >= 4.5, (button, state)


def test_the_accent_of_tabs_and_focus_is_the_themes():
    assert theme.theme().color_accent == theme.ACCENT[0]
    assert f".dark {{ --color-accent: {theme.ACCENT[1]}; }}" in theme.CSS
    for side in (0, 1):
        assert contrast(theme.ACCENT[side], theme.PAGE[side]) >= 4.5


def test_the_fonts_come_with_gradio():
    from gradio.themes.utils.fonts import local_font_available

    for family in ("IBM Plex Sans", "IBM Plex Mono"):
        assert local_font_available(family, theme.WEIGHTS)
        folder = Path(gradio.__file__).parent / "templates" / "frontend" / "static" / "fonts" / family.replace(" ", "")
        sizes = {name: (folder / f"{folder.name}-{name}.woff2").stat().st_size for name in ("Regular", "Bold")}
        assert sizes["Bold"] > 0.8 * sizes["Regular"], "a file of a few letters mixes two fonts within a word"


STATES = re.compile(r"(\.dark )?\.ts-state\.(\w+) \{ color: (#[0-9A-F]{6}); \}")


def test_the_words_of_states_can_be_read():
    found = [(bool(dark), word, colour) for dark, word, colour in STATES.findall(theme.CSS)]
    assert len(found) == 6
    for dark, word, colour in found:
        for ground in (theme.PAGE, theme.CARD, theme.SUNK):
            assert contrast(colour, ground[dark]) >= 4.5, (dark, word, ground)
