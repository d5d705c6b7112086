// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel sockets.
 *
 * struct sock stays opaque in Rust: what has to reach into it does so here.
 */

#include <linux/rcupdate.h>
#include <net/inet_sock.h>
#include <net/tcp.h>

#include "helpers.h"

/*
 * User space holds these locks while it takes page faults, and a page fault may
 * need a block device, which may need one of our sockets: a different lock, and
 * lockdep has to know.
 */
static struct lock_class_key dstblk_sk_key[3];
static struct lock_class_key dstblk_slock_key[3];

static void dstblk_sk_reclassify(struct sock *sk)
{
	static const char * const names[3] = {
		"sk_lock-AF_INET-DST", "sk_lock-AF_INET6-DST", "sk_lock-AF_UNIX-DST",
	};
	static const char * const slock_names[3] = {
		"slock-AF_INET-DST", "slock-AF_INET6-DST", "slock-AF_UNIX-DST",
	};
	int i;

	switch (sk->sk_family) {
	case AF_INET:
		i = 0;
		break;
	case AF_INET6:
		i = 1;
		break;
	case AF_UNIX:
		i = 2;
		break;
	default:
		return;
	}
	sock_lock_init_class_and_name(sk, slock_names[i], &dstblk_slock_key[i],
				      names[i], &dstblk_sk_key[i]);
}

struct net *dstblk_helper_get_net(struct net *net)
{
	return get_net(net);
}

void dstblk_helper_put_net(struct net *net)
{
	put_net(net);
}

/*
 * Make a new socket fit for a block device: no allocation of its may start
 * I/O, it never uses the task's page fragment (which may be in use when
 * writeback interrupts a sendmsg()), small frames leave at once, and if
 * @reclaim, memory reserves serve it.
 */
void dstblk_sk_prepare(struct sock *sk, bool reclaim)
{
	dstblk_sk_reclassify(sk);
	sk->sk_allocation = GFP_NOIO;
	sk->sk_use_task_frag = false;
	if (reclaim)
		sk_set_memalloc(sk);
	if (sk->sk_protocol == IPPROTO_TCP && sk->sk_family != AF_UNIX)
		tcp_sock_set_nodelay(sk);
}

/*
 * The callbacks that were there are left uncalled while ours are installed:
 * nobody else waits on a kernel socket.
 */
void dstblk_sk_set_callbacks(struct sock *sk, void *data, dstblk_sk_callback ready,
			     dstblk_sk_callback state, dstblk_sk_callback space)
{
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = data;
	sk->sk_data_ready = ready;
	sk->sk_state_change = state;
	sk->sk_write_space = space;
	write_unlock_bh(&sk->sk_callback_lock);
}

/*
 * Once this returns, no callback has the data any more: they look at it under
 * the lock that is taken here.
 */
void dstblk_sk_clear_callbacks(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	write_unlock_bh(&sk->sk_callback_lock);
}

void *dstblk_sk_user_data(struct sock *sk)
{
	return sk->sk_user_data;
}

/* Ask for sk_write_space() to be called when there is room again. */
void dstblk_sk_want_space(struct socket *sock)
{
	set_bit(SOCK_NOSPACE, &sock->flags);
}

/* Let go of all that is queued for sending when the socket is released. */
void dstblk_sk_abort(struct socket *sock)
{
	if (sock->sk->sk_family != AF_UNIX)
		sock_no_linger(sock->sk);
}

void dstblk_helper_sock_hold(struct sock *sk)
{
	sock_hold(sk);
}

void dstblk_helper_sock_put(struct sock *sk)
{
	sock_put(sk);
}

int dstblk_helper_sk_wmem_alloc_get(struct sock *sk)
{
	return sk_wmem_alloc_get(sk);
}
