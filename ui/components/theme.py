"""The look: one accent colour, IBM Plex from Gradio's own package (OFL; nothing is fetched), light and dark, tabular figures, from 390 px on."""

import gradio as gr

WEIGHTS = (400, 600)  # the only ones in the package
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
    mono = [gr.themes.LocalFont("IBM Plex Mono", weights=(400, 600)), *MONO]
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


CSS = """
.dark { --color-accent: #2DD4BF; }
.gradio-container { width: 100% !important; max-width: min(1200px, 100vw) !important; margin: 0 auto !important; font-variant-numeric: tabular-nums; }
#side-bar { min-width: 0; border: 0; }
#menu > summary { display: flex; gap: 1rem; align-items: baseline; justify-content: space-between; padding: .6rem .4rem; cursor: pointer; list-style: none; }
#menu > summary b { font-size: 1.15rem; }
#pages { display: flex; flex-direction: column; gap: 2px; }
#pages a { display: flex; align-items: center; min-height: 36px; padding: 0 .75rem; border-radius: .4rem; text-decoration: none; color: var(--body-text-color); }
#pages a:hover { background: var(--background-fill-secondary); }
#pages a[aria-current] { background: color-mix(in srgb, var(--primary-600) 14%, transparent); font-weight: 600; }
#pages a[data-page=settings] { margin-top: .6rem; }
:is(#pages a, #menu > summary):focus-visible { outline: 2px solid var(--primary-600); outline-offset: 2px; }
#strip { position: sticky; top: 0; z-index: 10; background: var(--body-background-fill); }
.gradio-container h1 { font-size: 24px; font-weight: 600; line-height: 1.3; margin: 0; }
.gradio-container h2 { font-size: 18px; font-weight: 600; } .gradio-container h3 { font-size: 14px; font-weight: 600; }
.ts-icon { width: 1.15em; height: 1.15em; flex: none; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; vertical-align: -.2em; }
#pages a { gap: .6rem; }
.gradio-container :is(label, div).container:has(> .info-text) { display: flex; flex-direction: column; }
.gradio-container .container > .info-text { order: 5; margin: 4px 0 0 !important; white-space: normal; }
.ts-state { display: inline-flex; gap: .35em; align-items: center; font-weight: 600; white-space: nowrap; }
.ts-state.good { color: #0F766E; } .ts-state.warning { color: #92500B; } .ts-state.bad { color: #B42318; } .ts-state.quiet { color: var(--body-text-color-subdued); }
.dark .ts-state.good { color: #2DD4BF; } .dark .ts-state.warning { color: #FBBF24; } .dark .ts-state.bad { color: #FCA5A5; }
.ts-empty { border: 1px dashed var(--border-color-primary); border-radius: .6rem; padding: 2rem 1.5rem; text-align: center; color: var(--body-text-color-subdued); }
.ts-button { display: inline-flex; align-items: center; gap: .4em; min-height: 32px; padding: 0 12px; border: 1px solid var(--input-border-color); border-radius: var(--button-large-radius); background: var(--button-secondary-background-fill); color: var(--body-text-color) !important; font-size: 13px; font-weight: 600; text-decoration: none !important; cursor: pointer; }
.ts-button:hover { background: var(--button-secondary-background-fill-hover); }
.ts-button.primary { background: var(--button-primary-background-fill); color: var(--button-primary-text-color) !important; border-color: var(--button-primary-border-color); }
.ts-title { padding: .2rem 0 .4rem; } .gradio-container :is(.html-container, .html-container > .prose) { padding: 0 !important; }
.gradio-container button:is(.lg, .sm, .md) { flex: 0 0 auto !important; width: fit-content; max-width: 100%; min-width: 0 !important; min-height: 36px; padding: 0 16px; font-size: 14px; font-weight: 600; }
#label-verdicts button { flex: 1 1 0 !important; min-height: 44px; min-width: fit-content !important; } #label-verdicts .row { flex-wrap: wrap; }
#label-top { max-width: 720px; } #label-who { max-width: 720px; } .gradio-container button.ts-beside-input { align-self: flex-end; }
.ts-empty > .row { justify-content: center; } .ts-empty p { max-width: 64ch; margin: 0 auto 8px; }
.ts-short { display: inline-block; max-width: min(24rem, 60vw); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; vertical-align: bottom; }
.ts-line { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; justify-content: space-between; }
#take-top { max-width: 480px; } [id^=card-] { gap: 12px; } [id^=card-] > * { flex-grow: 0 !important; } [id^=card-] p { margin: 4px 0; }
.gradio-container .form { flex-wrap: wrap; } .gradio-container .form > .block { min-width: min(160px, 100%) !important; } .gradio-container .form:not(:has(> :not(.ts-hidden))) { display: none; }
#label-inner > .tab-wrapper .tab-container { counter-reset: step; } .gradio-container .ts-table, .gradio-container .ts-table tr { margin: 0 !important; padding: 0 !important; }
.gradio-container :is(button, input, textarea, select, a, summary, [tabindex="0"]):focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
.ts-strip { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: center; padding: .2rem 0; }
.ts-pill { border: 1px solid var(--border-color-primary); border-radius: 99px; padding: .1rem .7rem; white-space: nowrap; }
.ts-pill.live { border-color: var(--primary-600); }
.ts-quiet { color: var(--body-text-color-subdued); }
.ts-bar { display: flex; height: 1.1rem; border-radius: .4rem; overflow: hidden; background: var(--background-fill-secondary);
  border: 1px solid var(--border-color-primary); }
.ts-bar span { display: block; height: 100%; min-width: 1px; border-right: 1px solid var(--background-fill-primary); }
.ts-fill { background: var(--primary-600); }
.ts-fit { position: relative; height: 1.6rem; }
.ts-fit .ts-limit { position: absolute; top: 0; bottom: 0; right: 0; border-left: 2px solid #d9480f;
  background: repeating-linear-gradient(45deg, #d9480f88 0 6px, transparent 6px 12px); }
.ts-card.over { border-color: #d9480f; }
.ts-remedy { text-align: left !important; justify-content: flex-start !important; white-space: normal !important; }
.ts-legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .4rem 0; font-size: .9rem; }
.ts-legend i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .35em; }
.ts-charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: .8rem; }
.ts-chart { margin: 0; border: 1px solid var(--border-color-primary); border-radius: .6rem; padding: .6rem .8rem; background: var(--background-fill-primary); }
.ts-chart > svg { width: 100%; height: auto; display: block; margin: .3rem 0; }
.ts-chart text { font-size: 11px; fill: var(--body-text-color-subdued); }
.ts-chart .ts-grid { stroke: var(--border-color-primary); }
.ts-chart .ts-legend svg { display: inline; vertical-align: middle; }
.ts-card { border: 1px solid var(--border-color-primary); border-radius: .6rem; padding: .8rem 1rem; background: var(--background-fill-primary); }
.ts-bad { border-left: 4px solid #d9480f; padding: .5rem .8rem; background: var(--background-fill-secondary); border-radius: .3rem; margin: .2rem 0; }
.ts-good { border-left: 4px solid var(--primary-600); padding: .5rem .8rem; background: var(--background-fill-secondary); border-radius: .3rem; }
.ts-turn { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.ts-turn b { display: inline-block; min-width: 5.5rem; color: var(--body-text-color-subdued); font-weight: 600; }
.ts-row { border-bottom: 1px solid var(--border-color-primary); padding: .4rem 0; max-height: 14rem; overflow: auto; }
.gradio-container .ts-table { width: 100%; border-collapse: collapse; display: block; overflow-x: auto; border: 0 !important; }
.gradio-container .ts-table :is(tr, td, th) { border: 0 !important; background: none; }
.gradio-container .ts-table :is(td, th) { padding: .25rem .9rem .25rem 0 !important; text-align: left; vertical-align: top; border-bottom: 1px solid var(--border-color-primary) !important; }
.ts-log { display: flex; flex-direction: column-reverse; max-height: 20rem; overflow: auto; font: .8rem/1.35 var(--font-mono); white-space: pre-wrap; overflow-wrap: anywhere; }
.gradio-container :is(table, .table-wrap, .table-wrap *, .virtual-table-viewport *) { font-family: var(--font) !important; }
.gradio-container .block:has(> .html-container > .prose:empty) { display: none; }
.ts-tokens > div { line-height: 2; overflow-wrap: anywhere; }
.ts-row.ts-tokens { max-height: 26rem; }
.ts-token { border-radius: .25rem; padding: .1rem .05rem; box-shadow: inset 0 0 0 1px var(--border-color-primary); white-space: pre-wrap; }
.ts-token.learnt { background: color-mix(in srgb, var(--primary-500) 28%, transparent); font-weight: 600; }
.ts-token.special { font: .78em var(--font-mono); opacity: .85; }
.ts-token.gone { opacity: .35; text-decoration: line-through; }
.ts-cut { border-top: 2px dashed #d9480f; color: #d9480f; font-size: .8rem; line-height: 1.4; margin: .3rem 0; }
.ts-question { border-left: 4px solid var(--primary-600); padding: .5rem .9rem; margin: .4rem 0; font-size: 1.05rem; overflow-wrap: anywhere; }
.ts-said { margin: .3rem 0; overflow-wrap: anywhere; } .ts-said > b { color: var(--body-text-color-subdued); font-weight: 600; }
.ts-plain { white-space: pre-wrap; overflow-wrap: anywhere; }
.ts-answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(300px, 100%), 1fr)); gap: .8rem; margin-top: .8rem; }
.ts-answers .ts-card { min-height: 6rem; max-height: 55vh; overflow: auto; overflow-wrap: anywhere; position: relative; padding-right: 2.2rem; }
.ts-answers :is(p, ul, ol, pre, table) { margin: .3rem 0; } .ts-answers pre { white-space: pre-wrap; }
.ts-letter { position: absolute; top: .5rem; right: .8rem; font-weight: 700; color: var(--body-text-color-subdued); }
.ts-answers mark { background: color-mix(in srgb, var(--primary-500) 40%, transparent); color: inherit; border-radius: .2rem; text-decoration: underline; }
.ts-before { max-height: 35vh; overflow: auto; } .ts-busy { opacity: .55; }
#label-verdicts { position: sticky; bottom: 0; z-index: 5; background: var(--body-background-fill); padding-bottom: .4rem; }
#label-desk button, #label-undo, #label-guide, #label-keys, #label-handover { white-space: nowrap; }
.gradio-container .ts-hidden { display: none !important; }
#tabs > .tab-wrapper { display: none; }
.ts-guest #strip, .ts-guest #side-bar, .ts-guest .ts-title, .ts-guest #label-inner > .tab-wrapper, .ts-guest :is(#label-top, #label-new, #label-next-step, #label-next) { display: none !important; }
.ts-panel { display: none !important; } .ts-panel.open { display: flex !important; }
.ts-panel { border: 1px solid var(--border-color-primary); border-radius: .6rem; padding: .6rem .8rem; }
.ts-next { margin-top: .6rem; }
.gradio-container .wrap, .gradio-container .contain, .gradio-container .column, .gradio-container .tabs, .gradio-container .tab-wrapper { min-width: 0; }
.gradio-container .tab-container { max-width: 100%; overflow: hidden; }
"""
# not part of CSS: Gradio puts its own container before each selector within @media, where these would find nothing
HEAD = """<style>
@media (min-width: 900px) {
  .gradio-container.gradio-container { max-width: none !important; }
  .gradio-container > .main.fillable { max-width: 1512px !important; margin: 0 !important; padding: 16px 32px 16px 232px !important; }
  #side-bar { position: fixed; inset: 0 auto 0 0; width: 200px; padding: 1rem .75rem; border-right: 1px solid var(--border-color-primary); background: var(--body-background-fill); z-index: 20; overflow: auto; }
  #menu > summary { pointer-events: none; } #menu > summary span { display: none; }
  #label-inner > .tab-wrapper [role=tab] { counter-increment: step; }
  #label-inner > .tab-wrapper [role=tab]::before { content: counter(step) / ""; margin-right: .5em; color: var(--body-text-color-subdued); }
}
@media (max-width: 640px) { .gradio-container > .main, .gradio-container .fillable { padding: .5rem !important; } .ts-turn b { display: block; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
</style>
"""
