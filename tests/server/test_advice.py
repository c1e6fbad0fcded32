"""Advice on names: what the documentation warns of, and little else."""

import pytest

from reference_server.analytics.advice import about_names


def advice(*names: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the rules that apply, with the names they concern."""
    return [(found.rule, found.names) for found in about_names(names)]


@pytest.mark.parametrize(
    "names",
    [
        ("Purchase", "purchase"),
        ("Sign up", "Signup"),
        (" Signup", "Signup"),
        ("Form  Submit", "Form Submit", "form submit"),
        ("STRASSE", "straße"),
    ],
)
def test_names_that_look_alike(names: tuple[str, ...]) -> None:
    """LINT-1: names that differ only in case or spacing."""
    assert advice(*names, "Other") == [("LINT-1", tuple(sorted(names)))]


@pytest.mark.parametrize(
    "name",
    [
        "Sign\u200bup",
        "Signup\u202e",
        "\u0405ignup",  # Cyrillic.
        "\uff33ignup",  # Full width.
        "Sign\u00adup",
        "Signup\u3164",
        "S\u0456gnup",
    ],
)
def test_names_of_other_characters_that_look_the_same(name: str) -> None:
    """LINT-1: invisible characters and letters of another alphabet, named apart from case and spacing."""
    (found,) = about_names(["Signup", name, "Other"])
    assert (found.rule, found.names) == ("LINT-1", tuple(sorted(("Signup", name))))
    assert "look alike" in found.text
    assert "only in case or spacing" in about_names(["Signup", "Signup ", "Sign\nup"])[0].text


@pytest.mark.parametrize(
    "names", [("Café", "Cafe"), ("Größe", "Grosse"), ("Покупка", "Покупки"), ("完了", "完子")]
)
def test_names_of_other_languages_are_fine(names: tuple[str, ...]) -> None:
    """Accents and other scripts are no lookalikes."""
    assert advice(*names) == []


@pytest.mark.parametrize(
    "names",
    [
        ("Signup Free", "Signup Pro"),
        ("signup_free", "signup_pro"),
        ("signupFree", "signupPro"),
        ("Download Brochure", "Download Price List", "Download Manual"),
        ("Checkout Step 1", "Checkout Step 2"),
        ("Banner Top", "Banner Bottom"),
    ],
)
def test_variants_spelt_into_names(names: tuple[str, ...]) -> None:
    """LINT-2: a variant belongs in a property."""
    assert [rule for rule, _ in advice(*names, "Other")] == ["LINT-2"]


def test_every_spelling_of_a_variant_is_named() -> None:
    """Advice about any one of the spellings names all of them."""
    names = ("Signup Free", "Signup Pro", "signup_pro")
    assert advice(*names) == [("LINT-2", names)]


@pytest.mark.parametrize(
    "names",
    [
        ("Signup",),
        ("Signup", "Signup Pro"),
        ("Video Play", "Video Pause", "Video Complete"),
        ("Form Submit", "CTA Click", "Purchase", "Donation"),
        ("Signup Started", "Signup Completed"),
        ("Contact Page", "Contact Form"),
        ("🎉", "🎊"),
        ("!", "?", " "),
        ("1", "2", "3"),
    ],
)
def test_names_that_are_fine(names: tuple[str, ...]) -> None:
    """An object with two actions is two events, not two variants."""
    assert advice(*names) == []
