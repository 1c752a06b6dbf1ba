//! Tailors kernel BTF to eBPF objects.
