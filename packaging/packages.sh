# SPDX-License-Identifier: Apache-2.0
# Sourced by ./run and ./test: which Debian packages are missing, why they are needed, and the one
# place where they are installed. Nothing is installed when nothing is missing.

missing_packages=()
asleep_packages=()
policy_file=/usr/sbin/policy-rc.d # asked by each package whether it may start its service

stop() { # CODE SENTENCE
    printf '%s: %s\n' "$(basename "$0")" "$2" >&2
    exit "$1"
}

# need PACKAGE WHY [FILE]: with FILE, that file or command will do as well (somebody installed it
# in another way).
need() {
    if dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; then
        return
    fi
    if [ -n "${3:-}" ] && command -v "$3" >/dev/null 2>&1; then
        return
    fi
    [ ${#missing_packages[@]} -gt 0 ] || echo "Missing on this machine:"
    printf '  %-34s %s\n' "$1" "$2"
    missing_packages+=("$1")
}

# The same for a package that brings a service of its own, which is not wanted: it neither starts now
# nor with the machine. `systemctl enable --now` is for who wants it later.
need_asleep() {
    local before=${#missing_packages[@]}
    need "$@"
    [ ${#missing_packages[@]} -eq "$before" ] || asleep_packages+=("$1")
}

need_debian() {
    [ "$(uname -s)" = Linux ] ||
        stop 69 "Holdfast runs on Linux; on Windows use WSL2 with Debian 12, elsewhere a virtual machine."
    command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
        stop 69 "this script installs with apt-get, which is not here: use Debian 12, or install the packages named in $0 in your own way and build with meson."
    local name="" version=""
    name=$(. /etc/os-release 2>/dev/null && echo "${ID:-}")
    version=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
    [ "$name $version" = "debian 12" ] ||
        echo "Note: made for and tested on Debian 12; this is ${name:-unknown} ${version:-}: trying all the same." >&2
}

# What every build needs; the reasons are printed.
need_build() {
    need gcc "compiles it"
    need libc6-dev "headers of the C library"
    need pkg-config "finds the libraries below"
    need meson "describes the build"
    need ninja-build "runs the build"
    need python3 "runs the checks, the tour and the example bot"
    need libuv1-dev "event loop"
    need libyaml-dev "reads holdfast.yaml"
    need libjansson-dev "reads and writes JSON"
    need libcurl4-openssl-dev "talks to Telegram"
    need libmicrohttpd-dev "HTTP API and gateway"
    need libsqlite3-dev "the store"
    need libssl-dev "signs requests to an exchange"
    need libncurses-dev "draws holdfast top"
    need scdoc "writes the man pages"
    need libjs-chart.js "curves of the dashboard"
    need libcmocka-dev "unit tests"
    need tzdata "time zones of jobs"
}

# What the installed programs link, for a machine that builds nothing.
need_run() {
    need libuv1 "event loop"
    need libyaml-0-2 "reads holdfast.yaml"
    need libjansson4 "reads and writes JSON"
    need libcurl4 "talks to Telegram"
    need libmicrohttpd12 "HTTP API and gateway"
    need libsqlite3-0 "the store"
    need libssl3 "signs requests to an exchange"
}

need_demo() {
    need python3-python-telegram-bot "library of the example bot"
}

# AS_ROOT...: until release_services nobody starts them; a policy that is there already stays as it is.
hold_services() {
    [ ${#asleep_packages[@]} -gt 0 ] && [ ! -e "$policy_file" ] || return 0
    trap "$* rm -f $policy_file" EXIT
    local name words=""
    for name in "${asleep_packages[@]}"; do
        words+="*' $name '*|*' $name.service '*|"
    done
    printf '#!/bin/sh\ncase " $* " in %s) exit 101 ;; esac\n' "${words%|}" |
        "$@" tee "$policy_file" >/dev/null
    "$@" chmod 755 "$policy_file"
}

release_services() { # AS_ROOT...
    local name
    for name in "${asleep_packages[@]}"; do
        "$@" update-rc.d "$name" disable >/dev/null 2>&1 ||
            echo "Note: the service of $name could not be disabled." >&2
    done
    [ -z "$(trap -p EXIT)" ] || "$@" rm -f "$policy_file"
    trap - EXIT
}

install_missing() {
    [ ${#missing_packages[@]} -gt 0 ] || return 0
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            stop 77 "packages are missing and only root may install them: run as root: apt-get install ${missing_packages[*]}"
        as_root=(sudo)
        echo "Installing them with sudo apt-get (it may ask for your password)."
    else
        echo "Installing them with apt-get."
    fi
    local options=(-y -q --no-install-recommends -o Dpkg::Use-Pty=0 -o Acquire::Retries=3)
    local log
    log=$(mktemp)
    hold_services "${as_root[@]}"
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q update >"$log" 2>&1 ||
        ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install "${options[@]}" "${missing_packages[@]}" >>"$log" 2>&1 </dev/null; then
        tail -n 15 "$log" >&2
        rm -f "$log"
        stop 69 "apt-get could not install ${missing_packages[*]}: is the network up, and is /etc/apt/sources.list right? (its last lines are above)"
    fi
    rm -f "$log"
    release_services "${as_root[@]}"
    echo "Installed ${#missing_packages[@]} packages and what they need."
}

# build_folder FOLDER TARGETS... -- MESON_OPTIONS...: quiet unless it fails.
build_folder() {
    local folder=$1 targets=() log
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        targets+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    log=$(mktemp)
    if [ ! -f "$folder/build.ninja" ]; then
        rm -rf "$folder/meson-private"
        if ! meson setup "$folder" "$@" >"$log" 2>&1; then
            tail -n 25 "$log" >&2
            rm -f "$log"
            stop 70 "meson could not set up $folder (its last lines are above)"
        fi
    fi
    if ! ninja -C "$folder" "${targets[@]}" >"$log" 2>&1; then
        grep -E 'error|warning|FAILED|undefined' -A 6 "$log" | head -n 60 >&2 || true
        rm -f "$log"
        stop 70 "the build in $folder failed (its errors are above)"
    fi
    rm -f "$log"
}

# build/bin/holdfast, as it would be installed; a program finds its siblings beside itself.
link_programs() { # BUILD_FOLDER
    local name
    mkdir -p "$1/bin"
    for name in "${programs[@]}"; do
        ln -sfn "../src/$name" "$1/bin/$name"
    done
}

programs=(holdfast holdfast-top holdfast-anchor holdfast-keeper holdfast-hub holdfast-sim holdfast-trader)
