#!/usr/bin/env bash
# One wheel of NumPy, one machine, one product of 28 x 28 float32 matrices, as blurring an image takes two of: its
# bytes depend on which kernel its OpenBLAS chooses by the processor it finds itself on. Four kernels gave three
# results. A name that the wheel has no kernel of is no error: Zen silently is Haswell. What holds on all of them:
# products of numbers that are multiples of 2^-12, as float64, in which every sum is exact.
#
# Seen with NumPy 2.4.6 (OpenBLAS 0.3.31) on x86-64 with AVX-512: Prescott = Nehalem, Haswell = Zen, and SkylakeX
# differ in float32; in float64 of multiples of 2^-12 all are the same. (Not every processor has them all: none
# beyond what it is able to run is tried.)
set -euo pipefail

[ "$(uname -m)" = x86_64 ] || { echo "skipped: needs x86-64"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6

digests() { # KERNEL
    OPENBLAS_CORETYPE=$1 "$folder/venv/bin/python" -c '
import hashlib, numpy
a, b = numpy.random.default_rng(0).random((2, 28, 28))
exact = [numpy.rint(each * 4096) / 4096 for each in (a, b)]
for product in (a.astype("f") @ b.astype("f"), exact[0] @ exact[1]):
    print(hashlib.sha256(product).hexdigest()[:8], end=" ")'
}

kernels="Prescott Nehalem"
grep -q avx2 /proc/cpuinfo && kernels="$kernels Haswell Zen"
grep -q avx512vl /proc/cpuinfo && kernels="$kernels SkylakeX"
for kernel in $kernels; do
    found=$(digests "$kernel")
    read -r single exact <<<"$found"
    echo "$kernel: float32 $single, multiples of 2^-12 $exact"
    singles+=("$single") exacts+=("$exact")
done
[ "$(printf '%s\n' "${exacts[@]}" | sort -u | wc -l)" = 1 ] || { echo "no longer so: exact sums differ"; exit 1; }
[ "$(printf '%s\n' "${singles[@]}" | sort -u | wc -l)" -gt 1 ] || [ "$kernels" = "Prescott Nehalem" ] ||
    { echo "no longer so: all kernels give the same float32"; exit 1; }
