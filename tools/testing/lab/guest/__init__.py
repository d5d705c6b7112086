# SPDX-License-Identifier: GPL-2.0
"""What runs inside a machine: the agent and the functions tests call there.

Only the standard library is used, so that any root with python3 will do.
"""
