"""`clickport plan types`: the TypeScript compiler accepts planned calls, and only those."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

TSC = Path(__file__).parent / "typescript" / "node_modules" / "typescript" / "bin" / "tsc"
GOOD = """
clickport.track('Signup', { plan: 'pro' })
clickport.track('Signup', { plan: 'free', seats: 3 })
window.clickport.track('Purchase', { sku: 'ABC-1', 'is gift': true }, { amount: 49.99, currency: 'EUR' })
clickport.track('Video Play')
clickport.track('Video Play', { title: 'Demo', seconds: 3 })
clickport.track('Video Play', null)
"""
BAD = {
    "clickport.track('Sigup', { plan: 'pro' })": "'\"Sigup\"' is not assignable",
    "clickport.track('Signup')": "Expected 2 arguments",
    "clickport.track('Signup', {})": "'plan' is missing",
    "clickport.track('Signup', { plan: 'gold' })": "'\"gold\"' is not assignable",
    "clickport.track('Signup', { plan: 'pro', seats: 'two' })": "'string' is not assignable to type 'number'",
    "clickport.track('Signup', { plan: 'pro', coupon: 'x' })": "'coupon' does not exist",
    "clickport.track('Signup', { plan: 'pro' }, { amount: 1, currency: 'EUR' })": "Expected 2 arguments",
    "clickport.track('Purchase', { sku: 'ABC-1' })": "Expected 3 arguments",
    "clickport.track('Purchase', { sku: 'A' }, { amount: '1', currency: 'EUR' })": "'string' is not",
    "clickport.track('Purchase', { sku: 'A' }, { amount: 1, currency: 'USD' })": "'\"USD\"' is not",
    "clickport.track('Purchase', { sku: 'A' }, { amount: 1 })": "'currency' is missing",
}


def compiled(folder: Path, calls: list[str]) -> dict[int, str]:
    """Compile calls, one a line; return the compiler's messages by line, from 1."""
    (folder / "calls.ts").write_text("\n".join(["import './plan'", *calls]), encoding="utf-8")
    words = ["node", str(TSC), "--noEmit", "--strict", "--target", "es2022", "--pretty", "false", "calls.ts"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        if match := re.match(r"calls\.ts\((\d+),", line):
            found[int(match[1]) - 1] = found.get(int(match[1]) - 1, "") + line
        elif found:
            found[max(found)] += line
        else:
            raise AssertionError(line)
    return found


@pytest.mark.skipif(not TSC.exists(), reason="npm has not installed tests/site/typescript: make setup")
def test_only_planned_calls_compile(folder: Path, clickport: Callable[..., Result]) -> None:
    """Planned calls compile; each other call is an error on its line."""
    (folder / "plan.d.ts").write_text(clickport("plan", "types").output, encoding="utf-8")
    good = GOOD.strip().splitlines()
    assert compiled(folder, good) == {}
    messages = compiled(folder, [*good, *BAD])
    assert sorted(messages) == list(range(len(good) + 1, len(good) + len(BAD) + 1)), messages
    for (call, text), message in zip(BAD.items(), messages.values(), strict=True):
        assert text in message, call
