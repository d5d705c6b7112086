# SPDX-License-Identifier: GPL-2.0
"""Drivers in which one mechanism is switched off, and the scenarios that have to notice."""
