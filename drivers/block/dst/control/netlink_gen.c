// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/dst.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/dst.h>

/* Integer value ranges */
static const struct netlink_range_validation dst_a_storage_timeout_range = {
	.max	= DST_TIMEOUT_MAX,
};

static const struct netlink_range_validation dst_a_storage_fail_after_range = {
	.max	= DST_POLICY_MAX,
};

static const struct netlink_range_validation dst_a_storage_io_timeout_range = {
	.max	= DST_POLICY_MAX,
};

static const struct netlink_range_validation dst_a_export_window_range = {
	.min	= DST_WINDOW_MIN,
	.max	= DST_WINDOW_MAX,
};

static const struct netlink_range_validation dst_a_export_keepalive_range = {
	.min	= DST_KEEPALIVE_MIN,
	.max	= DST_KEEPALIVE_MAX,
};

/* Common nested types */
const struct nla_policy dst_key_nl_policy[DST_A_KEY_PSK + 1] = {
	[DST_A_KEY_PUBLIC] = NLA_POLICY_EXACT_LEN(DST_KEY_LEN),
	[DST_A_KEY_ACCESS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[DST_A_KEY_PSK_FD] = { .type = NLA_U32, },
	[DST_A_KEY_NO_PSK] = { .type = NLA_FLAG, },
	[DST_A_KEY_PSK] = { .type = NLA_FLAG, },
};

const struct nla_policy dst_rule_nl_policy[DST_A_RULE_ACCESS + 1] = {
	[DST_A_RULE_FAMILY] = { .type = NLA_U32, },
	[DST_A_RULE_ADDRESS] = NLA_POLICY_MAX_LEN(16),
	[DST_A_RULE_PREFIX_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[DST_A_RULE_ACCESS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
};

const struct nla_policy dst_walls_nl_policy[DST_A_WALLS_SOURCE_HANDSHAKES + 1] = {
	[DST_A_WALLS_CONNECTIONS] = { .type = NLA_UINT, },
	[DST_A_WALLS_SOURCE_CONNECTIONS] = { .type = NLA_UINT, },
	[DST_A_WALLS_UNWELCOMED] = { .type = NLA_UINT, },
	[DST_A_WALLS_SOURCE_UNWELCOMED] = { .type = NLA_UINT, },
	[DST_A_WALLS_SESSIONS] = { .type = NLA_UINT, },
	[DST_A_WALLS_SOURCE_SESSIONS] = { .type = NLA_UINT, },
	[DST_A_WALLS_PAGES] = { .type = NLA_UINT, },
	[DST_A_WALLS_SOURCE_PAGES] = { .type = NLA_UINT, },
	[DST_A_WALLS_HANDSHAKES] = { .type = NLA_UINT, },
	[DST_A_WALLS_SOURCE_HANDSHAKES] = { .type = NLA_UINT, },
};

/* DST_CMD_STORAGE_ADD - do */
static const struct nla_policy dst_storage_add_nl_policy[DST_A_STORAGE_SUITE + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
	[DST_A_STORAGE_ADDRESS] = NLA_POLICY_MAX_LEN(DST_SOCKADDR_MAX),
	[DST_A_STORAGE_EXPORT] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
	[DST_A_STORAGE_UUID] = NLA_POLICY_EXACT_LEN(DST_UUID_LEN),
	[DST_A_STORAGE_ACCESS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[DST_A_STORAGE_CONNECTIONS] = NLA_POLICY_RANGE(NLA_U32, 1, DST_CONNECTIONS_MAX),
	[DST_A_STORAGE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_storage_timeout_range),
	[DST_A_STORAGE_FAIL_AFTER] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_storage_fail_after_range),
	[DST_A_STORAGE_IO_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_storage_io_timeout_range),
	[DST_A_STORAGE_DIGEST] = { .type = NLA_NUL_STRING, .len = DST_DIGEST_NAME_MAX, },
	[DST_A_STORAGE_KEY_FD] = { .type = NLA_U32, },
	[DST_A_STORAGE_SERVER_KEY] = NLA_POLICY_EXACT_LEN(DST_KEY_LEN),
	[DST_A_STORAGE_PSK_FD] = { .type = NLA_U32, },
	[DST_A_STORAGE_SUITE] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* DST_CMD_STORAGE_DEL - do */
static const struct nla_policy dst_storage_del_nl_policy[DST_A_STORAGE_FORCE + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
	[DST_A_STORAGE_FORCE] = { .type = NLA_FLAG, },
};

/* DST_CMD_STORAGE_SET - do */
static const struct nla_policy dst_storage_set_nl_policy[DST_A_STORAGE_SUITE + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
	[DST_A_STORAGE_ADDRESS] = NLA_POLICY_MAX_LEN(DST_SOCKADDR_MAX),
	[DST_A_STORAGE_CONNECTIONS] = NLA_POLICY_RANGE(NLA_U32, 1, DST_CONNECTIONS_MAX),
	[DST_A_STORAGE_FAIL_AFTER] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_storage_fail_after_range),
	[DST_A_STORAGE_IO_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_storage_io_timeout_range),
	[DST_A_STORAGE_KEY_FD] = { .type = NLA_U32, },
	[DST_A_STORAGE_SERVER_KEY] = NLA_POLICY_EXACT_LEN(DST_KEY_LEN),
	[DST_A_STORAGE_PSK_FD] = { .type = NLA_U32, },
	[DST_A_STORAGE_NO_PSK] = { .type = NLA_FLAG, },
	[DST_A_STORAGE_SUITE] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* DST_CMD_STORAGE_GET - do */
static const struct nla_policy dst_storage_get_nl_policy[DST_A_STORAGE_NAME + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
};

/* DST_CMD_EXPORT_ADD - do */
static const struct nla_policy dst_export_add_nl_policy[DST_A_EXPORT_KEYED + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
	[DST_A_EXPORT_DEVICE] = { .type = NLA_NUL_STRING, .len = 4095, },
	[DST_A_EXPORT_LISTEN] = NLA_POLICY_MAX_LEN(DST_SOCKADDR_MAX),
	[DST_A_EXPORT_ALLOW] = NLA_POLICY_NESTED(dst_rule_nl_policy),
	[DST_A_EXPORT_UUID] = NLA_POLICY_EXACT_LEN(DST_UUID_LEN),
	[DST_A_EXPORT_ACCESS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[DST_A_EXPORT_WRITERS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[DST_A_EXPORT_SHARE_DEVICE] = { .type = NLA_FLAG, },
	[DST_A_EXPORT_WINDOW] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_export_window_range),
	[DST_A_EXPORT_KEEPALIVE] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_export_keepalive_range),
	[DST_A_EXPORT_WRITE_THROUGH] = { .type = NLA_FLAG, },
	[DST_A_EXPORT_ALLOW_KEY] = NLA_POLICY_NESTED(dst_key_nl_policy),
	[DST_A_EXPORT_KEYED] = { .type = NLA_FLAG, },
};

/* DST_CMD_EXPORT_DEL - do */
static const struct nla_policy dst_export_del_nl_policy[DST_A_EXPORT_FORCE + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
	[DST_A_EXPORT_FORCE] = { .type = NLA_FLAG, },
};

/* DST_CMD_EXPORT_SET - do */
static const struct nla_policy dst_export_set_nl_policy[DST_A_EXPORT_NO_RULES + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
	[DST_A_EXPORT_LISTEN] = NLA_POLICY_MAX_LEN(DST_SOCKADDR_MAX),
	[DST_A_EXPORT_ALLOW] = NLA_POLICY_NESTED(dst_rule_nl_policy),
	[DST_A_EXPORT_ACCESS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[DST_A_EXPORT_WRITERS] = NLA_POLICY_RANGE(NLA_U32, 1, 2),
	[DST_A_EXPORT_WINDOW] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_export_window_range),
	[DST_A_EXPORT_KEEPALIVE] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_export_keepalive_range),
	[DST_A_EXPORT_KEYED] = { .type = NLA_FLAG, },
	[DST_A_EXPORT_NO_KEYS] = { .type = NLA_FLAG, },
	[DST_A_EXPORT_NO_RULES] = { .type = NLA_FLAG, },
};

/* DST_CMD_EXPORT_GET - do */
static const struct nla_policy dst_export_get_nl_policy[DST_A_EXPORT_NAME + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
};

/* DST_CMD_SESSION_GET - dump */
static const struct nla_policy dst_session_get_nl_policy[DST_A_SESSION_EXPORT + 1] = {
	[DST_A_SESSION_EXPORT] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
};

/* DST_CMD_POOL_SET - do */
static const struct nla_policy dst_pool_set_nl_policy[DST_A_POOL_THREADS + 1] = {
	[DST_A_POOL_THREADS] = NLA_POLICY_RANGE(NLA_U32, 1, DST_THREADS_MAX),
};

/* DST_CMD_STORAGE_SUSPEND - do */
static const struct nla_policy dst_storage_suspend_nl_policy[DST_A_STORAGE_NAME + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
};

/* DST_CMD_STORAGE_RESUME - do */
static const struct nla_policy dst_storage_resume_nl_policy[DST_A_STORAGE_NAME + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
};

/* DST_CMD_STORAGE_MIGRATE - do */
static const struct nla_policy dst_storage_migrate_nl_policy[DST_A_STORAGE_SUITE + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
	[DST_A_STORAGE_ADDRESS] = NLA_POLICY_MAX_LEN(DST_SOCKADDR_MAX),
	[DST_A_STORAGE_TIMEOUT] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_storage_timeout_range),
	[DST_A_STORAGE_KEY_FD] = { .type = NLA_U32, },
	[DST_A_STORAGE_SERVER_KEY] = NLA_POLICY_EXACT_LEN(DST_KEY_LEN),
	[DST_A_STORAGE_PSK_FD] = { .type = NLA_U32, },
	[DST_A_STORAGE_NO_PSK] = { .type = NLA_FLAG, },
	[DST_A_STORAGE_SUITE] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* DST_CMD_EXPORT_ALLOW - do */
static const struct nla_policy dst_export_allow_nl_policy[DST_A_EXPORT_ALLOW_KEY + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
	[DST_A_EXPORT_ALLOW] = NLA_POLICY_NESTED(dst_rule_nl_policy),
	[DST_A_EXPORT_ALLOW_KEY] = NLA_POLICY_NESTED(dst_key_nl_policy),
};

/* DST_CMD_EXPORT_DISALLOW - do */
static const struct nla_policy dst_export_disallow_nl_policy[DST_A_EXPORT_ALLOW_KEY + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
	[DST_A_EXPORT_ALLOW] = NLA_POLICY_NESTED(dst_rule_nl_policy),
	[DST_A_EXPORT_ALLOW_KEY] = NLA_POLICY_NESTED(dst_key_nl_policy),
};

/* DST_CMD_SERVER_SET - do */
static const struct nla_policy dst_server_set_nl_policy[DST_A_SERVER_SUITE + 1] = {
	[DST_A_SERVER_KEY_FD] = { .type = NLA_U32, },
	[DST_A_SERVER_LIMITS] = NLA_POLICY_NESTED(dst_walls_nl_policy),
	[DST_A_SERVER_SUITE] = NLA_POLICY_MAX(NLA_U32, 2),
};

/* DST_CMD_STORAGE_STATS_GET - do */
static const struct nla_policy dst_storage_stats_get_nl_policy[DST_A_STORAGE_STATS_NAME + 1] = {
	[DST_A_STORAGE_STATS_NAME] = { .type = NLA_NUL_STRING, .len = DST_STORAGE_NAME_MAX, },
};

/* DST_CMD_EXPORT_STATS_GET - do */
static const struct nla_policy dst_export_stats_get_nl_policy[DST_A_EXPORT_STATS_NAME + 1] = {
	[DST_A_EXPORT_STATS_NAME] = { .type = NLA_NUL_STRING, .len = DST_EXPORT_NAME_MAX, },
};

/* Ops table for dst */
static const struct genl_split_ops dst_nl_ops[] = {
	{
		.cmd		= DST_CMD_STORAGE_ADD,
		.doit		= dst_nl_storage_add_doit,
		.policy		= dst_storage_add_nl_policy,
		.maxattr	= DST_A_STORAGE_SUITE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_DEL,
		.doit		= dst_nl_storage_del_doit,
		.policy		= dst_storage_del_nl_policy,
		.maxattr	= DST_A_STORAGE_FORCE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_SET,
		.doit		= dst_nl_storage_set_doit,
		.policy		= dst_storage_set_nl_policy,
		.maxattr	= DST_A_STORAGE_SUITE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_GET,
		.doit		= dst_nl_storage_get_doit,
		.policy		= dst_storage_get_nl_policy,
		.maxattr	= DST_A_STORAGE_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_STORAGE_GET,
		.dumpit	= dst_nl_storage_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_EXPORT_ADD,
		.doit		= dst_nl_export_add_doit,
		.policy		= dst_export_add_nl_policy,
		.maxattr	= DST_A_EXPORT_KEYED,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_DEL,
		.doit		= dst_nl_export_del_doit,
		.policy		= dst_export_del_nl_policy,
		.maxattr	= DST_A_EXPORT_FORCE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_SET,
		.doit		= dst_nl_export_set_doit,
		.policy		= dst_export_set_nl_policy,
		.maxattr	= DST_A_EXPORT_NO_RULES,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_GET,
		.doit		= dst_nl_export_get_doit,
		.policy		= dst_export_get_nl_policy,
		.maxattr	= DST_A_EXPORT_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_EXPORT_GET,
		.dumpit	= dst_nl_export_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_SESSION_GET,
		.dumpit		= dst_nl_session_get_dumpit,
		.policy		= dst_session_get_nl_policy,
		.maxattr	= DST_A_SESSION_EXPORT,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd	= DST_CMD_POOL_GET,
		.doit	= dst_nl_pool_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_POOL_SET,
		.doit		= dst_nl_pool_set_doit,
		.policy		= dst_pool_set_nl_policy,
		.maxattr	= DST_A_POOL_THREADS,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_SUSPEND,
		.doit		= dst_nl_storage_suspend_doit,
		.policy		= dst_storage_suspend_nl_policy,
		.maxattr	= DST_A_STORAGE_NAME,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_RESUME,
		.doit		= dst_nl_storage_resume_doit,
		.policy		= dst_storage_resume_nl_policy,
		.maxattr	= DST_A_STORAGE_NAME,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_MIGRATE,
		.doit		= dst_nl_storage_migrate_doit,
		.policy		= dst_storage_migrate_nl_policy,
		.maxattr	= DST_A_STORAGE_SUITE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_ALLOW,
		.doit		= dst_nl_export_allow_doit,
		.policy		= dst_export_allow_nl_policy,
		.maxattr	= DST_A_EXPORT_ALLOW_KEY,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_DISALLOW,
		.doit		= dst_nl_export_disallow_doit,
		.policy		= dst_export_disallow_nl_policy,
		.maxattr	= DST_A_EXPORT_ALLOW_KEY,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_SERVER_GET,
		.doit	= dst_nl_server_get_doit,
		.flags	= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_SERVER_SET,
		.doit		= dst_nl_server_set_doit,
		.policy		= dst_server_set_nl_policy,
		.maxattr	= DST_A_SERVER_SUITE,
		.flags		= GENL_UNS_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_STATS_GET,
		.doit		= dst_nl_storage_stats_get_doit,
		.policy		= dst_storage_stats_get_nl_policy,
		.maxattr	= DST_A_STORAGE_STATS_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_STORAGE_STATS_GET,
		.dumpit	= dst_nl_storage_stats_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_EXPORT_STATS_GET,
		.doit		= dst_nl_export_stats_get_doit,
		.policy		= dst_export_stats_get_nl_policy,
		.maxattr	= DST_A_EXPORT_STATS_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_EXPORT_STATS_GET,
		.dumpit	= dst_nl_export_stats_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group dst_nl_mcgrps[] = {
	[DST_NLGRP_EVENTS] = { "events", },
};

struct genl_family dst_nl_family __ro_after_init = {
	.name		= DST_FAMILY_NAME,
	.version	= DST_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= dst_nl_ops,
	.n_split_ops	= ARRAY_SIZE(dst_nl_ops),
	.mcgrps		= dst_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(dst_nl_mcgrps),
};
