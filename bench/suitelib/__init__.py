# SPDX-License-Identifier: MIT
"""The parts of bench/run: building, sampling, counting, comparing with targets, writing results."""
