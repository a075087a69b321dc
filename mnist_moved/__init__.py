"""The library behind the stages, scripts, page and benchmarks: arrays in, arrays out.

It never imports any of them. docs/code.md has a line for each file, and says what each word means.
"""
