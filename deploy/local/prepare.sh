# What "up" needs before it can start something: packages, the build, free ports, and probes. Sourced by it, not run.
# shellcheck shell=bash disable=SC2154 # here, state, repository and lock are set by "up"

# --- packages

source "$here/install.sh"

# Installs what is missing, from the distribution.
install_packages() {
  # Where rustup puts cargo, and where administrators' programs are, is not always in the PATH of a user.
  PATH=$PATH:/usr/sbin:/usr/local/sbin:/sbin:${CARGO_HOME:-$HOME/.cargo}/bin
  need redis-server redis-server
  need haproxy haproxy
  if [[ ! ${ROOMCAST_BIN:-} ]]; then
    command -v cargo >/dev/null || fail 'cargo is missing: install Rust (rustup is the usual way), or set ROOMCAST_BIN to a built roomcast'
    # Rust links with it.
    need cc build-essential
    if page_is_stale; then
      need node nodejs
      need npm npm
    fi
  fi
  ((${#missing[@]})) || return 0
  can_install || fail "please install: ${missing[*]}"

  say "installing ${missing[*]}"
  if ! install_missing >"$state/apt.log" 2>&1; then
    tail -n 15 "$state/apt.log" | sed 's/^/    /' >&2
    fail "could not install ${missing[*]}"
  fi
}

# --- build

page_is_stale() {
  local demo=$repository/crates/gateway/demo
  [[ ! -e $demo/dist/app.js || $(find "$demo/src" "$demo"/package*.json "$demo/build.js" -newer "$demo/dist/app.js" -print -quit) ]]
}

build() {
  if [[ ${ROOMCAST_BIN:-} ]]; then return; fi
  local demo=$repository/crates/gateway/demo
  if page_is_stale; then
    say 'building the demo page'
    # The page's packages need no scripts at installation, so none runs.
    step npm --prefix "$demo" ci --ignore-scripts --no-audit --no-fund --loglevel=error
    step npm --prefix "$demo" run --silent build
  fi
  say 'building roomcast'
  step cargo build --manifest-path "$repository/Cargo.toml" --release --locked --bin roomcast
}

# A long command in a session of its own that a signal to this script can interrupt: bash itself would first wait for
# its end.
step_pid=''
step() {
  setsid "$@" </dev/null {lock}>&- &
  step_pid=$!
  wait "$step_pid" || fail "this failed: $*"
  step_pid=''
}

stop_step() {
  if [[ $step_pid ]]; then kill -TERM -- "-$step_pid" 2>/dev/null || true; fi
}

# --- ports

# The local ports in use, in hexadecimal; with "0A" only those that somebody listens on.
used_ports() { # [STATE]
  awk -v state="${1:-}" 'FNR > 1 && (state == "" || $4 == state) { print substr($2, length($2) - 3) }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}

port_is_free() { # PORT
  ! used_ports 0A | grep -qix "$(printf '%04x' "$1")"
}

# Sets chosen_port to a port that nothing uses, from below those that the system gives to outgoing connections.
chosen_port='' chosen_before=' '
choose_port() {
  local used
  used=$(used_ports)
  for _ in {1..100}; do
    chosen_port=$((20000 + (RANDOM * 32768 + RANDOM) % 10000))
    # What was chosen before may not be listening yet.
    if [[ $chosen_before != *" $chosen_port "* ]] && ! grep -qix "$(printf '%04x' "$chosen_port")" <<<"$used"; then
      chosen_before+="$chosen_port "
      return
    fi
  done
  fail 'found no free port'
}

# --- probes, without any program that a small machine may lack

redis_answers() { # PORT
  local answer=''
  {
    exec {probe}<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'PING\r\n' >&"$probe"
    read -r -t 2 answer <&"$probe" || true
    exec {probe}>&-
  } 2>/dev/null
  [[ $answer == +PONG* ]]
}

answers_ready() { # PORT
  local code=''
  {
    exec {probe}<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf 'GET /ready HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$1" >&"$probe"
    read -r -t 2 _ code _ <&"$probe" || true
    exec {probe}>&-
  } 2>/dev/null
  [[ $code == 200 ]]
}
