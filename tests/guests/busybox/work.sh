#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The shell workload: several MB of data made by arithmetic alone, through programs whose results are known.
# Prints `RESULT NAME VALUE` lines. The same file runs in the guest and, with the same busybox, on the host,
# where it gives the values to expect. Needs $PATH and a writable /tmp or $TMPDIR.
dir=${TMPDIR:-/tmp}/work.$$
mkdir -p "$dir" && cd "$dir" || exit 1

result() { echo "RESULT $1 $2"; }
digest() { "$@" | cut -d' ' -f1; }

# 100 000 lines, about 1 MB (several MB with what is made from it), in an order that sorting has to undo. A linear congruential generator that stays
# below 2^53, so that awk's doubles are exact.
awk 'BEGIN { x = 12345; for (i = 0; i < 100000; i++) { x = (x * 16807) % 2147483647; print x } }' >numbers
result numbers.bytes "$(wc -c <numbers)"
result numbers.sha256 "$(digest sha256sum numbers)"
result numbers.md5 "$(digest md5sum numbers)"

sort -n numbers >sorted
result sorted.sha256 "$(digest sha256sum sorted)"
result sorted.middle "$(sed -n 50000p sorted)"

gzip -c numbers >numbers.gz
result gzip.bytes "$(wc -c <numbers.gz)"
gunzip -c numbers.gz >unpacked
cmp -s numbers unpacked && result gunzip same || result gunzip DIFFERENT

seq 1 100000 >ordered
result seq.sha1 "$(digest sha1sum ordered)"
result seq.sha512 "$(digest sha512sum ordered | cut -c1-32)"

result awk.integer "$(awk 'BEGIN { for (i = 1; i <= 100000; i++) s = (s * 31 + i) % 1000003; print s }')"
result awk.float "$(awk 'BEGIN { for (i = 1; i <= 60000; i++) s += 1 / (i * i); printf "%.12f", s }')"
# Square roots by Newton's way, since this awk has no mathematical functions.
result awk.root "$(awk 'BEGIN { for (i = 1; i <= 8000; i++) { x = i; while (x * x - i > 0.001) x = (x + i / x) / 2; s += x } printf "%.6f", s }')"

# Processes and pipes: a shell loop and a chain of five programs.
i=0 sum=0
while [ $i -lt 8000 ]; do
  i=$((i + 1))
  sum=$(((sum + i * i) % 65521))
done
result shell.loop $sum
result pipe.chain "$(cut -c1-4 numbers | sort | uniq -c | sort -rn | md5sum | cut -d' ' -f1)"
for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  sh -c "echo \$(($n * $n))"
done >squares
result fork.squares "$(tr '\n' ' ' <squares | md5sum | cut -d' ' -f1)"

cd / && rm -rf "$dir"
