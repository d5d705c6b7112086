/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of DST, in the order in which a request comes by them: those of
 * the client around those of the server. Documentation/block/dst/tracing.rst
 * says what they mean.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dst

#if !defined(_TRACE_DST_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DST_H

#include <linux/blkdev.h>
#include <linux/kdev_t.h>
#include <linux/tracepoint.h>
#include <linux/types.h>
#include <uapi/linux/dst.h>

TRACE_DEFINE_ENUM(DST_OPERATION_READ);
TRACE_DEFINE_ENUM(DST_OPERATION_WRITE);
TRACE_DEFINE_ENUM(DST_OPERATION_FLUSH);
TRACE_DEFINE_ENUM(DST_OPERATION_DISCARD);
TRACE_DEFINE_ENUM(DST_OPERATION_WRITE_ZEROES);

#define dst_show_operation(operation)				\
	__print_symbolic(operation,				\
		{ 0, "other" },					\
		{ DST_OPERATION_READ, "read" },			\
		{ DST_OPERATION_WRITE, "write" },		\
		{ DST_OPERATION_FLUSH, "flush" },		\
		{ DST_OPERATION_DISCARD, "discard" },		\
		{ DST_OPERATION_WRITE_ZEROES, "write-zeroes" })

/* The block layer asks for something. */
TRACE_EVENT(dst_submit,
	    TP_PROTO(u32 dev, u32 operation, u64 sector, u32 nr_sector),
	    TP_ARGS(dev, operation, sector, nr_sector),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
	    ),
	    TP_printk("%d,%d %s %llu + %u",
		      MAJOR(__entry->dev), MINOR(__entry->dev),
		      dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector)
);

/* It is over, and the block layer is told so. */
TRACE_EVENT(dst_complete,
	    TP_PROTO(u32 dev, u32 operation, u64 sector, u32 nr_sector, u32 status, u64 age_ns),
	    TP_ARGS(dev, operation, sector, nr_sector, status, age_ns),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
			     __field(int, error)
			     __field(u64, age_ns)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
			   __entry->error = blk_status_to_errno((__force blk_status_t)status);
			   __entry->age_ns = age_ns;
	    ),
	    TP_printk("%d,%d %s %llu + %u [%d] age=%llu",
		      MAJOR(__entry->dev), MINOR(__entry->dev),
		      dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector,
		      __entry->error, __entry->age_ns)
);

/* A piece of it gets a handle and waits for a connection. */
TRACE_EVENT(dst_split,
	    TP_PROTO(u32 dev, u64 handle, u32 operation, u64 sector, u32 nr_sector,
		     u64 whole_sector),
	    TP_ARGS(dev, handle, operation, sector, nr_sector, whole_sector),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, handle)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
			     __field(sector_t, whole_sector)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->handle = handle;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
			   __entry->whole_sector = whole_sector;
	    ),
	    TP_printk("%d,%d %llx %s %llu + %u of %llu",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->handle,
		      dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector,
		      (unsigned long long)__entry->whole_sector)
);

/* A frame that asks for it, or for some pages of it, is about to be sent. */
TRACE_EVENT(dst_send,
	    TP_PROTO(u32 dev, u32 connection, u64 handle, u32 operation, u64 sector,
		     u32 nr_sector),
	    TP_ARGS(dev, connection, handle, operation, sector, nr_sector),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u32, connection)
			     __field(u64, handle)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->connection = connection;
			   __entry->handle = handle;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
	    ),
	    TP_printk("%d,%d connection=%u %llx %s %llu + %u",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->connection,
		      __entry->handle, dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector)
);

/* The connection that had it broke: it waits for another one, under another handle. */
TRACE_EVENT(dst_resend,
	    TP_PROTO(u32 dev, u64 handle, u64 old_handle, u32 operation, u64 sector,
		     u32 nr_sector),
	    TP_ARGS(dev, handle, old_handle, operation, sector, nr_sector),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, handle)
			     __field(u64, old_handle)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->handle = handle;
			   __entry->old_handle = old_handle;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
	    ),
	    TP_printk("%d,%d %llx %s %llu + %u was=%llx",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->handle,
		      dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector,
		      __entry->old_handle)
);

