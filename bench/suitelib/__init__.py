# SPDX-License-Identifier: MIT
"""What bench/suite is made of: building, sampling, counting, judging, and showing what was found."""
