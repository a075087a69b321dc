#!/usr/bin/env bash
# To see whether a result depends on the processor, one has NumPy do without some of its instructions:
# NPY_DISABLE_CPU_FEATURES. Up to NumPy 2.3 it takes the names of single ones, such as "AVX2 FMA3"; since NumPy 2.4
# those of groups, such as X86_V3. Each ignores the names of the other. It warns of that by an ImportWarning, a kind
# that Python does not show unless asked to (-W always), so a test that sets the variable goes on passing after an
# upgrade, and tests nothing.
#
# Seen with NumPy 2.3.5 and 2.4.6 on x86-64 with AVX2 (Debian 12, Python 3.11): changes np.exp in the last bit, of
#                                       2.3.5    2.4.6
#     AVX2 FMA3 and all AVX512 by name    yes       no
#     X86_V3                               no      yes
set -euo pipefail

grep -q avx2 /proc/cpuinfo 2>/dev/null || { echo "skipped: needs x86-64 with AVX2, on Linux"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
old_names="AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR AVX2 FMA3"

digest() { # VERSION FEATURES
    NPY_DISABLE_CPU_FEATURES=$2 "$folder/$1/bin/python" -c '
import hashlib, numpy
values = numpy.random.default_rng(0).random(10_000, dtype=numpy.float32) * 20
print(hashlib.sha256(numpy.exp(values)).hexdigest()[:8])' 2>&1
}

for version in 2.3.5 2.4.6; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet "numpy==$version"
    as_it_is=$(digest $version "")
    for features in "$old_names" X86_V3; do
        found=$(digest $version "$features")
        changes=$([ "$found" = "$as_it_is" ] && echo no || echo yes)
        echo "NumPy $version: without $features: np.exp $as_it_is -> $found, changed: $changes"
        expected=$([ "$version $features" = "2.4.6 X86_V3" ] || [ "$version $features" = "2.3.5 $old_names" ] && echo yes || echo no)
        [ "$changes" = "$expected" ] || { echo "no longer so: expected changed: $expected"; exit 1; }
        [ ${#found} = 8 ] || { echo "no longer so: it says something about the names"; exit 1; }
    done
done
