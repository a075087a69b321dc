"""The library behind the stages, scripts, page and benchmarks: arrays in, arrays out.

It never imports any of them. Only what needs a network waits for TensorFlow to start.
"""
