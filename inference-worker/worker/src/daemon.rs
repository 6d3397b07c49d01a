//! `mica-worker run`: the tasks of a serving worker, started in order and stopped in reverse.
//!
//! `ready` makes everything that one chain needs and registers, `tasks` starts what serves it, and
//! [`serve()`] ends it in order. All tasks share one `context`. `session_actor` is the middle: it
//! owns sessions and money; what waits for the disk is in `parking`, what waits for the registry in
//! `neighbours`, which `lookups` reads. `acquaintances` tells the network who is in the registry,
//! and `reach` people whether others come in. `watch` tells it about the chain, of the channels
//! that are `followed`, and `redeem` turns its promises into money. `reconcile` keeps the
//! registration alive and true: it compares it with what the worker is (`compare`), looks for
//! `duplicates` and `repair`s what differs, held back by a `backoff`. `prices`, `costs` and
//! `migrator` follow the market, `weights` fetches what new layers need, `pauses` follow the
//! machine's owner, and `tally` counts why work came or did not; whoever changes the registration
//! holds the `registration_lock`. `origin` notices a chain that starts anew. `status` lets others
//! look in.

pub(crate) mod serve;

pub(crate) mod origin;

pub(crate) mod range;

pub(crate) mod network;

pub(crate) mod register;

pub(crate) mod ready;

mod context;

mod tasks;

mod request;

mod session_handle;

mod offers;

mod neighbours;

mod lookups;

mod acquaintances;

mod reach;

mod parking;

mod session_actor;

mod followed;

pub(crate) mod watch;

pub(crate) mod redeem;

pub(crate) mod compare;

mod backoff;

mod duplicates;

mod registration_lock;

mod heartbeat;

mod reconcile;

mod repair;

pub(crate) mod weights;

mod layers;

mod prices;

mod costs;

mod pauses;

pub(crate) mod metrics;

pub(crate) mod tally;

mod migrator;

mod standing;

pub(crate) mod status;

pub(crate) use serve::{register, serve};
