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
.ts-empty a + a { margin-left: 8px; } .ts-empty { border: 1px dashed var(--border-color-primary); border-radius: .6rem; padding: 2rem 1.5rem; text-align: center; color: var(--body-text-color-subdued); }
.ts-button { display: inline-flex; align-items: center; gap: .4em; min-height: 32px; padding: 0 12px; border: 1px solid var(--input-border-color); border-radius: var(--button-large-radius); background: var(--button-secondary-background-fill); color: var(--body-text-color) !important; font-size: 13px; font-weight: 600; text-decoration: none !important; cursor: pointer; }
.ts-button:hover { background: var(--button-secondary-background-fill-hover); }
.ts-button.primary { background: var(--button-primary-background-fill); color: var(--button-primary-text-color) !important; border-color: var(--button-primary-border-color); }
.ts-steps { display: flex; flex-wrap: wrap; gap: 4px 8px; list-style: none; margin: 0 0 8px; padding: 0; border-bottom: 1px solid var(--border-color-primary); }
.ts-steps button { display: flex; align-items: center; gap: 8px; min-height: 40px; padding: 0 12px 0 4px; border: 0; border-bottom: 2px solid transparent; background: none; color: var(--body-text-color-subdued); font-size: 14px; cursor: pointer; }
.ts-steps button[aria-current] { border-bottom-color: var(--color-accent); color: var(--body-text-color); font-weight: 600; }
.ts-number { display: inline-grid; place-items: center; width: 22px; height: 22px; border: 1px solid currentColor; border-radius: 50%; font-size: 12px; font-weight: 600; }
.ts-steps [aria-current] .ts-number { background: var(--button-primary-background-fill); border-color: transparent; color: var(--button-primary-text-color); }
.ts-steps [data-wrong] .ts-number { background: #B42318; border-color: #B42318; color: #FFFFFF; font-size: 0; } .ts-steps [data-wrong] .ts-number::before { content: "!"; font-size: 13px; }
html[data-train-step=dataset] .ts-step:not(#step-dataset), html[data-train-step=model] .ts-step:not(#step-model), html[data-train-step=settings] .ts-step:not(#step-settings), html[data-train-step=review] .ts-step:not(#step-review) { display: none !important; }
#train-summary { position: sticky; top: 44px; max-height: calc(100vh - 56px); overflow: auto; gap: 12px; padding: 16px; border: 1px solid var(--border-color-primary); border-radius: 8px; background: var(--background-fill-primary); }
#plan-card { display: grid; grid-template-columns: max-content 1fr; gap: 4px 12px; margin: 0; } #plan-card dt { color: var(--body-text-color-subdued); } #plan-card dd { margin: 0; }
.ts-note { border-left: 3px solid var(--border-color-primary); padding: 4px 0 4px 12px; margin: 8px 0; } .ts-note p { margin: 4px 0; } .ts-note.bad { border-color: #B42318; } .ts-note.warning { border-color: #D97706; }
.ts-offers { display: flex; flex-direction: column; gap: 4px; align-items: flex-start; } .ts-offer { text-align: left; min-height: 32px; padding: 4px 12px; white-space: normal; }
.gradio-container .ts-fields > .form, .gradio-container .ts-fields { display: grid !important; grid-template-columns: repeat(auto-fill, minmax(min(220px, 100%), 1fr)); gap: 8px; align-items: start; }
.gradio-container .ts-fields > .form { grid-column: 1 / -1; border: 0; background: none; overflow: visible; }
.gradio-container .ts-fields .block.padded { overflow: visible !important; border: 0 !important; background: none; padding: 8px 8px 4px 0 !important; }
.ts-fields label.block.container { padding: 0; margin: 0; } .ts-help { margin: 4px 0 0; font-size: 12px; color: var(--body-text-color-subdued); }
.gradio-container .ts-group-head { margin: -8px 0; }
#template-panel { grid-column: 1 / -1; min-width: 0; } #template-code .cm-scroller { min-height: 240px !important; max-height: 440px !important; } #template-preview pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.ts-group:not(.open), [data-off] { display: none !important; }
.ts-fold { display: flex; width: 100%; align-items: center; gap: 8px; min-height: 40px; padding: 0 4px; border: 0; border-top: 1px solid var(--border-color-primary); background: none; color: var(--body-text-color); font-size: 14px; font-weight: 600; cursor: pointer; }
.ts-fold::before { content: "▸"; width: 1em; } .ts-fold[aria-expanded=true]::before { content: "▾"; } .ts-fold:has([data-off]) { display: none; }
.ts-count { font-weight: 400; color: var(--body-text-color-subdued); }
.gradio-container .container > .wrap:has(> .wrap-inner) { border-color: var(--input-border-color) !important; } .gradio-container button.label-wrap { text-align: left; }
.ts-by { display: flex; flex-wrap: wrap; align-items: center; gap: 6px; margin-top: 4px; font-size: 12px; }
.ts-chip { padding: 0 8px; border: 1px solid var(--border-color-primary); border-radius: 99px; color: var(--body-text-color-subdued); } .ts-chip.you { border-color: var(--color-accent); color: var(--body-text-color); font-weight: 600; }
.ts-reset, .ts-link { padding: 0; border: 0; background: none; color: var(--link-text-color); font-size: inherit; text-align: left; text-decoration: underline; cursor: pointer; } .ts-link[aria-pressed=true] { font-weight: 600; text-decoration: none; color: inherit; }
.ts-why { position: relative; } .ts-why summary { display: grid; place-items: center; width: 18px; height: 18px; border: 1px solid var(--input-border-color); border-radius: 50%; font: italic 600 11px Georgia, serif; cursor: pointer; list-style: none; } .ts-why summary::-webkit-details-marker { display: none; }
.ts-why[open] > div { position: absolute; z-index: 30; top: 24px; left: -24px; width: 260px; padding: 8px 12px; border: 1px solid var(--border-color-primary); border-radius: 8px; background: var(--background-fill-primary); box-shadow: 0 4px 16px #0f172a33; font-size: 13px; } .ts-why p { margin: 4px 0; }
.ts-field-error { margin: 4px 0 0; color: #B42318; font-size: 13px; } .dark .ts-field-error { color: #FCA5A5; } .ts-field-warning { margin: 4px 0 0; color: #92500B; font-size: 13px; } .dark .ts-field-warning { color: #FBBF24; }
.block:has(> .ts-below .ts-field-error) :is(input, textarea, .wrap) { border-color: #B42318 !important; }
.ts-scroll { max-height: 420px; overflow: auto; border: 1px solid var(--border-color-primary); border-radius: 8px; padding: 0 12px; } .ts-scroll th { position: sticky; top: 0; background: var(--background-fill-primary) !important; z-index: 1; } tr.chosen td { background: color-mix(in srgb, var(--color-accent) 10%, transparent) !important; }
.gradio-container.gradio-container { overflow: visible !important; overflow-x: clip !important; }
.ts-title { padding: .2rem 0 .4rem; } .gradio-container :is(.html-container, .html-container > .prose) { padding: 0 !important; }
.gradio-container [data-testid=status-tracker].hide { visibility: hidden; }
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
.ts-strip > * { min-width: 0; max-width: 100%; }
.ts-strip > .ts-bar { width: 6rem; height: .7rem; }
:is(.ts-device, .ts-pill) { display: inline-flex; gap: .35em; align-items: baseline; white-space: nowrap; }
.ts-name { display: block; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
:is(.ts-device, .ts-pill) > .ts-name ~ span { flex: none; }
.gradio-container .ts-pill { border: 1px solid var(--border-color-primary); border-radius: 99px; padding: .1rem .7rem; color: inherit; text-decoration: none !important; }
.ts-pill.live { border-color: var(--color-accent); } .ts-pill.live > :first-child { color: var(--color-accent); }
.ts-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(260px, 100%), 1fr)); gap: 16px; }
.ts-cards h3 { margin: 0; } .ts-cards p { margin: 4px 0 0; } .gradio-container .ts-cards a.ts-name { color: inherit; text-align: start; padding: 0; }
:is(.ts-facts, .ts-links) { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; } .ts-cards .ts-links { gap: 8px; margin-top: 12px; }
.ts-machine > p { margin: 0 0 4px; } .ts-machine summary { cursor: pointer; color: var(--link-text-color); width: fit-content; }
.ts-lead { margin: 4px 0 0; color: var(--body-text-color-subdued); }
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
.ts-card { border: 1px solid var(--border-color-primary); border-radius: .6rem; padding: .8rem 1rem; background: var(--background-fill-primary); }
.ts-bad { border-left: 4px solid #d9480f; padding: .5rem .8rem; background: var(--background-fill-secondary); border-radius: .3rem; margin: .2rem 0; }
.ts-good { border-left: 4px solid var(--primary-600); padding: .5rem .8rem; background: var(--background-fill-secondary); border-radius: .3rem; }
.ts-turn { margin: .25rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.ts-turn b { display: inline-block; min-width: 5.5rem; color: var(--body-text-color-subdued); font-weight: 600; }
.ts-row { border-bottom: 1px solid var(--border-color-primary); padding: .4rem 0; max-height: 14rem; overflow: auto; }
.gradio-container .ts-table { padding: 0; width: 100%; border-collapse: collapse; display: block; overflow-x: auto; border: 0 !important; }
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
.ts-name { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; max-width: 100%; }
.ts-notice { border-left: 4px solid var(--input-border-color); padding: .5rem .8rem; background: var(--background-fill-secondary); border-radius: .3rem; }
#data-room .html-container { padding: 0 !important; } .gradio-container .ts-activity:not(:has(.prose:not(:empty), button:not(.hidden, .hide, .hide-container))) { display: none; }
.ts-bar.thin { height: 8px; margin: 6px 0; } .ts-bad p { margin: .3rem 0 0; }
.ts-items { list-style: none; margin: 0; padding: 0; display: flex; flex-direction: column; gap: 4px; max-height: calc(100vh - 15rem); overflow: auto; }
.ts-items > li { margin: 0; padding: 0; }
.ts-item { display: block; text-align: left; padding: 8px 12px; border: 1px solid transparent; border-left: 3px solid transparent; border-radius: .4rem; color: var(--body-text-color) !important; text-decoration: none !important; font-size: 13px; }
.ts-item:hover { background: var(--button-secondary-background-fill-hover); } .ts-item .ts-quiet { font-size: 12px; }
.ts-item[aria-current] { background: var(--background-fill-primary); border-color: var(--border-color-primary); border-left-color: var(--color-accent); }
.ts-head { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; } .ts-head h2 { margin: 0; min-width: 0; max-width: 100%; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
#data-summary p, #import-head p { margin: 4px 0 0; } #import-head h2 { margin: 0; }
.ts-finding { display: flex; flex-wrap: wrap; gap: 8px 24px; justify-content: space-between; margin: 0 0 8px; }
.ts-finding > div:first-child { flex: 1 1 340px; min-width: 0; overflow-wrap: anywhere; } .ts-finding p { margin: 4px 0 0; } .ts-finding .ts-state { white-space: normal; }
.ts-fixes { display: flex; flex-direction: column; gap: 8px; align-items: flex-start; }
#chat-bar { align-items: center; } #chat-bar > #chat-about { flex: 1 1 300px; min-width: 0; } #chat-about p { margin: 0; }
#chat-parameters { flex: 0 0 320px; max-height: max(320px, calc(100dvh - 470px)); overflow: auto; flex-wrap: nowrap; } #chat-parameters > * { flex: none; } #chat-sides { flex: 1 1 0; min-width: min(280px, 100%); }
.chat-side :is(.placeholder, .placeholder-content > :first-child) { padding-top: 32px; text-align: center; } #language, #hub-token { max-width: 480px; }
.chat-side .top-panel { display: none; }
.chat-side .message-row:has(.thought-group) { margin-top: 2px; } .chat-side .message.bot:has(.thought-group) { border: 0; background: none; padding: 0; margin: 0; }
.chat-side .thought-group, .chat-side .thought-group * { opacity: 1; } .chat-side :is(.thought-group, .message:has(> * > .thought-group)) { border: 0; background: none; box-shadow: none; padding: 0; margin: 0; } .chat-side .thought-group > .title { padding: 4px 0; gap: 0; color: var(--body-text-color-subdued); }
.chat-side .thought-group .arrow { display: none; } .chat-side .thought-group :is(p, li) { font-size: 12px; color: var(--body-text-color-subdued); margin: 0; }
.chat-side .thought-group > .title::before { content: "\u25b8"; font-size: 12px; margin-right: 6px; } .chat-side .thought-group > .title.expanded::before { content: "\u25be"; }
.chat-side .message-row:has(.thought-group) + .message-buttons:not(:has(> * > button:nth-last-child(5))) { display: none; }
.chat-side .message-row:has(.thought-group) + .message-buttons > * > :not(button:nth-last-child(4)) { display: none; }
#message .input-container { border: 1px solid var(--input-border-color); border-radius: var(--input-radius); align-items: end; padding: 4px; }
#message .input-container > button { width: auto; min-height: 32px; margin: 0; padding: 0 16px; border-radius: var(--button-large-radius); font-weight: 600; border: 1px solid var(--input-border-color); background: var(--button-secondary-background-fill); color: var(--body-text-color); }
#message .input-container > .submit-button { background: var(--button-primary-background-fill); color: var(--button-primary-text-color); border-color: var(--button-primary-border-color); }
.gradio-container .wrap, .gradio-container .contain, .gradio-container .column, .gradio-container .tabs, .gradio-container .tab-wrapper { min-width: 0; }
.gradio-container .tab-container { max-width: 100%; overflow: hidden; }
"""
# not part of CSS: Gradio puts its own container before each selector within @media, where these would find nothing
STYLES = "\n".join(file.read_text(encoding="utf-8") for file in sorted((Path(__file__).parents[1] / "styles").glob("*.css")))
HEAD = (
    """<style>
@media (min-width: 900px) {
  .gradio-container.gradio-container { max-width: none !important; }
  .gradio-container > .main.fillable { max-width: 1512px !important; margin: 0 !important; padding: 16px 32px 16px 232px !important; }
  #side-bar { position: fixed; inset: 0 auto 0 0; width: 200px; padding: 1rem .75rem; border-right: 1px solid var(--border-color-primary); background: var(--body-background-fill); z-index: 20; overflow: auto; }
  #menu > summary { pointer-events: none; } #menu > summary span { display: none; }
  #label-inner > .tab-wrapper [role=tab] { counter-increment: step; }
  #label-inner > .tab-wrapper [role=tab]::before { content: counter(step) / ""; margin-right: .5em; color: var(--body-text-color-subdued); }
}
@media (max-width: 1000px) { #train-summary { position: static !important; max-height: none !important; } #train-columns { flex-direction: column; } #train-columns > * { width: 100%; } }
@media (max-width: 760px) { .ts-items { max-height: 13rem !important; } #library { min-width: 100% !important; } .ts-detail-head { flex-direction: column !important; gap: 8px !important; } }
@media (max-width: 640px) { .gradio-container > .main, .gradio-container .fillable { padding: .5rem !important; } .ts-turn b { display: block; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; transition: none !important; } }
"""
    + STYLES
    + "</style>\n"
)
