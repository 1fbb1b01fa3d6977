//! Settings of the configuration server that the backend asks.

use super::{Setting, secret, setting};

pub(super) const CONFIGURATION: &[Setting] = &[
    secret(setting(
        "SPEARGUN_CONFIGURATION_URI",
        "",
        "configuration servers to ask for settings and to follow, as http://host:8888",
    )),
    setting(
        "SPEARGUN_CONFIGURATION_NAME",
        "speargun",
        "the application to ask for",
    ),
    setting(
        "SPEARGUN_CONFIGURATION_PROFILES",
        "default",
        "the profiles to ask for",
    ),
    setting(
        "SPEARGUN_CONFIGURATION_LABEL",
        "",
        "the label to ask for; the server's default when not set",
    ),
    setting(
        "SPEARGUN_CONFIGURATION_INTERVAL",
        "1s",
        "how often the configuration server is asked",
    ),
];
