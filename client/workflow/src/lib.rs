//! Workflows: a chain of steps over models, in which each step's text goes into the next step's
//! prompt.
//!
//! A [`Workflow`] is read from TOML and checked in full before anything is paid. [`run`] takes it
//! through anything that can [`Generate`]: [`Direct`] pays the workers of the network from this
//! process, [`Server`] asks a server that speaks Ollama's or OpenAI's API. The result holds every
//! intermediate with its six metrics, its network duration and its cost.
//!
//! A step that fails ends the workflow with an error that names it: its message never becomes the
//! next step's prompt. A [`matrix`] measures a workflow over prompts, models and front-ends.
#![forbid(unsafe_code)]
#![warn(unreachable_pub)]

pub mod number;

mod template;

mod definition;

mod http;

mod generate;

mod direct;

mod server;

mod front_end;

mod run;

pub mod matrix;

pub use definition::{BUILT_IN, DefinitionError, Step, Workflow};
pub use direct::Direct;
pub use front_end::{FrontEnd, FrontEndKind};
pub use generate::{Generate, GenerateError, Metrics, StepReply, StepRequest};
pub use http::HttpError;
pub use run::{Event, Finished, StepResult, WorkflowError, run};
pub use server::{Api, Server};
