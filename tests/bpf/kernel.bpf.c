/* Things of real kernels, old and new, of every kind of relocation. */
#include "core.h"

struct list_head { struct list_head *next, *prev; } CORE;
struct kuid { u32 val; } CORE;
struct mm_struct { struct { u64 start_code; u64 arg_start; }; } CORE;
struct nsproxy { void *mnt_ns; } CORE;
struct cred { struct { u32 val; } uid; } CORE;
struct signal_struct { int group_exit_code; } CORE;
struct task_struct___old { long state; } CORE;
struct task_struct {
	u32 __state;
	u32 flags;
	int pid;
	int tgid;
	char comm[16];
	struct mm_struct *mm;
	struct nsproxy *nsproxy;
	const struct cred *cred;
	u32 in_execve : 1;
	u32 in_iowait : 1;
	u32 sched_reset_on_fork : 1;
	struct list_head children;
	struct list_head thread_group;
	struct signal_struct *signal;
	u64 start_time;
	u64 real_start_time;
	u64 start_boottime;
} CORE;
struct sk_buff {
	u32 len;
	u8 cloned : 1;
	u8 pkt_type : 3;
	u8 ip_summed : 2;
	u8 encapsulation : 1;
	u32 mark;
	unsigned char *head;
	char cb[48];
} CORE;
struct sock_common { u16 skc_family; struct { u32 s6_addr32[4]; } skc_v6_daddr; u8 skc_reuse : 4; } CORE;
struct sock { struct sock_common __sk_common; u16 sk_type; u16 sk_protocol; u32 sk_type_bits : 16; } CORE;
struct tcp_sock { u32 snd_cwnd; u8 nonagle : 4; u8 is_cwnd_limited : 1; } CORE;
struct file { struct { void *dentry; } f_path; u64 f_inode; u32 f_mode; } CORE;
struct page { unsigned long flags; struct { int counter; } _refcount; u32 _mapcount; } CORE;
struct request { void *rq_disk; void *q; u32 cmd_flags; } CORE;
struct kernfs_node { u64 id; const char *name; } CORE;
struct cgroup { struct kernfs_node *kn; u64 ancestor_ids[2]; } CORE;
struct bpf_map { u32 map_type; u32 id; char name[16]; } CORE;
struct pt_regs { unsigned long ip; unsigned long sp; unsigned long regs[31]; } CORE;
struct pid_numbers { int nr; void *ns; } CORE;
struct upid { int nr; void *ns; } CORE;
struct pid { u32 level; struct upid numbers[1]; } CORE;
struct trace_event_raw_sys_enter { long id; unsigned long args[6]; } CORE;
union bpf_attr { u32 map_type; } CORE;

enum bpf_map_type { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_RINGBUF = 27, BPF_MAP_TYPE_ARENA = 33 };
enum bpf_func_id { BPF_FUNC_map_lookup_elem = 1, BPF_FUNC_ringbuf_output = 130, BPF_FUNC_unheard_of = 999 };
enum pid_type { PIDTYPE_PID, PIDTYPE_TGID, PIDTYPE_MAX };
enum cgroup_subsys_id { memory_cgrp_id = 4, pids_cgrp_id = 11 };
enum page_memcg_data_flags { MEMCG_DATA_KMEM = 2 };

typedef struct { u32 val; } kuid_t;
typedef u64 blkcnt_t;
typedef int (*filldir_t)(void *, const char *, int, s64, u64, u32);
typedef struct { u64 val; } no_such_t;

SEC("raw_tp/task") int task(struct task_struct *t)
{
	struct task_struct___old *old = (void *)t;
	EXISTS(t->__state);
	EXISTS(old->state);
	PUT(t->__state);
	PUT(old->state);
	PUT(t->flags);
	PUT(t->pid);
	PUT(t->comm[3]);
	PUT(t->mm->arg_start);
	PUT(t->nsproxy->mnt_ns);
	PUT(t->cred->uid.val);
	PUT(t->children.next);
	PUT(t->signal->group_exit_code);
	EXISTS(t->start_boottime);
	EXISTS(t->real_start_time);
	EXISTS(t->thread_group);
	ALL_OF_FIELD(t->in_execve);
	ALL_OF_FIELD(t->in_iowait);
	ALL_OF_FIELD(t->sched_reset_on_fork);
	ALL_OF_FIELD(t->pid);
	PLACE_OF(t->comm);
	PLACE_OF(t->mm);
	TYPE_SIZE(struct task_struct);
	return 0;
}

