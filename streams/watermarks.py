"""Say up to which event time every source partition has been read."""


class Watermarks:
    """The sources' progress, as one target partition has heard of it. It never moves back.

    A source not heard of yet holds everything back, so that a crashed reader never makes a false
    final. One that is read to its end and quiet stands at the time its broker last said so, but
    silence takes time no further than it lasts: what paused in the middle of an old log goes on.
    """

    def __init__(self, sources: int) -> None:
        """Begin with so many sources, none heard of."""
        self._at_ms: list[int | None] = [None] * sources
        self._newest_ms: int | None = None
        self._remembered_ms: int | None = None
        self._low_ms: int | None = None

    def remember(self, time_ms: int) -> None:
        """Note an event time that was reached before a restart, to measure silence from."""
        self._remembered_ms = max(self._remembered_ms or 0, time_ms)

    def note(
        self, source: int, watermark_ms: int | None, idle_at_ms: int | None, quiet_ms: int = 0
    ) -> None:
        """Note what a source says.

        Args:
            source: its partition.
            watermark_ms: the largest event time read, if any.
            idle_at_ms: if it is read to its end and quiet, when the broker last said so.
            quiet_ms: how long it had been quiet then.
        """
        said = [at for at in (self._at_ms[source], watermark_ms, idle_at_ms) if at is not None]
        self._at_ms[source] = max(said, default=None)
        newest_ms = self._remembered_ms if watermark_ms is None else watermark_ms
        if newest_ms is not None:
            self._newest_ms = max(self._newest_ms or 0, newest_ms + quiet_ms)
        known = [at for at in self._at_ms if at is not None]
        if len(known) == len(self._at_ms) and self._newest_ms is not None:
            self._low_ms = max(self._low_ms or 0, min(*known, self._newest_ms))

    @property
    def low_ms(self) -> int | None:
        """The time that every source has passed; None while that is unknown."""
        return self._low_ms

    @property
    def unheard(self) -> list[int]:
        """The sources that were not heard of yet."""
        return [source for source, at in enumerate(self._at_ms) if at is None]
