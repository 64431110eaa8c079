"""The page that separates a recording in the browser: one HTML file with runtime and model inside.

worker/   scripts of the worker, which computes everything
"""
