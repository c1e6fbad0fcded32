"""A name of a class stands for one thing."""

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("conformance", "reference_server", "benchmarks", "load", "tools")
# One concept on both sides of the protocol, which do not import each other.
ON_BOTH_SIDES = {"Advice", "Event"}


def test_no_two_packages_have_classes_of_one_name() -> None:
    """A search for a class finds one package, except for the concepts that both sides know."""
    packages = defaultdict(set)
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        if "node_modules" in path.parts:
            continue
        package = "/".join(path.relative_to(ROOT).parts[:2])
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                packages[node.name].add(package)
    shared = {name: found for name, found in packages.items() if len(found) > 1}
    assert {name: found for name, found in shared.items() if name not in ON_BOTH_SIDES} == {}
