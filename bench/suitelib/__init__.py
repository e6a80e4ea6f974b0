# SPDX-License-Identifier: MIT
"""What bench/suite is made of: building, sampling, counting, judging, showing what was found."""