/* The header of a reply has come; the data of a read follows it. */
TRACE_EVENT(dst_receive,
	    TP_PROTO(u32 dev, u32 connection, u64 handle, u32 operation, u64 sector,
		     u32 nr_sector, u32 status),
	    TP_ARGS(dev, connection, handle, operation, sector, nr_sector, status),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u32, connection)
			     __field(u64, handle)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
			     __field(u32, status)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->connection = connection;
			   __entry->handle = handle;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
			   __entry->status = status;
	    ),
	    TP_printk("%d,%d connection=%u %llx %s %llu + %u status=%u",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->connection,
		      __entry->handle, dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector, __entry->status)
);

/* After a connection was made anew, the server still has to complete requests. */
TRACE_EVENT(dst_drain,
	    TP_PROTO(u32 dev, u32 connection, u64 left),
	    TP_ARGS(dev, connection, left),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u32, connection)
			     __field(u64, left)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->connection = connection;
			   __entry->left = left;
	    ),
	    TP_printk("%d,%d connection=%u left=%llu",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->connection, __entry->left)
);

/* The server hands a request to the device, which dev is here. */
TRACE_EVENT(dst_server_request,
	    TP_PROTO(u32 dev, u64 handle, u32 operation, u64 sector, u32 nr_sector),
	    TP_ARGS(dev, handle, operation, sector, nr_sector),
	    TP_STRUCT__entry(__field(dev_t, dev)
			     __field(u64, handle)
			     __field(u32, operation)
			     __field(sector_t, sector)
			     __field(unsigned int, nr_sector)
	    ),
	    TP_fast_assign(__entry->dev = dev;
			   __entry->handle = handle;
			   __entry->operation = operation;
			   __entry->sector = sector;
			   __entry->nr_sector = nr_sector;
	    ),
	    TP_printk("%d,%d %llx %s %llu + %u",
		      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->handle,
		      dst_show_operation(__entry->operation),
		      (unsigned long long)__entry->sector, __entry->nr_sector)
);

DECLARE_EVENT_CLASS(dst_server_done,
		    TP_PROTO(u32 dev, u64 handle, u32 operation, u64 sector, u32 nr_sector,
			     u32 status, u64 device_ns),
		    TP_ARGS(dev, handle, operation, sector, nr_sector, status, device_ns),
		    TP_STRUCT__entry(__field(dev_t, dev)
				     __field(u64, handle)
				     __field(u32, operation)
				     __field(sector_t, sector)
				     __field(unsigned int, nr_sector)
				     __field(u32, status)
				     __field(u64, device_ns)
		    ),
		    TP_fast_assign(__entry->dev = dev;
				   __entry->handle = handle;
				   __entry->operation = operation;
				   __entry->sector = sector;
				   __entry->nr_sector = nr_sector;
				   __entry->status = status;
				   __entry->device_ns = device_ns;
		    ),
		    TP_printk("%d,%d %llx %s %llu + %u status=%u device=%llu",
			      MAJOR(__entry->dev), MINOR(__entry->dev), __entry->handle,
			      dst_show_operation(__entry->operation),
			      (unsigned long long)__entry->sector, __entry->nr_sector,
			      __entry->status, __entry->device_ns)
);

/* The device is done with it. */
DEFINE_EVENT(dst_server_done, dst_server_io_done,
	     TP_PROTO(u32 dev, u64 handle, u32 operation, u64 sector, u32 nr_sector,
		      u32 status, u64 device_ns),
	     TP_ARGS(dev, handle, operation, sector, nr_sector, status, device_ns)
);

/* The reply is with the network, and so is the data of a read. */
DEFINE_EVENT(dst_server_done, dst_server_reply,
	     TP_PROTO(u32 dev, u64 handle, u32 operation, u64 sector, u32 nr_sector,
		      u32 status, u64 device_ns),
	     TP_ARGS(dev, handle, operation, sector, nr_sector, status, device_ns)
);

#endif /* _TRACE_DST_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
