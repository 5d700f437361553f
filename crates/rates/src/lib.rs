//! How often something may happen: all together ([`Rate`]), or each for itself ([`KeyedRate`]), in bounded memory.
//!
//! Both let a whole burst happen at once, and then so much as time goes by (GCRA, by the crate `governor`). What happens
//! may cost more than one.
//!
//! ```
//! use std::num::NonZeroU32;
//! use std::time::Duration;
//! use roomcast_rates::{KeyedRate, Quota};
//!
//! let twice_a_second = Quota::new(NonZeroU32::new(2).unwrap(), Duration::from_secs(1));
//! let rate = KeyedRate::new(twice_a_second, 1000);
//! assert!(rate.check(&"ann", NonZeroU32::MIN).is_ok());
//! assert!(rate.check(&"ann", NonZeroU32::MIN).is_ok());
//! let wait = rate.check(&"ann", NonZeroU32::MIN).unwrap_err();
//! assert!(wait <= Duration::from_millis(500));
//! assert!(rate.check(&"bob", NonZeroU32::MIN).is_ok());
//! ```

mod keyed;
mod quota;
mod together;

pub use keyed::KeyedRate;
pub use quota::Quota;
pub use together::Rate;
