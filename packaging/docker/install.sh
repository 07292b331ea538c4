#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The steps of the Dockerfile, apart from it so that they can be tried without Docker:
#   install.sh build       packages that the build needs
#   install.sh make OUT    builds the sources in the current folder, installs below OUT
#   install.sh run         packages that the programs need
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
. "$here/packages.sh" 2>/dev/null || . "$here/../packages.sh"

case "${1:-}" in
    build)
        need_build
        install_missing
        ;;
    make)
        meson setup build-image --buildtype=release --optimization=2 --prefix=/usr >/dev/null
        ninja -C build-image >/dev/null
        DESTDIR=$2 meson install -C build-image --no-rebuild --quiet
        ;;
    run)
        need_run
        need python3 "the commonest language of bots"
        need ca-certificates "Telegram and exchanges over TLS"
        need tzdata "time zones"
        install_missing
        apt-get clean
        rm -rf /var/lib/apt/lists/*
        ;;
    *) stop 64 "build, make OUT, or run" ;;
esac
