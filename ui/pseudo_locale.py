"""The pseudo-locale: English whose letters bear accents, a third longer, in brackets. What stays plain is missing from the catalogues."""

from fluent.runtime import FluentResource
from fluent.syntax import ast, visitor

PLAIN = "AEIOUYaceinouyszdlrtg"
ACCENTED = "ÅÉÎÕÛÝåçéîñöûýšžðļřţğ"
LONGER = 0.35  # of the letters: German and Finnish need about so much more room than English
OPEN, CLOSE = "⟦", "⟧"


def changed(resource: FluentResource) -> FluentResource:
    """Change the texts of a catalogue, in place; placeables keep their values."""
    _Accents().visit(resource)
    _Brackets().visit(resource)
    return resource


class _Accents(visitor.Transformer):
    def visit_TextElement(self, node: ast.TextElement) -> ast.TextElement:
        node.value = node.value.translate(str.maketrans(PLAIN, ACCENTED))
        return node


class _Brackets(visitor.Transformer):
    """Put brackets around each message or attribute, and the padding before the last of them."""

    def visit_Message(self, node: ast.Message) -> ast.Message:
        for part in [node, *node.attributes]:
            if part.value is not None:
                letters = sum(len(e.value) for e in part.value.elements if isinstance(e, ast.TextElement))
                padding = " " + "~" * round(LONGER * letters) if letters > 3 else ""
                part.value.elements = [ast.TextElement(OPEN), *part.value.elements, ast.TextElement(padding + CLOSE)]
        return node
