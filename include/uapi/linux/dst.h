/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/dst.yaml */
/* YNL-GEN uapi header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _UAPI_LINUX_DST_H
#define _UAPI_LINUX_DST_H

#define DST_FAMILY_NAME		"dst"
#define DST_FAMILY_VERSION	1

#define DST_STORAGE_NAME_MAX	27
#define DST_EXPORT_NAME_MAX	63
#define DST_UUID_LEN		16
#define DST_SOCKADDR_MAX	128
#define DST_CONNECTIONS_MAX	32
#define DST_ADDRESSES_MAX	16
#define DST_RULES_MAX		256
#define DST_WINDOW_MIN		64
#define DST_WINDOW_MAX		65536
#define DST_TIMEOUT_DEFAULT	30000
#define DST_TIMEOUT_MAX		3600000
#define DST_POLICY_MIN		100
#define DST_POLICY_MAX		604800000
#define DST_THREADS_MAX		1024
#define DST_DIGEST_NAME_MAX	32
#define DST_KEEPALIVE_MAX	600000
#define DST_KEY_LEN		32
#define DST_KEYS_MAX		256

/**
 * enum dst_access - What may be done with the data.
 * @DST_ACCESS_READ_ONLY: Reading only.
 * @DST_ACCESS_READ_WRITE: Reading and writing.
 */
enum dst_access {
	DST_ACCESS_READ_ONLY = 1,
	DST_ACCESS_READ_WRITE,
};

/**
 * enum dst_suite - The cipher that connections with keys are sealed with.
 * @DST_SUITE_ANY: The server chooses one that both sides have.
 * @DST_SUITE_CHACHA20_POLY1305: ChaCha20-Poly1305.
 * @DST_SUITE_AES_256_GCM: AES-256-GCM.
 */
enum dst_suite {
	DST_SUITE_ANY,
	DST_SUITE_CHACHA20_POLY1305,
	DST_SUITE_AES_256_GCM,
};

/**
 * enum dst_writers - How many sessions may write to an export at the same
 *   time.
 * @DST_WRITERS_EXCLUSIVE: One. Further ones are refused until it is gone.
 * @DST_WRITERS_SHARED: Any number. Only software that coordinates the writers,
 *   such as a cluster file system, keeps the data intact.
 */
enum dst_writers {
	DST_WRITERS_EXCLUSIVE = 1,
	DST_WRITERS_SHARED,
};

/**
 * enum dst_storage_state - State of a storage.
 * @DST_STORAGE_STATE_CONNECTING: The first connection is being made. There is
 *   no block device yet.
 * @DST_STORAGE_STATE_CONNECTED: At least one connection carries requests.
 * @DST_STORAGE_STATE_RECONNECTING: No connection is left. Requests wait while
 *   new ones are tried.
 * @DST_STORAGE_STATE_DRAINING: The server was reached and completes what it
 *   accepted over the broken connections. Requests wait until it is done.
 * @DST_STORAGE_STATE_SUSPENDED: Requests wait because the administrator said
 *   so.
 * @DST_STORAGE_STATE_FAILED: The server was reached and refused, or is not the
 *   one whose data this storage holds. Requests wait; the error attribute says
 *   what has to be put right.
 * @DST_STORAGE_STATE_REMOVING: The storage is on its way out.
 */
enum dst_storage_state {
	DST_STORAGE_STATE_CONNECTING = 1,
	DST_STORAGE_STATE_CONNECTED,
	DST_STORAGE_STATE_RECONNECTING,
	DST_STORAGE_STATE_DRAINING,
	DST_STORAGE_STATE_SUSPENDED,
	DST_STORAGE_STATE_FAILED,
	DST_STORAGE_STATE_REMOVING,
};

/**
 * enum dst_export_state - State of an export.
 * @DST_EXPORT_STATE_ACTIVE: Clients are served.
 * @DST_EXPORT_STATE_LOST: The backing device is gone. Requests are answered
 *   with an error.
 * @DST_EXPORT_STATE_REMOVING: The export is on its way out.
 */
enum dst_export_state {
	DST_EXPORT_STATE_ACTIVE = 1,
	DST_EXPORT_STATE_LOST,
	DST_EXPORT_STATE_REMOVING,
};

/**
 * enum dst_session_state - State of a session on the server.
 * @DST_SESSION_STATE_ACTIVE: Requests are served.
 * @DST_SESSION_STATE_DRAINING: The client came back in a new epoch. What was
 *   accepted in the old one is being completed.
 * @DST_SESSION_STATE_IDLE: No connection is left; the client is expected to
 *   come back.
 */
