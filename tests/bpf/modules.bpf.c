/* Types of modules, from ten subsystems and more: reads, sizes, what is there. */
#include "core.h"

struct list_head { struct list_head *next, *prev; } CORE;
struct net_device { int mtu; } CORE;
struct mutex { u64 owner; } CORE;
struct inode { u64 i_ino; } CORE;
struct module { int state; char name[56]; } CORE;

/* openvswitch */
struct vport;
struct vport_ops { int type; struct vport *(*create)(const void *parms); void *owner; } CORE;
struct vport { u16 port_no; struct net_device *dev; const struct vport_ops *ops; } CORE;
struct dp_upcall_info { u8 cmd; u32 portid; int actions_len; u16 mru; } CORE;
struct flow_table { u32 count; } CORE;
struct datapath { u32 user_features; struct flow_table table; } CORE;
struct sw_flow { int stats_last_writer; } CORE;

SEC("kprobe/openvswitch") int openvswitch(struct vport *vport)
{
	struct dp_upcall_info *info = (void *)vport;
	struct datapath *dp = (void *)vport;
	struct sw_flow *flow = (void *)vport;

	PUT(vport->port_no);
	PUT(vport->dev->mtu);
	PUT(vport->ops->type);
	PUT(vport->ops->owner);
	PUT(info->cmd);
	PUT(info->portid);
	PUT(info->actions_len);
	PUT(info->mru);
	PUT(dp->user_features);
	PUT(dp->table.count);
	BYTE_SIZE(dp->table);
	EXISTS(flow->stats_last_writer);
	TYPE_SIZE(struct vport);
	TYPE_EXISTS(struct vport);
	TYPE_MATCHES(struct vport_ops);
	return 0;
}

/* nf_conntrack: some are in vmlinux, depending on the kernel */
enum nf_ct_ecache_state { NFCT_ECACHE_DESTROY_FAIL = 9 };
struct nf_conn { u64 status; u32 timeout; u32 mark; u16 cpu; } CORE;
struct nf_conntrack_net { u32 expect_count; u32 users4; u8 sysctl_checksum; } CORE;
struct nf_conntrack_expect { u32 flags; u32 class; } CORE;

SEC("kprobe/nf_conntrack") int nf_conntrack(struct nf_conn *ct)
{
	struct nf_conntrack_net *net = (void *)ct;
	struct nf_conntrack_expect *expect = (void *)ct;

	PUT(ct->status);
	PUT(ct->timeout);
	EXISTS(ct->mark);
	PUT(net->expect_count);
	PUT(net->users4);
	EXISTS(net->sysctl_checksum);
	PUT(expect->flags);
	PUT(expect->class);
	ENUMVAL_VALUE(enum nf_ct_ecache_state, NFCT_ECACHE_DESTROY_FAIL);
	TYPE_SIZE(struct nf_conntrack_net);
	return 0;
}

/* nf_tables */
struct nft_rule { u64 handle : 42, genmask : 2, dlen : 12, udata : 1; } CORE;
struct nft_table { u32 use; u64 handle; u16 flags; } CORE;
struct nft_trans { int msg_type; } CORE;

SEC("kprobe/nf_tables") int nf_tables(struct nft_rule *rule)
{
	struct nft_table *table = (void *)rule;
	struct nft_trans *trans = (void *)rule;

	ALL_OF_FIELD(rule->handle);
	ALL_OF_FIELD(rule->dlen);
	PUT(table->use);
	PUT(table->handle);
	EXISTS(table->flags);
	PUT(trans->msg_type);
	return 0;
}

/* kvm; kvm_intel and kvm_amd know different structs of their own */
struct kvm_vcpu { int vcpu_id; int cpu; u64 guest_debug; struct mutex mutex; u64 requests; } CORE;
struct kvm_mmu_page { u64 gfn; u8 unsync; } CORE;
struct vcpu_vmx { struct kvm_vcpu vcpu; u8 fail; u32 exit_qualification; } CORE;
struct vcpu_svm { struct kvm_vcpu vcpu; u64 vmcb_pa; } CORE;

SEC("kprobe/kvm") int kvm(struct kvm_vcpu *vcpu)
{
	struct kvm_mmu_page *page = (void *)vcpu;
	struct vcpu_vmx *vmx = (void *)vcpu;
	struct vcpu_svm *svm = (void *)vcpu;

	PUT(vcpu->vcpu_id);
	PUT(vcpu->cpu);
	PUT(vcpu->requests);
	BYTE_OFFSET(vcpu->mutex.owner);
	PUT(page->gfn);
	PUT(page->unsync);
	PUT(vmx->vcpu.vcpu_id);
	PUT(vmx->fail);
	PUT(svm->vmcb_pa);
	PUT(svm->vcpu.cpu);
	return 0;
}

/* xfs */
struct xfs_mount { u32 m_blocksize; u8 m_blkbit_log; } CORE;
struct xfs_inode { u64 i_ino; struct xfs_mount *i_mount; u32 i_projid; struct inode i_vnode; } CORE;
enum xfs_blft { XFS_BLFT_DINO_BUF = 77 };

