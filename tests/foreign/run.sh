#!/usr/bin/env bash
# Clients of other makers against the built service. `tests/run foreign` starts this file and gives it
# HANDOFF_BIN, HANDOFF_FOREIGN_PYTHON and HANDOFF_FOREIGN_BUF. Its last line counts: `N passed, N failed`.
set -euo pipefail
echo "no foreign tests yet"
