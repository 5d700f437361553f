# Installs missing programs from the distribution, for "up" and for tests/run. Sourced by them, not run.
# shellcheck shell=bash

root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo "$@"
  fi
}

can_install() {
  command -v apt-get >/dev/null && { ((EUID == 0)) || command -v sudo >/dev/null; }
}

missing=()
need() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null || missing+=("$2")
}

# Some packages start a service, which nobody asked for: policy-rc.d forbids it during the installation, and "disable"
# for the next boot.
policy=/usr/sbin/policy-rc.d own_policy=''
remove_policy() {
  if [[ $own_policy ]]; then root rm -f "$policy"; fi
  own_policy=''
}

# Installs what "need" has found missing. The caller makes sure that remove_policy is called however it ends.
install_missing() {
  local package installed=yes
  if [[ ! -e $policy ]]; then
    own_policy=yes
    { printf '#!/bin/sh\nexit 101\n' | root tee "$policy" >/dev/null && root chmod 755 "$policy"; } || return 1
  fi
  { root apt-get update -qq && root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${missing[@]}"; } || installed=''
  remove_policy
  [[ $installed ]] || return 1
  command -v systemctl >/dev/null || return 0
  for package in "${missing[@]}"; do
    case $package in
      redis-server | haproxy) root systemctl disable "$package" || true ;;
      nginx-light) root systemctl disable nginx || true ;;
    esac
  done
}