enum dst_session_state {
	DST_SESSION_STATE_ACTIVE = 1,
	DST_SESSION_STATE_DRAINING,
	DST_SESSION_STATE_IDLE,
};

/**
 * enum dst_event - What a notification is about.
 * @DST_EVENT_ADDED: The object was added.
 * @DST_EVENT_REMOVED: The object is gone.
 * @DST_EVENT_CHANGED: A setting of the object was changed.
 * @DST_EVENT_CONNECTED: Requests flow. The object was not connected before.
 * @DST_EVENT_DISCONNECTED: The last connection of the object was lost.
 * @DST_EVENT_STATE: The object went into another state without a change of
 *   connection.
 * @DST_EVENT_RESIZED: The size of the device is another one.
 */
enum dst_event {
	DST_EVENT_ADDED = 1,
	DST_EVENT_REMOVED,
	DST_EVENT_CHANGED,
	DST_EVENT_CONNECTED,
	DST_EVENT_DISCONNECTED,
	DST_EVENT_STATE,
	DST_EVENT_RESIZED,
};

enum {
	DST_A_COUNTERS_READS = 1,
	DST_A_COUNTERS_WRITES,
	DST_A_COUNTERS_FLUSHES,
	DST_A_COUNTERS_DISCARDS,
	DST_A_COUNTERS_WRITE_ZEROES,
	DST_A_COUNTERS_BYTES_READ,
	DST_A_COUNTERS_BYTES_WRITTEN,
	DST_A_COUNTERS_ERRORS,
	DST_A_COUNTERS_RESENT,
	DST_A_COUNTERS_RECONNECTS,
	DST_A_COUNTERS_PROTOCOL_ERRORS,
	DST_A_COUNTERS_IN_FLIGHT,
	DST_A_COUNTERS_DIGEST_ERRORS,
	DST_A_COUNTERS_SEAL_ERRORS,
	DST_A_COUNTERS_REVOKED,

	__DST_A_COUNTERS_MAX,
	DST_A_COUNTERS_MAX = (__DST_A_COUNTERS_MAX - 1)
};

enum {
	DST_A_RULE_FAMILY = 1,
	DST_A_RULE_ADDRESS,
	DST_A_RULE_PREFIX_LEN,
	DST_A_RULE_ACCESS,

	__DST_A_RULE_MAX,
	DST_A_RULE_MAX = (__DST_A_RULE_MAX - 1)
};

enum {
	DST_A_KEY_PUBLIC = 1,
	DST_A_KEY_ACCESS,
	DST_A_KEY_PSK_FD,
	DST_A_KEY_NO_PSK,
	DST_A_KEY_PSK,

	__DST_A_KEY_MAX,
	DST_A_KEY_MAX = (__DST_A_KEY_MAX - 1)
};

enum {
	DST_A_STORAGE_NAME = 1,
	DST_A_STORAGE_ADDRESS,
	DST_A_STORAGE_EXPORT,
	DST_A_STORAGE_UUID,
	DST_A_STORAGE_ACCESS,
	DST_A_STORAGE_CONNECTIONS,
	DST_A_STORAGE_TIMEOUT,
	DST_A_STORAGE_FORCE,
	DST_A_STORAGE_EVENT,
	DST_A_STORAGE_STATE,
	DST_A_STORAGE_STATE_MS,
	DST_A_STORAGE_DEVICE,
	DST_A_STORAGE_MAJOR,
	DST_A_STORAGE_MINOR,
	DST_A_STORAGE_OPENERS,
	DST_A_STORAGE_SIZE,
	DST_A_STORAGE_LOGICAL_BLOCK,
	DST_A_STORAGE_PHYSICAL_BLOCK,
	DST_A_STORAGE_GRANTED,
	DST_A_STORAGE_PEER,
	DST_A_STORAGE_CONNECTED,
	DST_A_STORAGE_SESSION,
	DST_A_STORAGE_EPOCH,
	DST_A_STORAGE_GENERATION,
	DST_A_STORAGE_PROTOCOL,
	DST_A_STORAGE_WINDOW,
	DST_A_STORAGE_KEEPALIVE,
	DST_A_STORAGE_ERROR,
	DST_A_STORAGE_COUNTERS,
	DST_A_STORAGE_FAIL_AFTER,
	DST_A_STORAGE_IO_TIMEOUT,
	DST_A_STORAGE_DIGEST,
	DST_A_STORAGE_KEY_FD,
	DST_A_STORAGE_SERVER_KEY,
	DST_A_STORAGE_PSK_FD,
	DST_A_STORAGE_NO_PSK,
	DST_A_STORAGE_SUITE,
	DST_A_STORAGE_PUBLIC_KEY,
	DST_A_STORAGE_PSK,

