# SPDX-License-Identifier: GPL-2.0
"""Rounds of chaos over disks whose every sector is judged."""
