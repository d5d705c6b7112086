# SPDX-License-Identifier: GPL-2.0
"""Machines, networks and disks for the tests of DST.

The package boots whole kernels (User Mode Linux for the fast loop, QEMU for
the unmodified distribution kernel), joins them by networks whose faults the
test decides, runs commands inside them and kills them at any instant.
"""
