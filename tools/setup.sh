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

# The package with all extras.
wanted=$(cat pyproject.toml tools/setup.sh | sha256sum)
stamp=.venv/setup-done
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "creating .venv and installing clickport-conformance with all extras (once, about 330 MB)"
  "$python" -m venv .venv || fail "could not create .venv; Debian and Ubuntu: apt-get install python3-venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
  echo "$wanted" >"$stamp"
  say "the command is .venv/bin/clickport"
fi

# React and Vue components, for two cases of API-4, and the checkout of the shop.
if [ ! -e fixtures/frameworks/dist/shop-checkout.js ]; then
  if command -v npm >/dev/null; then
    say "installing React and Vue and building a component of each (once, about 45 MB)"
    (cd fixtures/frameworks && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build) ||
      say "that failed: the cases with React and Vue will be reported as not testable"
  else
    say "npm is not installed: the cases with React and Vue will be reported as not testable"
  fi
fi

# The TypeScript compiler, for the test of `clickport plan types`.
if [ ! -e tests/site/typescript/node_modules ] && command -v npm >/dev/null; then
  say "installing the TypeScript compiler (once, about 25 MB)"
  (cd tests/site/typescript && npm ci --ignore-scripts --no-audit --no-fund --silent) ||
    say "that failed: the test of plan types is skipped"
fi

# The dashboard's chart and font, and axe for its tests.
if ! cmp -s reference_server/web/dashboard/npm/package-lock.json reference_server/web/dashboard/static/vendor/package-lock.json ||
  [ ! -e reference_server/web/dashboard/npm/node_modules ]; then
  if command -v npm >/dev/null; then
    say "installing the dashboard's chart and font (once, about 10 MB)"
    (cd reference_server/web/dashboard/npm && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build) ||
      say "that failed: the dashboard shows tables instead of charts"
  else
    say "npm is not installed: the dashboard shows tables instead of charts"
  fi
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
# wrk is the fast probe of `make load`; faketime sets the server's clock in a test.
if ! { command -v wrk && command -v faketime; } >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing wrk and faketime from the system's packages (once, about 2 MB)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk faketime >/dev/null ||
    say "that failed: make load uses a slower probe, and a test of the clock is skipped"
fi
touch .venv/browsers-done
