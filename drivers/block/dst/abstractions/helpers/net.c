// SPDX-License-Identifier: GPL-2.0
/*
 * Kernel sockets.
 *
 * struct sock stays opaque in Rust: what has to reach into it does so here.
 */

#include <linux/cred.h>
#include <linux/fs_struct.h>
#include <linux/rcupdate.h>
#include <linux/user_namespace.h>
#include <net/inet_sock.h>
#include <net/tcp.h>

#include "helpers.h"

/* Lockdep's subclass of sockets that memory reclaim depends on. */
#define DSTBLK_SK_RECLAIM	(SINGLE_DEPTH_NESTING + 1)

/*
 * Reclaim may need a block device, which needs @sk: its lock must not count as
 * the lock of other sockets, with which memory may be allocated. The class is a
 * subclass of the kernel's own (TCP and UNIX-domain sockets use none above
 * SINGLE_DEPTH_NESTING) and not one of this module: a TCP connection outlives
 * its socket, and sock_lock_init_class_and_name() would have all that is left
 * of it pin the module. Only for a socket that nobody else has seen.
 */
void dstblk_sk_reclassify(struct sock *sk)
{
	lockdep_set_subclass(&sk->sk_lock.slock, DSTBLK_SK_RECLAIM);
	lockdep_set_subclass(&sk->sk_lock, DSTBLK_SK_RECLAIM);
}

/*
 * The peer of a UNIX-domain socket calls its callbacks without any lock of it, and
 * so does a new TCP connection those of the listening socket: who has looked one
 * up may call it, late, when it was taken back. All that is touched is touched with
 * the lock held, therefore, and only if there is still somebody to tell; that this
 * code is still there is what dstblk_wait_for_callers() is for.
 */
static void *dstblk_sk_data(const struct sock *sk)
{
	uintptr_t data = (uintptr_t)sk->sk_user_data;

	/* Where the callbacks were inherited, that of others may be in front of them. */
	if ((data & ~SK_USER_DATA_PTRMASK) != SK_USER_DATA_NOCOPY)
		return NULL;
	return (void *)(data & SK_USER_DATA_PTRMASK);
}

static void dstblk_sk_event(struct sock *sk, enum dstblk_event event)
{
	void *data;

	read_lock_bh(&sk->sk_callback_lock);
	data = dstblk_sk_data(sk);
	if (data)
		dstblk_socket_event(data, sk, event);
	read_unlock_bh(&sk->sk_callback_lock);
}

/*
 * TCP calls this with the lock of the socket held. If that is not a task's, what
 * has arrived can be received right here.
 */
static void dstblk_sk_data_ready(struct sock *sk)
{
	if (sk_is_tcp(sk) && sk->sk_state == TCP_ESTABLISHED && !sock_owned_by_user_nocheck(sk))
		dstblk_sk_event(sk, DSTBLK_EVENT_ARRIVED);
	else
		dstblk_sk_event(sk, DSTBLK_EVENT_READABLE);
}

static void dstblk_sk_write_space(struct sock *sk)
{
	struct socket *sock;

	/* A socket that is released leaves its sock with this lock held. */
	read_lock_bh(&sk->sk_callback_lock);
	sock = sk->sk_socket;
	if (sock && sk_stream_is_writeable(sk))
		clear_bit(SOCK_NOSPACE, &sock->flags);
	read_unlock_bh(&sk->sk_callback_lock);
	dstblk_sk_event(sk, DSTBLK_EVENT_WRITABLE);
}

static void dstblk_sk_state_change(struct sock *sk)
{
	dstblk_sk_event(sk, DSTBLK_EVENT_CHANGED);
}

/*
 * When a socket is released that waits for the peer's end of the stream, what waits
 * on is a small thing that goes by itself and with its namespace, but only if that is
 * to be for no longer than TCP_TIMEWAIT_LEN. Otherwise it is the sock, whose timers
 * the kernel stops, as this is one of its own: it would wait for ever.
 */
static void dstblk_sk_limit_linger(struct sock *sk)
{
	int usual = READ_ONCE(sock_net(sk)->ipv4.sysctl_tcp_fin_timeout);

	lock_sock(sk);
	WRITE_ONCE(tcp_sk(sk)->linger2, clamp(usual, 1, TCP_TIMEWAIT_LEN));
	release_sock(sk);
}

/*
 * Make a new socket fit for a block device: no allocation of its may start
 * I/O, it never uses the task's page fragment (which may be in use when
 * writeback interrupts a sendmsg()), small frames leave at once, and if
 * @reclaim, memory reserves serve it.
 */
void dstblk_sk_prepare(struct sock *sk, bool reclaim)
{
	sk->sk_allocation = GFP_NOIO;
	sk->sk_use_task_frag = false;
	if (reclaim)
		sk_set_memalloc(sk);
	if (sk_is_tcp(sk)) {
		tcp_sock_set_nodelay(sk);
		tcp_sock_set_syncnt(sk, 1);
		dstblk_sk_limit_linger(sk);
	}
}

/* Who calls them does not hold the lock of the callbacks. */
static void dstblk_sk_restore(struct sock *sk, const struct dstblk_sk_callbacks *saved)
{
	if (sk->sk_data_ready == dstblk_sk_data_ready)
		WRITE_ONCE(sk->sk_data_ready, saved->ready);
	if (sk->sk_state_change == dstblk_sk_state_change)
		WRITE_ONCE(sk->sk_state_change, saved->state);
	if (sk->sk_write_space == dstblk_sk_write_space)
		WRITE_ONCE(sk->sk_write_space, saved->space);
}

/*
 * From now on @data hears of what happens to @sk, whose callbacks were @saved. A
 * socket that this one accepts inherits the callbacks, but not the data. Returns
 * -EBUSY if @sk is somebody's already, such as a BPF program's.
 */
