//! The settings: one documented struct ([`Settings`]), from which the sample file, the documentation and the checks
//! come.
//!
//! Built-in defaults, then the TOML file, then variables `ROOMCAST__SECTION__KEY`. All mistakes are found at once and
//! reported together, with key, source and hint, before a port is bound.

mod check;
mod load;
mod mask;
mod problem;
mod reference;
mod sample;
mod settings;
mod validate;

pub(crate) use mask::masked;
pub(crate) use validate::{check as check_settings, is_namespace};

pub use load::{Origin, load};
pub use mask::masked_toml;
pub use problem::{Problem, Problems};
pub use reference::reference;
pub use sample::sample;
pub use settings::{
    ControlCharacters, EventSettings, Expire, Html, IdentityKind, IdentitySettings, InternalSettings,
    JwtSettings, LimitAction, LimitSettings, LogFormat, LogSettings, NamespaceSettings, NodeSettings, Per,
    PresenceSettings, Publish, RedisMode, RedisSettings, Scope, ServerSettings, Settings, SocketIoSettings,
    Subscriptions, TelemetrySettings, TextSettings, To, TokenFrom, TransportName, WebhookSettings,
};

#[cfg(test)]
mod tests;
