"""Filters of a page: an event and values of properties, as conditions on stored events. Pure."""

from dataclasses import dataclass, field

MOST_PROPERTIES = 10
"""Conditions on properties that can be combined."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Custom events of a name, if ``event`` is given, that have all of these values of properties.

    An event that has a property twice matches both of its values.
    """

    event: str | None = None
    properties: tuple[tuple[str, str], ...] = field(default=())

    def __bool__(self) -> bool:
        return self.event is not None or bool(self.properties)

    @property
    def condition(self) -> str:
        """The condition on columns of ``events``, in which ``values`` are bound."""
        parts = ["type = 'custom'"]
        if self.event is not None:
            parts.append("name = {filter_name:String}")
        for number in range(len(self.properties)):
            key, value = f"{{filter_key_{number}:String}}", f"{{filter_value_{number}:String}}"
            # The first part is quicker, and decides about most events.
            parts.append(
                f"has(meta_values, {value}) AND arrayExists((k, v) -> k = {key} AND v = {value}, meta_keys, "
                "arrayResize(meta_values, length(meta_keys)))"
            )
        return " AND ".join(parts)

    @property
    def values(self) -> dict[str, str]:
        """The values bound in ``condition``."""
        bound = {} if self.event is None else {"filter_name": self.event}
        for number, (key, value) in enumerate(self.properties):
            bound |= {f"filter_key_{number}": key, f"filter_value_{number}": value}
        return bound


EVERYTHING = Filter()
"""The filter of a page without one."""
