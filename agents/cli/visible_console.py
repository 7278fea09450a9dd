"""Let Rich write nothing that the terminal would obey but what Rich itself makes."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from agents.runtime.visible import visible


class VisibleConsole(Console):
    """Writes segments of text with escapes; the control sequences that Rich makes pass."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Yield the segments of what is to be written."""
        for segment in super().render(renderable, options):
            text = segment.text
            shown = text if segment.control else visible(text, "\n")
            yield segment if shown == text else Segment(shown, segment.style)
