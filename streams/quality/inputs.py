"""Keep one partition's inputs in bounded memory: those used least recently are forgotten."""

from collections.abc import MutableMapping

from streams.quality.input_state import InputState, pack_input, unpack_input, version_of

#: Rows that stay unpacked between two writes.
_KEPT_UNPACKED = 1_024


class Inputs:
    """The rows of one partition, by input hash."""

    def __init__(self, packed: MutableMapping[bytes, bytes], limit: int) -> None:
        """Begin with what the table holds.

        Args:
            packed: the partition's rows in the table; take_changes updates it.
            limit: this many rows stay.
        """
        self._packed = packed
        self._limit = limit
        self._used: dict[bytes, None] = dict.fromkeys(
            sorted(packed, key=lambda key: version_of(packed[key]))
        )
        """All keys, the one used last comes last."""
        self._states: dict[bytes, InputState] = {}
        self._changed: dict[bytes, None] = {}
        self._gone: dict[bytes, None] = {}

    def __len__(self) -> int:
        return len(self._used)

    def peek(self, input_hash: str) -> InputState | None:
        """Return what is known of an input, to be read only."""
        key = input_hash.encode()
        state = self._states.get(key)
        packed = None if key in self._gone else self._packed.get(key)
        return unpack_input(packed) if state is None and packed is not None else state

    def change(self, input_hash: str, now_ms: int) -> InputState:
        """Return what is known of an input, to be changed; a new row if nothing is."""
        key = input_hash.encode()
        state = self._states.get(key)
        if state is None:
            packed = None if key in self._gone else self._packed.get(key)
            state = InputState() if packed is None else unpack_input(packed)
            self._states[key] = state
        state.version = max(state.version + 1, now_ms)
        self._gone.pop(key, None)
        self._used.pop(key, None)
        self._used[key] = None
        self._changed[key] = None
        while len(self._used) > self._limit:
            self._forget(next(iter(self._used)))
        return state

    def _forget(self, key: bytes) -> None:
        del self._used[key]
        self._states.pop(key, None)
        self._changed.pop(key, None)
        self._gone[key] = None

    def take_changes(self) -> list[tuple[bytes, bytes | None]]:
        """Return what to write to the table's changelog, None to delete."""
        changes: list[tuple[bytes, bytes | None]] = []
        for key in self._changed:
            packed = self._packed[key] = pack_input(self._states[key])
            changes.append((key, packed))
        changes += [(key, None) for key in self._gone if self._packed.pop(key, None) is not None]
        self._changed.clear()
        self._gone.clear()
        if len(self._states) > _KEPT_UNPACKED:
            self._states.clear()
        return changes
