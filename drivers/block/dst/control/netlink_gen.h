/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/dst.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _LINUX_DST_GEN_H
#define _LINUX_DST_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/dst.h>

/* Common nested types */
extern const struct nla_policy dst_key_nl_policy[DST_A_KEY_PSK + 1];
extern const struct nla_policy dst_rule_nl_policy[DST_A_RULE_ACCESS + 1];
extern const struct nla_policy dst_walls_nl_policy[DST_A_WALLS_SOURCE_HANDSHAKES + 1];

int dst_nl_storage_add_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_del_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_nl_export_add_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_del_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_nl_session_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_nl_pool_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_pool_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_suspend_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_resume_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_migrate_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_allow_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_disallow_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_server_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_server_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_storage_stats_get_dumpit(struct sk_buff *skb,
				    struct netlink_callback *cb);
int dst_nl_export_stats_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_nl_export_stats_get_dumpit(struct sk_buff *skb,
				   struct netlink_callback *cb);

enum {
	DST_NLGRP_EVENTS,
};

extern struct genl_family dst_nl_family;

#endif /* _LINUX_DST_GEN_H */
