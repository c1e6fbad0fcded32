"""Looks for what nobody wrote down: calls and requests drawn by Hypothesis, held to the requirements.

``model`` says what the requirements make of a text or a number, ``calls`` and ``bodies`` are what is drawn,
``properties`` are the requirements as conditions, ``labs`` perform examples, ``engine`` finds and shrinks.
Nothing in here knows the reference implementation.
"""
