//! Functions that mostly are in modules, whose BTF the kernel's does not hold.

/// Beginnings of the names of functions and events of parts that distributions build as
/// modules. Where a kernel's BTF has no function of the family, it is not known whether
/// the part is a module there or not built at all.
const FAMILIES: &[&str] = &[
    "amdgpu_",
    "bcachefs_",
    "bond_",
    "br_",
    "btrfs_",
    "bch2_",
    "cachefiles_",
    "ceph_",
    "cifs_",
    "dm_",
    "drm_",
    "erofs_",
    "exfat_",
    "ext4_",
    "f2fs_",
    "fat_",
    "fscache_",
    "fuse_",
    "gfs2_",
    "i915_",
    "iscsi_",
    "iwl_",
    "jbd2_",
    "kvm_",
    "libceph_",
    "mac80211_",
    "mlx4_",
    "mlx5_",
    "netfs_",
    "nf_conntrack_",
    "nf_nat_",
    "nf_tables_",
    "nfs4_",
    "nfs_",
    "nfsd_",
    "nft_",
    "ntfs_",
    "nvme_",
    "ocfs2_",
    "ovl_",
    "ovs_",
    "rpc_",
    "rxrpc_",
    "sctp_",
    "smb2_",
    "smb3_",
    "snd_",
    "squashfs_",
    "sunrpc_",
    "svc_",
    "svm_",
    "tun_",
    "udf_",
    "veth_",
    "vhost_",
    "vmx_",
    "vxlan_",
    "wg_",
    "xfs_",
    "xprt_",
    "zfs_",
    "zpl_",
];

/// The family of a name.
pub(super) fn family(name: &str) -> Option<&'static str> {
    FAMILIES
        .iter()
        .copied()
        .find(|family| name.starts_with(family))
}
