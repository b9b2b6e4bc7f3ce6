"""The model: how shoppers and items are described, how it is trained, kept and asked.

Serving needs ``description``, ``artifact`` and ``registry`` only, which load nothing heavier than NumPy; LightFM
and pandas are loaded by training alone.
"""