int dstblk_sk_set_callbacks(struct sock *sk, void *data, struct dstblk_sk_callbacks *saved)
{
	int ret = -EBUSY;

	write_lock_bh(&sk->sk_callback_lock);
	if (!sk->sk_user_data && sk->sk_data_ready != dstblk_sk_data_ready) {
		saved->ready = sk->sk_data_ready;
		saved->state = sk->sk_state_change;
		saved->space = sk->sk_write_space;
		__rcu_assign_sk_user_data_with_flags(sk, data, SK_USER_DATA_NOCOPY);
		WRITE_ONCE(sk->sk_data_ready, dstblk_sk_data_ready);
		WRITE_ONCE(sk->sk_state_change, dstblk_sk_state_change);
		WRITE_ONCE(sk->sk_write_space, dstblk_sk_write_space);
		ret = 0;
	}
	write_unlock_bh(&sk->sk_callback_lock);
	return ret;
}

/*
 * Undo what dstblk_sk_set_callbacks() has done with the same arguments, and nothing
 * that others have done. Once this returns, nobody uses the data any more: that is
 * done under the lock that is taken here. A callback may still be called, and finds
 * nothing.
 */
void dstblk_sk_clear_callbacks(struct sock *sk, const void *data,
			       const struct dstblk_sk_callbacks *saved)
{
	write_lock_bh(&sk->sk_callback_lock);
	if (dstblk_sk_data(sk) == data) {
		rcu_assign_sk_user_data(sk, NULL);
		dstblk_sk_restore(sk, saved);
	}
	write_unlock_bh(&sk->sk_callback_lock);
}

/*
 * Give @sk, which was just accepted, the callbacks that the listening socket had
 * before it got ours: it may have inherited these.
 */
void dstblk_sk_disinherit(struct sock *sk, const struct dstblk_sk_callbacks *saved)
{
	write_lock_bh(&sk->sk_callback_lock);
	dstblk_sk_restore(sk, saved);
	write_unlock_bh(&sk->sk_callback_lock);
}

/*
 * Begin to connect. The path of a UNIX-domain socket is one of the machine's,
 * also where kernel threads have a file system of their own, which is empty.
 */
int dstblk_sk_connect(struct socket *sock, void *addr, int len)
{
#ifdef scoped_with_init_fs
	scoped_with_init_fs()
		return kernel_connect(sock, addr, len, O_NONBLOCK);
#endif
	return kernel_connect(sock, addr, len, O_NONBLOCK);
}

/*
 * Whether receiving would find neither data nor the end of it. What comes later
 * is told of, as sk_rcvlowat is never more than one byte.
 */
bool dstblk_sk_is_drained(const struct sock *sk)
{
	return skb_queue_empty_lockless(&sk->sk_receive_queue) &&
	       !READ_ONCE(sk->sk_shutdown) && !READ_ONCE(sk->sk_err) &&
	       READ_ONCE(sk->sk_state) != TCP_CLOSE;
}

static int dstblk_sk_actor(read_descriptor_t *desc, struct sk_buff *skb, unsigned int offset,
			   size_t len)
{
	struct iov_iter *iter = desc->arg.data;
	size_t now = min(len, iov_iter_count(iter));

	if (now && skb_copy_datagram_iter(skb, offset, iter, now))
		return -EFAULT;
	desc->count = iov_iter_count(iter);
	return now;
}

/*
 * Receive into @iter, at least one byte of room, with the lock of a TCP socket
 * held. Returns the number of bytes, zero if there is nothing now or never.
 */
int dstblk_sk_receive_locked(struct sock *sk, struct iov_iter *iter)
{
	read_descriptor_t desc = {
		.arg.data = iter,
		.count = iov_iter_count(iter),
	};

	return tcp_read_sock(sk, &desc, dstblk_sk_actor);
}

/*
 * Break a connection. Connecting to nowhere is how a TCP socket is made to
 * reset the connection and to let go of all that it has queued. A UNIX-domain
 * socket queues nothing itself: what it sent is with the peer until that closes.
 */
void dstblk_sk_abort(struct socket *sock)
{
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };

	if (sk_is_tcp(sock->sk))
		kernel_connect(sock, (struct sockaddr_unsized *)&nowhere, sizeof(nowhere),
			       O_NONBLOCK);
	else
		kernel_sock_shutdown(sock, SHUT_RDWR);
}

/*
 * Whether @sk can be released without anybody missing anything: the peer has
 * acknowledged all, the end of the stream included, or there is no connection.
 */
bool dstblk_sk_is_settled(const struct sock *sk)
{
	const int settled = TCPF_CLOSE | TCPF_LISTEN | TCPF_TIME_WAIT;
	int state;

	if (!sk_is_tcp(sk))
		return true;
	state = READ_ONCE(sk->sk_state);
	/*
	 * See dstblk_sk_limit_linger(). The time also depends on how long the peer
	 * took to acknowledge, and does not change any more: it has acknowledged all.
	 */
	if (state == TCP_FIN_WAIT2)
		return tcp_fin_time(sk) <= TCP_TIMEWAIT_LEN;
	return (1 << state) & settled;
}

/* The user who connected the other end of a UNIX-domain socket, for all the machine. */
bool dstblk_sk_peer_user(struct sock *sk, u32 *user)
{
	bool known = false;

	spin_lock(&sk->sk_peer_lock);
	if (sk->sk_peer_cred) {
		*user = from_kuid_munged(&init_user_ns, sk->sk_peer_cred->euid);
		known = true;
	}
	spin_unlock(&sk->sk_peer_lock);
	return known;
}

int dstblk_helper_sk_wmem_alloc_get(struct sock *sk)
{
	return sk_wmem_alloc_get(sk);
}
