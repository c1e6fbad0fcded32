#!/usr/bin/env bash
# Makes .venv with the package and everything it is developed with, and sees to a browser. Done once: a second
# run compares a checksum and returns. PYTHON chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 3; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "no $python here: install Python 3.11 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old: install Python 3.11 or newer, or set PYTHON"

# The package.
wanted=$(cat pyproject.toml scripts/setup.sh | sha256sum)
stamp=.venv/setup-done
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "creating .venv and installing clickport-conformance with all extras (once, about 330 MB)"
  "$python" -m venv .venv || fail "could not create .venv; Debian and Ubuntu: apt-get install python3-venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
  echo "$wanted" >"$stamp"
  say "the command is .venv/bin/clickport"
fi

# A browser: the system's, or the one that Playwright downloads where that is possible.
browser() { .venv/bin/python -m conformance.browsers; }
if ! browser >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Chromium from the system's packages"
    apt-get update -qq || say "apt-get update failed; trying with the lists there are"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium-headless-shell \
      >/dev/null || say "there is no package chromium-headless-shell here"
  fi
  if ! browser >/dev/null 2>&1; then
    say "downloading Playwright's Chromium"
    .venv/bin/python -m playwright install chromium || true
  fi
  browser || fail "without a browser no tracker can be checked"
fi
