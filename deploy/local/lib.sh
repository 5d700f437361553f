# What up, down and status share: where the state is, and which processes are ours. Sourced, not run.
# shellcheck shell=bash

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
state=${ROOMCAST_LOCAL_DIR:-$here/.run}

say() { printf '%s\n' "$*"; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}
wrong_usage() {
  printf '%s: %s\n\n' "${0##*/}" "$*" >&2
  usage >&2
  exit 64
}

# --- processes
# Each process of the cluster has a record, $state/NAME.proc: "PID STARTED URL", and for a node the URL of its internal
# listener behind that. A pid alone may by now belong to somebody else's process; together with its start time (in clock
# ticks since boot) it cannot.

# The start time of a living process; fails when there is none. A zombie is dead: nobody has waited for it yet.
started_at() { # PID
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
  # The command's name stands in parentheses and may contain anything, so count from the last one.
  local -a field
  read -ra field <<<"${stat##*) }"
  [[ ${field[0]} != [ZX] ]] || return 1
  printf '%s' "${field[19]}"
}

record() { # NAME PID [URL [ADMIN_URL]]
  local started
  started=$(started_at "$2") || return 1
  printf '%s\n' "$2 $started ${*:3}" >"$state/$1.proc.new"
  mv "$state/$1.proc.new" "$state/$1.proc"
}

# Sets pid, url and admin_url from a record; fails when that process has ended (they are set all the same).
# shellcheck disable=SC2034 # the callers read them
find_process() { # NAME
  local started
  pid='' url='' admin_url=''
  { read -r pid started url admin_url <"$state/$1.proc"; } 2>/dev/null || return 1
  [[ $(started_at "$pid") == "$started" ]]
}

# The recorded processes of the cluster in the order of starting; "up" itself is not one of them.
recorded() {
  local file
  for file in "$state"/redis.proc "$state"/node-[1-9].proc "$state"/balancer.proc; do
    [[ ! -e $file ]] || basename "$file" .proc
  done
}

running() {
  local name
  for name in $(recorded); do
    if find_process "$name"; then return 0; fi
  done
  return 1
}

# Waits until a command succeeds; fails after so many seconds.
within() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

all_ended() { # NAME...
  local name
  for name; do
    if find_process "$name"; then return 1; fi
  done
}

stop_processes() { # SECONDS NAME...
  local seconds=$1 name
  shift
  for name; do
    if find_process "$name"; then kill -TERM "$pid" 2>/dev/null || true; fi
  done
  if ! within "$seconds" all_ended "$@"; then
    for name; do
      if find_process "$name"; then
        say "$name does not stop by itself: killed"
        kill -KILL "$pid" 2>/dev/null || true
      fi
    done
    within 5 all_ended "$@"
  fi
  for name; do rm -f "$state/$name.proc"; done
}

# First who brings clients, then who serves them, then what they need: nobody logs errors about the others.
stop_cluster() {
  local -a gateways
  mapfile -t gateways < <(recorded | grep '^node-' || true)
  stop_processes 10 balancer
  # A node lets its clients go bit by bit: with the default server.drain_delay_ms, drain_window_ms and graces that takes
  # 25 s at most, and little of it for those who are left without the balancer.
  stop_processes 45 "${gateways[@]}"
  stop_processes 10 redis
}
