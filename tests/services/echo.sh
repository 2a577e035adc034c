#!/bin/bash
# echo.sh BIN: the echo service under real clients; see echo.py.
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "$0")/echo.py" "$1"
