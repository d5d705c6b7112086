# SPDX-License-Identifier: GPL-2.0
"""DST beside what people would use instead: who, what load, how it is measured, what came out."""
