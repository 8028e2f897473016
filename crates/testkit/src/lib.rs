//! A world of its own for every test: a database, a virtual host, an index, a blob folder and, where
//! wanted, a web site, the real services as processes, and connections that can be cut.
//!
//! ```no_run
//! # async fn test() {
//! use tusou_testkit::{Service, Site, World, pictures};
//!
//! let world = World::new("one_picture").await;
//! let site = Site::start().await;
//! site.png("/red.png", pictures::png(1));
//! site.html("/", r#"<img src="/red.png" alt="red">"#);
//! let crawler = Service::spawn(&world, "tusou-crawler").await;
//! // …
//! assert_eq!(world.documents().await.len(), 1);
//! # drop(crawler);
//! world.end().await;
//! # }
//! ```
//!
//! The stores are the real ones, at the addresses of the environment (`eval "$(make -s env)"`) or of
//! the local stack's configuration. A missing one fails the test: none is skipped. Whatever a test
//! cannot use panics with the reason.

mod addresses;
pub mod browser;
mod chain;
pub mod chaos;
mod fuzz;
mod gallery;
mod mutants;
pub mod pictures;
mod ports;
mod proxy;
mod s3;
mod service;
mod site;
mod splitmix;
mod stack;
mod wait;
pub mod ways;
mod world;

pub use addresses::INNER_HOSTS;
pub use chain::{Chain, Shown, tusou};
pub use fuzz::Fuzz;
pub use gallery::{Expected, Gallery};
pub use mutants::Mutants;
pub use ports::free_port;
pub use proxy::Proxy;
pub use s3::S3;
pub use service::{Service, binary, command};
pub use site::{Reply, Request, Site};
pub use splitmix::SplitMix64;
pub use stack::Stack;
pub use wait::{wait_for, wait_until};
pub use world::World;
