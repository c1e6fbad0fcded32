"""Requirements as conditions on generated examples, by lane and case id.

A condition takes an Observation. It returns True if the example had anything to do with the requirement, and
raises Violation if the requirement is violated. A lost event counts against one requirement: that of the only
odd part of the example (see ``oddities``), or WIRE-4, STORE-1 or PROP-5 if no part is odd.
"""

from collections.abc import Mapping

from conformance.protocol.requirements import Lane, Level
from conformance.search import property_conditions
from conformance.search.condition_base import Condition, of_pairs, well_formed
from conformance.search.model import ValueKind
from conformance.search.observation import Observation
from conformance.search.oddities import Odd
from conformance.search.pair_conditions import (
    call_is_row,
    revenue_is_wire,
    row_is_wire,
    row_without_revenue_of_call,
    row_without_wrong_amount,
)
from conformance.search.server_conditions import (
    accepted,
    lists_cost_no_event,
    money_costs_no_event,
    neighbour_unharmed,
    one_row,
    proper_answer,
    refund_is_stored,
    row_without_revenue,
    same_again,
    stored_amount,
    stored_currency,
    values_cost_no_event,
)
from conformance.search.tracker_conditions import (
    currency_costs_no_event,
    equal_lists,
    never_throws,
    no_revenue,
    no_value_costs_the_event,
    no_wrong_amount,
    one_object,
    one_request,
    refund_is_sent,
    sent_amount,
    sent_currency,
)

_SHARED: Mapping[str, property_conditions.Condition] = {
    "prop-1-fuzz": property_conditions.order_and_pairing,
    "prop-2-fuzz": property_conditions.first_thirty,
    "prop-3-fuzz": property_conditions.cut_values,
    "prop-4-fuzz": property_conditions.simple_values,
    "prop-5-fuzz": property_conditions.nothing_but_text,
}


def _throwing_values(conditions: Mapping[str, Condition]) -> Condition:
    """Return the condition for calls with arguments whose own code throws: there all of these are SHOULDs."""

    def of(seen: Observation) -> bool:
        return seen.call.throws and sum(condition(seen) for condition in conditions.values()) > 0

    return of


def _other_values(conditions: Mapping[str, Condition]) -> dict[str, Condition]:
    """Return the conditions for calls without such arguments, so that MUSTs are as strict as the vectors."""

    def of(condition: Condition) -> Condition:
        return lambda seen: not seen.call.throws and condition(seen)

    return {id_: of(condition) for id_, condition in conditions.items()}


# MUSTs on a call and its request, except for arguments whose own code throws.
_OF_CALLS: Mapping[str, Condition] = {
    **{id_: of_pairs(condition, stored=False) for id_, condition in _SHARED.items()},
    "prop-5-fuzz": no_value_costs_the_event,
    "rev-1-fuzz": sent_amount(Level.MUST),
    "rev-2-fuzz": sent_currency,
    "rev-4-fuzz": no_revenue,
    "wire-2-fuzz": one_object,
    "wire-3-fuzz": equal_lists,
    "wire-4-fuzz": one_request,
}
_OF_CALLS_IN_ROWS: Mapping[str, Condition] = {
    **{id_: of_pairs(condition, stored=True) for id_, condition in _SHARED.items()},
    "rev-1-fuzz": stored_amount(Level.MUST),
    "rev-2-fuzz": stored_currency,
    "rev-4-fuzz": row_without_revenue_of_call,
    "store-1-fuzz": call_is_row,
    "store-2-fuzz": row_is_wire,
    "store-3-fuzz": revenue_is_wire,
}

CONDITIONS: Mapping[Lane, Mapping[str, Condition]] = {
    Lane.TRACKER: {
        **_other_values(_OF_CALLS),
        "prop-5-fuzz-throwing": _throwing_values(_OF_CALLS),
        "prop-6-fuzz": well_formed(stored=False),
        "api-5-fuzz": never_throws,
        "rev-1-fuzz-finer": sent_amount(Level.SHOULD),
        "rev-6-fuzz": refund_is_sent,
        "rev-7-fuzz": no_wrong_amount,
        "rev-8-fuzz": currency_costs_no_event,
    },
    Lane.SERVER: {
        **{id_: of_pairs(condition, stored=True) for id_, condition in _SHARED.items()},
        "prop-4-fuzz": values_cost_no_event(ValueKind.SIMPLE, property_conditions.simple_values),
        "prop-5-fuzz": values_cost_no_event(ValueKind.OTHER, property_conditions.nothing_but_text),
        "prop-6-fuzz": well_formed(stored=True),
        "prop-7-fuzz": lists_cost_no_event,
        "rev-1-fuzz": stored_amount(Level.MUST),
        "rev-1-fuzz-finer": stored_amount(Level.SHOULD),
        "rev-2-fuzz": stored_currency,
        "rev-4-fuzz": row_without_revenue,
        "rev-6-fuzz": refund_is_stored,
        "rev-7-fuzz": money_costs_no_event(Odd.AMOUNT),
        "rev-8-fuzz": money_costs_no_event(Odd.CURRENCY),
        "store-1-fuzz": one_row,
        "store-2-fuzz": same_again,
        "store-5-fuzz": neighbour_unharmed,
        "wire-6-fuzz": accepted,
        "wire-8-fuzz": proper_answer,
    },
    Lane.PAIR: {
        **_other_values(_OF_CALLS_IN_ROWS),
        "prop-5-fuzz-throwing": _throwing_values(_OF_CALLS_IN_ROWS),
        "prop-6-fuzz": well_formed(stored=True),
        "rev-6-fuzz": refund_is_stored,
        "rev-7-fuzz": row_without_wrong_amount,
    },
}
