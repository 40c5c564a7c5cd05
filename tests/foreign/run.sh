#!/usr/bin/env bash
# Clients of other makers against the built service: a Python client plays a whole transfer, Python's standard library
# speaks gRPC-Web, `buf curl` asks by reflection, and tokens come from an identity provider over the network. What proves
# a case is checked by openssl, Sigsum's tools and py_webauthn.
# `tests/run foreign` starts this file and gives it HANDOFF_BIN, HANDOFF_FOREIGN_PYTHON, HANDOFF_FOREIGN_BUF and
# HANDOFF_FOREIGN_OIDC. Its last line counts: `N passed, N failed`.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
: "${HANDOFF_BIN:?the built service}" "${HANDOFF_FOREIGN_PYTHON:?a Python with requirements.txt}"
: "${HANDOFF_FOREIGN_BUF:?the program buf}" "${HANDOFF_FOREIGN_OIDC:?a folder with oidc-provider installed}"

folder=$(mktemp -d)
results=$folder/results
service=
: >"$results"

finish() {
  if [[ -n $service ]]; then
    kill "$service" 2>/dev/null || true
    wait "$service" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap finish EXIT

# ---- the service -------------------------------------------------------------------------------

parties='["adapter", "dispatcher", "responder", "duty_officer", "supervisor", "admin", "witness"]'

organisation() { # ID KIND ROLES
  cat <<TOML

[[organisation]]
id = "$1"
kind = "$2"
name = "$1"
issuer = "https://issuer.dev.invalid/$1"
jwks_file = "$1.jwks.json"
alg = "EdDSA"
audience = "handoff"
grantable_roles = $3
token_life_max_s = 86400
TOML
}

write_config() {
  cat <<'TOML'
profile = "development"

[server]
listen = "127.0.0.1:0"
metrics_listen = "127.0.0.1:0"
tls_cert_file = "server.pem"
tls_key_file = "server.key"
client_certificates = "off"
resume_key_file = "resume.key"

[database]
url = "sqlite:handoff.db"

[evidence]
log_key_file = "log.key"
policy_file = "handoff.policy"
mark_file = "handoff.mark"

[sealing]
key_file = "sealing.key"

[log]
level = "warn"
format = "text"
TOML
  organisation A party "$parties"
  organisation B party "$parties"
  organisation SUP superior '["superior"]'
  organisation AUD audit '["auditor"]'
}

# The registrars and the witness of each side, and the policy that names them.
agree_on_a_policy() {
  local org registrar file key options=()
  for org in A B; do
    for registrar in first second; do
      file=$folder/${org,,}-$registrar.registrar
      key=$("$HANDOFF_BIN" keys registrar --to "$file")
      options+=(--registrar "$org=$key")
    done
    file=$folder/${org,,}.witness
    "$HANDOFF_BIN" keys new --to "$file" >/dev/null
    key=$("$HANDOFF_BIN" witness key --name "${org,,}.invalid/witness" --key-file "$file")
    options+=(--witness "$org=$key")
  done
  "$HANDOFF_BIN" policy new --config "$folder/handoff.toml" "${options[@]}" >"$folder/handoff.policy"
}

token() { # NAME ORG SUBJECT ROLE [STATION [CLIENT]]
  local options=(--org "$2" --subject "$3" --role "$4" --life 3600)
  [[ -z ${5:-} ]] || options+=(--station "$5")
  [[ -z ${6:-} ]] || options+=(--client "$6")
  "$HANDOFF_BIN" token --config "$folder/handoff.toml" --folder "$folder" "${options[@]}" >"$folder/$1.token"
}

write_tokens() {
  local side org station
  for side in a b; do
    if [[ $side == a ]]; then org=A station=A-01; else org=B station=B-07; fi
    token "$side-system" "$org" "cad-$side" adapter "$station" "cad-$side"
    token "$side-duty" "$org" "$side-duty" duty_officer "$station"
    token "$side-responder" "$org" "$side-resp" responder "$station"
    token "$side-admin" "$org" "$side-admin" admin "$station"
    token "$side-witness" "$org" "witness-$side" witness
  done
  token auditor AUD au-1 auditor
}

# Starts the service and waits for the line that names its address.
start() {
  mkfifo "$folder/said"
  "$HANDOFF_BIN" serve --config "$folder/handoff.toml" 2>"$folder/said" &
  service=$!
  exec 7<"$folder/said"
  local line
  while IFS= read -r -t 60 -u 7 line; do
    printf '%s\n' "$line" >&2
    if [[ $line =~ serving\ on\ https://([^ ]+) ]]; then
      export FOREIGN_ADDRESS=${BASH_REMATCH[1]} FOREIGN_FOLDER=$folder
      cat <&7 >&2 &
      return 0
    fi
  done
  echo "the service did not start" >&2
  return 1
}

# ---- the clients -------------------------------------------------------------------------------

stubs() {
  mkdir "$folder/stubs"
  (cd "$root/proto" && "$HANDOFF_FOREIGN_PYTHON" -m grpc_tools.protoc -I . \
    --python_out="$folder/stubs" --grpc_python_out="$folder/stubs" $(find handoff -name '*.proto'))
  "$HANDOFF_FOREIGN_PYTHON" -m grpc_tools.protoc -I "$here" --python_out="$folder/stubs" "$here/details.proto"
}

# part NAME COMMAND..: runs one client; if it ends badly without saying which check failed, that is a failed check.
part() {
  local name=$1 before after
  shift
  echo "-- $name"
  before=$(grep -c '^FAILED' "$results" || true)
  "$@" | tee -a "$results" || {
    after=$(grep -c '^FAILED' "$results" || true)
    ((after > before)) || echo "FAILED  $name ended badly" | tee -a "$results"
  }
}

python() { PYTHONPATH="$folder/stubs:$here" PYTHONDONTWRITEBYTECODE=1 "$HANDOFF_FOREIGN_PYTHON" "$@"; }

# One refused move, known to buf only by what the service tells about itself.
reflected() {
  local incident answer data listed reason
  incident=$(cat "$folder/incident")
  data='{"requestId": "00000000-0000-4000-8000-00000000b0f1", "incident": "'$incident'",
    "expected": {"state": "CLOSED", "tenure": "2"}, "code": "DONE"}'
  local call=("$HANDOFF_FOREIGN_BUF" curl --cacert "$folder/ca.pem" --protocol grpc
    --header "authorization: Bearer $(cat "$folder/b-duty.token")")
  listed=$("${call[@]}" --list-methods "https://$FOREIGN_ADDRESS" 2>&1 || true)
  if [[ $'\n'$listed$'\n' == *$'\nhandoff.v1.HandoffService/TakeOver\n'* ]]; then
    echo "ok      buf lists the methods by reflection"
  else
    echo "FAILED  buf lists the methods by reflection: $listed"
  fi
  if answer=$("${call[@]}" -d "$data" "https://$FOREIGN_ADDRESS/handoff.v1.IncidentService/Close" 2>&1); then
    echo "FAILED  a closed incident is not closed again: $answer"
    return
  fi
  if grep -q '"code": *"failed_precondition"' <<<"$answer"; then
    echo "ok      buf is refused with FAILED_PRECONDITION"
  else
    echo "FAILED  buf is refused with FAILED_PRECONDITION: $answer"
  fi
  reason=$(python "$here/reason.py" <<<"$answer" || true)
  if [[ $reason == "handoff.v1 MOVE_NOT_LEGAL" ]]; then
    echo "ok      buf is told the reason MOVE_NOT_LEGAL"
  else
    echo "FAILED  buf is told the reason MOVE_NOT_LEGAL: $answer"
  fi
}

main() {
  umask 077
  "$HANDOFF_BIN" dev-ca --folder "$folder" --org A --org B --org SUP --org AUD >/dev/null
  write_config >"$folder/handoff.toml"
  agree_on_a_policy
  "$HANDOFF_BIN" db migrate --config "$folder/handoff.toml"
  write_tokens
  stubs
  start
  part "a transfer in Python" python "$here/client.py"
  part "gRPC-Web over HTTP/1.1" python "$here/web.py"
  part "buf curl by reflection" reflected
  mkdir "$folder/proof" "$folder/oidc"
  part "a case proven to programs of other makers" python "$here/evidence.py" "$folder/proof"
  part "a foreign identity provider" python "$here/oidc.py" "$folder/oidc"

  local passed failed
  passed=$(grep -c '^ok ' "$results" || true)
  failed=$(grep -c '^FAILED ' "$results" || true)
  echo "$passed passed, $failed failed"
  ((failed == 0))
}

main
