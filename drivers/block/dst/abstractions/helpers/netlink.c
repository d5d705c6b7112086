// SPDX-License-Identifier: GPL-2.0

#include <linux/rcupdate.h>

#include "helpers.h"

struct sk_buff *dstblk_helper_genlmsg_new(size_t payload, gfp_t flags)
{
	return genlmsg_new(payload, flags);
}

void dstblk_helper_genlmsg_end(struct sk_buff *skb, void *hdr)
{
	genlmsg_end(skb, hdr);
}

void dstblk_helper_genlmsg_cancel(struct sk_buff *skb, void *hdr)
{
	genlmsg_cancel(skb, hdr);
}

int dstblk_helper_genlmsg_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

int dstblk_helper_genlmsg_unicast(struct net *net, struct sk_buff *skb, u32 portid)
{
	return genlmsg_unicast(net, skb, portid);
}

/* Send @skb to who listens to @group, in whatever network namespace. */
int dstblk_genlmsg_multicast_all(const struct genl_family *family, struct sk_buff *skb,
				 unsigned int group)
{
	int ret;

	rcu_read_lock();
	ret = genlmsg_multicast_allns(family, skb, 0, group);
	rcu_read_unlock();
	return ret;
}

struct net *dstblk_helper_genl_info_net(struct genl_info *info)
{
	return genl_info_net(info);
}

/* Note that the message of @info is in @skb. */
void dstblk_genl_info_set_skb(struct genl_info *info, struct sk_buff *skb)
{
	info->user_ptr[0] = skb;
}

/* What the message of @info is in, or NULL. */
struct sk_buff *dstblk_genl_info_skb(const struct genl_info *info)
{
	return info->user_ptr[0];
}

const struct genl_info *dstblk_helper_genl_info_dump(struct netlink_callback *cb)
{
	return genl_info_dump(cb);
}

void dstblk_helper_genl_dump_check_consistent(struct netlink_callback *cb, void *user_hdr)
{
	genl_dump_check_consistent(cb, user_hdr);
}

void dstblk_helper_nlmsg_end(struct sk_buff *skb, struct nlmsghdr *nlh)
{
	nlmsg_end(skb, nlh);
}

void dstblk_helper_nlmsg_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

struct nlattr *dstblk_helper_nla_nest_start(struct sk_buff *skb, int attrtype)
{
	return nla_nest_start(skb, attrtype);
}

int dstblk_helper_nla_nest_end(struct sk_buff *skb, struct nlattr *start)
{
	return nla_nest_end(skb, start);
}

void dstblk_helper_nla_nest_cancel(struct sk_buff *skb, struct nlattr *start)
{
	nla_nest_cancel(skb, start);
}

struct net *dstblk_helper_sock_net(const struct sock *sk)
{
	return sock_net(sk);
}