	__DST_A_STORAGE_MAX,
	DST_A_STORAGE_MAX = (__DST_A_STORAGE_MAX - 1)
};

enum {
	DST_A_EXPORT_NAME = 1,
	DST_A_EXPORT_DEVICE,
	DST_A_EXPORT_LISTEN,
	DST_A_EXPORT_ALLOW,
	DST_A_EXPORT_UUID,
	DST_A_EXPORT_ACCESS,
	DST_A_EXPORT_WRITERS,
	DST_A_EXPORT_SHARE_DEVICE,
	DST_A_EXPORT_WINDOW,
	DST_A_EXPORT_KEEPALIVE,
	DST_A_EXPORT_FORCE,
	DST_A_EXPORT_EVENT,
	DST_A_EXPORT_STATE,
	DST_A_EXPORT_MAJOR,
	DST_A_EXPORT_MINOR,
	DST_A_EXPORT_SIZE,
	DST_A_EXPORT_LOGICAL_BLOCK,
	DST_A_EXPORT_PHYSICAL_BLOCK,
	DST_A_EXPORT_SESSIONS,
	DST_A_EXPORT_CONNECTIONS,
	DST_A_EXPORT_ERROR,
	DST_A_EXPORT_COUNTERS,
	DST_A_EXPORT_WRITE_THROUGH,
	DST_A_EXPORT_ALLOW_KEY,
	DST_A_EXPORT_KEYED,
	DST_A_EXPORT_NO_KEYS,
	DST_A_EXPORT_NO_RULES,

	__DST_A_EXPORT_MAX,
	DST_A_EXPORT_MAX = (__DST_A_EXPORT_MAX - 1)
};

enum {
	DST_A_SESSION_EXPORT = 1,
	DST_A_SESSION_ID,
	DST_A_SESSION_EVENT,
	DST_A_SESSION_STATE,
	DST_A_SESSION_PEER,
	DST_A_SESSION_CLIENT,
	DST_A_SESSION_ACCESS,
	DST_A_SESSION_EPOCH,
	DST_A_SESSION_CONNECTIONS,
	DST_A_SESSION_WINDOW,
	DST_A_SESSION_AGE_MS,
	DST_A_SESSION_COUNTERS,
	DST_A_SESSION_KEY,

	__DST_A_SESSION_MAX,
	DST_A_SESSION_MAX = (__DST_A_SESSION_MAX - 1)
};

enum {
	DST_A_SERVER_KEY_FD = 1,
	DST_A_SERVER_PUBLIC_KEY,

	__DST_A_SERVER_MAX,
	DST_A_SERVER_MAX = (__DST_A_SERVER_MAX - 1)
};

enum {
	DST_A_POOL_THREADS = 1,
	DST_A_POOL_THREADS_LIMIT,
	DST_A_POOL_BUSY,
	DST_A_POOL_QUEUED,
	DST_A_POOL_JOBS,

	__DST_A_POOL_MAX,
	DST_A_POOL_MAX = (__DST_A_POOL_MAX - 1)
};

enum {
	DST_CMD_STORAGE_ADD = 1,
	DST_CMD_STORAGE_DEL,
	DST_CMD_STORAGE_SET,
	DST_CMD_STORAGE_GET,
	DST_CMD_STORAGE_NTF,
	DST_CMD_EXPORT_ADD,
	DST_CMD_EXPORT_DEL,
	DST_CMD_EXPORT_SET,
	DST_CMD_EXPORT_GET,
	DST_CMD_EXPORT_NTF,
	DST_CMD_SESSION_GET,
	DST_CMD_SESSION_NTF,
	DST_CMD_POOL_GET,
	DST_CMD_POOL_SET,
	DST_CMD_STORAGE_SUSPEND,
	DST_CMD_STORAGE_RESUME,
	DST_CMD_STORAGE_MIGRATE,
	DST_CMD_EXPORT_ALLOW,
	DST_CMD_EXPORT_DISALLOW,
	DST_CMD_SERVER_GET,
	DST_CMD_SERVER_SET,

	__DST_CMD_MAX,
	DST_CMD_MAX = (__DST_CMD_MAX - 1)
};

#define DST_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_DST_H */