SEC("raw_tp/net") int net(struct sk_buff *skb)
{
	struct sock *sk = (void *)skb;
	struct tcp_sock *tp = (void *)skb;
	PUT(skb->len);
	PUT(skb->head);
	PUT(skb->cb[40]);
	ALL_OF_FIELD(skb->cloned);
	ALL_OF_FIELD(skb->pkt_type);
	ALL_OF_FIELD(skb->ip_summed);
	ALL_OF_FIELD(skb->encapsulation);
	PUT(sk->__sk_common.skc_family);
	PUT(sk->__sk_common.skc_v6_daddr.s6_addr32[2]);
	ALL_OF_FIELD(sk->__sk_common.skc_reuse);
	ALL_OF_FIELD(sk->sk_protocol);
	ALL_OF_FIELD(sk->sk_type);
	PUT(tp->snd_cwnd);
	ALL_OF_FIELD(tp->nonagle);
	ALL_OF_FIELD(tp->is_cwnd_limited);
	return 0;
}

SEC("raw_tp/rest") int rest(void *p)
{
	struct file *file = p;
	struct page *page = p;
	struct request *request = p;
	struct cgroup *cgroup = p;
	struct bpf_map *map = p;
	struct pt_regs *regs = p;
	struct pid *pid = p;
	struct trace_event_raw_sys_enter *enter = p;
	union bpf_attr *attr = p;
	PUT(file->f_path.dentry);
	PUT(file->f_mode);
	ALL_OF_FIELD(file->f_inode);
	PUT(page->_refcount.counter);
	ALL_OF_FIELD(page->_mapcount);
	ALL_OF_FIELD(page->flags);
	EXISTS(request->rq_disk);
	PUT(request->q);
	PUT(request->cmd_flags);
	PUT(cgroup->kn->id);
	PLACE_OF(cgroup->ancestor_ids[1]);
	ALL_OF_FIELD(map->map_type);
	PUT(map->name[5]);
	EXISTS(regs->ip);
	EXISTS(regs->regs[30]);
	PUT(regs->regs[8]);
	PUT(pid->numbers[0].nr);
	PUT(enter->args[5]);
	ALL_OF_FIELD(attr->map_type);
	return 0;
}

SEC("raw_tp/enums") int enums(void)
{
	ENUMVAL_EXISTS(enum bpf_map_type, BPF_MAP_TYPE_RINGBUF);
	ENUMVAL_EXISTS(enum bpf_map_type, BPF_MAP_TYPE_ARENA);
	ENUMVAL_VALUE(enum bpf_map_type, BPF_MAP_TYPE_HASH);
	ENUMVAL_EXISTS(enum bpf_func_id, BPF_FUNC_ringbuf_output);
	ENUMVAL_VALUE(enum bpf_func_id, BPF_FUNC_map_lookup_elem);
	ENUMVAL_VALUE(enum bpf_func_id, BPF_FUNC_unheard_of);
	ENUMVAL_VALUE(enum pid_type, PIDTYPE_MAX);
	ENUMVAL_VALUE(enum cgroup_subsys_id, memory_cgrp_id);
	ENUMVAL_VALUE(enum cgroup_subsys_id, pids_cgrp_id);
	ENUMVAL_VALUE(enum page_memcg_data_flags, MEMCG_DATA_KMEM);
	return 0;
}

SEC("raw_tp/types") int types(void)
{
	TYPE_ID_LOCAL(struct task_struct);
	TYPE_ID_TARGET(struct task_struct);
	ALL_OF_TYPE(struct list_head);
	ALL_OF_TYPE(struct upid);
	ALL_OF_TYPE(struct pid_numbers);
	ALL_OF_TYPE(union bpf_attr);
	ALL_OF_TYPE(enum pid_type);
	ALL_OF_TYPE(kuid_t);
	ALL_OF_TYPE(blkcnt_t);
	ALL_OF_TYPE(filldir_t);
	ALL_OF_TYPE(no_such_t);
	TYPE_MATCHES(struct kernfs_node);
	TYPE_MATCHES(struct mm_struct);
	TYPE_MATCHES(struct pt_regs);
	return 0;
}
