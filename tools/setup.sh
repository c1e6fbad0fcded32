#!/usr/bin/env bash
# Creates .venv with the package and its development tools, and installs browsers. A second run compares a checksum
# and returns. PYTHON chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 3; }

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "$python is not installed: install Python 3.11 or newer, or set PYTHON"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old: install Python 3.11 or newer, or set PYTHON"

# The package with all extras, in the versions of tools/constraints.txt (`make lock` writes it).
wanted=$(cat pyproject.toml tools/constraints.txt tools/setup.sh | sha256sum)
stamp=.venv/setup-done
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "creating .venv and installing clickport-conformance with all extras (once, about 330 MB)"
  "$python" -m venv .venv || fail "could not create .venv; Debian and Ubuntu: apt-get install python3-venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -c tools/constraints.txt -e '.[all]'
  echo "$wanted" >"$stamp"
  say "the command is .venv/bin/clickport"
fi

# Components of React and Vue for two cases of API-4, the dashboard's chart and font.
tools/assets.sh || say "the rest works without"

# The TypeScript compiler, for the test of `clickport plan types`.
if [ ! -e tests/site/typescript/node_modules ] && command -v npm >/dev/null; then
  say "installing the TypeScript compiler (once, about 25 MB)"
  (cd tests/site/typescript && npm ci --ignore-scripts --no-audit --no-fund --silent) ||
    say "that failed: the test of plan types is skipped"
fi

# Three browsers: from the system's packages or, for Chromium and Firefox, downloaded by Playwright.
browsers() { .venv/bin/python -m conformance.browsers "$@"; }
if [ ! -e .venv/browsers-done ] && ! browsers >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Chromium, Firefox and WebKitGTK from the system's packages (once, about 700 MB)"
    apt-get update -qq || say "apt-get update failed: trying with the existing package lists"
    for packages in chromium-headless-shell firefox-esr "webkit2gtk-driver xvfb xauth"; do
      # shellcheck disable=SC2086 - a list of names
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
        say "could not install: $packages"
    done
  fi
  for name in chromium firefox; do
    browsers "$name" >/dev/null 2>&1 || {
      say "downloading Playwright's $name"
      .venv/bin/python -m playwright install "$name" || true
    }
  done
  browsers chromium >/dev/null || fail "Chromium is not available, and the tests need it: install it, then run this again"
  browsers || say "the checks run in the other browsers"
fi
# Its headless shell, which runs most cases, keeps no page in the back/forward cache (GOOD-1, DELIV-3, DELIV-6).
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing Chromium itself from the system's packages (once, about 290 MB)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null ||
    say "that failed: cases of the back/forward cache are not tested in Chromium"
fi
# wrk is the fast probe of `make load`; faketime sets the server's clock in a test; haproxy is a front of `clickport cluster`.
if ! { command -v wrk && command -v faketime && PATH=$PATH:/usr/sbin command -v haproxy; } >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing wrk, faketime and haproxy from the system's packages (once, about 8 MB)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk faketime haproxy >/dev/null ||
    say "that failed: make load uses a slower probe, and a test of the clock is skipped"
fi
touch .venv/browsers-done
