# SPDX-License-Identifier: MIT
"""What bench/run is made of: building, sampling, counting, judging, showing what was found."""
