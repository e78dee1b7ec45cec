#!/usr/bin/env bash
# One command: make .venv, install, open the app.   ./run.sh demo | doctor | ...: any command of `tunesmith`
# ./run.sh test [pytest arguments]: install what the tests need as well, and run them.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '%s\n' "$*" >&2; }

find_python() {
  for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 &&
      "$name" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && { command -v "$name"; return; }
  done
  say "Tunesmith needs Python 3.11 or newer with its venv module. Debian and Ubuntu: sudo apt install python3 python3-venv; macOS: brew install python"
  return 1
}

command=${1:-app}
wanted=$([ "$command" = test ] && echo dev || echo app)
stamp=".venv/.installed-$wanted-$(cksum < pyproject.toml | tr -d ' ')"
if [ ! -f "$stamp" ]; then
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    say "Making .venv with $("$python" --version) ..."
    "$python" -m venv .venv
  fi
  say "Installing (the first time this takes some minutes: PyTorch is 200 MB for a processor, with CUDA some GB) ..."
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
  PYTHONWARNINGS=ignore .venv/bin/python -m pip install --quiet --disable-pip-version-check -e .
  [ "$wanted" = app ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check --group dev
  [ "$wanted" = app ] || .venv/bin/python -m tuner.export.converter .venv/tools  # tests fetch nothing
  touch "$stamp"
  say "Installed."
fi
case "$command" in
  test) # all of them by two at once: their models are small, and each computes on one core
    shift
    unset PYTHONDONTWRITEBYTECODE # the tests start some thousand processes, each of which would compile the sources anew
    [ $# -gt 0 ] || set -- -n 2 --dist loadfile --no-loadscope-reorder  # in the order of tests/conftest.py
    exec .venv/bin/python -m pytest "$@" ;;
  *) exec .venv/bin/tunesmith "$@" ;;
esac
