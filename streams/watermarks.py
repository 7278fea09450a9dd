"""Say up to which event time every source partition has been read."""


class Watermarks:
    """The sources' progress, as one target partition has heard of it.

    A source not heard of yet holds everything back, so that a crashed reader never makes a false
    final. One that is read to its end and quiet stands at the time its broker last said so.
    """

    def __init__(self, sources: int) -> None:
        """Begin with so many sources, none heard of."""
        self._at_ms: list[int | None] = [None] * sources

    def note(self, source: int, watermark_ms: int | None, idle_at_ms: int | None) -> None:
        """Note what a source says; it never moves back."""
        said = [at for at in (self._at_ms[source], watermark_ms, idle_at_ms) if at is not None]
        self._at_ms[source] = max(said, default=None)

    @property
    def low_ms(self) -> int | None:
        """The slowest source's time; None while one is unheard of."""
        known = [at for at in self._at_ms if at is not None]
        return min(known) if len(known) == len(self._at_ms) else None

    @property
    def unheard(self) -> list[int]:
        """The sources that were not heard of yet."""
        return [source for source, at in enumerate(self._at_ms) if at is None]
