//! Types that usually belong to modules, so that the kernel's own BTF lacks them.

/// Prefixes of type names, and the module that defines these types on Debian's kernels. A name
/// that ends with a `.` is a whole name.
const TYPES: &[(&str, &str)] = &[
    ("btrfs_", "btrfs"),
    ("datapath.", "openvswitch"),
    ("dp_upcall_info.", "openvswitch"),
    ("ext4_", "ext4"),
    ("fuse_", "fuse"),
    ("jbd2_", "jbd2"),
    ("kvm.", "kvm"),
    ("kvm_", "kvm"),
    ("net_bridge", "bridge"),
    ("nf_conn.", "nf_conntrack"),
    ("nf_conntrack_", "nf_conntrack"),
    ("nfs4_", "nfsv4"),
    ("nfs_", "nfs"),
    ("nft_", "nf_tables"),
    ("ovl_", "overlay"),
    ("ovs_", "openvswitch"),
    ("sw_flow", "openvswitch"),
    ("vcpu_svm.", "kvm_amd"),
    ("vcpu_vmx.", "kvm_intel"),
    ("veth_", "veth"),
    ("vport.", "openvswitch"),
    ("vport_", "openvswitch"),
    ("vxlan_", "vxlan"),
    ("xfs_", "xfs"),
];

/// The module that usually has a type of this name.
pub(super) fn of_type(name: &str) -> Option<&'static str> {
    let is_of = |beginning: &str| match beginning.strip_suffix('.') {
        Some(whole) => name == whole,
        None => name.starts_with(beginning),
    };
    let found = TYPES.iter().find(|(beginning, _)| is_of(beginning));
    found.map(|(_, module)| *module)
}