SEC("kprobe/xfs") int xfs(struct xfs_inode *inode)
{
	PUT(inode->i_ino);
	PUT(inode->i_mount->m_blocksize);
	PUT(inode->i_mount->m_blkbit_log);
	PUT(inode->i_vnode.i_ino);
	EXISTS(inode->i_projid);
	ENUMVAL_EXISTS(enum xfs_blft, XFS_BLFT_DINO_BUF);
	ENUMVAL_VALUE(enum xfs_blft, XFS_BLFT_DINO_BUF);
	return 0;
}

/* overlay */
struct ovl_inode { u64 version; u64 flags; struct inode vfs_inode; struct mutex lock; } CORE;
struct ovl_fs { u32 numlayer; long namelen; _Bool noxattr; } CORE;

SEC("kprobe/overlay") int overlay(struct ovl_inode *inode)
{
	struct ovl_fs *fs = (void *)inode;

	PUT(inode->version);
	PUT(inode->flags);
	PUT(inode->vfs_inode.i_ino);
	PUT(fs->numlayer);
	PUT(fs->namelen);
	EXISTS(fs->noxattr);
	TYPE_SIZE(struct ovl_inode);
	return 0;
}

/* fuse */
struct fuse_inode { u64 nodeid; u64 nlookup; struct inode inode; u64 i_time; } CORE;
struct fuse_conn { u32 max_read; u32 max_write; u32 minor; } CORE;

SEC("kprobe/fuse") int fuse(struct fuse_inode *inode)
{
	struct fuse_conn *conn = (void *)inode;

	PUT(inode->nodeid);
	PUT(inode->nlookup);
	PUT(inode->inode.i_ino);
	EXISTS(inode->i_time);
	PUT(conn->max_read);
	PUT(conn->max_write);
	PUT(conn->minor);
	return 0;
}

/* nfs */
struct nfs_server { u32 rsize; u32 wsize; struct list_head client_link; } CORE;
struct nfs_open_context { u32 mode; u64 flags; int error; } CORE;

SEC("kprobe/nfs") int nfs(struct nfs_server *server)
{
	struct nfs_open_context *context = (void *)server;

	PUT(server->rsize);
	PUT(server->wsize);
	PUT(server->client_link.next);
	PUT(context->mode);
	PUT(context->flags);
	PUT(context->error);
	return 0;
}

/* bridge */
struct net_bridge { u16 default_pvid; struct net_device *dev; u64 options; } CORE;
struct net_bridge_port { struct net_bridge *br; u8 priority; u8 state; u16 port_no; } CORE;

SEC("kprobe/bridge") int bridge(struct net_bridge_port *port)
{
	PUT(port->br->default_pvid);
	PUT(port->br->dev->mtu);
	PUT(port->br->options);
	PUT(port->priority);
	PUT(port->state);
	PUT(port->port_no);
	return 0;
}

/* veth */
struct veth_rq { struct net_device *dev; _Bool rx_notify_masked; } CORE;
struct veth_priv { u32 requested_headroom; struct net_device *peer; struct veth_rq *rq; } CORE;

SEC("kprobe/veth") int veth(struct veth_priv *priv)
{
	PUT(priv->requested_headroom);
	PUT(priv->peer->mtu);
	PUT(priv->rq->rx_notify_masked);
	PUT(priv->rq->dev->mtu);
	TYPE_SIZE(struct veth_rq);
	return 0;
}

/* ext4 and btrfs */
struct ext4_sb_info { u64 s_blocks_per_group; u32 s_mount_opt; } CORE;
struct btrfs_fs_info { u64 flags; u8 chunk_tree_uuid[16]; u32 nodesize; } CORE;

SEC("kprobe/filesystems") int filesystems(struct ext4_sb_info *sb)
{
	struct btrfs_fs_info *info = (void *)sb;

	PUT(sb->s_blocks_per_group);
	PUT(sb->s_mount_opt);
	PUT(info->flags);
	PUT(info->chunk_tree_uuid[3]);
	PUT(info->nodesize);
	return 0;
}

/* A name that several modules have, and those of the kernel's own that modules
 * have as well, in their own variants. */
struct priv { u32 flags; void *dev; } CORE;
struct ring { u32 size; } CORE;
enum state { STATE_OFF = 1 };
struct sk_buff { u32 len; struct net_device *dev; } CORE;
struct task_struct { int pid; } CORE;

SEC("kprobe/several") int several(struct priv *priv)
{
	struct module *module = (void *)priv;
	struct sk_buff *skb = (void *)priv;
	struct task_struct *task = (void *)priv;

	PUT(module->state);
	PUT(module->name[5]);
	PUT(skb->len);
	PUT(skb->dev->mtu);
	PUT(task->pid);
	TYPE_EXISTS(struct priv);
	return 0;
}
