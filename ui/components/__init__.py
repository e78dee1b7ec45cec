"""Parts that every page uses: pieces of HTML, charts, Markdown, dropdowns, the theme."""
