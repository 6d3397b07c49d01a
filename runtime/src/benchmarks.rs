//! Pallets whose weights are measured on the composed runtime. `frame-omni-bencher` calls them
//! through the `Benchmark` runtime API.

frame_benchmarking::define_benchmarks!(
    [frame_benchmarking, BaselineBench::<Runtime>]
    [frame_system, SystemBench::<Runtime>]
    [frame_system_extensions, SystemExtensionsBench::<Runtime>]
    [pallet_bags_list, VoterList]
    [pallet_balances, Balances]
    [pallet_proxy, Proxy]
    [pallet_staking, Staking]
    [pallet_timestamp, Timestamp]
    [pallet_transaction_payment, TransactionPayment]
    [pallet_utility, Utility]
    [pallet_mica_clock, Clock]
    [pallet_mica_seats, Seats]
    [pallet_mica_registry, Registry]
    [pallet_mica_channels, Channels]
    [pallet_mica_sla, Sla]
    [pallet_mica_receipts, Receipts]
);
