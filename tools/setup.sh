#!/usr/bin/env bash
# Makes .venv with the package and everything it is developed with, and sees to browsers. Done once: a second
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
wanted=$(cat pyproject.toml tools/setup.sh | sha256sum)
stamp=.venv/setup-done
if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
  say "creating .venv and installing clickport-conformance with all extras (once, about 330 MB)"
  "$python" -m venv .venv || fail "could not create .venv; Debian and Ubuntu: apt-get install python3-venv"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
  echo "$wanted" >"$stamp"
  say "the command is .venv/bin/clickport"
fi

# Components of React and Vue, for two cases of API-4.
if [ ! -e fixtures/frameworks/dist ]; then
  if command -v npm >/dev/null; then
    say "installing React and Vue and building a component of each (once, about 45 MB)"
    (cd fixtures/frameworks && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build) ||
      say "that failed: the cases with React and Vue are told as not testable"
  else
    say "no npm here: the cases with React and Vue are told as not testable"
  fi
fi

# The dashboard's chart and font, and axe for its tests.
if ! cmp -s reference_server/web/dashboard/npm/package-lock.json reference_server/web/dashboard/static/vendor/package-lock.json ||
  [ ! -e reference_server/web/dashboard/npm/node_modules ]; then
  if command -v npm >/dev/null; then
    say "installing the dashboard's chart and font (once, about 10 MB)"
    (cd reference_server/web/dashboard/npm && npm ci --ignore-scripts --no-audit --no-fund --silent && npm run --silent build) ||
      say "that failed: the dashboard shows tables instead of charts"
  else
    say "no npm here: the dashboard shows tables instead of charts"
  fi
fi

# Three browsers: the system's, or, for Chromium and Firefox, those that Playwright downloads where that is possible.
browsers() { .venv/bin/python -m conformance.browsers "$@"; }
if [ ! -e .venv/browsers-done ] && ! browsers >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing Chromium, Firefox and WebKitGTK from the system's packages (once, about 700 MB)"
    apt-get update -qq || say "apt-get update failed; trying with the lists there are"
    for packages in chromium-headless-shell firefox-esr "webkit2gtk-driver xvfb xauth"; do
      # shellcheck disable=SC2086 - a list of names
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null ||
        say "not here by that name: $packages"
    done
  fi
  for name in chromium firefox; do
    browsers "$name" >/dev/null 2>&1 || {
      say "downloading Playwright's $name"
      .venv/bin/python -m playwright install "$name" || true
    }
  done
  browsers chromium >/dev/null || fail "without Chromium the tests cannot run"
  browsers || say "without these browsers the checks run in the others"
fi
# A fast sender for make load, and clocks that go wrong for tests of the server.
if ! { command -v wrk && command -v faketime; } >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  say "installing wrk and faketime from the system's packages (once, about 2 MB)"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wrk faketime >/dev/null ||
    say "not here: make load compares by a slower sender, and a test of the clock is left out"
fi
touch .venv/browsers-done
