#!/bin/bash
# hello.sh BIN: the HTTP service under real clients; see hello.py.
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$(dirname "$0")/hello.py" "$1"
