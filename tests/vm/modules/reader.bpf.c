// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Reads fields of types that the kernel's own BTF lacks: a port that is added to
// openvswitch, and nf_conntrack's counters of a connection whose first packet passed.
// The hole at the start of each struct makes every unrelocated access wrong.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define KERNEL __attribute__((preserve_access_index))
#define HOLE u8 hole[4096]

// The kernel's own.
struct net_device { HOLE; int ifindex; } KERNEL;
struct sk_buff { HOLE; unsigned long _nfct; } KERNEL;
struct nf_ct_ext { HOLE; u8 offset[4]; } KERNEL;
struct nf_conn { HOLE; struct nf_ct_ext *ext; } KERNEL;
enum nf_ct_ext_id { NF_CT_EXT_ACCT = 77 };

// From openvswitch and nf_conntrack.
struct vport { HOLE; struct net_device *dev; u16 port_no; } KERNEL;
typedef struct { long long counter; } atomic64_t;
struct nf_conn_counter { HOLE; atomic64_t packets; atomic64_t bytes; } KERNEL;
struct nf_conn_acct { struct nf_conn_counter counter[2]; } KERNEL;

// The context of a kprobe on x86_64.
struct pt_regs { u64 before_ax[10], ax, cx, dx, si, di; };

static long (*const bpf_probe_read_kernel)(void *to, u32 size, const void *from) = (void *)113;

#define read(to, place) \
	bpf_probe_read_kernel(&(to), sizeof(to), __builtin_preserve_access_index(&(place)))

// The port's number and its device; packets and bytes.
u64 seen[4];

SEC("kretprobe/ovs_vport_add") int port(struct pt_regs *ctx)
{
	struct vport *vport = (void *)ctx->ax;
	struct net_device *device = 0;
	u16 port_no = 0;
	int ifindex = 0;

	read(port_no, vport->port_no);
	read(device, vport->dev);
	read(ifindex, device->ifindex);
	seen[0] = port_no;
	seen[1] = ifindex;
	return 0;
}

SEC("kprobe/__nf_conntrack_confirm") int connection(struct pt_regs *ctx)
{
	struct sk_buff *skb = (void *)ctx->di;
	struct nf_conn *conn = 0;
	struct nf_ct_ext *ext = 0;
	unsigned long nfct = 0;
	u8 offset = 0;

	read(nfct, skb->_nfct);
	conn = (void *)(nfct & ~7UL);
	read(ext, conn->ext);
	u64 acct = __builtin_preserve_enum_value(*(enum nf_ct_ext_id *)NF_CT_EXT_ACCT, 1);
	const u8 *offsets = __builtin_preserve_access_index(&ext->offset[0]);
	bpf_probe_read_kernel(&offset, sizeof(offset), offsets + acct);
	struct nf_conn_acct *counted = (void *)ext + offset;
	read(seen[2], counted->counter[0].packets.counter);
	read(seen[3], counted->counter[0].bytes.counter);
	return 0;
}

SEC("license") char LICENSE[] = "GPL";
