#!/bin/sh
# Known issue: a fibre whose bit-error rate rises.  Remediation: switch forward error correction on at this end.
# What that does to the line (in the shadow, to its netem): nine lost frames in ten are repaired, at the price of
# 7 % of the rate for parity and 0.2 ms for the interleaver.
set -eu
netem=$(tc -s qdisc show dev "$SHADOWLAB_INTERFACE" root)
loss=$(printf '%s\n' "$netem" | sed -n 's/.* loss \([0-9.]*\)%.*/\1/p')
residual=$(printf '%s\n' "${loss:-0}" | awk '{ printf "%.5f", $1 / 10 }')
rate=$((SHADOWLAB_RATE_BPS * 93 / 100))
delay=$((SHADOWLAB_DELAY_NS + 200000))
tc qdisc change dev "$SHADOWLAB_INTERFACE" root netem limit "$SHADOWLAB_LIMIT_PACKETS" \
    delay "$((delay / 1000))us" "$((SHADOWLAB_JITTER_NS / 1000))us" loss "${residual}%" rate "${rate}bit" 24
tc qdisc show dev "$SHADOWLAB_INTERFACE" root
