"""The look: one accent colour, IBM Plex from Gradio's own package (OFL; nothing is fetched), light and dark, tabular figures, from 390 px on."""

from pathlib import Path

import gradio as gr

WEIGHTS = (400, 700)  # the whole letters of the package; its 600 has a part of them, and browsers take 700 for it
SYSTEM = ["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]
SIZES = gr.themes.Size(name="text", xxs="11px", xs="12px", sm="13px", md="14px", lg="14px", xl="18px", xxl="24px")

# (light, dark): contrast with what they stand on at least 4.5 to 1 for text, 3 to 1 for borders of controls and the focus ring
PAGE, CARD, SUNK = ("#F8FAFC", "#0B1220"), ("#FFFFFF", "#131C2E"), ("#F1F5F9", "#0F1829")
TEXT, QUIET, LINE, CONTROL = ("#0F172A", "#F1F5F9"), ("#52607A", "#A3B1C6"), ("#DBE2EC", "#2A3750"), ("#7C8AA0", "#64748B")
ACCENT, STRONG, ON_ACCENT = ("#0F766E", "#2DD4BF"), ("#0B5A54", "#5EEAD4"), ("#FFFFFF", "#0B1220")
SECOND, HOVER = ("#FFFFFF", "#1C2740"), ("#EEF2F7", "#26334F")

COLOURS = {
    "body_background_fill": PAGE,
    "background_fill_primary": CARD,
    "background_fill_secondary": SUNK,
    "block_background_fill": CARD,
    "panel_background_fill": CARD,
    "input_background_fill": CARD,
    "input_background_fill_focus": CARD,
    "code_background_fill": SUNK,
    "table_even_background_fill": CARD,
    "table_odd_background_fill": CARD,
    "border_color_primary": LINE,
    "block_border_color": LINE,
    "input_border_color": CONTROL,
    "input_border_color_focus": ACCENT,
    "checkbox_border_color": CONTROL,
    "checkbox_border_color_selected": ACCENT,
    "checkbox_background_color_selected": ACCENT,
    "checkbox_label_background_fill": CARD,
    "checkbox_label_background_fill_hover": HOVER,
    "checkbox_label_background_fill_selected": CARD,
    "body_text_color": TEXT,
    "block_label_text_color": TEXT,
    "block_title_text_color": TEXT,
    "checkbox_label_text_color": TEXT,
    "body_text_color_subdued": QUIET,
    "block_info_text_color": QUIET,
    "input_placeholder_color": QUIET,
    "link_text_color": ACCENT,
    "link_text_color_hover": STRONG,
    "link_text_color_active": STRONG,
    "link_text_color_visited": ACCENT,
    "slider_color": ACCENT,
    "loader_color": ACCENT,
    "button_primary_background_fill": ACCENT,
    "button_primary_background_fill_hover": STRONG,
    "button_primary_text_color": ON_ACCENT,
    "button_primary_text_color_hover": ON_ACCENT,
    "button_primary_border_color": ACCENT,
    "button_primary_border_color_hover": STRONG,
    "button_secondary_background_fill": SECOND,
    "button_secondary_background_fill_hover": HOVER,
    "button_secondary_text_color": TEXT,
    "button_secondary_text_color_hover": TEXT,
    "button_secondary_border_color": CONTROL,
    "button_secondary_border_color_hover": CONTROL,
}


def theme() -> gr.themes.Base:
    """Return the theme: each colour decided for light and dark (`COLOURS`); nothing is fetched."""
    both = {k: light for k, (light, _) in COLOURS.items()} | {f"{k}_dark": dark for k, (_, dark) in COLOURS.items()}
    font = [gr.themes.LocalFont("IBM Plex Sans", weights=WEIGHTS), *SYSTEM]
    mono = [gr.themes.LocalFont("IBM Plex Mono", weights=WEIGHTS), *MONO]
    base = gr.themes.Base(primary_hue="teal", neutral_hue="slate", font=font, font_mono=mono, radius_size="md", text_size=SIZES)
    sizes = {
        "block_title_text_size": "*text_sm",
        "block_title_text_weight": "600",
        "block_info_text_size": "*text_xs",
        "input_text_size": "*text_md",
    }
    edges = {
        "input_border_width": "1px",
        "button_border_width": "1px",
        "block_shadow": "none",
        "layout_gap": "16px",
        "block_padding": "8px 12px",
    }
    return base.set(**both, **sizes, **edges, color_accent=ACCENT[0])


STYLES = Path(__file__).parents[1] / "styles"


def _sheets(folder: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.css")))


CSS = _sheets(STYLES / "scoped")  # Gradio puts its own container before each selector
# the others go into the head as they are: within @media Gradio's container before a selector finds nothing
HEAD = f"<style>\n{_sheets(STYLES)}</style>\n"
